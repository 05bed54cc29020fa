"""CarlaWorld over the real client over the bridge over the embedded world, beside that world itself; faults."""

import socket
import threading

import msgpack
import numpy as np
import pytest
from bridge_process import SMALL_ROAD, serving

from envs.carla_bridge.road_simulation import STANDING_START
from envs.carla_frame import pose_from_carla, pose_to_carla
from envs.carla_world import CarlaWorld, CarlaWorldConfig
from envs.road_world import RoadWorld, RoadWorldConfig
from envs.world import WorldLostError

BRAKE = np.array([0, 0, 1, 0], np.float32)
GO = np.array([0.02, 0.6, 0, 0], np.float32)
NUM_WARMUP = 2
DIRECT = RoadWorldConfig(frame_size=(48, 48), num_vehicles=3, num_pedestrians=2, num_context=1)


def carla_config(port: int, **changes) -> CarlaWorldConfig:
    settings = {
        "port": port,
        "frame_size": (48, 48),
        "num_context": 1,
        "num_warmup": NUM_WARMUP,
        "num_vehicles": 0,
        "connect_seconds": 30.0,
        "tick_seconds": 30.0,
        "image_seconds": 20.0,
    }
    return CarlaWorldConfig(**(settings | changes))


@pytest.fixture(scope="module")
def bridge():
    with serving(*SMALL_ROAD) as running:
        yield running


@pytest.fixture(scope="module")
def carla_world(bridge):
    world = CarlaWorld(carla_config(bridge.port))
    yield world
    world.close()


def float32_pose(pose):
    """The pose as it is after its way through CARLA's floats."""
    return pose_from_carla(*np.array(pose_to_carla(*pose), np.float32).tolist())


def assert_same(through_carla, direct):
    np.testing.assert_array_equal(through_carla.frame, direct.frame)
    np.testing.assert_allclose(through_carla.vehicle, direct.vehicle, atol=2e-4)
    for name, value in direct.scene.arrays().items():
        found = through_carla.scene.arrays()[name]
        if value.dtype.kind == "f":
            np.testing.assert_allclose(found, value, atol=2e-3, err_msg=name)
        else:
            np.testing.assert_array_equal(found, value, err_msg=name)
    assert through_carla.progress == pytest.approx(direct.progress, abs=2e-3)
    events = ("collision", "off_road", "wrong_way")
    assert [getattr(through_carla, name) for name in events] == [getattr(direct, name) for name in events]


def compare_episode(carla_world, seed, controls):
    """Drive both worlds by the same controls; returns the number of frames found equal."""
    direct = RoadWorld(DIRECT)
    drawn = direct.reset(seed, {"town": 0}).vehicle[:3]
    pose = float32_pose(drawn)
    expected = direct.reset(seed, {"town": 0, "start": pose, "scenario": STANDING_START})
    for _ in range(NUM_WARMUP):
        expected = direct.step(BRAKE)
    step = carla_world.reset(seed, {"start": pose, "route": direct.snapshot().route})
    assert_same(step, expected)
    number = step.info["frame_number"]
    for k, control in enumerate(controls, start=1):
        step, expected = carla_world.step(control), direct.step(control)
        assert_same(step, expected)
        assert step.info["frame_number"] == number + k
    clip, expected_clip = carla_world.start_clip(), direct.start_clip()
    np.testing.assert_array_equal(clip.frames, expected_clip.frames)
    np.testing.assert_allclose(clip.route, expected_clip.route, atol=2e-3)
    return len(controls) + 1


def wandering_controls(num, seed):
    """Smooth at first, then off the road and into things."""
    rng = np.random.default_rng(seed)
    steer = np.cumsum(rng.normal(0, 0.004, num))
    return np.stack([steer, rng.uniform(0.5, 1.0, num), np.zeros(num), np.zeros(num)], -1).astype(np.float32)


def test_recording_through_carla_equals_the_direct_one(carla_world):
    assert compare_episode(carla_world, 3, wandering_controls(50, 0)) == 51


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_frames_through_carla_equal_the_direct_ones(carla_world):
    frames = sum(compare_episode(carla_world, seed, wandering_controls(200, seed)) for seed in range(5))
    assert frames == 1005
