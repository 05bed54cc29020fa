"""The PlanT-style cost of imagined driving: J = Σ_t [c_collision + c_comfort + c_progress + c_lane] over SceneStates.

The terms follow the SceneState a PlanT-like planner sees (Renz et al. 2022, https://arxiv.org/abs/2210.14222).
PlanT itself is imitation on object tokens and searches nothing; this cost is for planners that do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from policies.rule_based import DEFAULT_SPEED_LIMIT
from policies.stop_lines import find_stop_gap
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import EgoColumn, LaneColumn, LeadColumn, SceneState

DEFAULT_HALF_WIDTH = 1.75
"""Half the lane's width where the scene knows none [m]."""


@dataclass(frozen=True, kw_only=True)
class CostConfig:
    """Weights and scales. Every soft term of a step lies in [0, its weight].

    The hard terms are in units of all that the soft terms can cost over the whole horizon, so one collision step
    outweighs any progress by construction, whatever the other weights are.

    Args:
        collision: one certain collision step, in units of the horizon's soft cost; above 1.
        off_road: one certain off-road step, in the same units.
        violation: one red light run or stop sign missed, in the same units.
        progress: standing still where the limit could be driven.
        overspeed: driving at `1 + overspeed_range` times the limit.
        proximity: being at the bumper of the lead, or closing so fast that only `emergency_braking` helps; also at a
            line to stop at.
        lane: being a half lane's width off the centre.
        heading: being `heading_range` off the lane's direction.
        comfort: reaching the comfort bounds in acceleration, lateral acceleration or action change.
        overspeed_range: as a fraction of the limit.
        heading_range: [rad].
        min_gap: standstill gap to the lead [m].
        headway: time gap to the lead [s].
        emergency_braking: deceleration at which closing in counts fully [m/s²].
        yellow_braking: a yellow light asks for a stop where no more than this is needed [m/s²].
        max_acceleration: |longitudinal acceleration| that counts fully [m/s²] (nuPlan's bound of speeding up).
        max_lateral_acceleration: likewise, well within nuPlan's bound [m/s²].
        max_action_rate: change of an action from one step to the next that counts fully; more breaks nuPlan's bounds
            of jerk.
        default_speed_limit: where the scene knows none [m/s].
        ego_length: for box overlap; shorter than the car, since decoded boxes are uncertain [m].
        ego_width: for box overlap; narrower than the car for the same reason [m].
    """

    collision: float = 4.0
    off_road: float = 1.5
    violation: float = 1.5
    progress: float = 1.0
    overspeed: float = 1.0
    proximity: float = 3.0
    lane: float = 1.0
    heading: float = 0.5
    comfort: float = 2.0
    overspeed_range: float = 0.3
    heading_range: float = 0.5
    min_gap: float = 2.5
    headway: float = 1.6
    emergency_braking: float = 6.0
    yellow_braking: float = 3.0
    max_acceleration: float = 2.4
    max_lateral_acceleration: float = 3.0
    max_action_rate: float = 0.2
    default_speed_limit: float = DEFAULT_SPEED_LIMIT
    ego_length: float = 4.2
    ego_width: float = 1.5

    def __post_init__(self) -> None:
        for f in fields(self):
            if not getattr(self, f.name) > 0:
                raise ValueError(f"{f.name} must be positive, got {getattr(self, f.name)}")
        if not self.collision > 1:
            raise ValueError(f"collision must be above 1 to outweigh the horizon's progress, got {self.collision}")

    @property
    def soft_bound(self) -> float:
        """The most that the soft terms of one step can cost."""
        return self.progress + self.overspeed + self.proximity + self.lane + self.heading + self.comfort


@dataclass(frozen=True, kw_only=True)
class CostTerms:
    """Weighted cost by cause, each [n, h] for n sequences of h steps."""

    collision: np.ndarray
    off_road: np.ndarray
    violation: np.ndarray
    progress: np.ndarray
    overspeed: np.ndarray
    proximity: np.ndarray
    lane: np.ndarray
    heading: np.ndarray
    comfort: np.ndarray

    def total(self) -> np.ndarray:
        """J of each sequence, [n]."""
        return sum((getattr(self, f.name) for f in fields(self)), start=np.zeros(())).sum(axis=-1)


def driving_cost(
    scenes: SceneState,
    collision: np.ndarray,
    off_road: np.ndarray,
    violation: np.ndarray,
    actions: np.ndarray,
    previous_action: np.ndarray,
    config: CostConfig,
) -> CostTerms:
    """The cost of n action sequences, from the states that they led to.

    Args:
        scenes: after each action, leading dims [n, h].
        collision: probability in each scene, [n, h].
        off_road: probability in each scene, [n, h].
        violation: whether a red light was run or a stop sign missed on the way to each scene, bool [n, h].
        actions: steer and acceleration, [n, h, 2].
        previous_action: the action in force before the first, [2].
        config: weights and scales.

    Raises:
        ValueError: the shapes do not match.
    """
    shape = scenes.batch_shape
    events = {"collision": collision, "off_road": off_road, "violation": violation}
    if len(shape) != 2 or any(event.shape != shape for event in events.values()) or actions.shape[:2] != shape:
        given = ", ".join(f"{name} {event.shape}" for name, event in events.items())
        raise ValueError(f"scenes {shape}, {given} and actions {actions.shape} must share leading dims [n, h]")
    horizon_bound = config.soft_bound * shape[1]
    hit = np.maximum(_unit(collision), overlaps_object(scenes, config))
    return CostTerms(
        collision=config.collision * horizon_bound * hit,
        off_road=config.off_road * horizon_bound * _unit(off_road),
        violation=config.violation * horizon_bound * _unit(violation),
        progress=config.progress * missing_progress(scenes, config),
        overspeed=config.overspeed * overspeed(scenes, config),
        proximity=config.proximity * proximity(scenes, config),
        lane=config.lane * lane_departure(scenes),
        heading=config.heading * heading_deviation(scenes, config),
        comfort=config.comfort * discomfort(scenes, actions, previous_action, config),
    )


def speed_limit(scenes: SceneState, config: CostConfig) -> np.ndarray:
    """[m/s], the configured default where unknown."""
    known = scenes.lane_valid[..., LaneColumn.SPEED_LIMIT]
    return np.where(known, np.maximum(scenes.speed_limit, 1.0), config.default_speed_limit)


def missing_progress(scenes: SceneState, config: CostConfig) -> np.ndarray:
    """1 - (speed along the lane / limit), in [0, 1]; driving backwards is as bad as standing."""
    heading = np.where(scenes.lane_valid[..., LaneColumn.HEADING_ERROR], scenes.heading_error, 0.0)
    return 1.0 - _unit(scenes.speed * np.cos(heading) / speed_limit(scenes, config))


def overspeed(scenes: SceneState, config: CostConfig) -> np.ndarray:
    """Excess over the limit as a fraction of `overspeed_range`, in [0, 1]."""
    return _unit((scenes.speed / speed_limit(scenes, config) - 1.0) / config.overspeed_range)


def proximity(scenes: SceneState, config: CostConfig) -> np.ndarray:
    """How much of the safe gap to the lead is missing, squared, in [0, 1]; 0 without a lead and a line to stop at.

    The safe gap to a lead holds the headway and what braking at `emergency_braking` down to its speed takes. A line
    stays where it is, so that it takes no headway to stop at it.
    """
    gap, lead_speed = scenes.lead[..., LeadColumn.GAP], scenes.lead[..., LeadColumn.SPEED]
    forward = np.maximum(scenes.speed, 0.0)
    closing = np.maximum(scenes.speed - lead_speed, 0.0)
    safe = config.min_gap + config.headway * forward + closing**2 / (2 * config.emergency_braking)
    lead = np.where(scenes.lead_valid, _unit(1.0 - gap / safe) ** 2, 0.0)
    if not scenes.signal_valid.any():
        return lead
    gap = find_stop_gap(scenes, config.yellow_braking, config.min_gap)
    safe = config.min_gap + forward**2 / (2 * config.yellow_braking)
    return np.maximum(lead, _unit(1.0 - gap / safe) ** 2)


def overlaps_object(scenes: SceneState, config: CostConfig) -> np.ndarray:
    """1 where the ego's box overlaps that of a listed object, else 0."""
    ego = np.array([0.0, 0.0, 0.0, config.ego_length, config.ego_width])
    return np.asarray((overlap(ego, scenes.object_boxes) & scenes.object_valid).any(axis=-1), np.float64)


def lane_departure(scenes: SceneState) -> np.ndarray:
    """Squared offset from the lane centre relative to half the lane's width, in [0, 1]; 0 where the lane is unknown."""
    known = scenes.lane_valid[..., LaneColumn.HALF_WIDTH]
    half_width = np.where(known, np.maximum(scenes.half_width, 0.5), DEFAULT_HALF_WIDTH)
    ratio = np.abs(scenes.lateral_offset) / half_width
    return np.where(scenes.lane_valid[..., LaneColumn.LATERAL_OFFSET], _unit(ratio) ** 2, 0.0)


def heading_deviation(scenes: SceneState, config: CostConfig) -> np.ndarray:
    """Squared heading error relative to `heading_range`, in [0, 1]; 0 where the lane is unknown."""
    ratio = np.abs(scenes.heading_error) / config.heading_range
    return np.where(scenes.lane_valid[..., LaneColumn.HEADING_ERROR], _unit(ratio) ** 2, 0.0)


def discomfort(scenes: SceneState, actions: np.ndarray, previous_action: np.ndarray, config: CostConfig) -> np.ndarray:
    """Mean square of accelerations and action changes relative to their bounds, in [0, 1]."""
    before = np.concatenate([np.broadcast_to(previous_action, (len(actions), 1, 2)), actions[:, :-1]], axis=1)
    change = np.abs(actions - before) / config.max_action_rate
    longitudinal = np.abs(scenes.ego[..., EgoColumn.ACCELERATION]) / config.max_acceleration
    lateral = np.abs(scenes.speed * scenes.ego[..., EgoColumn.YAW_RATE]) / config.max_lateral_acceleration
    parts = np.stack([longitudinal, lateral, change[..., 0], change[..., 1]], axis=-1)
    return np.asarray((_unit(parts) ** 2).mean(axis=-1))


def _unit(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(values, 0.0, 1.0), np.float64)
