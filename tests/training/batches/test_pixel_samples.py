"""What a pixel planner learns from: the expert's own function of recorded states, and pictures of the right age."""

import numpy as np
import pytest
from known_drives import turning_car

from policies.pixels.vision import Vision
from policies.rule_based import LaneFollower, LaneFollowerConfig, choose_pedal
from training.batches.pixel_samples import PixelSamples, expert_accelerations
from training.data.lerobot_layout import VALID_NAMES
from worldsim.datatypes.scene import LaneColumn
from worldsim.datatypes.vehicle import VehicleModel

NUM = 40


def known_drive():
    store = turning_car(NUM)
    scenes = store.rows.scenes
    scenes.ego[:, 0], scenes.ego_valid[:], scenes.lane_valid[:] = 8.0, True, True
    scenes.lane[:, LaneColumn.SPEED_LIMIT] = 8.33
    store.rows.collision[30:] = 1
    return store


def samples_of(store, vision: Vision | None = None) -> PixelSamples:
    accelerations = expert_accelerations(store.rows.scenes, LaneFollowerConfig())
    return PixelSamples(store, accelerations, vision or Vision())


def test_labels_are_the_lane_followers_own_function_of_the_state() -> None:
    store = known_drive()
    scenes = store.rows.scenes
    scenes.lead[:], scenes.lead_valid[::2] = (9.0, 2.0), True
    accelerations = expert_accelerations(scenes, LaneFollowerConfig())
    pedals = choose_pedal(accelerations, scenes.speed, VehicleModel())
    actions = np.stack([LaneFollower().action(scenes[k]) for k in range(NUM)])
    np.testing.assert_allclose(pedals, actions[:, 1], atol=1e-6)
    assert np.ptp(actions[:, 1]) > 0.5
    batch = samples_of(store).at(np.arange(5, 10))
    np.testing.assert_array_equal(batch.route, scenes.route[5:10])
    np.testing.assert_allclose(batch.acceleration, accelerations[5:10], rtol=1e-6)


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


def test_moments_with_something_to_do_come_more_often() -> None:
    store = known_drive()
    store.rows.scenes.lead[2], store.rows.scenes.lead_valid[2] = (4.0, 0.0), True
    store.rows.scenes.route[:, :, 1] = 0
    samples = samples_of(store)
    assert samples.eventful.tolist() == [2]
    batch = samples.sample(10, np.random.default_rng(0))
    assert (batch.acceleration < -1).sum() >= 4
    store.rows.scenes.lead_valid[2] = False
    with pytest.raises(ValueError, match=r"of 40 recorded moments 30 are known well enough .* none of them has a bend"):
        samples_of(store)
