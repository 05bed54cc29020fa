"""Time to collision: ego and objects move on at constant velocity until their boxes overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import BOX_COLUMNS, ObjectColumn, SceneState


@dataclass(frozen=True, kw_only=True)
class TimeToCollisionConfig:
    """nuPlan's definition.

    Args:
        step: between projections [s].
        horizon: of the projection [s].
        bound: a drive passes if its time to collision never falls below this [s].
        min_speed: an ego slower than this is standing, which has no time to collision [m/s].
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
    """Time to the first overlap with any object at each instant, [t] [s]; infinite if there is none within the horizon.

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
    travelled = objects[..., ObjectColumn.SPEED] * times
    boxes = np.broadcast_to(objects[..., BOX_COLUMNS], (*travelled.shape, 5)).copy()
    boxes[..., 0] += travelled * np.cos(objects[..., ObjectColumn.YAW])
    boxes[..., 1] += travelled * np.sin(objects[..., ObjectColumn.YAW])

    hit = overlap(ego, boxes) & scenes.object_valid[:, :, None]
    first = np.where(hit.any(axis=-1), times[hit.argmax(axis=-1)], np.inf).min(axis=-1)
    return np.where(np.abs(ego_speed) < c.min_speed, np.inf, first)
