"""The env's reward, computed from what every world answers, by the same code in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from envs.world import WorldStep
from worldsim.datatypes.scene import EgoColumn


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """What the reward counts and how much.

    An episode of T seconds earns at most T.

    Args:
        reference_speed: progress at this speed earns 1 per second, and no more is earned beyond it [m/s].
        comfort: acceleration, longitudinal and lateral together, that halves what progress earns [m/s²].
        speeding: share of the limit by which it is exceeded when progress earns nothing any more.
        infraction: probability of a collision, or of having left the road, from which on it counts as one.
        collision: cost of a step with a collision.
        off_road: cost of a step off the road.
        red_light: cost of the step that crosses a stop line on red.
        stop_sign: cost of the step that passes a stop sign without a stop.

    Raises:
        ValueError: a value that must be positive is not.
    """

    reference_speed: float = 14.0
    comfort: float = 4.0
    speeding: float = 0.25
    infraction: float = 0.5
    collision: float = 1.0
    off_road: float = 1.0
    red_light: float = 1.0
    stop_sign: float = 1.0

    def __post_init__(self) -> None:
        for name in ("reference_speed", "comfort", "speeding"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


class Reward(NamedTuple):
    """The terms of a step's reward: what progress earns, factors in [0, 1] on it, and costs, 0 or less."""

    progress: float
    centred: float
    smooth: float
    within_limit: float
    right_way: float
    collision: float
    off_road: float
    red_light: float
    stop_sign: float

    @property
    def total(self) -> float:
        """The reward: progress, times the factors where it is forward, and the costs."""
        factors = self.centred * self.smooth * self.within_limit * self.right_way
        costs = self.collision + self.off_road + self.red_light + self.stop_sign
        return self.progress * (factors if self.progress > 0 else 1.0) + costs


NO_REWARD = Reward(0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
"""Of a start."""


def reward(before: WorldStep, after: WorldStep, dt: float, config: RewardConfig) -> Reward:
    """Reward of the step from `before` to `after`, `dt` seconds long.

    A factor is 1 where the scene does not know its value.
    """
    speed, _, yaw_rate, _ = after.scene.ego.tolist()
    lateral_offset, _, half_width, speed_limit = after.scene.lane.tolist()
    offset_known, _, width_known, limit_known = after.scene.lane_valid.tolist()
    forward, lateral = (speed - before.scene.ego.item(EgoColumn.SPEED)) / dt, speed * yaw_rate
    offset, excess = 0.0, 0.0
    if offset_known and width_known:
        offset = min(abs(lateral_offset) / max(half_width, 0.5), 1.0)
    if limit_known:
        excess = max(speed / max(speed_limit, 1.0) - 1.0, 0.0)
    return Reward(
        progress=min(max(after.progress / config.reference_speed, -dt), dt),
        centred=1.0 - offset**2,
        smooth=1.0 / (1.0 + (forward**2 + lateral**2) / config.comfort**2),
        within_limit=max(1.0 - excess / config.speeding, 0.0),
        right_way=float(not after.wrong_way),
        collision=-config.collision if after.collision > config.infraction else 0.0,
        off_road=-config.off_road if after.off_road > config.infraction else 0.0,
        red_light=-config.red_light if after.red_light else 0.0,
        stop_sign=-config.stop_sign if after.stop_sign_missed else 0.0,
    )
