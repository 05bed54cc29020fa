"""The CARLA leaderboard's driving score, by the formulas of version 2.0 and of 2.1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.metrics.collision import contact_onsets
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import MIN_KNOWN, Metric, MetricValue
from scenarios.metrics.progress import route_completion
from scenarios.metrics.signal_violations import measure_red_lights, measure_stop_signs
from worldsim.datatypes.scene import LaneColumn, ObjectColumn, ObjectKind


@dataclass(frozen=True, kw_only=True)
class CarlaConfig:
    """When the leaderboard counts something.

    Args:
        same_actor: contacts with the same road user within this time are one collision [s].
        same_place: contacts within this distance of the last collision are part of it [m].
        lane_margin: outside the lane from this far beyond its edge on [m].
    """

    same_actor: float = 5.0
    same_place: float = 5.0
    lane_margin: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Infractions:
    """What is penalised on one route.

    Args:
        pedestrians: collisions.
        vehicles: collisions.
        static: collisions with anything else.
        red_lights: run.
        stop_signs: missed.
        timeouts: of scenarios, and emergency vehicles that were not let past.
        outside_lane: share of the route driven outside the lane, in [0, 1].
        min_speed: mean speed relative to the vehicles around, in [0, 1]; 1 where nobody is around.
    """

    pedestrians: int = 0
    vehicles: int = 0
    static: int = 0
    red_lights: int = 0
    stop_signs: int = 0
    timeouts: int = 0
    outside_lane: float = 0.0
    min_speed: float = 1.0

    @property
    def num_events(self) -> int:
        """All that is counted, without what depends on speed."""
        return self.pedestrians + self.vehicles + self.static + self.red_lights + self.stop_signs + self.timeouts


FACTORS = {"pedestrians": 0.5, "vehicles": 0.6, "static": 0.65, "red_lights": 0.7, "stop_signs": 0.8, "timeouts": 0.7}
"""2.0: each event multiplies the score by this."""
COEFFICIENTS = {
    "pedestrians": 1.0,
    "vehicles": 0.7,
    "static": 0.6,
    "red_lights": 0.4,
    "stop_signs": 0.25,
    "timeouts": 0.4,
}
"""2.1: each event adds this to the denominator."""
MIN_SPEED_FACTOR = 0.3
MIN_SPEED_COEFFICIENT = 0.4

CONFIG = CarlaConfig()
SCORE_2_0 = Metric(name="carla_driving_score_2_0", source="CARLA leaderboard 2.0: RC·∏p, in [0, 1]", config=CONFIG)
SCORE_2_1 = Metric(
    name="carla_driving_score_2_1",
    source="CARLA leaderboard 2.1: RC·∏off-lane(1 − x)·1/(1 + Σc), in [0, 1]",
    config=CONFIG,
)


def measure_carla(record: DriveRecord) -> list[MetricValue]:
    """Both driving scores, each in [0, 1]; the leaderboard shows 100 times that."""
    completion, found = route_completion(record), count_infractions(record)
    scores = (SCORE_2_0, penalty_2_0), (SCORE_2_1, penalty_2_1)
    if completion.value is None:
        return [metric.unknown(completion.reason) for metric, _ in scores]
    if isinstance(found, str):
        return [metric.unknown(found) for metric, _ in scores]
    return [metric.measured(completion.value * penalty(found)) for metric, penalty in scores]


def penalty_2_0(found: Infractions, *, with_min_speed: bool = True) -> float:
    """∏p: a factor for each event, (1 − x) of what was driven outside the lane, 1 − 0.3·(1 − x) for driving slowly."""
    events = math.prod(factor ** getattr(found, name) for name, factor in FACTORS.items())
    slow = 1.0 - MIN_SPEED_FACTOR * (1.0 - found.min_speed) if with_min_speed else 1.0
    return events * (1.0 - found.outside_lane) * slow


def penalty_2_1(found: Infractions) -> float:
    """(1 − x) / (1 + Σc) with the coefficients of each event and 0.4·(1 − x) for driving slowly."""
    events = sum(coefficient * getattr(found, name) for name, coefficient in COEFFICIENTS.items())
    return (1.0 - found.outside_lane) / (1.0 + events + MIN_SPEED_COEFFICIENT * (1.0 - found.min_speed))


def global_driving_score(scores: Sequence[float | None], num_routes: int) -> float:
    """The mean over all routes of a benchmark; a route that was not driven or has no score counts 0.

    Raises:
        ValueError: there are more scores than routes, or no route.
    """
    if num_routes < 1 or len(scores) > num_routes:
        raise ValueError(f"num_routes must be at least 1 and the number of scores, {len(scores)}, got {num_routes}")
    return sum(score for score in scores if score is not None) / num_routes


def count_infractions(record: DriveRecord) -> Infractions | str:
    """The infractions of a drive, or why they are not known. There are no timeouts in a record.

    The leaderboard measures the least speed at checkpoints of a route; here the drive is one piece.
    """
    if not record.tracks_complete:
        return "road users are not known"
    red, stop = measure_red_lights(record), measure_stop_signs(record)
    if red.value is None or stop.value is None:
        return red.reason or stop.reason
    outside = share_outside_lane(record)
    if outside is None:
        return "the lane is not known"

    kinds = collision_kinds(record)
    pedestrians = sum(kind is ObjectKind.PEDESTRIAN for kind in kinds)
    vehicles = sum(kind in (ObjectKind.CAR, ObjectKind.TRUCK) for kind in kinds)
    return Infractions(
        pedestrians=pedestrians,
        vehicles=vehicles,
        static=len(kinds) - pedestrians - vehicles,
        red_lights=int(red.value),
        stop_signs=int(stop.value),
        outside_lane=outside,
        min_speed=min(1.0, relative_speed(record)),
    )


def collision_kinds(record: DriveRecord) -> list[ObjectKind]:
    """What each collision was with, after the leaderboard's debouncing."""
    kinds: list[ObjectKind] = []
    last_of: dict[int | None, int] = {}
    last_place: np.ndarray | None = None
    for instant, track in contact_onsets(record):
        place = record.ego[instant, :2]
        again = track in last_of and (instant - last_of[track]) * record.dt < CONFIG.same_actor
        near = last_place is not None and np.hypot(*(place - last_place)) < CONFIG.same_place
        if again or near:
            continue
        last_of[track], last_place = instant, place
        kinds.append(ObjectKind.STATIC if track is None else ObjectKind(int(record.track_kinds[track])))
    return kinds


def share_outside_lane(record: DriveRecord) -> float | None:
    """Share of the way driven with the centre more than the margin beyond the edge of the route's lane, or in a lane of
    the opposite direction, in [0, 1]; None where too little is known of the lane."""
    offset, half_width = record.lane[:, LaneColumn.LATERAL_OFFSET], record.lane[:, LaneColumn.HALF_WIDTH]
    known = np.isfinite(offset) & np.isfinite(half_width)
    if known.mean() < MIN_KNOWN:
        return None
    outside = np.where(known, np.abs(offset) > half_width + CONFIG.lane_margin, False)
    if record.wrong_way is not None:
        outside |= record.wrong_way
    way = np.abs(record.speed)
    return float((way * outside).sum() / way.sum()) if way.sum() > 0 else 0.0


def relative_speed(record: DriveRecord) -> float:
    """Mean speed of the ego over that of the vehicles that move around it; 1 where none does."""
    speeds = np.abs(record.tracks[..., ObjectColumn.SPEED])
    moving = record.track_known & record.is_vehicle()[:, None]
    moving &= (np.where(moving, speeds, 0.0).max(axis=1, initial=0.0) > 0.1)[:, None]  # parked cars are no traffic
    return float(np.abs(record.speed).mean() / speeds[moving].mean()) if moving.any() else 1.0
