"""A mean in the reference world from few runs there and many in a simulator that go with them: control variates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from scenarios.statistics import Interval

LEAST_PAIRS = 3
"""The interval has two degrees of freedom fewer than there are pairs."""


@dataclass(frozen=True, kw_only=True)
class ControlVariateMean:
    """An estimate of the reference's mean.

    Args:
        estimate: with its interval.
        alone: what the reference's runs say without the simulator's, with Student's interval.
        coefficient: by which the simulator's mean counts.
        correlation: of the pairs; 0 where one side is constant.
        effective_runs: of the reference alone that would have been as exact; NaN where the pairs' reference runs are
            all alike, which leaves both intervals without width and says nothing.
        num_pairs: runs in both.
        num_more: further runs in the simulator.
    """

    estimate: Interval
    alone: Interval
    coefficient: float
    correlation: float
    effective_runs: float
    num_pairs: int
    num_more: int


def control_variate_mean(
    *,
    reference: Sequence[float] | np.ndarray,
    simulator: Sequence[float] | np.ndarray,
    more: Sequence[float] | np.ndarray,
    confidence: float = 0.95,
) -> ControlVariateMean:
    """Estimate the mean of the reference as Sim2Val does (Luo et al. 2025, "Sim2Val: Leveraging Correlation Across Test
    Platforms for Variance-Reduced Metric Estimation", CoRL; control variates: Lavenberg and Welch 1981).

    Of n pairs (F, G) and k further runs G', with the correlation ρ of the pairs:

        μ = mean(F) - β (mean(G) - mean(G')),   β = cov(F, G) / var(G) · k / (n + k),
        var(μ) = var(F) / n · (1 - ρ² k / (n + k)).

    μ is unbiased for any fixed β, however wrong the simulator: a poor one has ρ near 0 and saves nothing. Since β is
    estimated from the same pairs, the part of var(F) that the simulator does not explain counts (n - 1) / (n - 2)
    times, and the interval is Student's with n - 2 degrees of freedom.

    Args:
        reference: F, [n], of independent starts.
        simulator: G of the same starts, [n].
        more: G' of further independent starts of the same distribution, [k].
        confidence: of the intervals.

    Raises:
        ValueError: fewer than LEAST_PAIRS pairs or no further run, or a value that is not finite.
    """
    f, g, others = (np.asarray(values, np.float64) for values in (reference, simulator, more))
    n, k = len(f), len(others)
    if f.shape != g.shape or f.ndim != 1 or n < LEAST_PAIRS or k < 1:
        raise ValueError(
            f"control variates need at least {LEAST_PAIRS} pairs and a further run of the simulator, got "
            f"{f.shape} and {g.shape} paired, {others.shape} more"
        )
    if not (np.isfinite(f).all() and np.isfinite(g).all() and np.isfinite(others).all()):
        raise ValueError("control variates need finite values")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")

    (var_f, covariance), (_, var_g) = np.cov(f, g).tolist()
    known = var_f > 0 and var_g > 0
    correlation = covariance / math.sqrt(var_f * var_g) if known else 0.0
    coefficient = covariance / var_g * k / (n + k) if known else 0.0
    estimate = float(f.mean() - coefficient * (g.mean() - others.mean()))

    explained = correlation**2 if known else 0.0
    variance = var_f * ((1 - explained) / n * (n - 1) / (n - 2) + explained / (n + k))
    return ControlVariateMean(
        estimate=_student(estimate, variance, n - 2, confidence),
        alone=_student(float(f.mean()), var_f / n, n - 1, confidence),
        coefficient=coefficient,
        correlation=correlation,
        effective_runs=var_f / variance if variance > 0 else math.nan,
        num_pairs=n,
        num_more=k,
    )


def _student(mean: float, variance: float, freedom: int, confidence: float) -> Interval:
    half = float(special.stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(variance)
    return Interval(estimate=mean, low=mean - half, high=mean + half)
