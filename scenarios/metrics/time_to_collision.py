"""Time to collision: ego and road users move straight on until their boxes overlap, at constant velocity as nuPlan and
NAVSIM have it, or at constant acceleration, which also sees a lead that brakes at equal speeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenarios.metrics.collision import is_behind
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import ObjectColumn


@dataclass(frozen=True, kw_only=True)
class TimeToCollisionConfig:
    """nuPlan's definition.

    Args:
        step: between projections [s].
        horizon: of the projection [s].
        bound: a drive passes if its time to collision never falls to this [s].
        min_speed: an ego slower than this is standing, which has no time to collision [m/s].
    """

    step: float = 0.1
    horizon: float = 3.0
    bound: float = 0.95
    min_speed: float = 5e-3


NAVSIM = TimeToCollisionConfig(step=0.3, horizon=0.9)
"""NAVSIM's projections at 0, 0.3, 0.6 and 0.9 s; a hit at any of them fails."""

CONSTANT_VELOCITY = "boxes projected at constant velocity"
MINIMUM = Metric(
    name="min_time_to_collision",
    unit="s",
    source=f"{CONSTANT_VELOCITY}, all road users",
    config=TimeToCollisionConfig(),
)
MINIMUM_BRAKING = Metric(
    name="min_time_to_collision_constant_acceleration",
    unit="s",
    source="boxes projected at constant acceleration until they stand, all road users",
    config=TimeToCollisionConfig(),
)
WITHIN_BOUND = Metric(
    name="time_to_collision_within_bound",
    source=f"nuPlan time to collision within bound, {CONSTANT_VELOCITY}, who is not behind",
    config=TimeToCollisionConfig(),
)
NAVSIM_WITHIN_BOUND = Metric(
    name="time_to_collision_navsim",
    source=f"NAVSIM time to collision, {CONSTANT_VELOCITY} at 0, 0.3, 0.6, 0.9 s, who is ahead",
    config=NAVSIM,
)
NO_ROAD_USERS = "road users are not known"


def measure_time_to_collision(record: DriveRecord) -> list[MetricValue]:
    """The least time to collision [s] in both projections, and whether nuPlan's and NAVSIM's bounds hold, 0 or 1."""
    if not record.tracks_complete:
        return [m.unknown(NO_ROAD_USERS) for m in (MINIMUM, MINIMUM_BRAKING, WITHIN_BOUND, NAVSIM_WITHIN_BOUND)]
    return [
        _least(MINIMUM, time_to_collision(record)),
        _least(MINIMUM_BRAKING, time_to_collision(record, constant_acceleration=True)),
        within_bound(record),
        within_navsim_bound(record),
    ]


def time_to_collision(
    record: DriveRecord,
    config: TimeToCollisionConfig | None = None,
    *,
    constant_acceleration: bool = False,
    counted: np.ndarray | None = None,
) -> np.ndarray:
    """Time to the first overlap with any road user at each instant, [t] [s]; infinite if there is none within the
    horizon.

    Args:
        record: of the drive.
        config: steps and horizon.
        constant_acceleration: speeds change as they do at that instant, until a vehicle stands; else they stay.
        counted: which road users count at each instant, bool [n, t]; None counts all.
    """
    c = config or TimeToCollisionConfig()
    times = np.arange(0.0, c.horizon + c.step / 2, c.step)
    among = record.track_known if counted is None else record.track_known & counted
    rates = (record.known_ego_acceleration, record.track_acceleration) if constant_acceleration else (None, None)

    # only who is near enough to be met
    gains = [0.0 if rate is None else np.nan_to_num(np.abs(rate)) * c.horizon for rate in rates]
    closing = np.abs(record.speed) + gains[0] + np.abs(record.tracks[..., ObjectColumn.SPEED]) + gains[1]
    pairs = np.nonzero(among & (record.distances <= closing * c.horizon))
    instants = pairs[1]
    ego = _project(record.ego[instants], None if rates[0] is None else rates[0][instants], times)
    tracks = _project(record.tracks[pairs], None if rates[1] is None else rates[1][pairs], times)

    hit = overlap(ego, tracks)
    first = np.full(record.num_instants, np.inf)
    np.minimum.at(first, instants, np.where(hit.any(axis=-1), times[hit.argmax(axis=-1)], np.inf))
    return np.where(np.abs(record.speed) < c.min_speed, np.inf, first)


@lru_cache(maxsize=1)  # composites of one drive ask for it in turn
def within_bound(record: DriveRecord) -> MetricValue:
    """nuPlan's part of the closed-loop score: 1 where the time to collision with who is not behind stays above the
    bound, else 0."""
    if not record.tracks_complete:
        return WITHIN_BOUND.unknown(NO_ROAD_USERS)
    counted = ~_is_behind(record) & _not_yet_hit(record)
    return WITHIN_BOUND.measured(time_to_collision(record, counted=counted).min() > TimeToCollisionConfig().bound)


@lru_cache(maxsize=1)  # composites of one drive ask for it in turn
def within_navsim_bound(record: DriveRecord) -> MetricValue:
    """NAVSIM's part of the PDM score: 1 without an overlap at any projection, else 0.

    Who is within 30° of straight ahead counts; who is beside counts where the ego is in several lanes, in a junction,
    or where that is not known.
    """
    if not record.tracks_complete:
        return NAVSIM_WITHIN_BOUND.unknown(NO_ROAD_USERS)
    x, y = np.moveaxis(record.in_ego_frame(), -1, 0)
    ahead = np.abs(np.arctan2(y, x)) < np.radians(30.0)
    beside = ~(record.ego_in_several_lanes == 0.0)
    if record.in_junction is not None:
        beside |= record.in_junction
    counted = (ahead | (beside & ~is_behind(x, y))) & _not_yet_hit(record)
    return NAVSIM_WITHIN_BOUND.measured(not np.isfinite(time_to_collision(record, NAVSIM, counted=counted)).any())


def _project(states: np.ndarray, acceleration: np.ndarray | None, times: np.ndarray) -> np.ndarray:
    """Boxes [..., k, 5] of OBJECT_NAMES [..., 6] after `times` [k] [s], straight on."""
    speed, yaw = states[..., ObjectColumn.SPEED, None], states[..., ObjectColumn.YAW, None]
    if acceleration is None:
        travelled = speed * times
    else:
        rate = np.nan_to_num(acceleration)[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            stands = np.where(speed * rate < 0, -speed / rate, np.inf)
        until = np.minimum(times, stands)
        # a standing vehicle does not start to roll backwards
        rate = np.where((speed == 0) & (rate < 0), 0.0, rate)
        travelled = speed * until + rate * until**2 / 2
    boxes = np.empty((*travelled.shape, 5))
    boxes[..., 0] = states[..., ObjectColumn.X, None] + travelled * np.cos(yaw)
    boxes[..., 1] = states[..., ObjectColumn.Y, None] + travelled * np.sin(yaw)
    boxes[..., 2] = yaw
    boxes[..., 3:] = states[..., None, [ObjectColumn.LENGTH, ObjectColumn.WIDTH]]
    return boxes


def _least(metric: Metric, times: np.ndarray) -> MetricValue:
    least = float(times.min())
    if not np.isfinite(least):
        return metric.not_applicable(f"no overlap within {TimeToCollisionConfig().horizon:g} s at any instant")
    return metric.measured(least)


def _is_behind(record: DriveRecord) -> np.ndarray:
    """Road users whose centre is behind the ego's rear bumper, bool [n, t]: they are their own drivers' business."""
    return record.in_ego_frame()[..., 0] < -record.ego[:, ObjectColumn.LENGTH] / 2


def _not_yet_hit(record: DriveRecord) -> np.ndarray:
    """Road users that the ego has not touched before, bool [n, t]: a collision counts as one, not as a close call too.

    The instant of the contact itself still counts.
    """
    hit = np.cumsum(record.overlaps, axis=1) > 0
    return ~np.concatenate([np.zeros((len(hit), 1), bool), hit[:, :-1]], axis=1)
