"""A start of the learned world from another place along its route: the ego stands there, and drives on from there."""

from dataclasses import replace

import numpy as np
import pytest
from known_clips import clip_with, ground, users
from tiny_model import random_model

from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld

THROTTLE = np.array([0.0, 0.6, 0.0, 0.0], np.float32)
ROAD = ground(np.array([[-20.0, 0.0, 0.0], [300.0, 0.0, 0.0]]))


@pytest.fixture(scope="module", params=[True, False], ids=["pictures", "state-only"])
def world(request) -> LearnedWorld:
    clip = clip_with(4, 5.0, layout=ROAD, road_users=users((70.0, 3.5, 0.0, 4.0, False)))
    if request.param:
        clip = replace(clip, frames=np.random.default_rng(0).integers(0, 255, (4, 128, 128, 3), np.uint8))
    return LearnedWorld(LearnedWorldConfig(pictures=request.param), model=random_model(), starts=[clip])


def test_the_ego_stands_where_it_is_put_and_drives_on_along_the_route(world):
    step = world.reset(0, {"start_index": 0, "start_pose": (50.0, 0.5, 0.1)})
    np.testing.assert_allclose(step.vehicle, [50.0, 0.5, 0.1, 0.0, 0.0, 0.0])
    assert step.scene.lateral_offset == pytest.approx(0.5, abs=1e-5)
    assert step.scene.heading_error == pytest.approx(0.1, abs=1e-5)
    assert step.scene.route_valid.all()
    assert step.scene.object_valid.any()  # who drives there sees the same road users
    for _ in range(5):
        step = world.step(THROTTLE)
    assert step.vehicle[0] > 50.1
    left = world.start_clip(pictures=False).route[-1]
    assert np.hypot(*left) == pytest.approx(299.0 - step.vehicle[0], abs=0.1)


def test_its_pictures_are_painted_as_the_same_place_always_is(world):
    if not world.config.pictures:
        pytest.skip("this one shows none")
    world.reset(0, {"start_index": 0, "start_pose": (50.0, 0.0, 0.0)})
    first = world.frame()
    world.reset(0, {"start_index": 0})
    assert not np.array_equal(world.frame(), first)
    world.reset(0, {"start_index": 0, "start_pose": (50.0, 0.0, 0.0)})
    np.testing.assert_array_equal(world.frame(), first)


@pytest.mark.parametrize(
    "pose",
    [
        pytest.param((40.0, 9.0, 0.0), id="beside"),
        pytest.param((40.0, 0.0, 3.0), id="against it"),
        pytest.param((290.0, 0.0, 0.0), id="at the end"),
    ],
)
def test_a_pose_that_is_not_on_the_route_is_refused_with_where_that_runs(world, pose):
    with pytest.raises(ValueError, match=r"beside the start's route, .* The route runs 299 m from .* nearest place"):
        world.reset(0, {"start_index": 0, "start_pose": pose})


def test_after_a_refusal_the_drive_of_before_goes_on(world):
    def step_after(*refused):
        world.reset(0, {"start_index": 0, "start_pose": (50.0, 0.0, 0.0)})
        for pose in refused:
            with pytest.raises(ValueError, match="beside the start's route"):
                world.reset(1, {"start_index": 0, "start_pose": pose})
        return world.step(THROTTLE).vehicle

    np.testing.assert_allclose(step_after((40.0, 9.0, 0.0)), step_after(), atol=1e-6)


def test_a_start_that_does_not_know_its_ground_is_refused():
    world = LearnedWorld(LearnedWorldConfig(pictures=False), model=random_model(), starts=[clip_with(4, 5.0)])
    with pytest.raises(ValueError, match="needs a start that tells its route, ground and road users"):
        world.reset(0, {"start_index": 0, "start_pose": (40.0, 0.0, 0.0)})
