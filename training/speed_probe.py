"""What envs of the learned world cost, printed as JSON. `drivedit benchmark` runs this file in its own checkout and in
another one, so it uses nothing but what both know: Gymnasium's ids, the planner, and the lane follower by its name."""

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

import drivedit  # also registers the ids

NAMES = ("step_seconds", "vector_seconds", "imagine_seconds", "env_bytes")
NUM_ENVS = 16
NUM_IMAGINED, HORIZON, READ_INTERVAL = 32, 10, 3
"""Drives that a planner which looks imagines at once, for so many steps, and how often it reads their pictures."""
STEER, ACCELERATION = 0.02, 0.6
"""Enough to keep driving: who stands still sees nothing new, and keeps no pictures."""
WARM_UP = 3
"""Steps that are not timed: compiled code is loaded, caches grow."""
NUM_HELD = 6
"""Envs whose memory is looked at, less the one that tells what they share."""
DRIVEN, MIN_DISTANCE = 100, 50.0
"""An env's memory is looked at when its drive has gone on for so many steps and metres: it then holds a past, and
pictures of it."""
DT = 0.1
"""Of a step [s]."""


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


def imagine_seconds(num_steps: int, options: dict[str, Any]) -> float:
    """CPU seconds of one imagined step of a planner that looks, its whole search divided by the steps in it. In a
    checkout whose planner cannot look: of one env's step in a vector env of as many, with pixels.

    Args:
        num_steps: that are timed, at least; whole searches.
        options: of the env.
    """
    from policies.search.sampling_planner import SamplingPlanner, SamplingPlannerConfig

    if "values" not in SamplingPlannerConfig.__dataclass_fields__:
        envs = gymnasium.make_vec("DriveDiT-v0", num_envs=NUM_IMAGINED, **options)
        envs.reset(seed=0)
        actions = np.tile(np.array([STEER, ACCELERATION], np.float32), (NUM_IMAGINED, 1))
        return _median(lambda: envs.step(actions), max(3, num_steps // NUM_IMAGINED)) / NUM_IMAGINED

    env: Any = gymnasium.make("DriveDiT-v0", **options).unwrapped
    env.reset(seed=0)
    config = SamplingPlannerConfig(
        values="decoded", num_samples=NUM_IMAGINED, num_iterations=1, horizon=HORIZON, read_interval=READ_INTERVAL
    )
    planner = SamplingPlanner(env.world.model, config)
    planner.reset(env, seed=0)
    clip = env.start_clip()
    num_searches = max(1, num_steps // (NUM_IMAGINED * HORIZON))
    return _median(lambda: planner.search(clip), num_searches, warm_up=1) / (NUM_IMAGINED * HORIZON)


def env_bytes(num_driven: int, min_distance: float, options: dict[str, Any]) -> float:
    """Bytes that one more env holds when it has been driven, by itself and not together with another one.

    Args:
        num_driven: steps that each of the envs has driven in one go before it is looked at.
        min_distance: that it has come in them [m].
        options: of the envs.

    Raises:
        ValueError: after three times as many steps fewer than two envs have driven so far.
    """
    envs = gymnasium.make_vec("DriveDiT-v0", num_envs=NUM_HELD, **options)
    _, info = envs.reset(seed=0)
    follower = drivedit.make_policy("lane_follower")
    steps, distances = np.zeros(NUM_HELD, int), np.zeros(NUM_HELD)
    for k in range(3 * num_driven):
        actions = np.stack([follower.act(np.zeros(0), {"scene": scene}) for scene in info["scene"]])
        _, _, terminated, truncated, info = envs.step(actions)
        # after an end comes a step that begins anew
        over = terminated | truncated
        steps, distances = np.where(over, -1, steps + 1), np.where(over, 0.0, distances + DT * info["vehicle"][:, 3])
        gone_far = np.flatnonzero((steps >= num_driven) & (distances >= min_distance))
        if k + 1 >= num_driven and len(gone_far) >= NUM_HELD // 2:
            break
    else:
        raise ValueError(f"of {NUM_HELD} envs only {len(gone_far)} have driven {num_driven} steps and {min_distance} m")
    worlds = [envs.envs[k].world for k in gone_far]  # type: ignore[attr-defined]
    held = [_memory([world]) for world in worlds]
    shared = held[0].keys()
    return statistics.median(sum(size for key, size in own.items() if key not in shared) for own in held[1:])


def _median(step: Callable[[], Any], num_steps: int, warm_up: int = WARM_UP) -> float:
    for _ in range(warm_up):
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
    num_steps: int,
    options: dict[str, Any],
    names: Sequence[str] = NAMES,
    num_driven: int = DRIVEN,
    min_distance: float = MIN_DISTANCE,
) -> dict[str, float]:
    """Of NAMES those asked for: CPU seconds of a step, alone, of many and imagined by a planner that looks, and bytes
    of one more env.

    Args:
        num_steps: that are timed.
        options: of the envs.
        names: what is asked for.
        num_driven: steps before the bytes are counted.
        min_distance: that an env has come by then [m].
    """
    found = {}
    if "step_seconds" in names:
        found["step_seconds"] = step_seconds(num_steps, options)
    if "vector_seconds" in names:
        found["vector_seconds"] = vector_seconds(max(3, num_steps // NUM_ENVS), options)
    if "imagine_seconds" in names:
        found["imagine_seconds"] = imagine_seconds(num_steps, options)
    if "env_bytes" in names:
        found["env_bytes"] = env_bytes(num_driven, min_distance, options)
    return found


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    print(json.dumps(measure(request["num_steps"], request["options"], request["names"])))
