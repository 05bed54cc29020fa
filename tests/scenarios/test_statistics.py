"""Closed forms of the failure statistics, and their coverage."""

import numpy as np
import pytest

from scenarios.statistics import (
    agreement,
    bootstrap_mean,
    clopper_pearson,
    evidence,
    lower_bound,
    mean_maximum_rank_violation,
    trials_to_show,
    upper_bound,
)


@pytest.mark.parametrize(
    ("limit", "failures", "trials"),
    # without a failure log(0.05) / log(1 - limit); with some, tables of acceptance sampling by attributes
    [(0.05, 0, 59), (0.01, 0, 299), (0.001, 0, 2995), (0.1, 0, 29), (0.1, 1, 46), (0.1, 2, 61), (0.05, 1, 93)],
)
def test_trials_to_show_a_limit(limit, failures, trials):
    assert trials_to_show(limit, failures) == trials
    assert upper_bound(failures, trials) <= limit < upper_bound(failures, trials - 1)


def test_one_sided_bounds_mirror_each_other():
    assert lower_bound(0, 10) == 0.0
    assert lower_bound(10, 10) == pytest.approx(0.05 ** (1 / 10))
    assert lower_bound(3, 12) == pytest.approx(1 - upper_bound(9, 12))


def test_evidence_closed_forms():
    """No trial says nothing; both sides together weigh as Jeffreys' mixture does."""
    assert evidence(0, 0, 0.1) == pytest.approx((1.0, 1.0))
    below, above = evidence(1, 1, 0.5)  # a failure: E[q | q < 1/2] / (1/2) under Jeffreys' prior is 1 - 2/π
    assert (below, above) == pytest.approx((1 - 2 / np.pi, 1 + 2 / np.pi))


@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_looking_after_every_trial_rarely_shows_what_is_not_so(rate):
    """At and above the limit, at most one in twenty runs ever says below it."""
    limit, rng = 0.1, np.random.default_rng(0)
    table = [[evidence(k, n, limit)[0] for k in range(n + 1)] for n in range(1, 121)]
    failures = (rng.random((400, 120)) < rate).cumsum(axis=1)
    said = np.array([[table[n][run[n]] >= 20 for n in range(120)] for run in failures])
    assert said.any(axis=1).mean() <= 0.05


def test_clopper_pearson_closed_forms():
    zero = clopper_pearson(0, 20)
    assert (zero.estimate, zero.low) == (0.0, 0.0)
    assert zero.high == pytest.approx(1 - 0.025 ** (1 / 20))
    whole = clopper_pearson(20, 20)
    assert whole.high == 1.0
    assert whole.low == pytest.approx(0.025 ** (1 / 20))
    half = clopper_pearson(5, 10)  # tables: (0.1871, 0.8129)
    assert (half.low, half.high) == pytest.approx((0.18709, 0.81291), abs=1e-5)


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(rate):
    n, rng = 25, np.random.default_rng(0)
    intervals = [clopper_pearson(k, n) for k in range(n + 1)]
    covered = [intervals[k].low <= rate <= intervals[k].high for k in rng.binomial(n, rate, 4000)]
    assert np.mean(covered) >= 0.945


def test_bootstrap_covers_the_mean_of_a_known_distribution():
    rng = np.random.default_rng(1)
    hits = [
        interval.low <= 3.0 <= interval.high
        for interval in (bootstrap_mean(rng.normal(3.0, 2.0, 60), rng, num_resamples=400) for _ in range(300))
    ]
    assert 0.88 < np.mean(hits) < 0.99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1, 0), "num_trials must be at least 1, got 0"), ((5, 4), r"num_failures must be in \[0, 4\], got 5")],
)
def test_impossible_counts(arguments, message):
    with pytest.raises(ValueError, match=message):
        clopper_pearson(*arguments)


def planners(seed=0, noise=0.05, num=12, starts=30):
    rng = np.random.default_rng(seed)
    return np.linspace(0, 1, num)[:, None] + noise * rng.standard_normal((num, starts))


def test_worlds_that_rank_alike_agree_and_turned_ones_do_not():
    scores, rng = planners(), np.random.default_rng(0)
    same = agreement(reference=scores, simulator=0.5 * scores + 3, rng=rng, num_resamples=200)
    assert (same.spearman.estimate, same.kendall.estimate) == pytest.approx((1.0, 1.0))
    assert same.pearson.estimate == pytest.approx(1.0)
    assert (same.mmrv.estimate, same.mmrv.high) == (0.0, 0.0)
    rotate = agreement(reference=scores, simulator=-scores, rng=rng, num_resamples=200)
    assert (rotate.spearman.estimate, rotate.kendall.estimate) == pytest.approx((-1.0, -1.0))
    assert rotate.mmrv.estimate > 0.7


def test_the_interval_of_an_agreement_covers_what_many_starts_would_tell():
    rng = np.random.default_rng(1)
    few = agreement(reference=planners(2, 0.8), simulator=planners(3, 0.8), rng=rng, num_resamples=400)
    many = agreement(
        reference=planners(4, 0.8, starts=3000), simulator=planners(5, 0.8, starts=3000), rng=rng, num_resamples=10
    )
    assert few.spearman.low < few.spearman.estimate < many.spearman.estimate <= few.spearman.high + 0.05


def test_rank_violation_is_what_a_wrong_order_gives_away():
    """The simulator prefers the second to the first by mistake, who are 0.3 apart; the third it has right."""
    violation = mean_maximum_rank_violation(np.array([0.8, 0.5, 0.1]), np.array([0.4, 0.6, 0.0]))
    assert violation == pytest.approx((0.3 + 0.3 + 0.0) / 3)


def test_scores_that_cannot_be_compared_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"3 planners and 2 starts or more, got \(2, 5\)"):
        agreement(reference=np.zeros((2, 5)), simulator=np.zeros((2, 5)), rng=rng)
    with pytest.raises(ValueError, match="paired"):
        agreement(reference=np.zeros((3, 5)), simulator=np.zeros((3, 4)), rng=rng)
    with pytest.raises(ValueError, match="finite"):
        agreement(reference=np.full((3, 5), np.nan), simulator=np.zeros((3, 5)), rng=rng)
