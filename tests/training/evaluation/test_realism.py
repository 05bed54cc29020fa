"""Realism: likelihoods under histograms, worked out by hand."""

import math

import numpy as np
import pytest

from training.evaluation.realism import (
    FEATURES,
    FeatureConfig,
    average_displacement,
    histogram_log_likelihood,
    likelihoods,
    meta_metric,
)
from training.evaluation.traffic_features import TrafficFeatures

SPEED = FEATURES["linear_speed"]  # ten bins of 2.5 m/s


def test_a_recorded_value_is_as_likely_as_its_bin_of_all_rollouts_and_steps() -> None:
    simulated = np.array([[[1.0, 1.0]], [[6.0, 6.0]]])  # two rollouts of one road user, two steps
    recorded = np.array([[2.0, 9.0]])
    logs = histogram_log_likelihood(recorded, simulated, np.ones((2, 1, 2), bool), SPEED)
    assert np.exp(logs)[0] == pytest.approx([2.1 / 5.0, 0.1 / 5.0])  # 4 values and 10 times 0.1


def test_values_beyond_the_range_fall_into_the_outermost_bins() -> None:
    counted = np.ones((1, 1, 2), bool)
    logs = histogram_log_likelihood(np.array([[25.0, -3.0]]), np.array([[[99.0, 0.0]]]), counted, SPEED)
    assert np.exp(logs)[0] == pytest.approx([1.1 / 3.0, 1.1 / 3.0])


def test_only_what_counts_is_in_the_histogram() -> None:
    simulated = np.array([[[1.0, 20.0]], [[1.0, 1.0]]])
    counted = np.array([[[True, False]], [[True, True]]])
    logs = histogram_log_likelihood(np.array([[0.5, 20.0]]), simulated, counted, SPEED)
    assert np.exp(logs)[0] == pytest.approx([3.1 / 4.0, 0.1 / 4.0])


def test_an_event_is_as_likely_as_the_rollouts_in_which_it_happens() -> None:
    simulated = np.array([True, False, False, False]).reshape(4, 1, 1)
    event = FeatureConfig(weight=1.0, bucket="map")
    for happened, share in ((True, 1.001 / 4.002), (False, 3.001 / 4.002)):
        logs = histogram_log_likelihood(np.array([[happened]]), simulated, np.ones((4, 1, 1), bool), event)
        assert math.exp(logs[0, 0]) == pytest.approx(share)


def scene(num_rollouts: int, speed: float, collides: list[bool]) -> TrafficFeatures:
    """Two road users over two steps, of which the second is seen in the first step alone."""
    shape = (num_rollouts, 2, 2)
    seen = np.ones(shape, bool)
    seen[:, 1, 1] = False
    found = TrafficFeatures({name: (np.zeros(shape), seen) for name in FEATURES})
    for name, config in FEATURES.items():
        if config.bins == 0:
            found[name] = np.zeros(shape, bool), seen
    found["linear_speed"] = np.full(shape, speed), seen
    hits = np.zeros(shape, bool)
    hits[:, 1, 1] = collides
    found["collision"] = hits, seen
    return found


def test_likelihoods_are_geometric_means_over_what_is_seen() -> None:
    recorded, simulated = scene(1, 1.0, [False]), scene(2, 1.0, [True, True])
    simulated["linear_speed"][0][1, 0] = 3.0
    found = likelihoods(recorded, simulated, np.ones(2, bool))
    # the first road user has two of four values in the bin, twice; the second both of its two, once
    assert found["linear_speed"] == pytest.approx(((2.1 / 5) ** 2 * (2.1 / 3)) ** (1 / 3))
    # a collision where the recording no longer shows the road user does not count
    assert found["collision"] == pytest.approx(2.001 / 2.002)


def test_pedestrians_have_no_time_to_collision_and_what_nobody_has_does_not_count() -> None:
    recorded, simulated = scene(1, 1.0, [False]), scene(1, 1.0, [False])
    found = likelihoods(recorded, simulated, np.zeros(2, bool))
    assert math.isnan(found["time_to_collision"])
    assert math.isnan(found["red_light"])
    assert math.isfinite(meta_metric(found))


def test_the_meta_metric_weighs_as_published() -> None:
    assert sum(config.weight for config in FEATURES.values()) == pytest.approx(1.0)
    scores = dict.fromkeys(FEATURES, 1.0) | {"collision": 0.0}
    assert meta_metric(scores) == pytest.approx(0.75)
    assert meta_metric(scores, "interactive") == pytest.approx(0.2 / 0.45)
    assert meta_metric(dict.fromkeys(FEATURES, math.nan) | {"off_road": 0.5}) == pytest.approx(0.5)
    assert math.isnan(meta_metric(dict.fromkeys(FEATURES, math.nan)))


def test_displacement_is_the_mean_over_what_counts_in_a_rollout() -> None:
    recorded = np.zeros((1, 2, 2))
    simulated = np.array([[[[3.0, 4.0], [0.0, 9.0]]], [[[0.0, 1.0], [0.0, 1.0]]]])
    counted = np.array([[[True, False]], [[True, True]]])
    assert average_displacement(recorded, simulated, counted) == pytest.approx([5.0, 1.0])
    assert np.isnan(average_displacement(recorded, simulated, np.zeros_like(counted))).all()
