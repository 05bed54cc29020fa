"""Random driving for long: nothing becomes NaN, bounds are kept, memory and step time stay flat."""

import resource
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from test_contract import make


def soak(env: gymnasium.Env, num_steps: int, seed: int = 0) -> tuple[float, float]:
    """Drive `num_steps` random steps; growth of the process's peak memory [MiB] and of the step's median time [1] from
    the second tenth to the last."""
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
        peaks[k] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert env.observation_space.contains(observation)
        assert np.isfinite(reward)
        assert all(np.isfinite(value).all() for value in info.values())
        if terminated or truncated:
            env.reset()
    tenth = num_steps // 10
    early, late = slice(tenth, 2 * tenth), slice(-tenth, None)
    return peaks[-1] - peaks[2 * tenth], float(np.median(times[late]) / np.median(times[early]))


@pytest.mark.parametrize("env_id", ["DriveDiT-v0", "DriveDiT-Road-v0"])
def test_a_short_soak(env_id: str, tiny_checkpoint: Path) -> None:
    grown, slower = soak(make(env_id, "both", tiny_checkpoint), 300)
    assert grown < 64
    assert slower < 2


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("env_id", ["DriveDiT-v0", "DriveDiT-Road-v0"])
def test_a_soak_of_100_000_steps(env_id: str, tiny_checkpoint: Path) -> None:
    grown, slower = soak(make(env_id, "both", tiny_checkpoint), 100_000)
    assert grown < 64
    assert slower < 1.2
