"""Reads an OpenDRIVE text: its geometry, its driving lanes and how they connect, its signals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envs.maps.geometry import Lane, LaneKey, LanePolygon, Marking, RoadGeometry, corner_points
from envs.maps.opendrive.junction_marks import ConnectingRoad, clip_markings
from envs.maps.opendrive.junction_outlines import outline_junction
from envs.maps.opendrive.lane_links import LaneLinks, joined
from envs.maps.opendrive.lane_surfaces import SectionSurface, sample_section
from envs.maps.opendrive.objects import line_at, read_crosswalks, read_stop_lines
from envs.maps.opendrive.plausibility import warn_of_implausible_roads, warn_of_steps_between
from envs.maps.opendrive.road_marks import section_markings
from envs.maps.opendrive.road_reader import read_roads
from envs.maps.opendrive.roads import LaneRecord, Road, Section
from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.opendrive.signals import Signal, SignalPlacer, StopLine, read_controllers, read_signals
from envs.maps.opendrive.speed_limits import LaneLimits, SpeedLimits, complete_limits
from envs.maps.opendrive.text import parse_opendrive

NARROWEST_LANE = 0.5
"""A driving lane that is nowhere as wide as this is none [m]."""
SAME_LINE = 1.0
"""Stop lines whose middles are closer are one [m]."""
APRON_LENGTH = 10.0
"""Beyond the end of a road a vehicle is not yet off the road: its own overhang and a step of motorway driving [m]."""
WIDEST_MAP = 200_000.0
"""[m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MapContents:
    """All that is read of a map.

    Args:
        geometry: all there is to draw.
        lanes: the driving lanes.
        signals: traffic lights and signs.
        left_hand: whether traffic keeps to the left.
        road_ids: the map's own ids of roads by number.
        junction_ids: the same of junctions.
    """

    geometry: RoadGeometry
    lanes: dict[LaneKey, Lane]
    signals: tuple[Signal, ...]
    left_hand: bool
    road_ids: dict[int, str]
    junction_ids: dict[int, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class _DrivingLane:
    """A driving lane while the rest of the map is not known; arrays run along its travel."""

    road: Road
    section: Section
    record: LaneRecord
    s: np.ndarray
    points: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    half_width: np.ndarray

    @property
    def key(self) -> LaneKey:
        return (self.road.number, self.section.index, self.record.id)

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last pose (x, y, yaw)."""
        first, last = (np.array([*self.points[i], self.yaw[i]]) for i in (0, -1))
        return first, last


def read_map(xodr: str) -> MapContents:
    """All that a map holds.

    Raises:
        ValueError: not OpenDRIVE, without a lane for driving, or contradictory; names the element.
    """
    root = parse_opendrive(xodr)
    roads, junctions = read_roads(root)
    warn_of_implausible_roads(roads)
    polygons: list[LanePolygon] = []
    markings: list[Marking] = []
    # by the number of the junction and that of the road through it
    connecting: defaultdict[int, dict[int, ConnectingRoad]] = defaultdict(dict)
    driving: dict[LaneKey, _DrivingLane] = {}
    for road in roads:
        for section in road.sections:
            if section.is_empty:
                continue
            surface = sample_section(road, section)
            found, painted = _polygons(road, section, surface), section_markings(road, section, surface)
            polygons.extend(found)
            if road.junction >= 0:
                of_road = connecting[road.junction].setdefault(road.number, ConnectingRoad([], []))
                of_road.lanes.extend(found)
                of_road.markings.extend(painted)
            else:
                markings.extend(painted)
            for row, record in enumerate(section.lanes):
                width = surface.t[row] - surface.t[row + 1]
                if record.kind == "driving" and width.max() >= NARROWEST_LANE:
                    lane = _driving_lane(road, section, record, surface, row)
                    driving[lane.key] = lane
    for through in connecting.values():
        markings.extend(clip_markings(list(through.values())))
    if not driving:
        raise ValueError("no lane of type driving; a map needs at least one")

    road_ids = {road.number: road.id for road in roads}
    successors = joined(LaneLinks(roads, junctions), {key: lane.ends for key, lane in driving.items()}, road_ids)
    records = read_signals(roads)
    limits = _limits(SpeedLimits(records), driving, successors)
    lanes = {key: _finish(lane, driving, limits[key], successors[key]) for key, lane in driving.items()}
    warn_of_steps_between(lanes, road_ids)
    lane_s = {key: lane.s for key, lane in driving.items()}
    stop_lines = read_stop_lines(roads, records, lanes, lane_s)
    placer = SignalPlacer(read_controllers(root, records), roads, junctions, lanes, lane_s, stop_lines)
    signals = tuple(placer.place(record) for record in records)
    left = sum(lane.length for key, lane in lanes.items() if driving[key].road.left_hand)
    return MapContents(
        geometry=RoadGeometry(
            lanes=tuple(polygons),
            markings=tuple(markings),
            crosswalks=read_crosswalks(roads),
            stop_lines=_stop_lines(stop_lines, signals, lanes),
            aprons=_aprons(lanes),
            junctions=tuple(
                outline
                for through in connecting.values()
                for outline in outline_junction([lane for road in through.values() for lane in road.lanes])
            ),
            bounds=_bounds(polygons),
        ),
        lanes=lanes,
        signals=signals,
        left_hand=left > 0.5 * sum(lane.length for lane in lanes.values()),
        road_ids=road_ids,
        junction_ids={junction.number: junction.id for junction in junctions},
    )


def _bounds(polygons: Sequence[LanePolygon]) -> tuple[float, float, float, float]:
    points = np.concatenate([polygon.outline for polygon in polygons])
    low, high = points.min(0), points.max(0)
    if not (high - low).max() <= WIDEST_MAP:
        raise ValueError(f"the roads reach over {(high - low).max():g} m; at most {WIDEST_MAP:g} m can be read")
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _polygons(road: Road, section: Section, surface: SectionSurface) -> list[LanePolygon]:
    """The surfaces of the lanes that are wider than nothing."""
    found = []
    for row, record in enumerate(section.lanes):
        if (surface.t[row] - surface.t[row + 1]).max() < 1e-3:
            continue
        left, right, left_z, right_z = *surface.points[row : row + 2], *surface.z[row : row + 2]
        keep = corner_points(left, right, left_z, right_z)
        found.append(
            LanePolygon(
                kind=record.kind,
                left=left[keep],
                right=right[keep],
                left_z=left_z[keep],
                right_z=right_z[keep],
                in_junction=road.junction >= 0,
            )
        )
    return found


def _driving_lane(road: Road, section: Section, record: LaneRecord, surface: SectionSurface, row: int) -> _DrivingLane:
    left, right = row, row + 1
    middle = (surface.t[left] + surface.t[right]) / 2
    slope = (surface.slope[left] + surface.slope[right]) / 2
    yaw = surface.heading + np.arctan2(slope, np.maximum(1 - surface.curvature * middle, 1e-3))
    width = np.linalg.norm(surface.points[left] - surface.points[right], axis=-1)
    step = 1 if record.along else -1
    return _DrivingLane(
        road=road,
        section=section,
        record=record,
        s=surface.s[::step],
        points=((surface.points[left] + surface.points[right]) / 2)[::step],
        z=((surface.z[left] + surface.z[right]) / 2)[::step],
        yaw=np.unwrap(yaw if record.along else yaw + np.pi)[::step],
        half_width=(width / 2)[::step],
    )


def _limits(
    reader: SpeedLimits, driving: Mapping[LaneKey, _DrivingLane], successors: Mapping[LaneKey, tuple[LaneKey, ...]]
) -> dict[LaneKey, np.ndarray]:
    written: dict[LaneKey, LaneLimits] = {
        key: reader.on_lane(lane.road, lane.section.start, lane.record, lane.s) for key, lane in driving.items()
    }
    return complete_limits(written, successors, {key: lane.road.junction for key, lane in driving.items()})


def _finish(
    lane: _DrivingLane,
    driving: Mapping[LaneKey, _DrivingLane],
    limits: np.ndarray,
    successors: tuple[LaneKey, ...],
) -> Lane:
    road, section, index = lane.key
    side = 1 if index > 0 else -1
    inner, outer = index - side or -side, index + side  # lane 0 has no width
    # lane ids fall from left to right along s; seen along travel that order turns round with the direction
    toward_left, toward_right = (max(inner, outer), min(inner, outer))[:: 1 if lane.record.along else -1]

    def neighbour(other: int) -> LaneKey | None:
        key = (road, section, other)
        return key if key in driving and driving[key].record.along == lane.record.along else None

    steps = np.linalg.norm(np.diff(lane.points, axis=0), axis=1)
    return Lane(
        key=lane.key,
        points=lane.points,
        z=lane.z,
        yaw=lane.yaw,
        half_width=lane.half_width,
        s=np.concatenate([[0.0], np.cumsum(steps)]),
        speed_limit=limits,
        junction=lane.road.junction,
        left=neighbour(toward_left),
        right=neighbour(toward_right),
        successors=successors,
    )


def _aprons(lanes: Mapping[LaneKey, Lane]) -> tuple[np.ndarray, ...]:
    """The ground right beyond every end of a driving lane that no other lane touches."""
    entered = {key for lane in lanes.values() for key in lane.successors}
    found = []
    for key, lane in lanes.items():
        if not lane.successors:
            found.append(_apron(lane, -1, 1.0))
        if key not in entered:
            found.append(_apron(lane, 0, -1.0))
    return tuple(found)


def _apron(lane: Lane, end: int, direction: float) -> np.ndarray:
    forward = direction * np.array([np.cos(lane.yaw[end]), np.sin(lane.yaw[end])])
    side = lane.half_width[end] * np.array([-forward[1], forward[0]])
    base = lane.points[end]
    near, far = base - 0.5 * forward, base + APRON_LENGTH * forward
    return np.array([near + side, far + side, far - side, near - side])


def _stop_lines(
    drawn: Sequence[StopLine], signals: Sequence[Signal], lanes: Mapping[LaneKey, Lane]
) -> tuple[np.ndarray, ...]:
    """The lines that the map draws, and one on each lane where one stops for a light or a stop sign without them."""
    lines = [line.points for line in drawn]
    middles = [line.mean(0) for line in lines]
    for signal in signals:
        if signal.kind not in (SignalType.TRAFFIC_LIGHT, SignalType.STOP):
            continue
        for key, arc in signal.stops:
            line = line_at(lanes[key], arc)
            middle = line.mean(0)
            if all(np.abs(middle - other).max() > SAME_LINE for other in middles):
                middles.append(middle)
                lines.append(line)
    return tuple(lines)
