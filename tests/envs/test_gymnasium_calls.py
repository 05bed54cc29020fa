"""Calls that work on Gymnasium's own envs: specs as JSON, render wrappers, forks, readers of info, failed resets."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from places import environment
from small_envs import ACTION, going_on, make
from small_worlds import SMALL
from tiny_model import random_clip

from envs.carla.config import CarlaWorldConfig
from envs.config_values import config_from_values, plain_values
from envs.road.config import RoadWorldConfig
from envs.worlds import WORLDS
from worldsim.datatypes.vehicle import VehicleModel

IDS = ["DriveDiT-v0", "DriveDiT-Road-v0"]
CUSTOM = replace(SMALL, vehicle=VehicleModel(length=5.0))


def test_a_spec_survives_json(tiny_checkpoint):
    for env in (
        gymnasium.make("DriveDiT-v0", checkpoint=tiny_checkpoint),
        gymnasium.make("DriveDiT-Road-v0", world_config=CUSTOM, frame_size=(48, 64)),
    ):
        assert env.spec is not None
        again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
        assert again.spec == env.spec
        assert again.unwrapped.world.config == env.unwrapped.world.config
        assert env.reset(seed=1)[0].shape == again.reset(seed=1)[0].shape
        assert going_on(again.unwrapped) == going_on(env.unwrapped)
    config = CarlaWorldConfig(port=3000, weather="ClearNoon")
    env = gymnasium.make("DriveDiT-Carla-v0", world_config=config)
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.world.config == config


def test_a_vector_envs_spec_survives_json(tiny_checkpoint):
    envs = gymnasium.make_vec(
        "DriveDiT-v0", num_envs=2, checkpoint=tiny_checkpoint, obs="state", autoreset_mode=AutoresetMode.SAME_STEP
    )
    again = gymnasium.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert (again.num_envs, again.unwrapped.autoreset_mode) == (2, AutoresetMode.SAME_STEP)


def test_configs_become_plain_values_and_back():
    values = plain_values({"config": CUSTOM, "path": Path("a/b"), "mode": AutoresetMode.DISABLED, "n": np.int64(3)})
    assert values["config"]["vehicle"]["length"] == 5.0
    assert (values["path"], values["mode"], values["n"]) == ("a/b", "Disabled", 3)
    assert config_from_values(RoadWorldConfig, values["config"]) == CUSTOM
    assert config_from_values(RoadWorldConfig, {"vehicle": {"length": 5.0}}).vehicle.length == 5.0
    assert config_from_values(RoadWorldConfig, None) == RoadWorldConfig()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"dtt": 0.1}, r"RoadWorldConfig has no fields \['dtt'\]; it has frame_size, dt, "),
        ({"dt": 7}, "dt must be in"),
        ({"dt": "soon"}, "cannot be made of {'dt': 'soon'}"),
        ({"vehicle": {"wings": 2}}, "VehicleModel has no fields"),
        ("town", "expected a RoadWorldConfig or a dict of its fields, got 'town'"),
    ],
)
def test_bad_configs_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make("DriveDiT-Road-v0", world_config=config)


@pytest.mark.parametrize("env_id", [entry.env_id for entry in WORLDS.values()])
def test_gymnasium_adds_the_render_modes_it_can(env_id):
    factory = next(entry for entry in WORLDS.values() if entry.env_id == env_id)._load_factory()
    assert factory.metadata["render_modes"] == ["rgb_array"]


def test_human_and_list_rendering(tiny_checkpoint):
    with pytest.warns(UserWarning, match="HumanRendering wrapper is being applied"):
        env = make("DriveDiT-v0", "state", tiny_checkpoint, render_mode="human")
    env.reset(seed=0)
    env.step(ACTION)
    env.close()
    env = make("DriveDiT-Road-v0", "state", tiny_checkpoint, render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(ACTION)
    assert [frame.shape for frame in env.render()] == [(48, 48, 3)] * 2


FORKED = """
import sys, warnings
import gymnasium, numpy as np, torch
import drivedit
warnings.simplefilter("ignore")
torch.set_num_threads(4)
torch.ones(1000, 1000) @ torch.ones(1000, 1000)  # begins the threads that no fork inherits
envs = gymnasium.make_vec(
    "DriveDiT-v0", num_envs=2, vectorization_mode="async", checkpoint=sys.argv[1], vector_kwargs={"context": "fork"}
)
envs.reset(seed=0)
print(envs.step(np.zeros((2, 2), np.float32))[0].shape)
envs.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_forked_workers_do_not_wait_for_threads_that_are_not_there(tiny_checkpoint):
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tiny_checkpoint)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**environment(), "OMP_NUM_THREADS": "4"},
    )
    assert done.stdout.strip() == "(2, 128, 128, 3)"


def test_threads_asked_for_in_a_forked_process_are_refused(monkeypatch):
    from envs.learned import threads

    monkeypatch.setattr(threads, "_TORCH_LOADED_BY", -1)
    with pytest.raises(ValueError, match=r"asked for 2; use .*vectorization_mode='async'.*'spawn'"):
        threads.set_threads(2)


@pytest.mark.parametrize("env_id", IDS)
def test_torchrl_reads_every_value_of_info(env_id, tiny_checkpoint):
    gym = pytest.importorskip("torchrl.envs.libs.gym")
    env = make(env_id, "state", tiny_checkpoint)
    keys = list(env.reset(seed=0)[1])
    reader = gym.default_info_dict_reader(keys)
    rollout = gym.GymWrapper(env).set_info_dict_reader(reader).rollout(2)
    assert all(("next", key) in rollout.keys(True) for key in keys)


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasiums_vector_envs_stack_info_as_numbers(env_id, tiny_checkpoint):
    envs = SyncVectorEnv([lambda: make(env_id, "state", tiny_checkpoint)] * 2)
    infos = envs.reset(seed=0)[1]
    assert infos["wrong_way"].dtype == infos["_wrong_way"].dtype == np.bool_
    assert not [key for key, value in infos.items() if value.dtype == object]


@pytest.mark.parametrize("env_id", IDS)
def test_a_reset_that_fails_leaves_no_episode(env_id, tiny_checkpoint):
    env = make(env_id, "state", tiny_checkpoint, render_mode="rgb_array")
    base = env.unwrapped
    for begun in (False, True):
        if begun:
            env.reset(seed=0)
        with pytest.raises(ValueError, match="wether"):
            env.reset(seed=0, options={"wether": 1})
        assert not base.in_episode
        for call in (lambda: base.step(ACTION), base.render):
            with pytest.raises(ValueError, match="call reset before"):
                call()
    env.reset(seed=0)
    assert env.render().shape[-1] == 3


def test_a_vector_env_answers_as_gymnasiums_own(tiny_checkpoint):
    ours = gymnasium.make_vec(
        "DriveDiT-v0", num_envs=2, checkpoint=tiny_checkpoint, obs="state", max_episode_steps=2, exact=True
    )
    theirs = SyncVectorEnv([lambda: gymnasium.make("DriveDiT-v0", checkpoint=tiny_checkpoint, obs="state")] * 2)
    for envs in (ours, theirs):
        envs.reset(seed=7)
        assert envs.np_random_seed == (7, 8)
        assert [generator.random() for generator in envs.np_random] == [
            np.random.default_rng(seed).random() for seed in (7, 8)
        ]
        assert envs.get_attr("obs") == ("state", "state")
        assert envs.call("branch", 1)[1][0].obs == "state"
        envs.set_attr("name", ["a", "b"])
        assert envs.get_attr("name") == ("a", "b")
        envs.set_attr("name", "c")
        assert envs.get_attr("name") == ("c", "c")
        with pytest.raises(ValueError, match=r"(?i)got .?1"):
            envs.set_attr("name", ["a"])
    truncations = [ours.step(np.zeros((2, 2), np.float32))[3].tolist() for _ in range(2)]
    assert truncations == [[False, False], [True, True]]
    with pytest.raises(ValueError, match="max_episode_steps must be at least 1, or -1 for no limit, got 0"):
        gymnasium.make_vec("DriveDiT-v0", num_envs=2, checkpoint=tiny_checkpoint, max_episode_steps=0)


def test_a_vector_env_without_episodes_says_which(tiny_checkpoint):
    envs = gymnasium.make_vec("DriveDiT-v0", num_envs=2, checkpoint=tiny_checkpoint, obs="state")
    with pytest.raises(ValueError, match=r"envs \[1\] have no episode yet: the first reset must not leave them out"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ValueError, match=r"envs \[0, 1\] have no episode: call reset before step"):
        envs.step(np.zeros((2, 2), np.float32))
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="wether"):
        envs.reset(options={"wether": 1})
    with pytest.raises(ValueError, match=r"envs \[0\] have no episode"):
        envs.step(np.zeros((2, 2), np.float32))
    source = make("DriveDiT-v0", "state", tiny_checkpoint).unwrapped
    source.reset(seed=0, options={"start_clip": random_clip(8)})
    envs.unwrapped.envs[0].set_state(source.get_state())
    assert envs.step(np.zeros((2, 2), np.float32))[0].shape == (2, 137)
