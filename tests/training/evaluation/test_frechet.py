"""Frechet distance, calibration and colours on sets with known answers; feature scores of rollouts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from known_drives import turning_car
from tiny_model import random_model

from training.evaluation.frechet import clip_features, feature_scores, frechet_score, paired_distance
from training.evaluation.image_metrics import calibration, colour_statistics, frechet_distance
from training.evaluation.metrics import event_scores
from training.evaluation.rollouts import Rollouts, roll_out_recorded


def gaussian(n: int, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def test_frechet_distance_of_known_sets() -> None:
    a = gaussian(500)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + np.array([3.0, 0.0, 4.0])) == pytest.approx(25.0)
    centred = a - a.mean(0)
    spread = np.trace(np.cov(centred.T))
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * spread)
    few = gaussian(4, d=50)
    assert frechet_distance(few, few[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(few, few + 1) == pytest.approx(50.0)


def test_frechet_distance_of_two_gaussians() -> None:
    """N(0, 1) and N(1, 4) in each of two independent features: 2 (1 + 1)."""
    a, b = gaussian(20_000, 2, 1), 1 + 2 * gaussian(20_000, 2, 2)
    assert frechet_distance(a, b) == pytest.approx(4.0, rel=0.05)
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    correlated = gaussian(20_000, 2, 3) @ np.linalg.cholesky(covariance).T
    root_trace = np.sqrt(np.linalg.eigvals(covariance)).sum()
    assert frechet_distance(a, correlated) == pytest.approx(2 + 2.5 - 2 * root_trace, rel=0.05)


def test_frechet_distance_refuses_what_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least 2 samples"):
        frechet_distance(gaussian(1), gaussian(5))
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5, 2\)"):
        frechet_distance(gaussian(5), gaussian(5, 2))


def test_the_interval_of_a_shift_holds_it_and_narrows_with_starts() -> None:
    widths = []
    for num in (20, 200):
        truth = [gaussian(3, 4, seed=k) for k in range(num)]
        ours = [gaussian(3, 4, seed=10**6 + k) + 1.0 for k in range(num)]
        score = frechet_score(ours, truth, np.random.default_rng(0))
        low, high = score["interval"]
        assert low < 4.0 < high
        assert low < score["distance"] < high
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_a_frozen_clip_differs_in_what_changes_over_time_alone() -> None:
    maps = torch.randn(10, 4, 6, 6)
    frozen = maps[:1].expand(10, -1, -1, -1)
    features = clip_features(maps)
    assert features.shape == (2, 12)
    assert torch.equal(clip_features(frozen)[:, 8:], torch.zeros(2, 4))
    assert (features[:, 8:] > 0).all()
    torch.testing.assert_close(clip_features(frozen)[0, :4], maps[0].mean((1, 2)))
    torch.testing.assert_close(clip_features(frozen)[0, 4:8], maps[0].flatten(1).std(1, correction=0))
    assert clip_features(maps[:3]).shape == (0, 12)


def test_paired_distance_of_turned_features() -> None:
    a = torch.zeros(1, 2, 3, 3)
    a[:, 0] = 5.0
    assert paired_distance(a, 2 * a).tolist() == [0.0]
    assert paired_distance(a, a.flip(1)).tolist() == pytest.approx([2.0])


def known_rollouts() -> Rollouts:
    store = turning_car(60)
    return roll_out_recorded(random_model(), store, np.array([10, 20, 30, 52]), 12, 4, shuffle=False)  # type: ignore[arg-type]


def test_feature_scores_of_rollouts() -> None:
    r = known_rollouts()
    vae = random_model().vae
    scores = feature_scores(vae, replace(r, frames=r.truth), 0.1, np.random.default_rng(0))
    span = scores["frechet"]["up to 1 s"]
    assert span["clips"] == 2 * 3 + 1  # the last start has but 7 valid frames
    assert span["model"]["distance"] == pytest.approx(0, abs=1e-6)
    assert span["repeat"]["distance"] > 1e-4
    assert list(scores["frechet"]) == ["up to 1 s"]  # of 12 frames no clip ends later
    assert scores["paired"]["0.5"]["model"] == 0
    assert scores["paired"]["1"]["repeat"] > 0
    assert set(scores["paired"]) == {"0.5", "1"}


def test_calibration_of_known_probabilities() -> None:
    labels = np.arange(100) % 2 == 0
    sure = calibration(np.full(100, 0.9), labels)
    assert sure["expected_calibration_error"] == pytest.approx(0.4)
    assert sure["bins"] == [{"from": 0.9, "to": 1.0, "count": 100, "probability": pytest.approx(0.9), "frequency": 0.5}]
    right = calibration(np.full(100, 0.5), labels)
    assert right["expected_calibration_error"] == pytest.approx(0)
    mixed = calibration(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 1, 1, 1]))
    assert mixed["expected_calibration_error"] == pytest.approx(0.25)
    assert [b["count"] for b in mixed["bins"]] == [2, 2]
    assert np.isnan(calibration(np.zeros(0), np.zeros(0))["expected_calibration_error"])


def test_events_are_scored_with_their_calibration() -> None:
    r = known_rollouts()
    hit = np.zeros(r.valid.shape)
    hit[:2, 5:] = 1.0
    scores = event_scores(replace(r, true_collision=hit, collision=0.8 * hit + 0.1), 0.1)["collision"]
    assert scores["auroc"] == 1
    assert scores["positives"] == 14
    assert scores["calibration"]["expected_calibration_error"] == pytest.approx(0.1)


def test_colours_of_known_frames() -> None:
    grey = np.full((2, 4, 4, 3), 60, np.uint8)
    assert colour_statistics(grey) == {"brightness": 60.0, "contrast": 0.0, "saturation": 0.0}
    half = grey.copy()
    half[:, :2] = 100, 60, 80
    statistics = colour_statistics(half)
    assert statistics == {"brightness": 70.0, "contrast": 10.0, "saturation": 20.0}
