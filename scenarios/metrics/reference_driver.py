"""What a reference driver would have made of a drive: on the ego's path, among the same road users."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.path_frame import PathFrame
from worldsim.datatypes.scene import ObjectColumn

AFTERWARDS = 6.0
"""A drive that ends is gone on with for this long: it often ends with the very collision that is in question [s]."""


class Situation(NamedTuple):
    """What a reference driver sees of n road users at one instant, or at k instants of the same speed and acceleration.

    Args:
        speed: its own [m/s].
        acceleration: its own [m/s²].
        length: its car's [m].
        gap: along the path to the road user's near end, [n] or [k, n], as all that follow [m].
        clearance: across the path to its near side, negative in the way [m].
        approach: speed towards the path [m/s].
        moved: towards the path since it was first seen [m].
        lead_speed: along the path [m/s].
        lead_acceleration: along the path [m/s²].
        lead_length: along the path [m].
        ahead: it is known and its centre is ahead, bool.
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

    def braking(self, situation: Situation) -> np.ndarray:
        """The deceleration that it wants [m/s²], [] or [k]; 0 where it sees no danger."""
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
    others = _Others.of(record)
    num_instants, num_tracks = others.known.shape
    reaction_steps = math.ceil(driver.reaction_time / record.dt - 1e-9)
    arcs, speeds = np.zeros(num_instants), np.full(num_instants, max(float(record.speed[0]), 0.0))
    ran_into_ego = np.zeros(num_tracks, bool)
    braking, waited, reacts_at, i = 0.0, 0, None, 0

    def drive_until(collides_at: int | None) -> ReferenceDrive:
        end = num_instants if collides_at is None else collides_at + 1
        return ReferenceDrive(arc=arcs[:end], speed=speeds[:end], reacts_at=reacts_at, collides_at=collides_at)

    while i < num_instants:
        if braking == 0.0 or speeds[i] == 0.0:  # the speed stays until it brakes: all instants until then at once
            speeds[i:] = speeds[i]
            arcs[i:] = np.cumsum(np.append(arcs[i], speeds[i : num_instants - 1] * record.dt))
            seen = others.seen(slice(i, None), arcs[i:], ran_into_ego)
            wants = np.asarray(driver.braking(others.situation(slice(i, None), seen, float(speeds[i]), 0.0))) > 0
            collides, reacts = seen.collides, wants & (waited + np.cumsum(wants) > reaction_steps)
            num_free = len(wants) if speeds[i] == 0.0 or not reacts.any() else int(reacts.argmax())
            if collides[: num_free + 1].any():
                num_free = int(collides.argmax())
            first_wanted = np.flatnonzero(wants[:num_free])
            reacts_at = i + int(first_wanted[0]) if reacts_at is None and len(first_wanted) else reacts_at
            if collides[num_free : num_free + 1].any():
                return drive_until(i + num_free)
            waited += len(first_wanted)
            ran_into_ego = ran_into_ego | seen.from_behind[:num_free].any(axis=0)
            i += num_free
            if i == num_instants:
                break

        seen = others.seen(i, arcs[i], ran_into_ego)
        if seen.collides:
            return drive_until(i)
        ran_into_ego = ran_into_ego | seen.from_behind
        wanted = float(driver.braking(others.situation(i, seen, float(speeds[i]), -braking)))
        if wanted > 0:
            reacts_at = i if reacts_at is None else reacts_at
            waited += 1
        reacting = wanted > 0 and waited > reaction_steps
        braking = min(wanted, braking + driver.jerk * record.dt) if reacting else 0.0
        if i + 1 < num_instants:
            speeds[i + 1] = max(speeds[i] - braking * record.dt, 0.0)
            arcs[i + 1] = arcs[i] + (speeds[i] + speeds[i + 1]) / 2 * record.dt
        i += 1
    return drive_until(None)


class _Seen(NamedTuple):
    """Where a reference driver is among the others, at one instant or at k: [n] or [k, n], `collides` [] or [k]."""

    gap: np.ndarray
    ahead: np.ndarray
    from_behind: np.ndarray
    collides: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Others:
    """The road users that a reference driver meets, each [t, n], and the size of its car [m]."""

    known: np.ndarray
    arc: np.ndarray
    half_extent: np.ndarray
    clearance: np.ndarray
    approach: np.ndarray
    moved: np.ndarray
    speed: np.ndarray
    acceleration: np.ndarray
    length: float

    @staticmethod
    @lru_cache(maxsize=1)  # the reference drivers of one drive ask for it in turn
    def of(record: DriveRecord) -> _Others:
        """Those of a drive, and of the time afterwards."""
        frame = _go_on(PathFrame.of(record), record, math.ceil(AFTERWARDS / record.dt))
        known = record.track_known
        afterwards = frame.arc.shape[1] - record.num_instants
        first_lateral = np.abs(frame.lateral[np.arange(len(known)), known.argmax(axis=1)])
        arrays = {
            "known": np.concatenate([known, np.repeat(known[:, -1:], afterwards, axis=1)], axis=1),
            "arc": frame.arc,
            "half_extent": frame.half_extent,
            "clearance": np.abs(frame.lateral) - frame.half_breadth - record.ego[0, ObjectColumn.WIDTH] / 2,
            "approach": -np.sign(frame.lateral) * frame.lateral_speed,
            "moved": first_lateral[:, None] - np.abs(frame.lateral),
            "speed": frame.speed,
            "acceleration": frame.acceleration,
        }
        rows = {name: np.ascontiguousarray(values.T) for name, values in arrays.items()}
        return _Others(**rows, length=float(record.ego[0, ObjectColumn.LENGTH]))

    def seen(self, at: int | slice, arc: np.ndarray | float, ran_into_ego: np.ndarray) -> _Seen:
        """Those at an instant, or at instants one after the other, of a driver at `arc`, [] or [k] [m]; `ran_into_ego`
        [n] are those who had before."""
        arc = np.asarray(arc)[..., None]
        others = self.arc[at]
        touching = (np.abs(others - arc) < self.half_extent[at] + self.length / 2) & (self.clearance[at] < 0)
        ahead = self.known[at] & (others > arc)
        from_behind = self.known[at] & ~ahead & touching
        if isinstance(at, slice):  # who ran into the driver at an instant does not count from the next one on
            before = np.logical_or.accumulate(from_behind, axis=0)[:-1]
            ran_into_ego = ran_into_ego | np.concatenate([np.zeros_like(from_behind[:1]), before])
        ahead &= ~ran_into_ego
        return _Seen(
            gap=others - self.half_extent[at] - arc - self.length / 2,
            ahead=ahead,
            from_behind=from_behind,
            collides=np.asarray((ahead & touching).any(axis=-1)),
        )

    def situation(self, at: int | slice, seen: _Seen, speed: float, acceleration: float) -> Situation:
        """What the driver sees."""
        return Situation(
            speed=speed,
            acceleration=acceleration,
            length=self.length,
            gap=seen.gap,
            clearance=self.clearance[at],
            approach=self.approach[at],
            moved=self.moved[at],
            lead_speed=self.speed[at],
            lead_acceleration=self.acceleration[at],
            lead_length=2 * self.half_extent[at],
            ahead=seen.ahead,
        )


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
