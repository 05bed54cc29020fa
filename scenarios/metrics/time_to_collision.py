"""Time to collision: ego and objects go on at constant velocity until their boxes overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import SceneState


@dataclass(frozen=True, kw_only=True)
class TimeToCollisionConfig:
    """nuPlan's definition.

    Args:
        step: between projections [s].
        horizon: of the projection [s].
        bound: a drive passes when its least time to collision is above this [s].
        min_speed: a standing ego has none [m/s].
        ego_length: [m].
        ego_width: [m].
    """

    step: float = 0.1
    horizon: float = 3.0
    bound: float = 0.95
    min_speed: float = 5e-3
    ego_length: float = 4.6
    ego_width: float = 1.9


def time_to_collision(scenes: SceneState, config: TimeToCollisionConfig | None = None) -> np.ndarray:
    """Time to the first overlap with any object at each instant, [t] [s]; infinite without one in the horizon.

    Args:
        scenes: leading dim [t].
        config: steps, horizon, sizes.
    """
    c = config or TimeToCollisionConfig()
    times = np.arange(0.0, c.horizon + c.step / 2, c.step)
    ego_speed = scenes.speed.astype(np.float64)
    ego = np.zeros((len(ego_speed), 1, len(times), 5))
    ego[..., 0] = ego_speed[:, None, None] * times
    ego[..., 3:] = c.ego_length, c.ego_width
    objects = scenes.objects.astype(np.float64)[:, :, None, :]
    travelled = objects[..., 3] * times
    boxes = np.broadcast_to(objects[..., [0, 1, 2, 4, 5]], (*travelled.shape, 5)).copy()
    boxes[..., 0] += travelled * np.cos(objects[..., 2])
    boxes[..., 1] += travelled * np.sin(objects[..., 2])
    hit = overlap(ego, boxes) & scenes.object_valid[:, :, None]
    first = np.where(hit.any(axis=-1), times[hit.argmax(axis=-1)], np.inf).min(axis=-1)
    return np.where(np.abs(ego_speed) < c.min_speed, np.inf, first)
