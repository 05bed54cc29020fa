"""DriveDiT-Carla-v0 as a Gymnasium env, and maps by name and by text."""

import gymnasium
import numpy as np
import pytest
from carla_worlds import carla_config
from gymnasium.utils.env_checker import check_env

import drivedit  # noqa: F401  registers the ids
from envs.carla.carla_world import CarlaWorldConfig
from envs.maps.towns.procedural_towns import town_xodr


def test_the_env_is_registered_and_drives_from_a_full_context(bridge):
    config = CarlaWorldConfig(num_vehicles=0, num_warmup=2, num_context=4, tick_seconds=30.0, connect_seconds=30.0)
    env = gymnasium.make("DriveDiT-Carla-v0", port=bridge.port, frame_size=(32, 48), world_config=config)
    frame, info = env.reset(seed=2)
    assert env.observation_space.contains(frame)
    assert {"scene", "weather", "frame_number", "collided_with", "lane_invasions"} <= set(info)
    clip = env.unwrapped.start_clip()
    assert clip.frames.shape == (4, 32, 48, 3)
    _, again = env.reset(seed=2)
    assert again["weather"] == info["weather"]
    np.testing.assert_array_equal(again["scene"], info["scene"])
    env.close()


@pytest.fixture
def carla_env(bridge):
    env = gymnasium.make("DriveDiT-Carla-v0", world_config=carla_config(bridge.port, num_context=2), obs="both")
    yield env
    env.close()


@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_has_no_complaint(carla_env):
    check_env(carla_env.unwrapped)


@pytest.mark.filterwarnings("error")
def test_stable_baselines3s_checker_has_no_complaint(carla_env):
    pytest.importorskip("stable_baselines3.common.env_checker").check_env(carla_env.unwrapped)


def test_torchrls_checker_has_no_complaint(carla_env):
    pytest.importorskip("torchrl")
    from torchrl.envs import GymWrapper
    from torchrl.envs.utils import check_env_specs

    check_env_specs(GymWrapper(carla_env))


def test_maps_are_changed_by_name_and_by_text(carla_world):
    carla_world.reset(0, {"map": "Town_001"})
    assert carla_world.map_name == "Town_001"
    named = carla_world.start_clip().route
    carla_world.reset(0, {"map": town_xodr(1)})
    assert carla_world.map_name == "OpenDriveMap"
    np.testing.assert_allclose(carla_world.start_clip().route, named, atol=1e-3)  # the same town, the same start
    carla_world.reset(0, {"map": "Town_000"})
    assert carla_world.map_name == "Town_000"
    carla_world.reset(1, {})
    assert carla_world.map_name == "Town_000"
