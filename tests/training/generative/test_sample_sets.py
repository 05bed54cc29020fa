"""Precision, recall, copies and Fréchet distances of sets whose answers are known."""

import numpy as np
import pytest
import torch

from training.generative.sample_sets import copies, difference, frechet_between, precision_recall


def clouds(*centres: float, num: int = 200, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(num, 3)) + np.array([centre, 0, 0]) for centre in centres]
    return np.concatenate(parts).astype(np.float32)


def test_points_are_within_a_set_that_has_a_ball_around_them() -> None:
    real, made = clouds(0, num=60), clouds(0.5, num=60, seed=1)
    apart = np.linalg.norm(real[:, None] - made[None], axis=-1)
    within_real, within_made = (np.linalg.norm(s[:, None] - s[None], axis=-1) for s in (real, made))
    reach_real, reach_made = (np.sort(d, axis=1)[:, 3] for d in (within_real, within_made))
    found = precision_recall(real, made, np.random.default_rng(0))
    assert found.precision == pytest.approx((apart <= reach_real[:, None]).any(0).mean())
    assert found.recall == pytest.approx((apart <= reach_made[None]).any(1).mean())


@pytest.mark.parametrize(
    ("real", "made", "precision", "recall"),
    [
        pytest.param((0, 20), (0,), 1.0, 0.5, id="one of two kinds is never made"),
        pytest.param((0,), (0, 20), 0.5, 1.0, id="half of what is made is nothing real"),
        pytest.param((0,), (20,), 0.0, 0.0, id="nothing is real"),
        pytest.param((0, 20), (0, 20), 1.0, 1.0, id="all is real"),
    ],
)
def test_precision_is_of_what_is_made_and_recall_of_what_is_real(real, made, precision, recall) -> None:
    found = precision_recall(clouds(*real), clouds(*made, seed=1), np.random.default_rng(0))
    assert found == pytest.approx((precision, recall), abs=0.12)


def test_more_samples_are_compared_in_parts_as_large_as_the_smaller_set() -> None:
    real, few, many = clouds(0), clouds(0.3, seed=1), clouds(0.3, num=1000, seed=1)
    found = [precision_recall(real, made, np.random.default_rng(0)) for made in (few, many)]
    assert found[0] == pytest.approx(found[1], abs=0.06)


def test_sets_too_small_or_of_two_spaces_are_refused() -> None:
    with pytest.raises(ValueError, match=r"more than 3 points of one space, got \(3, 3\)"):
        precision_recall(clouds(0, num=3), clouds(0), np.random.default_rng(0))


def test_what_is_learned_by_heart_is_called_a_copy() -> None:
    rng = np.random.default_rng(0)
    training, others = (torch.from_numpy(rng.normal(size=(300, 8))) for _ in range(2))
    assert copies(training, training + 1e-3) == (1.0, 1.0)
    twice = torch.cat([training, training]).float()  # whose own neighbours are as near as can be
    assert copies(twice, training.float()) == (1.0, 1.0)
    at_half, at_whole = copies(training, others)
    assert at_half < 0.02
    assert 0.3 < at_whole < 0.7


def test_a_set_farther_away_is_significantly_so_and_itself_is_not() -> None:
    real, near, far = clouds(0, num=800), clouds(0.1, num=800, seed=1), clouds(0.5, num=800, seed=1)
    found = [frechet_between(made, real, np.random.default_rng(0)) for made in (near, far)]
    for (distance, _), shift in zip(found, (0.1, 0.5), strict=True):
        assert distance.low < distance.value < distance.high
        assert distance.value == pytest.approx(shift**2, abs=0.15)
    assert difference(found[1], found[0]).low > 0
    assert difference(found[0], found[0]) == (0.0, 0.0, 0.0)
