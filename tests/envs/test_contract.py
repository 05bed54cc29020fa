"""The contract of both ids in every observation mode: three checkers, info, rewards, trust, other processes."""

import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from places import environment
from small_envs import make
from small_worlds import ConstantWorld, world_step

import drivedit
from envs.driving_env import DrivingEnv, DrivingEnvConfig, TruncationReason
from envs.rewards import Reward
from worldsim.datatypes.scene import SCENE_SIZE, SceneState

CASES = [("DriveDiT-v0", obs) for obs in ("pixels", "state", "both", "features", "latent")]
CASES += [("DriveDiT-Road-v0", obs) for obs in ("pixels", "state", "both", "features")]
every_case = pytest.mark.parametrize(("env_id", "obs"), CASES)


@every_case
def test_gymnasiums_checker_has_no_complaint(env_id, obs, tiny_checkpoint):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(env_id, obs, tiny_checkpoint, render_mode="rgb_array").unwrapped)


@every_case
def test_stable_baselines3s_checker_has_no_complaint(env_id, obs, tiny_checkpoint):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = make(env_id, obs, tiny_checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(env.unwrapped)


@every_case
def test_torchrls_checker_has_no_complaint(env_id, obs, tiny_checkpoint):
    pytest.importorskip("torchrl")
    from torchrl.envs import GymWrapper
    from torchrl.envs.utils import check_env_specs

    check_env_specs(GymWrapper(make(env_id, obs, tiny_checkpoint)))


@every_case
def test_info_is_numbers_under_the_same_keys_and_the_terms_make_the_reward(env_id, obs, tiny_checkpoint):
    env = make(env_id, obs, tiny_checkpoint)
    observation, first = env.reset(seed=2)
    keys = list(first)
    for _ in range(3):
        assert env.observation_space.contains(observation)
        observation, reward, terminated, truncated, info = env.step(np.array([0.1, 0.6], np.float32))
        assert list(info) == keys
        assert type(reward) is float
        assert (type(terminated), type(truncated)) == (bool, bool)
        assert reward == Reward(*(info[f"reward_{name}"] for name in Reward._fields)).total
        for value in info.values():
            assert isinstance(value, (np.generic, np.ndarray))
            assert value.dtype in (np.float32, np.float64, np.int64, np.bool_)
            assert np.isfinite(value).all()


def test_the_state_is_the_scene(tiny_checkpoint):
    env = make("DriveDiT-v0", "both", tiny_checkpoint)
    env.reset(seed=0)
    observation, *_, info = env.step(np.array([0.1, 0.6], np.float32))
    clip = env.unwrapped.start_clip()
    assert observation["state"].shape == (SCENE_SIZE,)
    assert SceneState.from_vector(info["scene"]) == clip.scenes[-1]
    bounds = env.observation_space["state"]
    assert np.array_equal(observation["state"], np.clip(info["scene"], bounds.low, bounds.high))
    assert np.array_equal(observation["pixels"], clip.frames[-1])
    assert SceneState.from_vector(np.stack([info["scene"]] * 3)) == SceneState.stack([clip.scenes[-1]] * 3)
    with pytest.raises(ValueError, match=r"\[\.\.\., 137\], got \(5,\)"):
        SceneState.from_vector(np.zeros(5))


def test_a_state_is_finite_and_within_its_bounds_whatever_the_scene():
    scene = world_step(offset=1e9).scene
    scene.ego[:] = -1e9
    env = DrivingEnv(ConstantWorld(world_step()), obs="state")
    env.reset(seed=0)
    env.world.answer = world_step(offset=1e9)
    observation = env.step(np.zeros(2, np.float32))[0]
    assert env.observation_space.contains(observation)


def test_unknown_modes_and_latents_of_the_road_are_refused():
    with pytest.raises(ValueError, match="'lidar'"):
        gymnasium.make("DriveDiT-Road-v0", obs="lidar")
    with pytest.raises(ValueError, match="no latents"):
        gymnasium.make("DriveDiT-Road-v0", obs="latent")
    with pytest.raises(ValueError, match=r"trust_threshold must be in .* got 2"):
        gymnasium.make("DriveDiT-Road-v0", trust_threshold=2)


@pytest.mark.parametrize(
    ("trust", "threshold", "reason"),
    [(0.4, 0.5, TruncationReason.TRUST), (0.6, 0.5, TruncationReason.NONE), (0.0, 0.0, TruncationReason.NONE)],
)
def test_an_episode_is_truncated_when_trust_falls_below_the_threshold(trust, threshold, reason):
    env = DrivingEnv(ConstantWorld(world_step(trust=trust)), DrivingEnvConfig(trust_threshold=threshold))
    assert env.reset(seed=0)[1]["truncation_reason"] == TruncationReason.NONE
    _, _, terminated, truncated, info = env.step(np.zeros(2, np.float32))
    assert (terminated, truncated) == (False, reason != TruncationReason.NONE)
    assert (info["trust"], info["truncation_reason"]) == (trust, reason)


def test_the_time_limit_and_the_routes_end_are_told_apart():
    env = DrivingEnv(ConstantWorld(world_step()), DrivingEnvConfig(max_episode_seconds=0.1))
    env.reset(seed=0)
    _, _, terminated, truncated, info = env.step(np.zeros(2, np.float32))
    assert (terminated, truncated, info["truncation_reason"]) == (False, True, TruncationReason.TIME)
    for ends in (True, False):
        env = DrivingEnv(ConstantWorld(world_step(route_done=True)), DrivingEnvConfig(end_at_route_end=ends))
        env.reset(seed=0)
        assert env.step(np.zeros(2, np.float32))[2:4] == (ends, False)


def test_the_learned_worlds_route_ends(tiny_checkpoint):
    """The clips' routes are 89 m long and straight; at full throttle that is less than 12 s away."""
    env = make("DriveDiT-v0", "state", tiny_checkpoint)
    env.reset(seed=0)
    base = env.unwrapped
    base.config = DrivingEnvConfig(end_on_collision=2.0, end_off_road=2.0)
    for _ in range(130):
        _, _, terminated, _, info = env.step(np.array([0.0, 1.0], np.float32))
        if terminated:
            break
    assert info["route_done"]
    assert 86 < info["vehicle"][0] - 3.5 < 92


def drive_hash(env_id: str, tiny_checkpoint: str) -> str:
    """SHA-256 of all that an env answers to a reset and five steps."""
    env, digest = make(env_id, "both", Path(tiny_checkpoint)), hashlib.sha256()

    def add(*answer):
        observation, *numbers, info = answer
        for value in (*observation.values(), *numbers, *info.values()):
            digest.update(np.asarray(value).tobytes())
        digest.update(" ".join(info).encode())

    add(*env.reset(seed=11))
    rng = np.random.default_rng(0)
    for _ in range(5):
        add(*env.step(rng.uniform(-1, 1, 2).astype(np.float32)))
    return digest.hexdigest()


@pytest.mark.parametrize("env_id", ["DriveDiT-v0", "DriveDiT-Road-v0"])
def test_everything_is_the_same_in_another_process(env_id, tiny_checkpoint):
    code = f"import one_thread, test_contract as t; print(t.drive_hash({env_id!r}, {str(tiny_checkpoint)!r}))"
    paths = environment(Path(__file__).parent)
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=paths)
    assert there.stdout.strip() == drive_hash(env_id, str(tiny_checkpoint))
    assert drivedit.__name__ in sys.modules
