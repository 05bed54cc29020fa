"""Windows for torch: the right frames, mirrored throughout or not at all, rare behaviour drawn more often."""

from dataclasses import replace

import numpy as np
import pytest
from random_rollouts import SIZE, random_rows, smooth_frames

from training.data.augment import AugmentConfig, Clip, augment, mirror, relight
from training.data.frame_store import FrameStore, FrameWindows
from training.data.rarity import behaviours, rarity_weights
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset
from training.data.video_dataset import LoaderConfig, VideoDataset, WeightedWindows, video_loader
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.vehicle import VehicleModel

LENGTHS = (12, 5, 20)
PLAIN = AugmentConfig(mirror=0, brightness=0, contrast=0, saturation=0)


@pytest.fixture
def rollouts(tmp_path):
    rng = np.random.default_rng(0)
    writer = RolloutWriter(tmp_path, SIZE, 10, ("good", "bad"))
    for index, length in enumerate(LENGTHS):
        rows = random_rows(length, rng)
        rows = replace(rows, scenes=replace(rows.scenes, command=rows.scenes.command % 4))
        writer.write(index, smooth_frames(length, rng), rows, EpisodeSource(seed=0, town=0))
    return RolloutDataset(tmp_path)


def assert_equal(left, right):
    for name in ("frames", "controls", "motions", "collision", "off_road", "wrong_way", "tasks", "valid", "first"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    assert left.scenes == right.scenes


def test_items_are_the_windows_of_the_frame_store(rollouts):
    dataset, windows = VideoDataset(rollouts, 6, stride=3), FrameWindows(FrameStore(rollouts), 6)
    firsts = [0, 3, 6, 17, 20, 23, 26, 29]
    assert len(dataset) == len(firsts)
    for k, first in enumerate(firsts):
        assert_equal(dataset[k], windows.at(np.array([first])))
    with pytest.raises(ValueError, match="no episode has 21 frames; the longest has 20"):
        VideoDataset(rollouts, 21)


def test_a_worker_makes_the_same_batches(rollouts):
    dataset = VideoDataset(rollouts, 4, augmentation=AugmentConfig(), seed=3)
    here, there = (list(video_loader(dataset, LoaderConfig(batch_size=8, num_workers=n))) for n in (0, 1))
    assert len(here) == len(there) == len(dataset) // 8
    for left, right in zip(here, there, strict=True):
        assert left.frames.shape == (8, 4, *SIZE, 3)
        assert_equal(left, right)


def test_another_epoch_changes_the_augmentation_and_nothing_else(rollouts):
    dataset = VideoDataset(rollouts, 4, augmentation=AugmentConfig(mirror=0))
    first = dataset[0]
    dataset.epoch = 1
    again = dataset[0]
    assert (first.frames != again.frames).any()
    np.testing.assert_array_equal(first.controls, again.controls)


def clip_of(rollouts: RolloutDataset) -> Clip:
    return Clip(frames=rollouts[0].frames, rows=rollouts[0].rows)


def test_a_mirrored_clip_mirrors_everything_and_twice_is_once(rollouts):
    clip = clip_of(rollouts)
    seen = mirror(clip)
    np.testing.assert_array_equal(seen.frames[:, :, 0], clip.frames[:, :, -1])
    before, after = clip.rows, seen.rows
    np.testing.assert_array_equal(after.controls[:, 0], -before.controls[:, 0])
    np.testing.assert_array_equal(after.controls[:, 1:], before.controls[:, 1:])
    np.testing.assert_array_equal(after.scenes.lateral_offset, -before.scenes.lateral_offset)
    np.testing.assert_array_equal(after.scenes.half_width, before.scenes.half_width)
    np.testing.assert_array_equal(after.scenes.objects[..., 1], -before.scenes.objects[..., 1])
    np.testing.assert_array_equal(after.scenes.objects[..., 4:], before.scenes.objects[..., 4:])
    np.testing.assert_array_equal(after.scenes.lead, before.scenes.lead)
    left, right = (before.scenes.command == c for c in (RouteCommand.LEFT, RouteCommand.RIGHT))
    assert (after.scenes.command[left] == RouteCommand.RIGHT).all()
    assert (after.scenes.command[right] == RouteCommand.LEFT).all()
    np.testing.assert_allclose(after.motions[:, 1:3], -before.motions[:, 1:3], atol=1e-9)
    back = mirror(seen)
    assert back.rows.scenes == clip.rows.scenes
    np.testing.assert_array_equal(back.frames, clip.frames)


def test_a_mirrored_drive_obeys_the_vehicle_model():
    model, control = VehicleModel(), np.array([0.3, 0.5, 0, 0])
    vehicle = np.array([3.0, 1.0, 0.4, 8.0, 0, 0.1])
    flip = np.array([1, -1, -1, 1, 1, -1])
    after = model.step(vehicle, control, 0.1)
    np.testing.assert_allclose(model.step(flip * vehicle, control * [-1, 1, 1, 1], 0.1), flip * after)


def test_augmentation_off_changes_nothing_and_light_stays_in_range(rollouts):
    clip = clip_of(rollouts)
    same = augment(clip, PLAIN, np.random.default_rng(0))
    np.testing.assert_array_equal(same.frames, clip.frames)
    np.testing.assert_array_equal(same.rows.controls, clip.rows.controls)
    frames = np.array([[[[0, 128, 255]]]], np.uint8)
    assert relight(frames, 1.5, 1.0, 1.0).tolist() == [[[[0, 192, 255]]]]
    assert np.ptp(relight(frames, 1.0, 1.0, 0.0)) == 0
    with pytest.raises(ValueError, match=r"mirror must be in \[0, 1\], got 2"):
        AugmentConfig(mirror=2)


def test_rare_labels_weigh_more_up_to_a_limit():
    labels = np.array([7] * 90 + [3] * 9 + [5])
    weights = rarity_weights(labels, strength=1.0, highest=1000)
    np.testing.assert_allclose([weights[labels == k].sum() for k in (7, 3, 5)], [100 / 3] * 3)
    assert rarity_weights(labels, strength=0.0).tolist() == [1.0] * 100
    capped = rarity_weights(labels, strength=1.0, highest=10)
    assert capped[-1] / capped[0] == pytest.approx(10)
    assert weights.mean() == pytest.approx(1.0)


def test_behaviours_tell_turns_brakes_and_the_unknown_apart():
    rows = random_rows(6, np.random.default_rng(0))
    controls, vehicles = np.zeros((6, 4), np.float32), np.zeros((6, 6))
    controls[1, 0], controls[2, 0], controls[3, 2], vehicles[4, 3] = 0.5, -0.5, 1.0, 20.0
    valid = rows.valid.copy()
    valid[5] = False
    quiet = np.zeros(6, np.float32)
    labels = behaviours(
        replace(rows, controls=controls, vehicles=vehicles, valid=valid, collision=quiet, off_road=quiet)
    )
    assert len(set(labels.tolist())) == 6


def test_sampling_follows_its_weights_and_seed():
    weights = np.array([0.0, 1.0, 3.0])
    draws = list(WeightedWindows(weights, num_samples=4000, seed=1))
    assert 0 not in draws
    assert np.mean(np.array(draws) == 2) == pytest.approx(0.75, abs=0.03)
    assert draws == list(WeightedWindows(weights, num_samples=4000, seed=1))
    with pytest.raises(ValueError, match="not all 0"):
        WeightedWindows(np.zeros(3))
