"""Collisions: with whom, how fast, whose fault."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np

from envs.world import EVENT_THRESHOLD
from scenarios.metrics.drivable_area import off_drivable_area
from scenarios.metrics.drive_record import DriveRecord, velocity
from scenarios.metrics.metric_value import Metric, MetricValue
from worldsim.datatypes.boxes import separation
from worldsim.datatypes.scene import BOX_COLUMNS, ObjectColumn, ObjectKind

REAR_ANGLE = np.radians(150.0)
"""Who is farther round than this from straight ahead is behind [rad]."""


@dataclass(frozen=True, kw_only=True)
class CollisionConfig:
    """nuPlan's thresholds, and one for contacts that a world reports.

    Args:
        stopped: who is no faster is standing [m/s].
        touch: a road user farther away than this took no part in a contact that the world reports [m].
        max_vehicles: collisions at fault with vehicles that still score.
        max_road_users: likewise with pedestrians.
        max_objects: likewise with static objects.
    """

    stopped: float = 0.05
    touch: float = 0.5
    max_vehicles: int = 0
    max_road_users: int = 0
    max_objects: int = 1


class CollisionType(str, Enum):
    """nuPlan's kinds of collision, by who moves and which side of the ego is hit."""

    STOPPED_EGO = "stopped ego"
    STOPPED_TRACK = "stopped track"
    REAR = "rear"
    FRONT = "front"
    LATERAL = "lateral"


@dataclass(frozen=True, kw_only=True)
class Collision:
    """One collision.

    Args:
        instant: the first at which both touch.
        track: row of DriveRecord.tracks; None of something that is not listed, as a building.
        kind: of the road user, STATIC of what is not listed.
        type: nuPlan's.
        ego_speed: absolute, one instant before, for worlds stop a car that hits something [m/s].
        impact_speed: magnitude of the relative velocity, one instant before [m/s].
        at_fault: whether it is the ego's; None where that hangs on a lane that is not known.
    """

    instant: int
    track: int | None
    kind: ObjectKind
    type: CollisionType
    ego_speed: float
    impact_speed: float
    at_fault: bool | None


NUPLAN = "nuPlan no ego at-fault collisions (also NAVSIM)"
COLLISIONS = Metric(name="collisions", source="oriented boxes that intersect (Waymax overlap), or a reported contact")
AT_FAULT = Metric(name="no_at_fault_collisions", source=NUPLAN, config=CollisionConfig())
IMPACT_SPEED = Metric(name="impact_speed", unit="m/s", source="relative velocity at the first collision (NeuroNCAP)")
SEVERITY = Metric(name="neuroncap_score", source="NeuroNCAP (Ljungbergh et al. 2024): 5, or 4·max(0, 1 − v_i/v_r)")
NO_ROAD_USERS = "road users are not known"


def measure_collisions(record: DriveRecord) -> list[MetricValue]:
    """How many collisions, nuPlan's score of those at fault, impact speed of the first, NeuroNCAP's score."""
    found = find_collisions(record)
    basis = "boxes" if record.contact is None else "boxes and what the world reports"
    if not found and not _is_watched(record):
        return [metric.unknown(NO_ROAD_USERS) for metric in (COLLISIONS, AT_FAULT, IMPACT_SPEED, SEVERITY)]

    first = found[0] if found else None
    impact = IMPACT_SPEED.not_applicable("no collision")
    if first is not None:
        impact = IMPACT_SPEED.measured(first.impact_speed)
    return [
        COLLISIONS.measured(len(found), basis),
        no_at_fault_collisions(record),
        impact,
        severity(first, record.reference_speed),
    ]


def find_collisions(record: DriveRecord, config: CollisionConfig | None = None) -> list[Collision]:
    """The collisions of a drive in order of time; with each road user at most one, as in nuPlan."""
    c = config or CollisionConfig()
    found: dict[int | None, Collision] = {}
    for instant, track in contact_onsets(record, c.touch):
        if track not in found:
            found[track] = _classify(record, instant, track, c)
    return list(found.values())


def contact_onsets(record: DriveRecord, touch: float = CollisionConfig().touch) -> list[tuple[int, int | None]]:
    """Instant and road user of each contact that begins, None for what is not listed; in order of time.

    Args:
        record: of the drive.
        touch: a reported contact is with the nearest road user within this distance [m], else with something that is
            not listed.
    """
    touching = record.overlaps.copy()
    unlisted = np.zeros(record.num_instants, bool)
    for i in np.flatnonzero(record.contact) if record.contact is not None else ():
        if touching[:, i].any():
            continue
        nearest = int(record.distances[:, i].argmin()) if len(touching) else -1
        if nearest >= 0 and record.distances[nearest, i] <= touch:
            touching[nearest, i] = True
        else:
            unlisted[i] = True

    rows = np.concatenate([touching, unlisted[None]])
    begins = rows & ~np.concatenate([np.zeros((len(rows), 1), bool), rows[:, :-1]], axis=1)
    instants, tracks = np.nonzero(begins.T)
    return [(int(i), None if k == len(touching) else int(k)) for i, k in zip(instants, tracks, strict=True)]


@lru_cache(maxsize=1)  # composites of one drive ask for it in turn
def no_at_fault_collisions(record: DriveRecord) -> MetricValue:
    """nuPlan's NC, 0, 0.5 or 1."""
    collisions = find_collisions(record)
    if not collisions and not _is_watched(record):
        return AT_FAULT.unknown(NO_ROAD_USERS)
    c, at_fault = CollisionConfig(), [collision for collision in collisions if collision.at_fault]
    objects = sum(one.kind is ObjectKind.STATIC and one.track is not None for one in at_fault)
    pedestrians = sum(one.kind is ObjectKind.PEDESTRIAN for one in at_fault)
    vehicles = len(at_fault) - objects - pedestrians
    counts = ((vehicles, c.max_vehicles), (pedestrians, c.max_road_users), (objects, c.max_objects))
    score = min(max(0.0, 1.0 - count / (allowed + 1)) for count, allowed in counts)
    if score > 0 and any(collision.at_fault is None for collision in collisions):
        return AT_FAULT.unknown("hit sideways where the ego's lane is not known")
    return AT_FAULT.measured(score)


def severity(collision: Collision | None, reference_speed: float | None) -> MetricValue:
    """NeuroNCAP's score, 0 to 5.

    Args:
        collision: the first; None without one.
        reference_speed: relative speed at which an ego that does not react hits [m/s].
    """
    if collision is None:
        return SEVERITY.measured(5.0)
    if reference_speed is None:
        return SEVERITY.unknown("the impact speed of an ego that does not react is not known")
    return SEVERITY.measured(neuroncap_score(collision.impact_speed, reference_speed))


def neuroncap_score(impact: float, reference_speed: float) -> float:
    """4·max(0, 1 − v_i/v_r) of a collision at these relative speeds [m/s]."""
    return 4.0 * max(0.0, 1.0 - impact / max(reference_speed, 1e-6))


def first_event(probability: np.ndarray, threshold: float = EVENT_THRESHOLD) -> int | None:
    """The first instant of probabilities [t] above the threshold; None if there is none."""
    above = np.flatnonzero(np.asarray(probability) > threshold)
    return int(above[0]) if len(above) else None


def is_behind(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether places in the ego's vehicle frame are behind it, as nuPlan and NAVSIM say it."""
    return np.abs(np.arctan2(y, x)) > REAR_ANGLE


def _is_watched(record: DriveRecord) -> bool:
    """Whether a collision would be in the record."""
    return record.tracks_complete or record.contact is not None


def _classify(record: DriveRecord, instant: int, track: int | None, c: CollisionConfig) -> Collision:
    before = max(instant - 1, 0)
    ego_speed = abs(float(record.speed[before]))
    kind = ObjectKind.STATIC if track is None else ObjectKind(int(record.track_kinds[track]))
    if track is None:
        type_ = CollisionType.STOPPED_EGO if ego_speed <= c.stopped else CollisionType.STOPPED_TRACK
        impact = ego_speed
    else:
        moment = before if record.track_known[track, before] else instant
        other = record.tracks[track, moment]
        impact = float(np.linalg.norm(velocity(record.ego[before]) - velocity(other)))
        type_ = _collision_type(record, instant, track, ego_speed, abs(float(other[ObjectColumn.SPEED])), c)
    return Collision(
        instant=instant,
        track=track,
        kind=kind,
        type=type_,
        ego_speed=ego_speed,
        impact_speed=impact,
        at_fault=_is_at_fault(record, instant, type_),
    )


def _collision_type(
    record: DriveRecord, instant: int, track: int, ego_speed: float, speed: float, c: CollisionConfig
) -> CollisionType:
    if ego_speed <= c.stopped:
        return CollisionType.STOPPED_EGO
    if speed <= c.stopped:
        return CollisionType.STOPPED_TRACK
    x, y = record.in_ego_frame()[track, instant]
    if is_behind(x, y):
        return CollisionType.REAR

    # the front bumper is a box without length; a reported contact may leave a small distance
    bumper, half_length = record.ego[instant, BOX_COLUMNS].copy(), record.ego[instant, ObjectColumn.LENGTH] / 2
    bumper[:2] += half_length * np.array([np.cos(bumper[2]), np.sin(bumper[2])])
    bumper[3] = 0.0
    apart = separation(bumper, record.track_boxes[track, instant])
    reached = apart <= max(float(record.distances[track, instant]), 0.0) + 1e-9
    return CollisionType.FRONT if reached else CollisionType.LATERAL


def _is_at_fault(record: DriveRecord, instant: int, type_: CollisionType) -> bool | None:
    if type_ is not CollisionType.LATERAL:
        return type_ in (CollisionType.STOPPED_TRACK, CollisionType.FRONT)
    off = off_drivable_area(record)
    if off is not None and off[instant]:
        return True
    several = record.ego_in_several_lanes[instant]
    return None if np.isnan(several) else bool(several)
