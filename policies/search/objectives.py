"""What imagined sequences are judged by: the PlanT-style cost, 1 − PDMS, or the reward that the env would pay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from envs.rewards import RewardConfig
from policies.pdm_score import score_drives
from policies.search.plant_cost import CostConfig, driving_cost, speed_limit
from worldsim.datatypes.scene import EgoColumn, LaneColumn, SceneState

ObjectiveName = Literal["plant", "pdms", "reward"]
"""The objectives of `judge`."""
STARTING_ACCELERATION = 2.4
"""With which the most progress that one can ask for is driven, nuPlan's bound of comfort [m/s²]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImaginedDrives:
    """What n action sequences of h steps lead to.

    Args:
        now: the scene before the first action, a single one.
        scenes: after each action, leading dims [n, h].
        collision: probability in each scene, [n, h].
        off_road: probability in each scene, [n, h].
        violation: whether a red light was run or a stop sign missed on the way to each scene, bool [n, h].
        actions: steer and acceleration, [n, h, 2].
        previous_action: the action in force before the first, [2].
        dt: step length [s].
    """

    now: SceneState
    scenes: SceneState
    collision: np.ndarray
    off_road: np.ndarray
    violation: np.ndarray
    actions: np.ndarray
    previous_action: np.ndarray
    dt: float

    @property
    def progress(self) -> np.ndarray:
        """Along the lane in each step, [n, h] [m]; along the car's heading where the lane is not known."""
        known = self.scenes.lane_valid[..., LaneColumn.HEADING_ERROR]
        return self.scenes.speed * np.cos(np.where(known, self.scenes.heading_error, 0.0)) * self.dt


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What is minimised.

    Args:
        name: "plant": the PlanT-style cost, soft terms at every step. "pdms": 1 − PDMS, NAVSIM's score, in which
            comfort and time to collision count for the whole drive; gates that fail cost more than any drive that
            passes them. "reward": minus the reward that the env would pay.
        plant: weights of the PlanT-style cost.
        reward: weights of the reward.
    """

    name: ObjectiveName = "plant"
    plant: CostConfig = field(default_factory=CostConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)


def judge(drives: ImaginedDrives, config: ObjectiveConfig) -> np.ndarray:
    """The cost of each sequence, float64 [n]."""
    if config.name == "pdms":
        return pdms_cost(drives, config.plant)
    if config.name == "reward":
        return -predicted_reward(drives, config.reward)
    terms = driving_cost(
        drives.scenes,
        drives.collision,
        drives.off_road,
        drives.violation,
        drives.actions,
        drives.previous_action,
        config.plant,
    )
    return terms.total()


def pdms_cost(drives: ImaginedDrives, config: CostConfig) -> np.ndarray:
    """1 − PDMS [n], and, where a gate fails, 1 more and up to 1 by how early: a step with a collision outweighs all.

    Without that, a drive into a wall and one that merely stands would both cost 1, and nothing would say which of two
    collisions is farther away. Lights and stop signs, which PDMS does not know, count as gates.

    Args:
        drives: that were imagined.
        config: size of the ego's box, and the speed limit where none is known.
    """
    limit = float(speed_limit(drives.now, config))
    scores = score_drives(
        drives.scenes,
        drives.dt,
        collision=drives.collision,
        off_road=drives.off_road,
        violation=drives.violation,
        progress=drives.progress.sum(axis=1),
        reference_progress=attainable_progress(float(drives.now.speed), limit, drives.actions.shape[1], drives.dt),
        size=(config.ego_length, config.ego_width),
    )
    horizon = drives.actions.shape[1]
    failed = scores.first_failure < horizon
    return 1.0 - scores.pdms + np.where(failed, 1.0 + (horizon - scores.first_failure) / horizon, 0.0)


def attainable_progress(speed: float, limit: float, num_steps: int, dt: float) -> float:
    """The way of a car that speeds up to the limit by STARTING_ACCELERATION, or keeps to a higher speed [m]."""
    speeds = speed + STARTING_ACCELERATION * dt * np.arange(1, num_steps + 1)
    return float(np.minimum(speeds, max(limit, speed)).sum() * dt)


def predicted_reward(drives: ImaginedDrives, config: RewardConfig) -> np.ndarray:
    """The sum of what `envs.rewards.reward` pays for each drive, [n]; nothing more once it has ended.

    A car counts as one in a lane of the opposite direction where it heads against its own.
    """
    scenes, dt = drives.scenes, drives.dt
    num = len(drives.actions)
    before = np.concatenate([np.full((num, 1), drives.now.speed), scenes.speed[:, :-1]], axis=1)
    forward, lateral = (scenes.speed - before) / dt, scenes.speed * scenes.ego[..., EgoColumn.YAW_RATE]
    known = scenes.lane_valid
    width_known = known[..., LaneColumn.LATERAL_OFFSET] & known[..., LaneColumn.HALF_WIDTH]
    offset = np.minimum(np.abs(scenes.lateral_offset) / np.maximum(scenes.half_width, 0.5), 1.0)
    excess = np.maximum(scenes.speed / np.maximum(scenes.speed_limit, 1.0) - 1.0, 0.0)

    factors = 1.0 - np.where(width_known, offset, 0.0) ** 2
    factors = factors / (1.0 + (forward**2 + lateral**2) / config.comfort**2)
    within_limit = np.maximum(1.0 - excess / config.speeding, 0.0)
    factors = factors * np.where(known[..., LaneColumn.SPEED_LIMIT], within_limit, 1.0)
    against = known[..., LaneColumn.HEADING_ERROR] & (np.cos(scenes.heading_error) < 0)
    factors = np.where(against, 0.0, factors)

    hit, off = drives.collision > config.infraction, drives.off_road > config.infraction
    progress = np.clip(drives.progress / config.reference_speed, -dt, dt)
    paid = progress * np.where(progress > 0, factors, 1.0) - config.collision * hit - config.off_road * off
    paid = paid - max(config.red_light, config.stop_sign) * drives.violation

    ended = np.cumsum(hit | off, axis=1) > 0
    driving = np.concatenate([np.ones((num, 1), bool), ~ended[:, :-1]], axis=1)
    return (paid * driving).sum(axis=1)
