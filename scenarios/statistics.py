"""Failure rates with Clopper–Pearson intervals, bootstrap means, sample sizes. Valid for independent draws only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its confidence interval."""

    estimate: float
    low: float
    high: float


def clopper_pearson(num_failures: int, num_trials: int, confidence: float = 0.95) -> Interval:
    """The exact two-sided interval of a failure rate (Clopper and Pearson 1934).

    Args:
        num_failures: at least 0, at most `num_trials`.
        num_trials: at least 1, drawn independently.
        confidence: in (0, 1).

    Raises:
        ValueError: the counts are impossible, or the confidence is.
    """
    _check_counts(num_failures, num_trials, confidence)
    k, n, tail = num_failures, num_trials, (1 - confidence) / 2
    low = 0.0 if k == 0 else float(stats.beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(stats.beta.ppf(1 - tail, k + 1, n - k))
    return Interval(estimate=k / n, low=low, high=high)


def upper_bound(num_failures: int, num_trials: int, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a failure rate; same arguments and errors as `clopper_pearson`."""
    _check_counts(num_failures, num_trials, confidence)
    if num_failures == num_trials:
        return 1.0
    return float(stats.beta.ppf(confidence, num_failures + 1, num_trials - num_failures))


def trials_without_failure(rate: float, confidence: float = 0.95) -> int:
    """How many trials without a failure show, one-sided, that the failure rate is below `rate`.

    Raises:
        ValueError: rate or confidence is not in (0, 1).
    """
    for name, value in (("rate", rate), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be in (0, 1), got {value}")
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate))


def bootstrap_mean(
    values: Sequence[float] | np.ndarray,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
) -> Interval:
    """The mean of independent values and its percentile bootstrap interval (Efron 1979).

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError(f"bootstrap_mean needs finite values [n] with n at least 1, got {x}")
    means = x[rng.integers(len(x), size=(num_resamples, len(x)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate=float(x.mean()), low=float(low), high=float(high))


def _check_counts(num_failures: int, num_trials: int, confidence: float) -> None:
    if num_trials < 1:
        raise ValueError(f"num_trials must be at least 1, got {num_trials}")
    if not 0 <= num_failures <= num_trials:
        raise ValueError(f"num_failures must be in [0, {num_trials}], got {num_failures}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
