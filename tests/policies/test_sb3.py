"""Networks of Stable-Baselines3: refused without the flag, before anything of the file is unpickled."""

import json
import zipfile

import gymnasium
import numpy as np
import pytest

from envs.features import NUM_FEATURES
from policies.registry import make_policy
from policies.sb3 import find_algorithm
from worldsim.datatypes.scene import SCENE_SIZE, SceneState


class Spaces(gymnasium.Env):
    """An env that is nothing but its spaces."""

    def __init__(self, shape, dtype=np.float32, num_actions=2):
        high = 255 if dtype == np.uint8 else 10
        low = 0 if dtype == np.uint8 else -10
        self.observation_space = gymnasium.spaces.Box(low, high, shape, dtype)
        self.action_space = gymnasium.spaces.Box(-1, 1, (num_actions,), np.float32)


def saved(path, shape, algorithm="PPO", **spaces):
    sb3 = pytest.importorskip("stable_baselines3")
    more = {"buffer_size": 10} if algorithm in ("SAC", "TD3", "DDPG") else {}
    policy = "CnnPolicy" if len(shape) == 3 else "MlpPolicy"
    model = getattr(sb3, algorithm)(policy, Spaces(shape, **spaces), device="cpu", seed=0, **more)
    model.save(path)
    return model


def test_a_pickle_is_refused_without_the_flag_and_before_it_is_read(tmp_path):
    path = tmp_path / "policy.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", json.dumps({"clip_range": {":serialized:": "bm8gcGlja2xl"}}))  # no pickle
    with pytest.raises(ValueError, match=r"policy.zip holds pickled objects.* any code .*--allow-pickle"):
        make_policy(f"sb3:{path}")


@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "SAC", "TD3", "DDPG"])
def test_a_network_acts_as_it_was_trained_to(tmp_path, algorithm):
    model = saved(tmp_path / "policy.zip", (SCENE_SIZE,), algorithm)
    policy = make_policy(f"sb3:{tmp_path / 'policy.zip'}", allow_pickle=True)
    state = SceneState.empty().to_vector()
    state[0] = 5.0
    expected = model.predict(state, deterministic=True)[0]
    action = policy.act(np.zeros((0, 0, 3), np.uint8), {"scene": state})
    np.testing.assert_allclose(action, np.clip(expected, -1, 1), rtol=1e-6)
    assert action.dtype == np.float32
    assert not policy.uses_pictures  # pyright: ignore[reportAttributeAccessIssue]


def test_observations_are_told_by_their_shape(tmp_path):
    saved(tmp_path / "features.zip", (NUM_FEATURES,))
    policy = make_policy(f"sb3:{tmp_path / 'features.zip'}", allow_pickle=True)
    assert policy.act(np.zeros((0, 0, 3), np.uint8), {"scene": SceneState.empty().to_vector()}).shape == (2,)

    saved(tmp_path / "pixels.zip", (64, 64, 3), dtype=np.uint8)
    looks = make_policy(f"sb3:{tmp_path / 'pixels.zip'}", allow_pickle=True)
    assert looks.uses_pictures  # pyright: ignore[reportAttributeAccessIssue]
    assert looks.act(np.zeros((64, 64, 3), np.uint8), {}).shape == (2,)
    with pytest.raises(ValueError, match="observes frames, and this env makes none"):
        looks.act(np.zeros((0, 0, 3), np.uint8), {})


def test_networks_of_other_envs_and_other_files_are_refused(tmp_path):
    saved(tmp_path / "pendulum.zip", (3,), num_actions=1)
    with pytest.raises(ValueError, match=r"pendulum.zip must observe frames, a state \[137\] or features \[19\]"):
        make_policy(f"sb3:{tmp_path / 'pendulum.zip'}", allow_pickle=True)
    saved(tmp_path / "one.zip", (SCENE_SIZE,), num_actions=1)
    with pytest.raises(ValueError, match=r"one.zip must act by Box \[2\]"):
        make_policy(f"sb3:{tmp_path / 'one.zip'}", allow_pickle=True)
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(ValueError, match=r"text.zip is no .zip that Stable-Baselines3 saved"):
        find_algorithm(tmp_path / "text.zip")
    with pytest.raises(FileNotFoundError, match="no file"):
        make_policy(f"sb3:{tmp_path / 'nothing.zip'}", allow_pickle=True)
