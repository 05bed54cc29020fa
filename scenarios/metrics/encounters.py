"""Encounters from the trajectories as they were driven: how near, how soon, who passed first by how much, and how hard
the ego had to brake. They see a lead that brakes at equal speeds, which a time to collision at constant velocity does
not by definition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.path_frame import PathFrame
from worldsim.datatypes.boxes import overlap, wrap_angle


@dataclass(frozen=True, kw_only=True)
class EncounterConfig:
    """What counts.

    Args:
        horizon: longer post-encroachment times are none [s].
        same_direction: headings that differ by less are those of leader and follower, whose gap is the follower's
            business [rad].
        lookahead: road users farther ahead on the path do not ask for braking [m].
    """

    horizon: float = 5.0
    same_direction: float = float(np.radians(45.0))
    lookahead: float = 100.0


CONFIG = EncounterConfig()
DISTANCE = Metric(name="distance_of_closest_encounter", unit="m", source="DCE (Eggert 2014), between boxes as driven")
TIME = Metric(
    name="time_to_closest_encounter", unit="s", source="TTCE (Eggert 2014), from the first instant, as driven"
)
POST_ENCROACHMENT = Metric(
    name="post_encroachment_time",
    unit="s",
    source="PET (Allen et al. 1978), least time between both at one place, rounded up by less than two steps",
    config=CONFIG,
)
REQUIRED = Metric(
    name="required_deceleration",
    unit="m/s²",
    source="a_long,req (Westhofen et al. 2023) with a lead that brakes until it stands",
    config=CONFIG,
)
NO_ROAD_USERS = "road users are not known"


def measure_encounters(record: DriveRecord) -> list[MetricValue]:
    """DCE [m], TTCE [s], PET [s] and the largest required deceleration [m/s²] of a drive."""
    if not record.tracks_complete:
        return [metric.unknown(NO_ROAD_USERS) for metric in (DISTANCE, TIME, POST_ENCROACHMENT, REQUIRED)]
    if not record.track_known.any():
        return [m.not_applicable("no road user") for m in (DISTANCE, TIME, POST_ENCROACHMENT, REQUIRED)]

    times, distances = closest_encounters(record)
    pet, required = post_encroachment_time(record), required_deceleration(record)
    return [
        DISTANCE.measured(distances[0]),
        TIME.measured(times[0]),
        POST_ENCROACHMENT.not_applicable(f"nobody at one place with the ego within {CONFIG.horizon:g} s")
        if pet is None
        else POST_ENCROACHMENT.measured(pet),
        REQUIRED.measured(required.max()),
    ]


def closest_encounters(record: DriveRecord) -> tuple[np.ndarray, np.ndarray]:
    """TTCE [t] [s] and DCE [t] [m]: from each instant on, how long until the ego is nearest to any road user, and how
    near that is, 0 where they touch; infinite after the last instant with a road user."""
    nearest = np.maximum(record.distances.min(axis=0, initial=np.inf), 0.0)
    distance = np.minimum.accumulate(nearest[::-1])[::-1]
    at = np.empty(len(nearest), np.int64)
    best = len(nearest) - 1
    for i in range(len(nearest) - 1, -1, -1):
        best = i if nearest[i] <= nearest[best] else best
        at[i] = best
    times = (at - np.arange(len(nearest))) * record.dt
    return np.where(np.isfinite(distance), times, np.inf), distance


def post_encroachment_time(record: DriveRecord, config: EncounterConfig | None = None) -> float | None:
    """Least time between the ego and a road user at one place [s]; 0 of a collision, None where there is none within
    the horizon. Both are seen at the instants of the record, so that it is rounded up by less than two time steps.

    A follower behind the ego in its direction does not count: its gap is its own business.
    """
    c = config or CONFIG
    most = int(c.horizon / record.dt + 1e-9)
    least, egos = None, record.ego_boxes
    ego_reach = np.hypot(egos[:, 3], egos[:, 4]) / 2
    for k, boxes in enumerate(record.track_boxes):
        known = np.flatnonzero(record.track_known[k])
        others = boxes[known]
        # looks closely only where circles around the boxes meet, [t of the ego, t of the other]
        apart = np.hypot(egos[:, None, 0] - others[:, 0], egos[:, None, 1] - others[:, 1])
        near = apart <= ego_reach[:, None] + np.hypot(others[:, 3], others[:, 4]) / 2
        ego_at, other_at = np.nonzero(near & (np.abs(np.arange(len(egos))[:, None] - known) <= most))
        turned = wrap_angle(others[other_at, 2] - egos[ego_at, 2])
        counts = (known[other_at] <= ego_at) | (np.abs(turned) >= c.same_direction)
        ego_at, other_at = ego_at[counts], other_at[counts]
        lags = np.abs(known[other_at] - ego_at)[overlap(egos[ego_at], others[other_at])]
        if len(lags):
            least = int(lags.min()) if least is None else min(least, int(lags.min()))
    return None if least is None else least * record.dt


def required_deceleration(record: DriveRecord, config: EncounterConfig | None = None) -> np.ndarray:
    """The least constant braking from each instant on that keeps the ego from running into who is in its way, [t]
    [m/s²]; 0 where none is needed, and for whom it has run into already. It diverges shortly before a collision; a gap
    counts at least 0.1 m.

    The ego keeps to the path that it drove; others keep their acceleration along it, until they stand.
    """
    c = config or CONFIG
    frame = PathFrame.of(record)
    gap = frame.gap(record)
    # overlapping across the path with whoever's centre is ahead; who is in the way on the path now, not later
    in_way = record.track_known & frame.is_ahead() & (frame.clearance(record) < 0) & (gap < c.lookahead)
    in_way &= np.cumsum(record.overlaps, axis=1) == 0
    needed = braking_needed(record.speed, frame.speed, frame.acceleration, gap)
    return np.where(in_way, needed, 0.0).max(axis=0, initial=0.0)


def braking_needed(
    speed: np.ndarray | float,
    lead_speed: np.ndarray | float,
    lead_acceleration: np.ndarray | float,
    gap: np.ndarray | float,
) -> np.ndarray:
    """Least constant deceleration [m/s²] of a follower that does not run into its lead, 0 where none is needed.

    Speeds meet while both move: a = b + (v − v_l)² / (2 d), with the lead's deceleration b; if the lead stands before
    that, the follower has to stop within d and the lead's way to a stop: a = v² / (2 (d + v_l² / (2 b))).

    Args:
        speed: of the follower, v [m/s].
        lead_speed: v_l; negative of oncoming road users [m/s].
        lead_acceleration: -b; a lead that accelerates counts as keeping its speed [m/s²].
        gap: bumper to bumper, d, counts at least 0.1 m [m].
    """
    v, other, d = np.maximum(speed, 0.0), np.asarray(lead_speed, np.float64), np.maximum(gap, 0.1)
    b = np.where(other > 0, np.maximum(-np.asarray(lead_acceleration, np.float64), 0.0), 0.0)
    closing = v - other
    with np.errstate(divide="ignore", invalid="ignore"):
        lead_stops_after = np.where(b > 0, other / b, np.inf)
        meet_after = np.where(closing > 0, 2 * d / closing, np.inf)
        lead_way = np.where(b > 0, other**2 / (2 * b), np.inf)
    moving = b + closing**2 / (2 * d)
    stopped = v**2 / (2 * (d + lead_way))
    while_moving = (closing > 0) & (meet_after <= lead_stops_after)
    return np.where(while_moving, moving, np.where(b > 0, stopped, 0.0))
