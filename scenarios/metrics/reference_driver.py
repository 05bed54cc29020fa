"""What a reference driver would have made of a drive: on the ego's path, among the same road users."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.path_frame import PathFrame
from worldsim.datatypes.scene import ObjectColumn

AFTERWARDS = 6.0
"""A drive that ends is gone on with for this long: it often ends with the very collision that is in question [s]."""


class Situation(NamedTuple):
    """What a reference driver sees at one instant, of n road users.

    Args:
        speed: its own [m/s].
        acceleration: its own [m/s²].
        length: its car's [m].
        gap: along the path to the road user's near end, [n] [m].
        clearance: across the path to its near side, negative in the way, [n] [m].
        approach: speed towards the path, [n] [m/s].
        moved: towards the path since it was first seen, [n] [m].
        lead_speed: along the path, [n] [m/s].
        lead_acceleration: along the path, [n] [m/s²].
        lead_length: along the path, [n] [m].
        ahead: it is known and its centre is ahead, bool [n].
    """

    speed: float
    acceleration: float
    length: float
    gap: np.ndarray
    clearance: np.ndarray
    approach: np.ndarray
    moved: np.ndarray
    lead_speed: np.ndarray
    lead_acceleration: np.ndarray
    lead_length: np.ndarray
    ahead: np.ndarray


class ReferenceDriver(Protocol):
    """Keeps its speed until it sees a danger, and brakes after its reaction time."""

    @property
    def reaction_time(self) -> float:
        """From seeing a danger to the beginning of braking [s]."""
        ...

    @property
    def jerk(self) -> float:
        """At which braking builds up [m/s³]."""
        ...

    def braking(self, situation: Situation) -> float:
        """The deceleration that it wants [m/s²]; 0 where it sees no danger."""
        ...


@dataclass(frozen=True, kw_only=True)
class ReferenceDrive:
    """How a reference driver fared.

    Args:
        arc: along the ego's path, 0 where the drive began, [k] [m].
        speed: [k] [m/s].
        reacts_at: the first instant at which it sees a danger; None if it never does.
        collides_at: the first instant at which it touches somebody ahead; None if it never does.
    """

    arc: np.ndarray
    speed: np.ndarray
    reacts_at: int | None
    collides_at: int | None


def measure_avoidable(record: DriveRecord, driver: ReferenceDriver, metric: Metric) -> MetricValue:
    """1 where the reference driver would not have run into anybody, else 0."""
    if not record.tracks_complete:
        return metric.unknown("road users are not known")
    if not (record.approach or record).track_known.any():
        return metric.not_applicable("no road user")
    return metric.measured(drive_reference(record.approach or record, driver).collides_at is None, _begin(record))


def drive_reference(record: DriveRecord, driver: ReferenceDriver) -> ReferenceDrive:
    """The drive of a reference driver that begins where and as fast as the ego began.

    It follows the ego's path, and straight on after its end. Road users do as they did in the record, whatever the
    reference driver does, and go on in their directions after its end, braking on if they brake. Who runs into the
    reference driver from behind does not count.
    """
    frame = _go_on(PathFrame.of(record), record, math.ceil(AFTERWARDS / record.dt))
    num_tracks, num_instants = frame.arc.shape
    known = np.concatenate(
        [record.track_known, np.repeat(record.track_known[:, -1:], num_instants - record.num_instants, 1)], axis=1
    )
    length, width = record.ego[0, ObjectColumn.LENGTH], record.ego[0, ObjectColumn.WIDTH]
    first_seen = known.argmax(axis=1)
    first_lateral = np.abs(frame.lateral[np.arange(num_tracks), first_seen])
    reaction_steps = math.ceil(driver.reaction_time / record.dt - 1e-9)

    arcs, speeds = np.zeros(num_instants), np.full(num_instants, max(float(record.speed[0]), 0.0))
    braking, waited, reacts_at = 0.0, 0, None
    ran_into_ego = np.zeros(num_tracks, bool)
    for i in range(num_instants):
        arc, speed = arcs[i], speeds[i]
        gap = frame.arc[:, i] - frame.half_extent[:, i] - arc - length / 2
        clearance = np.abs(frame.lateral[:, i]) - frame.half_breadth[:, i] - width / 2
        ahead = known[:, i] & (frame.arc[:, i] > arc) & ~ran_into_ego
        beside = np.abs(frame.arc[:, i] - arc) < frame.half_extent[:, i] + length / 2
        ran_into_ego |= known[:, i] & ~ahead & beside & (clearance < 0)
        if (ahead & beside & (clearance < 0)).any():
            return ReferenceDrive(arc=arcs[: i + 1], speed=speeds[: i + 1], reacts_at=reacts_at, collides_at=i)

        wanted = driver.braking(
            Situation(
                speed=float(speed),
                acceleration=-braking,
                length=float(length),
                gap=gap,
                clearance=clearance,
                approach=-np.sign(frame.lateral[:, i]) * frame.lateral_speed[:, i],
                moved=first_lateral - np.abs(frame.lateral[:, i]),
                lead_speed=frame.speed[:, i],
                lead_acceleration=frame.acceleration[:, i],
                lead_length=2 * frame.half_extent[:, i],
                ahead=ahead,
            )
        )
        if wanted > 0:
            reacts_at = i if reacts_at is None else reacts_at
            waited += 1
        reacting = wanted > 0 and waited > reaction_steps
        braking = min(wanted, braking + driver.jerk * record.dt) if reacting else 0.0
        if i + 1 < num_instants:
            speeds[i + 1] = max(speed - braking * record.dt, 0.0)
            arcs[i + 1] = arc + (speed + speeds[i + 1]) / 2 * record.dt
    return ReferenceDrive(arc=arcs, speed=speeds, reacts_at=reacts_at, collides_at=None)


def _begin(record: DriveRecord) -> str:
    if record.approach is None:
        return "from the beginning of the drive"
    return f"from {record.approach.duration - record.duration:.1f} s before it"


def _go_on(frame: PathFrame, record: DriveRecord, num_steps: int) -> PathFrame:
    """The frame with `num_steps` instants more: vehicles that brake do so until they stand, all else keeps its
    velocity."""
    times = np.arange(1, num_steps + 1) * record.dt
    speed, rate = frame.speed[:, -1:], frame.acceleration[:, -1:]
    rate = np.where(speed * rate < 0, rate, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        until = np.minimum(times, np.where(rate == 0, np.inf, -speed / rate))
    later = {
        "arc": frame.arc[:, -1:] + speed * until + rate * until**2 / 2,
        "lateral": frame.lateral[:, -1:] + frame.lateral_speed[:, -1:] * times,
        "speed": speed + rate * until,
        "acceleration": np.where(until < times, 0.0, rate),
    }
    kept = ("half_extent", "half_breadth", "lateral_speed")
    later |= {name: np.repeat(getattr(frame, name)[:, -1:], num_steps, axis=1) for name in kept}
    return PathFrame(
        path=frame.path,
        ego_arc=np.concatenate([frame.ego_arc, np.full(num_steps, frame.ego_arc[-1])]),
        **{name: np.concatenate([getattr(frame, name), values], axis=1) for name, values in later.items()},
    )
