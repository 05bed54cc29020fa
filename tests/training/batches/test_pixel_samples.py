"""What a pixel planner learns from: the expert's own function of recorded states, and pictures of the right age."""

import numpy as np
import pytest
from known_drives import turning_car

from policies.pixels.vision import Vision
from policies.rule_based import LaneFollower, LaneFollowerConfig, choose_pedal
from training.batches.pixel_samples import NEARNESS_GAP, PixelSamples, label_scenes
from training.data.lerobot_layout import VALID_NAMES
from worldsim.datatypes.scene import LaneColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleModel

NUM = 40


def known_drive():
    store = turning_car(NUM)
    scenes = store.rows.scenes
    scenes.ego[:, 0], scenes.ego_valid[:], scenes.lane_valid[:] = 8.0, True, True
    scenes.lane[:, LaneColumn.SPEED_LIMIT] = 8.33
    scenes.lead[3], scenes.lead_valid[3] = (4.0, 0.0), True
    store.rows.collision[30:] = 1
    return store


def samples_of(store, vision: Vision | None = None) -> PixelSamples:
    return PixelSamples(store, label_scenes(store.rows.scenes, LaneFollowerConfig()), vision or Vision())


def test_labels_are_the_lane_followers_own_function_of_the_state() -> None:
    store = known_drive()
    scenes = store.rows.scenes
    scenes.lead[:], scenes.lead_valid[::2] = (9.0, 2.0), True
    labels = label_scenes(scenes, LaneFollowerConfig())
    pedals = choose_pedal(labels.acceleration, scenes.speed, VehicleModel())
    actions = np.stack([LaneFollower().action(scenes[k]) for k in range(NUM)])
    np.testing.assert_allclose(pedals, actions[:, 1], atol=1e-6)
    assert np.ptp(actions[:, 1]) > 0.5
    batch = samples_of(store).at(np.arange(5, 10))
    np.testing.assert_array_equal(batch.route, scenes.route[5:10])
    np.testing.assert_array_equal(batch.acceleration, labels.acceleration[5:10])


def test_nearness_is_of_the_first_thing_to_keep_clear_of() -> None:
    scenes = known_drive().rows.scenes
    scenes.lead[:], scenes.lead_valid[::2] = (NEARNESS_GAP, 2.0), True
    scenes.lead_valid[3] = False
    np.testing.assert_allclose(label_scenes(scenes, LaneFollowerConfig()).nearness[:4], [0.5, 0.0, 0.5, 0.0])
    scenes.object_kinds[1, 0], scenes.objects[1, 0] = ObjectKind.PEDESTRIAN, (7.3, 0.0, 0.0, 0.0, 0.6, 0.6)
    assert label_scenes(scenes, LaneFollowerConfig()).nearness[1] == pytest.approx(10 / 14.7, abs=0.02)


def test_pictures_are_of_their_age_within_the_episode() -> None:
    store = known_drive()
    batch = samples_of(store, Vision(delay=2)).at(np.array([3, 20]))
    np.testing.assert_array_equal(batch.pictures[1], store.frames[[18, 15], 32:])
    np.testing.assert_array_equal(batch.pictures[0], store.frames[[1, 0], 32:])


def test_moments_that_tell_nothing_are_left_out() -> None:
    store = known_drive()
    store.rows.scenes.lane[5, LaneColumn.LATERAL_OFFSET] = 2.5
    store.rows.scenes.route_valid[6, 0] = False
    store.rows.valid[7, VALID_NAMES.index("frame")] = False
    usable = samples_of(store).usable
    assert set(range(30)) - set(usable.tolist()) == {5, 6, 7}
    assert usable.max() < 30


def test_bends_and_braking_come_more_often() -> None:
    store = known_drive()
    samples = samples_of(store)
    assert samples.braking.tolist() == [3]
    assert 0 < len(samples.bends) < len(samples.usable)
    batch = samples.sample(20, np.random.default_rng(0))
    assert (batch.acceleration < -1).sum() >= 8
    assert (np.abs(batch.route[:, 3, 1]) > 1).sum() >= 5
    store.rows.scenes.lead_valid[3] = False
    with pytest.raises(ValueError, match=r"of 40 recorded moments 30 are known well .* and 0 ask for braking"):
        samples_of(store)
