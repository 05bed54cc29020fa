"""What an env says of a step beside the observation, all of it numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from envs.rewards import Reward
from envs.world import WorldStep

_REWARD_KEYS = tuple(f"reward_{name}" for name in Reward._fields)


def step_info(step: WorldStep, state: np.ndarray, terms: Reward, truncation_reason: int) -> dict[str, Any]:
    """What the env says beside the observation, all of it numpy; `state` is the vector of the scene."""
    values = {
        **step.info,
        "scene": state,
        "vehicle": step.vehicle.copy(),
        "collision": step.collision,
        "off_road": step.off_road,
        "wrong_way": step.wrong_way,
        "signal": int(step.scene.signal),
        "signal_distance": float(step.scene.signal_distance),
        "signal_valid": bool(step.scene.signal_valid),
        "red_light": step.red_light,
        "stop_sign_missed": step.stop_sign_missed,
        "route_done": step.route_done,
        "progress": step.progress,
        "trust": step.trust,
        "truncation_reason": truncation_reason,
        **dict(zip(_REWARD_KEYS, terms, strict=True)),
    }
    return {name: _NUMPY_OF.get(type(value), _as_numpy)(value) for name, value in values.items()}


def _as_numpy(value: bool | int | float | np.ndarray) -> np.ndarray | np.generic:
    """A number as a numpy scalar of 64 bits.

    A truth value becomes an array without dimensions: Gymnasium's vector envs stack a np.bool_ as an object.
    """
    if isinstance(value, (bool, np.bool_)):
        return np.array(value)
    if isinstance(value, (int, np.integer)):
        return np.int64(value)
    return value if isinstance(value, np.ndarray) else np.float64(value)


_NUMPY_OF: dict[type, Callable[[Any], Any]] = {float: np.float64, bool: np.array, int: np.int64}
"""`_as_numpy` of the most common types, in a tenth of the time."""
