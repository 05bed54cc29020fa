"""What envs of the learned world cost, printed as JSON. `drivedit benchmark` runs this file in its own checkout and in
another one, so it uses nothing but what both know: Gymnasium's ids."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch

import drivedit  # noqa: F401  registers the ids

NAMES = ("step_seconds", "vector_seconds", "env_bytes")
NUM_ENVS = 16
STEER, ACCELERATION = 0.02, 0.6
"""Enough to keep driving: who stands still sees nothing new, and keeps no pictures."""
WARM_UP = 3
"""Steps that are not timed: compiled code is loaded, caches grow."""
DRIVEN = 100
"""Steps after which an env's memory is looked at: it then holds a past, and pictures of it."""


def step_seconds(num_steps: int, options: dict[str, Any]) -> float:
    """CPU seconds of a step with pixels."""
    env = gymnasium.make("DriveDiT-v0", **options)
    env.reset(seed=0)
    return _median(lambda: env.step(np.array([STEER, ACCELERATION], np.float32)), num_steps)


def vector_seconds(num_steps: int, options: dict[str, Any]) -> float:
    """CPU seconds of one env's step in a vector env of NUM_ENVS with pixels."""
    envs = gymnasium.make_vec("DriveDiT-v0", num_envs=NUM_ENVS, **options)
    envs.reset(seed=0)
    actions = np.tile(np.array([STEER, ACCELERATION], np.float32), (NUM_ENVS, 1))
    return _median(lambda: envs.step(actions), num_steps) / NUM_ENVS


def env_bytes(num_steps: int, options: dict[str, Any]) -> float:
    """Bytes that one more env holds when it has been driven, by itself and not together with another one."""
    envs = gymnasium.make_vec("DriveDiT-v0", num_envs=4, **options)
    envs.reset(seed=0)
    actions = np.tile(np.array([0.0, ACCELERATION], np.float32), (4, 1))
    for _ in range(num_steps):
        envs.step(actions)
    worlds = [env.world for env in envs.envs]  # type: ignore[attr-defined]
    shared = _memory(worlds[:1])
    own = [sum(size for key, size in _memory([world]).items() if key not in shared) for world in worlds[1:]]
    return statistics.median(own)


def _median(step: Callable[[], Any], num_steps: int) -> float:
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(num_steps):
        begun = time.process_time()
        step()
        times.append(time.process_time() - begun)
    return statistics.median(times)


def _memory(roots: list[Any]) -> dict[tuple[str, int], int]:
    """The arrays, tensors and bytes reachable from some objects: address to their size."""
    found: dict[tuple[str, int], int] = {}
    visited: set[int] = set()
    to_do = list(roots)
    while to_do:
        value = to_do.pop()
        if id(value) in visited:
            continue
        visited.add(id(value))
        if isinstance(value, np.ndarray):
            while isinstance(value.base, np.ndarray):
                value = value.base
            found["array", value.__array_interface__["data"][0]] = value.nbytes
        elif isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            found["tensor", storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, bytes):
            found["bytes", id(value)] = len(value)
        elif isinstance(value, (list, tuple, set)):
            to_do += value
        elif isinstance(value, dict):
            to_do += value.values()
        elif not isinstance(value, (type, torch.nn.Module)):
            to_do += vars(value).values() if hasattr(value, "__dict__") else ()
    return found


def measure(
    num_steps: int, options: dict[str, Any], names: Sequence[str] = NAMES, num_driven: int = DRIVEN
) -> dict[str, float]:
    """Of NAMES those asked for: CPU seconds of a step, alone and of many, and bytes of one more env.

    Args:
        num_steps: that are timed.
        options: of the envs.
        names: what is asked for.
        num_driven: steps before the bytes are counted.
    """
    found = {}
    if "step_seconds" in names:
        found["step_seconds"] = step_seconds(num_steps, options)
    if "vector_seconds" in names:
        found["vector_seconds"] = vector_seconds(max(3, num_steps // NUM_ENVS), options)
    if "env_bytes" in names:
        found["env_bytes"] = env_bytes(num_driven, options)
    return found


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    print(json.dumps(measure(request["num_steps"], request["options"], request["names"])))
