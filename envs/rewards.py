"""The env's reward, computed from what every world answers, by the same code in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from envs.world import WorldStep


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Weights of the reward.

    An episode of T seconds earns at most T, so a `collision` above the longest episode outweighs all progress.

    Args:
        reference_speed: progress at this speed earns 1 per second [m/s].
        comfort: cost per second at 4 m/s² of acceleration, longitudinal and lateral together.
        offset: cost per second at the edge of the lane.
        wrong_way: cost per second.
        collision: cost of the step in which it happens.
        off_road: cost of the step in which it happens.
    """

    reference_speed: float = 14.0
    comfort: float = 0.1
    offset: float = 0.1
    wrong_way: float = 2.0
    collision: float = 100.0
    off_road: float = 50.0


class Reward(NamedTuple):
    """The terms whose sum is the reward of a step; all but progress are costs, 0 or less."""

    progress: float
    comfort: float
    offset: float
    wrong_way: float
    collision: float
    off_road: float

    @property
    def total(self) -> float:
        """The reward."""
        return sum(self)


NO_REWARD = Reward(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Of a start."""


def reward(before: WorldStep, after: WorldStep, dt: float, config: RewardConfig) -> Reward:
    """Reward of the step from `before` to `after`, `dt` seconds long.

    Progress earns at most 1 per second, so hurry beyond the reference speed gains nothing. Values that the scene
    does not know cost nothing.
    """
    ego, lane = after.scene.ego, after.scene.lane
    forward = float(ego[0] - before.scene.ego[0]) / dt
    lateral = float(ego[0] * ego[2])
    offset = 0.0
    if after.scene.lane_valid[[0, 2]].all():
        offset = min(abs(float(lane[0])) / max(float(lane[2]), 0.5), 2.0) ** 2
    return Reward(
        progress=float(np.clip(after.progress / config.reference_speed, -dt, dt)),
        comfort=-config.comfort * (forward**2 + lateral**2) / 4.0**2 * dt,
        offset=-config.offset * offset * dt,
        wrong_way=-config.wrong_way * after.wrong_way * dt,
        collision=-config.collision * after.collision,
        off_road=-config.off_road * after.off_road,
    )
