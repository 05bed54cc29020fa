"""Random driving for long: nothing becomes NaN, bounds are kept, memory and step time stay flat."""

import resource
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from small_envs import make
from tqdm import tqdm


def peak_memory() -> float:
    """The process's so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def growth(times: np.ndarray, peaks: np.ndarray) -> tuple[float, float]:
    """Growth of the peak memory [MiB] and of the median time [1] from the second tenth to the last."""
    tenth = len(times) // 10
    slower = float(np.median(times[-tenth:]) / np.median(times[tenth : 2 * tenth]))
    return float(peaks[-1] - peaks[2 * tenth]), slower


def soak(env: gymnasium.Env, num_steps: int, seed: int = 0) -> tuple[float, float]:
    """Drive `num_steps` random steps; the growth of memory and step time."""
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    times, peaks = np.zeros(num_steps), np.zeros(num_steps)
    action = np.zeros(2, np.float32)
    for k in range(num_steps):
        if k % 10 == 0:
            action = rng.uniform(-1, 1, 2).astype(np.float32)
        began = time.process_time()
        observation, reward, terminated, truncated, info = env.step(action)
        times[k] = time.process_time() - began
        peaks[k] = peak_memory()
        assert env.observation_space.contains(observation)
        assert np.isfinite(reward)
        assert all(np.isfinite(value).all() for value in info.values())
        if terminated or truncated:
            env.reset()
    return growth(times, peaks)


def soak_shipped_worlds(num_steps: int, num_envs: int = 16) -> tuple[float, float]:
    """Drive `num_steps` random steps in the shipped world, `num_envs` at once, and look at a frame now and then."""
    rng = np.random.default_rng(0)
    worlds = gymnasium.make_vec(
        "DriveDiT-v0", num_envs=num_envs, obs="state", num_sampling_steps=1, render_mode="rgb_array"
    )
    worlds.reset(seed=0)
    num_rounds = num_steps // num_envs
    times, peaks = np.zeros(num_rounds), np.zeros(num_rounds)
    actions = np.zeros((num_envs, 2), np.float32)
    with tqdm(total=num_rounds * num_envs, unit="step") as bar:
        for k in range(num_rounds):
            if k % 10 == 0:
                actions = rng.uniform(-1, 1, actions.shape).astype(np.float32)
            began = time.process_time()
            observation, rewards, _, _, infos = worlds.step(actions)
            times[k] = time.process_time() - began
            peaks[k] = peak_memory()
            assert worlds.observation_space.contains(observation)
            assert np.isfinite(rewards).all()
            assert all(np.isfinite(values).all() for values in infos.values())
            if k % 50 == 0:
                frames = worlds.render()
                assert frames is not None
                assert all(frame.std() > 1 for frame in frames)
            bar.update(num_envs)
    worlds.close()
    return growth(times, peaks)


@pytest.mark.parametrize("env_id", ["DriveDiT-v0", "DriveDiT-Road-v0"])
def test_a_short_soak(env_id: str, tiny_checkpoint: Path) -> None:
    grown, slower = soak(make(env_id, "both", tiny_checkpoint), 200)
    assert grown < 64
    assert slower < 2


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("env_id", ["DriveDiT-v0", "DriveDiT-Road-v0"])
def test_a_soak_of_100_000_steps(env_id: str, tiny_checkpoint: Path) -> None:
    grown, slower = soak(make(env_id, "both", tiny_checkpoint), 100_000)
    assert grown < 64
    assert slower < 1.2


def test_a_short_soak_of_the_shipped_world() -> None:
    grown, _ = soak_shipped_worlds(40, num_envs=4)
    assert grown < 64


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_a_soak_of_100_000_steps_of_the_shipped_world() -> None:
    grown, slower = soak_shipped_worlds(100_000)
    print(f"peak memory grew by {grown:.1f} MiB, the step's time to {slower:.2f} of what it was")
    assert grown < 64
    assert slower < 1.2
