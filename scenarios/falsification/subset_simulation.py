"""Multilevel splitting over the space of a limit state function: subset simulation (Au and Beck 2001).

A drive is deterministic given its parameters and its place: scripts draw nothing, and whatever else is drawn in a world
hangs on the seed, which the place says. So there is nothing to draw anew after a snapshot, and what splits is the point
of the search space: those nearest to a failure go on as Markov chains among points that are at least as near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.falsification.probability import BATCH, Estimate, Level, LimitState, draw_admitted
from scenarios.statistics import Interval

LEVEL_SHARE = 0.1
"""Of the points of a level, those that split."""
MAX_LEVELS = 10
"""A probability below LEVEL_SHARE ** MAX_LEVELS is given up."""
ACCEPTANCE = 0.44
"""Of moves, that the step size aims at (Papaioannou et al. 2015)."""


def subset_simulation(problem: LimitState, num_draws: int, rng: np.random.Generator, num_levels: int = 4) -> Estimate:
    """P = Π p_i, p_i the share of a level's points that are in the next, the last of which is failure.

    Moves are those of conditional sampling (Papaioannou et al. 2015), z' = √(1 − σ²) z + σ ξ, which leave the declared
    distribution as it is; one to a point that is not admitted, or not valid, or farther from failure, is refused. The
    interval is log-normal, with the coefficient of variation of Au and Beck, Σ (1 − p_i) / (n p_i) (1 + γ_i), γ_i by
    the autocorrelation along the chains; it leaves out that of the levels with each other.

    Args:
        problem: whose failure.
        num_draws: at most so many are evaluated.
        rng: draws.
        num_levels: that `num_draws` are to be enough for; a level then has about num_draws / num_levels points.
    """
    size = max(int(num_draws / num_levels * LEVEL_SHARE), 2) * round(1 / LEVEL_SHARE)
    points, values, spent = _draw_valid(problem, size, num_draws, rng)
    levels: list[Level] = []
    probability, variation, acceptance, length = 1.0, 0.0, None, 1

    def end(interval: Interval | None, note: str) -> Estimate:
        failed = int((values < 0).sum())
        return Estimate(
            method="subset-simulation",
            probability=interval,
            num_draws=spent,
            num_valid=len(values),
            num_failed=failed,
            levels=tuple(levels),
            note=note,
        )

    if len(values) < 2:
        return end(None, "no draw is valid")
    for _ in range(MAX_LEVELS):
        threshold = max(float(np.sort(values)[max(int(LEVEL_SHARE * len(values)), 1) - 1]), 0.0)
        inside = values <= threshold if threshold > 0 else values < 0
        share = float(inside.mean())
        levels.append(Level(threshold=threshold, share=share, acceptance=acceptance))
        if share in (0.0, 1.0) and threshold > 0:
            return end(None, f"all points are as near to failure as each other, at {threshold:.3g}: there is no slope")
        probability *= share
        correlated = _autocorrelation(inside.reshape(-1, length)) if length > 1 else 0.0
        variation += (1 - share) / (len(values) * share) * (1 + correlated)
        if threshold <= 0:
            spread = 1.96 * np.sqrt(np.log1p(variation))
            low, high = (float(np.clip(probability * np.exp(sign * spread), 0, 1)) for sign in (-1, 1))
            return end(Interval(estimate=probability, low=low, high=high), "log-normal, Au and Beck's variation")
        length = max(size // int(inside.sum()), 1)
        if spent + int(inside.sum()) * (length - 1) > num_draws:
            return end(None, f"the runs were spent at {threshold:.3g}, which a share of {probability:.2g} reaches")
        moved = _grow(problem, points[inside], values[inside], threshold, length, rng)
        points, values, acceptance = moved.points, moved.values, moved.acceptance
        spent += moved.num_evaluated
    return end(None, f"more than {MAX_LEVELS} levels: a probability below {probability:.2g}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chains:
    """Points [n, d] and values [n] of chains, one after the other."""

    points: np.ndarray
    values: np.ndarray
    acceptance: float
    num_evaluated: int


def _grow(
    problem: LimitState,
    points: np.ndarray,
    values: np.ndarray,
    threshold: float,
    length: int,
    rng: np.random.Generator,
) -> _Chains:
    """Chains of a length from points [n, d], all side by side, within `values` of at most the threshold."""
    at, worth, step, taken, num = points.copy(), values.copy(), 0.6, 0, 0
    path, worths = [at.copy()], [worth.copy()]
    for _ in range(length - 1):
        moved = np.sqrt(1 - step**2) * at + step * rng.standard_normal(at.shape)
        admitted = np.flatnonzero(problem.admits(moved))
        new = np.full(len(at), np.nan)
        if len(admitted):
            new[admitted] = problem.evaluate(moved[admitted])
        num += len(admitted)
        accepted = new <= threshold  # NaN is not
        at[accepted], worth[accepted] = moved[accepted], new[accepted]
        taken += int(accepted.sum())
        step = float(np.clip(step * np.exp(accepted.mean() - ACCEPTANCE), 0.05, 0.99))
        path.append(at.copy())
        worths.append(worth.copy())
    stacked = np.stack(path, axis=1)  # [chains, length, d]
    return _Chains(
        points=stacked.reshape(-1, points.shape[1]),
        values=np.stack(worths, axis=1).reshape(-1),
        acceptance=taken / max(len(at) * (length - 1), 1),
        num_evaluated=num,
    )


def _draw_valid(
    problem: LimitState, num: int, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Valid draws [num, d] with their values, and how many were evaluated for them, at most `most`."""
    points, values = np.zeros((0, problem.num_axes)), np.zeros(0)
    spent = 0
    while len(values) < num and spent < most:
        drawn = draw_admitted(problem, min(num - len(values), most - spent, BATCH), rng)
        answers = problem.evaluate(drawn)
        spent += len(drawn)
        valid = np.isfinite(answers)
        points, values = np.concatenate([points, drawn[valid]]), np.concatenate([values, answers[valid]])
    return points, values, spent


def _autocorrelation(inside: np.ndarray) -> float:
    """γ = 2 Σ (1 − k / l) ρ(k) of indicators [chains, l]."""
    length, share = inside.shape[1], inside.mean()
    if share in (0.0, 1.0):
        return 0.0
    x = inside - share
    correlations = [float((x[:, :-k] * x[:, k:]).mean() / (share * (1 - share))) for k in range(1, length)]
    return max(2 * sum((1 - k / length) * r for k, r in enumerate(correlations, 1)), 0.0)
