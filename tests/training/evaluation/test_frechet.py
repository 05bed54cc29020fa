"""Frechet distance on sets with known answers, and the network in whose features it is taken."""

import numpy as np
import pytest
import torch

from training.evaluation.frechet import (
    clip_ends,
    clip_features,
    clips_at,
    frames_to_features,
    frechet_score,
    span_scores,
)
from training.evaluation.image_metrics import frechet_distance
from training.evaluation.yardstick import YARDSTICK_PATH, load_yardstick


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


def test_clips_are_dense_at_first_and_sparse_later() -> None:
    ends = clip_ends(600, 0.1)
    assert ends[:3] == pytest.approx([0.5, 1.0, 1.5])
    assert ends[19:22] == pytest.approx([10.0, 12.0, 14.0])
    assert ends[-1] == pytest.approx(60.0)
    assert clip_ends(4, 0.1).tolist() == []
    frames = np.zeros((30, 2, 2, 3), np.uint8)
    frames[:] = np.arange(30)[:, None, None, None]
    assert clips_at(frames, np.array([0.5, 3.0]), 0.1)[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 25, 26, 27, 28, 29]


def test_spans_hold_the_clips_that_end_in_them() -> None:
    truth = [gaussian(21, seed=k) for k in range(6)]
    late = [np.concatenate([values[:6], values[6:] + 2.0]) for values in truth]  # wrong from 3 s on
    truth[5], late[5] = truth[5][:4], late[5][:4]
    features = {"truth": truth, "model": late, "repeat": [values + 5.0 for values in truth]}
    scores = span_scores(features, clip_ends(240, 0.1), np.random.default_rng(0))
    assert list(scores) == ["0-1", "1-3", "3-10", "10-60"]
    assert [s["clips"] for s in scores.values()] == [12, 5 * 4 + 2, 5 * 14, 5]
    assert scores["1-3"]["model"]["distance"] == pytest.approx(0, abs=1e-9)
    assert scores["3-10"]["model"]["distance"] == pytest.approx(12.0)
    assert scores["0-1"]["repeat"]["distance"] == pytest.approx(75.0)


def test_the_yardstick_is_what_it_has_always_been() -> None:
    """These numbers must never change: reports of different worlds are compared by them."""
    assert YARDSTICK_PATH.stat().st_size < 3e6
    yardstick = load_yardstick()
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(1, 64, 64, 3).astype(np.uint8)
    maps = yardstick.feature_maps(ramp)
    assert maps.shape == (1, 112, 8, 8)
    assert float(maps.mean()) == pytest.approx(-0.5701, abs=1e-3)
    assert float(maps.std()) == pytest.approx(5.7709, abs=1e-3)
    assert not any(p.requires_grad for p in yardstick.parameters())


def test_made_videos_are_far_from_true_ones_as_they_differ() -> None:
    rng = np.random.default_rng(0)
    true = [rng.integers(0, 255, (10, 32, 32, 3), dtype=np.uint8) for _ in range(2)]
    yardstick = load_yardstick()
    here, there = (
        np.concatenate([frames_to_features(yardstick, video) for video in videos])
        for videos in (true, [video // 2 for video in true])
    )
    assert frechet_distance(here, here) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(there, here) > 0.1
