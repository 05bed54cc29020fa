"""Closed forms of the failure statistics, and their coverage."""

import numpy as np
import pytest

from scenarios.statistics import bootstrap_mean, clopper_pearson, trials_without_failure, upper_bound


@pytest.mark.parametrize(("rate", "trials"), [(0.05, 59), (0.01, 299), (0.001, 2995)])
def test_trials_without_failure(rate, trials):
    assert trials_without_failure(rate) == trials
    assert upper_bound(0, trials) < rate <= upper_bound(0, trials - 1)


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
