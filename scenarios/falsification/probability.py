"""Estimators of a failure's probability: plain Monte Carlo, and importance sampling by the cross-entropy method.

All see a limit state function over standard normal coordinates: negative is a failure. What is asked for is the
probability of a failure among the valid draws of the declared distribution, as `drivedit validate` has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scenarios.falsification.cross_entropy import Gaussian
from scenarios.statistics import Interval, clopper_pearson

PILOT_SHARE = 0.5
"""Of the runs, at most as many fit the proposal."""
MAX_PILOTS = 5
"""Rounds of them."""
PILOT_ELITE = 0.2
"""Of a round, what the next proposal is fitted to, until as many fail."""
LEAST_SPREAD = 1.0
"""Of the proposal, in standard deviations of the declared distribution: a narrower one misses failures beside it."""
DEFENSIVE_SHARE = 0.2
"""Of the draws, as many are of the declared distribution itself: no weight exceeds 1 / share (Hesterberg 1995)."""
BATCH = 32
"""Draws that are evaluated at once."""


class LimitState(Protocol):
    """What is asked about, over standard normal coordinates."""

    @property
    def num_axes(self) -> int:
        """d."""
        ...

    def admits(self, points: np.ndarray) -> np.ndarray:
        """Which of points [n, d] are drawn at all, bool [n]; costs nothing."""
        ...

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Of points [n, d] that are admitted, [n]: negative for a failure, NaN for a drive that says nothing."""
        ...


@dataclass(frozen=True, kw_only=True)
class Level:
    """Of a subset simulation, or a round of the fit of a proposal.

    Args:
        threshold: the limit state function is at most this in the next one.
        share: of the valid draws that are.
        acceptance: of the moves that led to them; None where they were drawn.
    """

    threshold: float
    share: float
    acceptance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A probability of failure.

    Args:
        method: by which it was found.
        probability: with its 95 % interval; None where nothing can be said.
        num_draws: that were evaluated in all.
        num_valid: of those that the estimate rests on.
        num_failed: of these.
        effective_size: of the weighted valid draws, (Σw)² / Σw² (Kish 1965); None where no weights are.
        effective_failures: the same of the failures alone.
        levels: on the way.
        note: what speaks against it, or how the interval comes about.
    """

    method: str
    probability: Interval | None
    num_draws: int
    num_valid: int
    num_failed: int
    effective_size: float | None = None
    effective_failures: float | None = None
    levels: tuple[Level, ...] = ()
    note: str = ""


def monte_carlo(problem: LimitState, num_draws: int, rng: np.random.Generator) -> Estimate:
    """Draws of the declared distribution, with the Clopper–Pearson interval."""
    values = np.concatenate(
        [problem.evaluate(draw_admitted(problem, min(BATCH, num_draws - k), rng)) for k in range(0, num_draws, BATCH)]
    )
    valid = np.isfinite(values)
    failed, num = int((values < 0).sum()), int(valid.sum())
    return Estimate(
        method="monte-carlo",
        probability=clopper_pearson(failed, num) if num else None,
        num_draws=num_draws,
        num_valid=num,
        num_failed=failed,
        note="Clopper–Pearson interval" if num else "no draw is valid",
    )


def importance_sampling(problem: LimitState, num_draws: int, rng: np.random.Generator) -> Estimate:
    """Draws of a Gaussian fitted to failures by the cross-entropy method (Rubinstein and Kroese 2004), mixed with the
    declared distribution, each weighted by w = p / (α p + (1 − α) q).

    The estimate Σ w·failed / Σ w·valid is self-normalised, since what is asked for is a share of the valid draws, and
    since nobody knows how much of the declared distribution a scenario's condition leaves. For a rare failure that is
    good only with the defensive share α: it keeps Σ w near its mean. The interval is by the delta method, on the logit.
    """
    proposal, levels, num_pilot = _fit_proposal(problem, num_draws, rng)
    points, weights, declared = _draw_mixture(problem, proposal, num_draws - num_pilot, rng)
    values = np.concatenate([problem.evaluate(part) for part in _batches(points)])
    valid, failed = np.isfinite(values), values < 0
    counts = {
        "num_draws": num_draws,
        "num_valid": int(valid.sum()),
        "num_failed": int(failed.sum()),
        "levels": levels,
        "effective_size": _effective(weights[valid]),
        "effective_failures": _effective(weights[failed]),
    }
    if not valid.any():
        return Estimate(method="importance-sampling", probability=None, note="no draw is valid", **counts)
    if not failed.any():
        bound = clopper_pearson(0, max(int((valid & declared).sum()), 1)).high
        note = "no draw failed: the bound is that of the draws of the declared distribution alone"
        return Estimate(
            method="importance-sampling", probability=Interval(estimate=0.0, low=0.0, high=bound), note=note, **counts
        )
    total = weights[valid].sum()
    share = float(weights[failed].sum() / total)
    n = len(values)
    deviation = float(np.sqrt(n / (n - 1) * np.sum((weights * (failed - share * valid)) ** 2)) / total)
    few = counts["effective_failures"] < 10
    return Estimate(
        method="importance-sampling",
        probability=_logit_interval(share, deviation),
        note="delta method; too few effective failures for its interval to be trusted" if few else "delta method",
        **counts,
    )


def draw_admitted(
    problem: LimitState,
    num: int,
    rng: np.random.Generator,
    draw: Callable[[int], np.ndarray] | None = None,
) -> np.ndarray:
    """The first `num` points [num, d] that the problem admits, of the declared distribution or of another.

    Raises:
        ValueError: it admits none of very many.
    """
    found: list[np.ndarray] = []
    count = tries = 0
    while count < num:
        size = max(2 * (num - count), 16)
        points = rng.standard_normal((size, problem.num_axes)) if draw is None else draw(size)
        found.append(points[problem.admits(points)])
        count, tries = count + len(found[-1]), tries + size
        if tries > 100_000 and count < tries * 1e-4:
            raise ValueError(f"{count} of {tries} draws meet the condition")
    return np.concatenate(found)[:num]


def _fit_proposal(
    problem: LimitState, num_draws: int, rng: np.random.Generator
) -> tuple[Gaussian, tuple[Level, ...], int]:
    """A Gaussian near the failures, the rounds that led there, and how many draws they took."""
    size = max(int(PILOT_SHARE * num_draws / MAX_PILOTS), 10)
    proposal, levels, spent = Gaussian.standard(problem.num_axes), [], 0
    for _ in range(MAX_PILOTS):
        if spent + size > PILOT_SHARE * num_draws:
            break
        now = proposal
        points = draw_admitted(problem, size, rng, lambda num, now=now: now.draw(num, rng))
        values = np.concatenate([problem.evaluate(part) for part in _batches(points)])
        spent += size
        known = np.isfinite(values)
        if not known.any():
            continue
        failing = (values < 0).sum() / known.sum()
        threshold = 0.0 if failing >= PILOT_ELITE else float(np.quantile(values[known], PILOT_ELITE))
        elite = known & (values <= threshold)
        weights = np.exp(Gaussian.standard(problem.num_axes).log_density(points) - now.log_density(points))[elite]
        if elite.sum() >= 2:
            proposal = Gaussian.fit(points[elite], weights, LEAST_SPREAD)
        levels.append(Level(threshold=threshold, share=float(elite.sum() / known.sum())))
        if threshold <= 0:
            break
    return proposal, tuple(levels), spent


def _draw_mixture(
    problem: LimitState, proposal: Gaussian, num: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Admitted points [num, d] of the mixture, their weights, and which are of the declared distribution."""
    standard = Gaussian.standard(problem.num_axes)
    declared_of: list[np.ndarray] = []

    def draw(size: int) -> np.ndarray:
        declared = rng.random(size) < DEFENSIVE_SHARE
        points = np.where(declared[:, None], standard.draw(size, rng), proposal.draw(size, rng))
        declared_of.append(declared[problem.admits(points)])
        return points

    points = draw_admitted(problem, num, rng, draw)
    p, q = (np.exp(g.log_density(points)) for g in (standard, proposal))
    weights = p / (DEFENSIVE_SHARE * p + (1 - DEFENSIVE_SHARE) * q)
    return points, weights, np.concatenate(declared_of)[:num]


def _batches(points: np.ndarray) -> list[np.ndarray]:
    return [points[k : k + BATCH] for k in range(0, len(points), BATCH)]


def _effective(weights: np.ndarray) -> float:
    return float(weights.sum() ** 2 / np.sum(weights**2)) if len(weights) else 0.0


def _logit_interval(share: float, deviation: float) -> Interval:
    """The 95 % interval of a probability with a standard deviation, symmetric in its logit."""
    if not 0 < share < 1:
        return Interval(estimate=share, low=share - 1.96 * deviation, high=min(share + 1.96 * deviation, 1.0))
    logit, spread = np.log(share / (1 - share)), 1.96 * deviation / (share * (1 - share))
    low, high = (float(1 / (1 + np.exp(-(logit + sign * spread)))) for sign in (-1, 1))
    return Interval(estimate=share, low=low, high=high)
