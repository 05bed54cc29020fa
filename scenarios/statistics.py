"""Failure rates with Clopper–Pearson intervals and bounds, sample sizes, a sequential test, bootstrap means. Valid for
independent draws only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its confidence interval."""

    estimate: float
    low: float
    high: float

    def text(self, form: str = ".2f") -> str:
        """ "0.93 (0.38 to 1.00)", numbers in the given format; a dash where there is no estimate."""
        if not math.isfinite(self.estimate):
            return "–"
        return f"{self.estimate:{form}} ({self.low:{form}} to {self.high:{form}})"


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
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return Interval(estimate=k / n, low=low, high=high)


def upper_bound(num_failures: int, num_trials: int, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a failure rate; same arguments and errors as `clopper_pearson`."""
    _check_counts(num_failures, num_trials, confidence)
    if num_failures == num_trials:
        return 1.0
    return float(special.betaincinv(num_failures + 1, num_trials - num_failures, confidence))


def lower_bound(num_failures: int, num_trials: int, confidence: float = 0.95) -> float:
    """The exact one-sided lower bound of a failure rate; same arguments and errors as `clopper_pearson`."""
    _check_counts(num_failures, num_trials, confidence)
    if num_failures == 0:
        return 0.0
    return float(special.betaincinv(num_failures, num_trials - num_failures + 1, 1 - confidence))


def trials_to_show(limit: float, num_failures: int = 0, confidence: float = 0.95) -> int:
    """The least number of trials with which `num_failures` failures show that the failure rate is at most `limit`: that
    many give an `upper_bound` of no more.

    Raises:
        ValueError: limit or confidence is not in (0, 1), or the count is negative.
    """
    for name, value in (("limit", limit), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be in (0, 1), got {value}")
    if num_failures < 0:
        raise ValueError(f"num_failures must not be negative, got {num_failures}")
    low, high = num_failures, num_failures + 1  # the bound at `low` is above the limit, that at `high` at most it
    while upper_bound(num_failures, high, confidence) > limit:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if upper_bound(num_failures, middle, confidence) > limit else (low, middle)
    return high


def evidence(num_failures: int, num_trials: int, limit: float) -> tuple[float, float]:
    """How strongly trials speak for a failure rate below `limit`, and for one above it, however often one looks.

    Each is the likelihood of the trials, averaged over the rates on that side under Jeffreys' prior, over that at
    `limit`. If the true rate is not on that side, it reaches 1/α with a probability of at most α, at any time (Ville's
    inequality; Robbins 1970): one may look after every trial, and stop.

    Args:
        num_failures: so far.
        num_trials: so far, independent.
        limit: in (0, 1).
    """
    k, passed = num_failures, num_trials - num_failures
    at_limit = k * math.log(limit) + passed * math.log1p(-limit)
    both_sides = special.betaln(0.5 + k, 0.5 + passed) - special.betaln(0.5, 0.5) - at_limit
    with np.errstate(divide="ignore"):  # the share of a side may vanish
        below = np.log(special.betainc(0.5 + k, 0.5 + passed, limit)) - np.log(special.betainc(0.5, 0.5, limit))
        above = np.log(special.betaincc(0.5 + k, 0.5 + passed, limit)) - np.log(special.betaincc(0.5, 0.5, limit))
    return float(np.exp(both_sides + below)), float(np.exp(both_sides + above))


def _percentile_interval(estimate: float, resampled: Sequence[float] | np.ndarray, confidence: float) -> Interval:
    """An estimate with the interval between the percentiles of its resamples (Efron 1979)."""
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate=estimate, low=float(low), high=float(high))


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
    return _percentile_interval(float(x.mean()), means, confidence)


def optimistic_bias(
    *,
    reference: np.ndarray,
    simulator: np.ndarray,
    rng: np.random.Generator,
    confidence: float = 0.95,
    num_resamples: int = 2000,
) -> Interval:
    """The mean of simulator minus reference, above 0 where the simulator flatters. The interval is by a bootstrap that
    resamples both planners and starts.

    Args:
        reference: scores [planners, starts].
        simulator: scores of the same planners from the same starts.
        rng: draws the resamples.
        confidence: of the interval.
        num_resamples: of the bootstrap.

    Raises:
        ValueError: the shapes differ, there is no score, or one is not finite.
    """
    r, s = np.asarray(reference, np.float64), np.asarray(simulator, np.float64)
    if r.shape != s.shape or r.ndim != 2 or not r.size:
        raise ValueError(f"optimistic_bias needs paired scores, got {r.shape}, {s.shape}")
    difference = s - r
    if not np.isfinite(difference).all():
        raise ValueError("optimistic_bias needs finite scores")
    num_planners, num_starts = difference.shape
    drawn = [
        difference[np.ix_(rng.integers(num_planners, size=num_planners), rng.integers(num_starts, size=num_starts))]
        for _ in range(num_resamples)
    ]
    return _percentile_interval(float(difference.mean()), [one.mean() for one in drawn], confidence)


def clustered_share(
    hits: np.ndarray,
    trials: np.ndarray,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
) -> Interval:
    """The share of trials that hit, where trials are independent between clusters alone; the bootstrap draws whole
    clusters. Where all or none hit, which no bootstrap tells from certainty, the interval is Clopper and Pearson's of
    as many trials as there are clusters with any, as if the trials of a cluster were all alike.

    Args:
        hits: in each cluster, [n].
        trials: likewise, at least as many.
        rng: draws the resamples.
        confidence: of the interval.
        num_resamples: of the bootstrap; those without a trial are left out.

    Returns:
        NaN without a trial.

    Raises:
        ValueError: the counts are impossible.
    """
    h, t = np.asarray(hits, np.int64), np.asarray(trials, np.int64)
    if h.shape != t.shape or h.ndim != 1 or (h < 0).any() or (h > t).any():
        raise ValueError(f"hits must be [n] and in [0, trials], got {hits} of {trials}")
    if not t.sum():
        return Interval(estimate=math.nan, low=math.nan, high=math.nan)
    if h.sum() in (0, t.sum()):
        clusters = int((t > 0).sum())
        return clopper_pearson(clusters if h.sum() else 0, clusters, confidence)
    chosen = rng.integers(len(t), size=(num_resamples, len(t)))
    drawn_hits, drawn_trials = h[chosen].sum(axis=1), t[chosen].sum(axis=1)
    shares = drawn_hits[drawn_trials > 0] / drawn_trials[drawn_trials > 0]
    return _percentile_interval(float(h.sum() / t.sum()), shares, confidence)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well planners' scores in one world predict those in another, each with its interval.

    Args:
        spearman: rank correlation.
        kendall: tau_b.
        pearson: linear correlation.
        mmrv: mean maximum rank violation (Li et al. 2024): how much score in the reference a wrong order costs at
            worst, averaged over planners; 0 if no order is wrong.
    """

    spearman: Interval
    kendall: Interval
    pearson: Interval
    mmrv: Interval


def agreement(
    *,
    reference: np.ndarray,
    simulator: np.ndarray,
    rng: np.random.Generator,
    confidence: float = 0.95,
    num_resamples: int = 2000,
) -> Agreement:
    """Compare the planners' mean scores. Intervals are by a bootstrap that resamples both planners and starts. A
    correlation is NaN where one world gives all planners the same mean.

    Args:
        reference: scores [planners, starts].
        simulator: scores of the same planners from the same starts.
        rng: draws the resamples.
        confidence: of the intervals.
        num_resamples: of the bootstrap.

    Raises:
        ValueError: the shapes differ, a score is not finite, or there are fewer than 3 planners or 2 starts.
    """
    r, s = np.asarray(reference, np.float64), np.asarray(simulator, np.float64)
    if r.shape != s.shape or r.ndim != 2 or r.shape[0] < 3 or r.shape[1] < 2:
        raise ValueError(f"agreement needs paired scores, 3 planners and 2 starts or more, got {r.shape}, {s.shape}")
    if not (np.isfinite(r).all() and np.isfinite(s).all()):
        raise ValueError("agreement needs finite scores")

    resamples = []
    for _ in range(num_resamples):
        planners, starts = rng.integers(r.shape[0], size=r.shape[0]), rng.integers(r.shape[1], size=r.shape[1])
        a, b = (x[np.ix_(planners, starts)].mean(axis=1) for x in (r, s))
        if np.ptp(a) and np.ptp(b):  # a correlation of constant scores is undefined
            resamples.append((a, b))

    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    drawn = np.array(resamples).reshape(-1, 2, r.shape[0])
    means = r.mean(axis=1), s.mean(axis=1)
    defined = np.ptp(means[0]) > 0 and np.ptp(means[1]) > 0
    measures = {"spearman": _spearman, "kendall": _kendall, "pearson": _pearson, "mmrv": mean_maximum_rank_violation}
    intervals = {}
    for name, measure in measures.items():
        low, high = np.quantile(measure(drawn[:, 0], drawn[:, 1]), tails) if resamples else (np.nan, np.nan)
        estimate = float(measure(*means)) if defined or name == "mmrv" else np.nan
        intervals[name] = Interval(estimate=estimate, low=float(low), high=float(high))
    return Agreement(**intervals)


def clustered_spearman(
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    num_resamples: int = 1000,
) -> Interval:
    """Rank correlation of values that are independent between clusters alone; the bootstrap draws whole clusters.

    Args:
        x: [n].
        y: [n].
        clusters: to which of them a pair belongs, int [n].
        rng: draws the resamples.
        confidence: of the interval.
        num_resamples: of the bootstrap; those with a constant x or y, whose correlation is undefined, are left out.

    Returns:
        NaN where x or y is constant.

    Raises:
        ValueError: the shapes differ, or a value is not finite.
    """
    if not x.shape == y.shape == clusters.shape or x.ndim != 1:
        raise ValueError(f"x, y and clusters must be [n] alike, got {x.shape}, {y.shape} and {clusters.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("clustered_spearman needs finite values")

    def correlate(rows: np.ndarray) -> float:
        a, b = x[rows], y[rows]
        return float(_spearman(a, b)) if len(a) and np.ptp(a) and np.ptp(b) else np.nan

    members = [np.flatnonzero(clusters == one) for one in np.unique(clusters)]
    drawn = []
    for _ in range(num_resamples if members else 0):
        chosen = rng.integers(len(members), size=len(members))
        drawn.append(correlate(np.concatenate([members[k] for k in chosen])))
    defined = np.array(drawn)[np.isfinite(drawn)]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(defined, tails) if len(defined) else (np.nan, np.nan)
    return Interval(estimate=correlate(np.arange(len(x))), low=float(low), high=float(high))


def mean_maximum_rank_violation(reference: np.ndarray, simulator: np.ndarray) -> np.ndarray:
    """MMRV of scores [..., n]: the mean over planners of the largest difference in the reference's scores to a planner
    that the simulator ranks the other way round, [...]."""
    r, s = np.asarray(reference, np.float64), np.asarray(simulator, np.float64)
    violated = (s[..., :, None] > s[..., None, :]) != (r[..., :, None] > r[..., None, :])
    return (np.abs(r[..., :, None] - r[..., None, :]) * violated).max(axis=-1).mean(axis=-1)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rank correlation of [..., n], [...]: Pearson's of the ranks, those of equal values being their mean."""
    return _pearson(_ranks(a), _ranks(b))


def _kendall(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kendall's tau_b (1945) of [..., n], [...]."""
    above_a, above_b = (np.sign(x[..., :, None] - x[..., None, :]) for x in (a, b))
    untied = np.square(above_a).sum(axis=(-2, -1)) * np.square(above_b).sum(axis=(-2, -1))
    with np.errstate(invalid="ignore"):  # of constant values it is undefined
        return (above_a * above_b).sum(axis=(-2, -1)) / np.sqrt(untied)


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Linear correlation of [..., n], [...]; in [-1, 1] in spite of rounding."""
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    with np.errstate(invalid="ignore"):  # likewise
        return np.clip((a * b).sum(axis=-1) / size, -1.0, 1.0)


def _ranks(x: np.ndarray) -> np.ndarray:
    """Ranks of [..., n] from 0.5 on, equal values sharing the mean of theirs."""
    others, own = x[..., None, :], x[..., :, None]
    return (others < own).sum(axis=-1) + 0.5 * (others == own).sum(axis=-1)


def _check_counts(num_failures: int, num_trials: int, confidence: float) -> None:
    if num_trials < 1:
        raise ValueError(f"num_trials must be at least 1, got {num_trials}")
    if not 0 <= num_failures <= num_trials:
        raise ValueError(f"num_failures must be in [0, {num_trials}], got {num_failures}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
