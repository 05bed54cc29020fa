"""Statistics of features: exact while there are few samples, of a uniform draw when there are many."""

import numpy as np
import pytest

from training.data.feature_statistics import QUANTILES, SAMPLE_SIZE, FeatureStatistics


def test_they_are_those_of_all_samples_whatever_the_order_of_the_files():
    values = np.random.default_rng(0).normal(size=(999, 3)) ** 3
    statistics = FeatureStatistics()
    for part in np.split(values, [400, 401]):
        statistics.add("action", part)
    summary = statistics.summary()["action"]
    for name, share in QUANTILES.items():
        np.testing.assert_allclose(summary[name], np.quantile(values, share, axis=0))
    np.testing.assert_allclose(summary["std"], values.std(0))
    assert summary["count"] == [999]
    assert list(QUANTILES) == ["q01", "q10", "q50", "q90", "q99"]


def test_of_many_samples_quantiles_are_those_of_a_uniform_draw():
    statistics = FeatureStatistics()
    for start in range(0, 10 * SAMPLE_SIZE, SAMPLE_SIZE):  # a drive that gets faster: each file is another world
        statistics.add("speed", np.arange(start, start + SAMPLE_SIZE)[:, None] / (10 * SAMPLE_SIZE))
    summary = statistics.summary()["speed"]
    for name, share in QUANTILES.items():
        assert summary[name] == [pytest.approx(share, abs=0.015)]  # four standard deviations of the median
    assert (summary["min"], summary["count"]) == ([0.0], [10 * SAMPLE_SIZE])
