"""DrivingEnv as Gymnasium wants it, over the road world and over a world of constructed answers."""

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from small_worlds import SMALL, ConstantWorld, world_step

import drivedit  # noqa: F401  registers the ids
from envs.driving_env import DrivingEnv, DrivingEnvConfig
from envs.road.road_world import RoadWorld
from worldsim.datatypes.scene import SceneState


def test_registered_road_env_passes_the_checker_without_warnings():
    env = gymnasium.make("DriveDiT-Road-v0", world_config=SMALL, frame_size=(32, 32), render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=False)
    env.close()


def test_info_and_spaces():
    env = DrivingEnv(RoadWorld(SMALL))
    frame, info = env.reset(seed=1)
    assert env.observation_space.contains(frame)
    keys = {"scene", "vehicle", "collision", "off_road", "wrong_way", "progress", "town", "weather_seed"}
    assert keys <= set(info)
    frame, earned, _, _, info = env.step(np.array([0.0, 0.5], np.float32))
    assert env.observation_space.contains(frame)
    assert isinstance(earned, float)
    assert SceneState.from_vector(info["scene"]).batch_shape == ()


@pytest.mark.parametrize(("obs", "num_frames"), [("state", 0), ("pixels", 4), ("both", 4)])
def test_frames_are_made_only_where_they_are_looked_at(obs, num_frames):
    world = ConstantWorld(world_step())
    env = DrivingEnv(world, obs=obs, render_mode="rgb_array")
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(2, np.float32))
    assert world.num_shown == num_frames
    assert env.render() is not None
    assert world.num_shown == num_frames + 1


def test_snapshot_covers_the_clock():
    env = DrivingEnv(ConstantWorld(world_step()), DrivingEnvConfig(max_episode_seconds=0.3))
    env.reset(seed=0)
    env.step(np.zeros(2, np.float32))
    snapshot = env.snapshot()
    ends = [env.step(np.zeros(2, np.float32))[3] for _ in range(2)]
    env.restore(snapshot)
    assert ends == [env.step(np.zeros(2, np.float32))[3] for _ in range(2)] == [False, True]


def test_action_becomes_the_control():
    world = ConstantWorld(world_step())
    env = DrivingEnv(world)
    env.reset(seed=0)
    for action in ([0.5, 0.25], [-1, -0.5]):
        env.step(np.array(action, np.float32))
    assert np.array(world.controls) == pytest.approx(np.array([[0.5, 0.25, 0, 0], [-1, 0, 0.5, 0]]))


def test_ends():
    for step, ended in ((world_step(), False), (world_step(collision=0.6), True), (world_step(off_road=1.0), True)):
        env = DrivingEnv(ConstantWorld(step))
        env.reset(seed=0)
        assert env.step(np.zeros(2, np.float32))[2] is ended


def test_seed_goes_to_the_world_and_unseeded_resets_differ():
    env = DrivingEnv(ConstantWorld(world_step()))
    env.reset(seed=7)
    assert env.world.seed == 7
    env.reset()
    first = env.world.seed
    env.reset()
    assert env.world.seed != first
    env.reset(seed=7)
    env.reset()
    assert env.world.seed == first


def test_step_before_reset_and_unknown_render_mode_are_refused():
    with pytest.raises(ValueError, match="call reset"):
        DrivingEnv(ConstantWorld(world_step())).step(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="human"):
        DrivingEnv(ConstantWorld(world_step()), render_mode="human")


def test_close_closes_the_world():
    world = ConstantWorld(world_step())
    DrivingEnv(world).close()
    assert world.closed


def test_importing_envs_loads_no_torch():
    code = "import drivedit, envs.driving_env, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
