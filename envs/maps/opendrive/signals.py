"""Traffic lights and signs of a map: where they stand, and on which lanes one stops for them."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envs.maps.geometry import Lane, LaneKey
from envs.maps.opendrive.roads import Junction, LaneRecord, Link, Road
from envs.maps.opendrive.sign_codes import SignalType, is_speed_sign, signal_type, speed_limit_of
from envs.maps.opendrive.text import read_integer, read_number
from worldsim.datatypes.boxes import wrap_angle

STOP_LINE_RANGE = 30.0
"""A signal's stop line is looked for this far along the road [m]."""
JUNCTION_RANGE = 50.0
"""A signal this close to a junction is for that junction [m]."""
_OUTSIDE = 1.0
_SIZES = {SignalType.TRAFFIC_LIGHT: (0.4, 1.0)}
_SIGN_SIZE = (0.7, 0.7)


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A traffic light or sign.

    Args:
        id: the map's own.
        kind: what it asks of traffic.
        x: [m].
        y: [m].
        z: of its lower edge [m].
        yaw: direction its face looks, towards the traffic it is for [rad].
        width: [m].
        height: [m].
        stops: the driving lanes it counts for, with the arc length of the stop line on each [m]; empty for signs at
            which nobody stops.
        controller: lights with the same name switch together, "" for on its own.
        junction: number of the junction that it is for, -1 for none.
    """

    id: str
    kind: SignalType
    x: float
    y: float
    z: float
    yaw: float
    width: float
    height: float
    stops: tuple[tuple[LaneKey, float], ...]
    controller: str
    junction: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """A place along a road at which a signal counts.

    Args:
        road: it counts on.
        s: [m].
        along: whether for traffic in the direction of s; None for both.
        lanes: ids of the lanes that the map lists, None where it lists none and `along` decides.
    """

    road: Road
    s: float
    along: bool | None
    lanes: frozenset[int] | None

    def counts_for(self, lane: LaneRecord) -> bool:
        """Whether it is for the traffic of a lane."""
        in_direction = self.along is None or lane.along == self.along
        if self.lanes is None:
            return in_direction
        one_way = len({listed > 0 for listed in self.lanes}) == 1  # then the list is more to be trusted than the sign
        return lane.id in self.lanes and (in_direction or one_way)

    def lane_ids(self, section: int) -> Iterator[int]:
        """The driving lanes of a section that the signal counts for."""
        driving = [lane for lane in self.road.sections[section].lanes if lane.kind == "driving"]
        found = [lane.id for lane in driving if self.counts_for(lane)]
        if not found and self.lanes is None and len({lane.along for lane in driving}) == 1:
            found = [lane.id for lane in driving]  # a one-way road: only the orientation is written the other way round
        yield from found

    @property
    def section(self) -> int:
        """Index of the lane section it stands in."""
        starts = [section.start for section in self.road.sections]
        return max(int(np.searchsorted(starts, self.s, side="right")) - 1, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class SignalRecord:
    """A <signal> with all places at which it counts, its own first.

    Args:
        element: the XML.
        kind: what it asks of traffic.
        t: where it stands beside the first place's road [m].
        places: at which it counts.
    """

    element: ET.Element
    kind: SignalType
    t: float
    places: tuple[Placement, ...]

    @property
    def id(self) -> str:
        """The map's own id."""
        return self.element.get("id", "")


def read_signals(roads: Sequence[Road]) -> list[SignalRecord]:
    """The signals of a map.

    Raises:
        ValueError: one has no position.
    """
    found: list[tuple[ET.Element, float, list[Placement]]] = []
    by_id: dict[str, list[Placement]] = {}
    for road in roads:
        for element in road.element.findall("signals/signal"):
            where = f"{road.where}, signal {element.get('id', '')!r}"
            places = [_placement(element, road, where)]
            found.append((element, read_number(element, "t", where), places))
            by_id.setdefault(element.get("id", ""), places)
    for road in roads:
        for element in road.element.findall("signals/signalReference"):
            where = f"{road.where}, reference to signal {element.get('id', '')!r}"
            places = by_id.get(element.get("id", ""))
            if places is None:
                warnings.warn(f"{where}: there is no such signal", stacklevel=2)
            else:
                places.append(_placement(element, road, where))
    records = [
        SignalRecord(element=element, kind=signal_type(element), t=t, places=tuple(places))
        for element, t, places in found
    ]
    _name_unreadable_limits(records)
    return records


def read_controllers(root: ET.Element, records: Sequence[SignalRecord]) -> dict[str, str]:
    """Id of the controller that switches a signal, by the signal's id.

    Controllers that switch nothing, or what is not there, are named in a warning; a light that none switches has a
    cycle of its own.
    """
    known = {record.id for record in records}
    found: dict[str, str] = {}
    for element in root.findall("controller"):
        where = f"controller {element.get('id', '')!r}"
        ids = [control.get("signalId", "") for control in element.findall("control")]
        if not ids:
            warnings.warn(f"{where}: it has no <control>, so it switches no signal", stacklevel=2)
        for text in ids:
            if text not in known:
                warnings.warn(f"{where}: there is no signal {text!r} to control", stacklevel=2)
            elif found.get(text, element.get("id", "")) != element.get("id", ""):
                warnings.warn(
                    f"{where}: signal {text!r} is already switched by controller {found[text]!r}, which counts",
                    stacklevel=2,
                )
            else:
                found[text] = element.get("id", "")
    return found


def _name_unreadable_limits(records: Sequence[SignalRecord]) -> None:
    names = ("country", "type", "subtype", "value", "unit")
    named: set[tuple[str, ...]] = set()
    for record in records:
        code = tuple(record.element.get(name, "") for name in names)
        if is_speed_sign(record.element) and speed_limit_of(record.element) is None and code not in named:
            named.add(code)
            listed = ", ".join(f"{name}={text!r}" for name, text in zip(names, code, strict=True))
            warnings.warn(
                f"{record.places[0].road.where}, signal {record.id!r}: no speed limit can be read from {listed}",
                stacklevel=3,
            )


def _placement(element: ET.Element, road: Road, where: str) -> Placement:
    s = read_number(element, "s", where)
    if not -_OUTSIDE <= s <= road.length + _OUTSIDE:
        warnings.warn(f"{where}: s = {s:g} m is not on the road, which is {road.length:g} m long", stacklevel=3)
    along = {"+": True, "-": False}.get(element.get("orientation", "none").strip())
    lanes: set[int] | None = None
    for validity in element.findall("validity"):
        first, last = (read_integer(validity, name, where) for name in ("fromLane", "toLane"))
        lanes = (lanes or set()) | set(range(max(min(first, last), -1000), min(max(first, last), 1000) + 1))
    return Placement(
        road=road,
        s=float(np.clip(s, 0.0, road.length)),
        along=along,
        lanes=None if lanes is None else frozenset(lanes - {0}),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class StopLine:
    """A stop line that the map writes.

    Args:
        road: it lies on.
        s: [m].
        section: index of the lane section it lies in.
        lanes: ids of the driving lanes it crosses.
        points: its ends, float64 [2, 3] [m].
    """

    road: Road
    s: float
    section: int
    lanes: tuple[int, ...]
    points: np.ndarray


class SignalPlacer:
    """Finds where signals stand and where one stops for them.

    Args:
        controllers: id of the controller by id of the signal.
        roads: of the map.
        junctions: of the map.
        lanes: the driving lanes.
        lane_s: s of the road at each point of each driving lane.
        stop_lines: that the map writes.
    """

    def __init__(
        self,
        controllers: Mapping[str, str],
        roads: Sequence[Road],
        junctions: Sequence[Junction],
        lanes: Mapping[LaneKey, Lane],
        lane_s: Mapping[LaneKey, np.ndarray],
        stop_lines: Sequence[StopLine],
    ) -> None:
        self._lanes, self._lane_s = lanes, lane_s
        self._roads = {road.id: road for road in roads}
        self._junctions = {junction.id: junction.number for junction in junctions}
        self._stop_lines: defaultdict[int, list[StopLine]] = defaultdict(list)
        for line in stop_lines:
            self._stop_lines[line.road.number].append(line)
        self._before: defaultdict[LaneKey, list[LaneKey]] = defaultdict(list)
        for key, lane in lanes.items():
            for following in lane.successors:
                self._before[following].append(key)
        self._controllers = controllers

    def place(self, record: SignalRecord) -> Signal:
        """The signal of a record."""
        own, element, where = record.places[0], record.element, f"{record.places[0].road.where}, signal {record.id!r}"
        x, y, z, yaw = self._stand(record, where)
        stops: dict[LaneKey, float] = {}
        junction = own.road.junction
        if record.kind in (SignalType.TRAFFIC_LIGHT, SignalType.STOP, SignalType.YIELD):
            for place in record.places:
                for key, at, leads_to in self._stops(place):
                    stops[key] = min(stops.get(key, np.inf), at)
                    junction = leads_to if junction < 0 else junction
        if stops:
            key, at = next(iter(stops.items()))
            travel = float(np.interp(at, self._lanes[key].s, self._lanes[key].yaw))
            if abs(wrap_angle(yaw - travel)) < np.pi / 2:  # its back would be turned to those it is for
                yaw = travel + np.pi
        width, height = _SIZES.get(record.kind, _SIGN_SIZE)
        return Signal(
            id=record.id,
            kind=record.kind,
            x=x,
            y=y,
            z=z,
            yaw=float(wrap_angle(yaw)),
            width=read_number(element, "width", where, 0.0) or width,
            height=read_number(element, "height", where, 0.0) or height,
            stops=tuple(stops.items()),
            controller=self._controllers.get(record.id, ""),
            junction=junction,
        )

    def _stand(self, record: SignalRecord, where: str) -> tuple[float, float, float, float]:
        """x, y, z [m] and the direction that its face looks [rad]; where it counts if the map names no other place."""
        own, element = record.places[0], record.element
        inertial, on_road = element.find("positionInertial"), element.find("positionRoad")
        if inertial is not None:
            x, y, z, heading = (read_number(inertial, name, where) for name in ("x", "y", "z", "hdg"))
            return x, y, z, heading + np.pi
        road, s, t = own.road, own.s, record.t
        if on_road is not None:
            other = self._roads.get(on_road.get("roadId", ""))
            if other is None:
                warnings.warn(
                    f"{where}: <positionRoad> names road {on_road.get('roadId', '')!r}, which does not exist;"
                    " it stands where it counts",
                    stacklevel=3,
                )
            else:
                road, element = other, on_road
                s, t = (read_number(on_road, name, where) for name in ("s", "t"))
        at = np.array([np.clip(s, 0.0, road.length)])
        point, z = road.surface(at, np.array([t]))
        heading = float(road.line.at(at)[1][0]) + read_number(element, "hOffset", where, 0.0)
        height = float(z[0]) + read_number(element, "zOffset", where, 0.0)
        return float(point[0, 0]), float(point[0, 1]), height, heading + (0.0 if own.along is False else np.pi)

    def _stops(self, place: Placement) -> Iterator[tuple[LaneKey, float, int]]:
        """Lane, arc length and junction of each stop line at a place."""
        road = place.road
        if road.junction >= 0:
            # within a junction it is too late to stop: at the beginning of the connecting lane
            for index in range(len(road.sections)):
                for lane in place.lane_ids(index):
                    key = (road.number, index, lane)
                    if key in self._lanes and index == self._entry(road, key):
                        yield from self._stops_before(key, road.junction)
            return
        for lane in place.lane_ids(place.section):
            key = (road.number, place.section, lane)
            if key not in self._lanes:
                continue
            lines = [line for line in self._stop_lines[road.number] if lane in line.lanes]
            line = min(lines, key=lambda line: abs(line.s - place.s), default=None)
            if line is not None and abs(line.s - place.s) <= STOP_LINE_RANGE:
                key = (road.number, line.section, lane)
                yield key, self.arc_length(key, line.s), self._next_junction(road, key)
                continue
            yield from self._stop_without_line(place, key)

    def _stop_without_line(self, place: Placement, key: LaneKey) -> Iterator[tuple[LaneKey, float, int]]:
        """At the end of the lane where a junction follows soon, else where the signal stands."""
        junction = self._next_junction(place.road, key)
        at = self.arc_length(key, place.s)
        if junction >= 0 and self._lanes[key].length - at <= JUNCTION_RANGE:
            at = self._lanes[key].length
        yield key, at, junction

    def _stops_before(self, key: LaneKey, junction: int) -> Iterator[tuple[LaneKey, float, int]]:
        """At the stop line of the lanes that lead to a connecting lane, where none is drawn at its beginning."""
        found = False
        for before in self._before[key]:
            left = [
                (before, at)
                for line in self._stop_lines[before[0]]
                if line.section == before[1] and before[2] in line.lanes
                for at in (self.arc_length(before, line.s),)
                if self._lanes[before].length - at <= STOP_LINE_RANGE / 2
            ]
            for lane, at in left:
                found = True
                yield lane, at, junction
        if not found:
            yield key, 0.0, junction

    def _entry(self, road: Road, key: LaneKey) -> int:
        """Index of the section of a connecting road that traffic of a lane enters first."""
        along = bool(self._lane_s[key][0] <= self._lane_s[key][-1])
        sections = [section.index for section in road.sections if not section.is_empty]
        return sections[0 if along else -1]

    def _next_junction(self, road: Road, key: LaneKey) -> int:
        """Number of the junction that a lane's section leads to, -1 where none follows at once."""
        along = bool(self._lane_s[key][0] <= self._lane_s[key][-1])
        if key[1] != (len(road.sections) - 1 if along else 0):
            return -1
        link: Link | None = road.successor if along else road.predecessor
        return -1 if link is None or not link.to_junction else self._junctions.get(link.id, -1)

    def arc_length(self, key: LaneKey, s: float) -> float:
        """Arc length on a driving lane at s of its road [m]."""
        lane_s, lane = self._lane_s[key], self._lanes[key]
        if lane_s[0] > lane_s[-1]:
            return float(np.interp(s, lane_s[::-1], lane.s[::-1]))
        return float(np.interp(s, lane_s, lane.s))
