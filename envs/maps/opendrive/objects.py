"""What lies on the roads of a map: crosswalks and stop lines, from <object> elements and signals of type 294."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from envs.maps.geometry import Lane, LaneKey
from envs.maps.opendrive.lane_surfaces import borders_at
from envs.maps.opendrive.roads import Road
from envs.maps.opendrive.sign_codes import STOP_LINE_CODE
from envs.maps.opendrive.signals import SignalRecord, StopLine
from envs.maps.opendrive.text import read_number


def read_crosswalks(roads: Sequence[Road]) -> tuple[np.ndarray, ...]:
    """Outlines of crosswalks, each float64 [k, 2] [m].

    Raises:
        ValueError: an outline is not made of numbers.
    """
    found = []
    for road in roads:
        for element in road.element.findall("objects/object"):
            if element.get("type", "").strip().lower() == "crosswalk":
                outline = _outline(element, road)[:, :2]
                if len(outline) > 3 and np.hypot(*(outline[0] - outline[-1])) < 1e-3:
                    outline = outline[:-1]
                if len(outline) >= 3:
                    found.append(outline)
    return tuple(found)


def read_stop_lines(
    roads: Sequence[Road],
    records: Sequence[SignalRecord],
    lanes: Mapping[LaneKey, Lane],
    lane_s: Mapping[LaneKey, np.ndarray],
) -> list[StopLine]:
    """The stop lines that a map writes.

    Args:
        roads: of the map.
        records: its signals.
        lanes: its driving lanes.
        lane_s: s of the road at each point of each driving lane.
    """
    found = []
    for road in roads:
        for element in road.element.findall("objects/object"):
            words = f"{element.get('type', '')} {element.get('subtype', '')} {element.get('name', '')}".lower()
            if "stopline" in words.replace("_", "").replace("-", ""):
                found.extend(_drawn_line(element, road))
    for record in records:
        if record.element.get("type", "").strip() != STOP_LINE_CODE:
            continue
        for place in record.places:
            ids = [lane for lane in place.lane_ids(place.section) if (place.road.number, place.section, lane) in lanes]
            if ids:
                keys = [(place.road.number, place.section, lane) for lane in ids]
                ends = [line_across(lanes[key], lane_s[key], place.s) for key in keys]
                found.append(
                    StopLine(road=place.road, s=place.s, section=place.section, lanes=tuple(ids), points=_longest(ends))
                )
    return found


def line_across(lane: Lane, lane_s: np.ndarray, s: float) -> np.ndarray:
    """The line from edge to edge of a driving lane at s of its road, float64 [2, 3] [m]."""
    order = np.argsort(lane_s)
    arc = float(np.interp(s, lane_s[order], lane.s[order]))
    return line_at(lane, arc)


def line_at(lane: Lane, arc: float) -> np.ndarray:
    """The line from the left to the right edge of a lane at an arc length [m], float64 [2, 3] [m]."""
    x, y, z, yaw, half = (
        float(np.interp(arc, lane.s, of))
        for of in (lane.points[:, 0], lane.points[:, 1], lane.z, lane.yaw, lane.half_width)
    )
    across = half * np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    return np.array([x, y, z]) + np.stack([across, -across])


def _longest(lines: Sequence[np.ndarray]) -> np.ndarray:
    """The two points of several lines beside each other that lie farthest apart, [2, 3]."""
    points = np.concatenate(lines)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    first, last = np.unravel_index(int(gaps.argmax()), gaps.shape)
    return points[[first, last]]


def _drawn_line(element: ET.Element, road: Road) -> Iterator[StopLine]:
    """The stop line of an <object>, if it crosses a driving lane."""
    where = _where(element, road)
    s, t = read_number(element, "s", where), read_number(element, "t", where)
    s = float(np.clip(s, 0.0, road.length))
    outline = _outline(element, road)
    points = _longest([outline]) if len(outline) >= 2 else np.zeros((0, 3))
    section = max(i for i, section in enumerate(road.sections) if section.start <= s or i == 0)
    base, heading, _ = road.line.at(np.array([s]))
    normal = np.array([-np.sin(heading[0]), np.cos(heading[0])])
    reach = (points[:, :2] - base[0]) @ normal if len(points) else np.array([t, t])

    # lanes whose middle lies between the ends of the line
    surface_t = _lane_middles(road, section, s)
    ids = tuple(lane for lane, middle in surface_t if reach.min() - 0.5 <= middle <= reach.max() + 0.5)
    if ids and len(points):
        yield StopLine(road=road, s=s, section=section, lanes=ids, points=points)


def _lane_middles(road: Road, index: int, s: float) -> list[tuple[int, float]]:
    """Id and t of the middle of each driving lane of a section."""
    section = road.sections[index]
    t = borders_at(road, section, np.array([s]))[0][:, 0]
    return [
        (lane.id, float(t[row] + t[row + 1]) / 2) for row, lane in enumerate(section.lanes) if lane.kind == "driving"
    ]


def _where(element: ET.Element, road: Road) -> str:
    return f"{road.where}, object {element.get('id', '')!r}"


def _outline(element: ET.Element, road: Road) -> np.ndarray:
    """Corners of an object's first outline, or of its length and width, float64 [k, 3] [m]; none without either."""
    where = _where(element, road)
    outline = element.find("outline") if element.find("outline") is not None else element.find("outlines/outline")
    if outline is not None:
        along_road = outline.findall("cornerRoad")
        if along_road:
            s, t, dz = np.array([[read_number(c, n, where, 0.0) for n in ("s", "t", "dz")] for c in along_road]).T
            points, z = road.surface(np.clip(s, 0.0, road.length), t)
            return np.column_stack([points, z + dz])
    s, t = read_number(element, "s", where), read_number(element, "t", where)
    at = np.array([np.clip(s, 0.0, road.length)])
    origin, z = road.surface(at, np.array([t]))
    yaw = float(road.line.at(at)[1][0]) + read_number(element, "hdg", where, 0.0)
    corners = [] if outline is None else outline.findall("cornerLocal")
    if corners:
        u, v, dz = np.array([[read_number(c, n, where, 0.0) for n in ("u", "v", "z")] for c in corners]).T
    else:
        length, width = read_number(element, "length", where, 0.0), read_number(element, "width", where, 0.0)
        if length <= 0:
            return np.zeros((0, 3))
        u, v = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]).T * np.array([[length], [width]]) / 2
        dz = np.zeros(4)
    c, sn = np.cos(yaw), np.sin(yaw)
    height = z[0] + read_number(element, "zOffset", where, 0.0) + dz
    return np.column_stack([origin[0, 0] + c * u - sn * v, origin[0, 1] + sn * u + c * v, height])
