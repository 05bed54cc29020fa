"""What a road map looks like and how its lanes connect, extracted from an OpenDRIVE text through an offline carla.Map.

CARLA's left-handed axes and degrees end here: everything returned is metres and radians, x, y left, yaw
counter-clockwise. Roads are flat: z is ignored.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import carla

LANE_KINDS = ("driving", "shoulder", "sidewalk", "parking", "median", "other")
PAVED_KINDS = ("driving", "parking")
SAMPLE_STEP = 1.0
"""Distance between samples along a lane [m]."""
DEFAULT_SPEED = 50 / 3.6
JUNCTION_SPEED = 30 / 3.6
"""Speed limits where the map names none [m/s]."""

_KIND_OF_TYPE = {
    "driving": "driving",
    "bidirectional": "driving",
    "entry": "driving",
    "exit": "driving",
    "onRamp": "driving",
    "offRamp": "driving",
    "connectingRamp": "driving",
    "shoulder": "shoulder",
    "stop": "shoulder",
    "border": "shoulder",
    "sidewalk": "sidewalk",
    "biking": "sidewalk",
    "parking": "parking",
    "median": "median",
}
_SPEED_UNITS = {"m/s": 1.0, "km/h": 1 / 3.6, "mph": 0.44704}
_SIMPLIFY_TOLERANCE = 0.02
_MIN_SECTION = 0.01

LaneKey = tuple[int, int, int]
"""OpenDRIVE road id, section index, lane id."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LanePolygon:
    """The surface of one lane, between its two edges.

    Args:
        kind: one of LANE_KINDS.
        left: left edge seen along the lane, float64 [n, 2].
        right: right edge, float64 [n, 2], point by point opposite to `left`.
        in_junction: whether the lane belongs to a junction.
    """

    kind: str
    left: np.ndarray
    right: np.ndarray
    in_junction: bool

    @property
    def outline(self) -> np.ndarray:
        """The closed outline without its repeated first point, float64 [2n, 2]."""
        return np.concatenate([self.left, self.right[::-1]])


@dataclass(frozen=True, kw_only=True, eq=False)
class Marking:
    """A painted line, or a kerb.

    Args:
        points: float64 [n, 2].
        kind: OpenDRIVE's type with underscores: "solid", "broken", "solid_solid", "solid_broken", "curb", ...
        color: "white" or "yellow".
        width: of one line [m].
    """

    points: np.ndarray
    kind: str
    color: str
    width: float


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadGeometry:
    """What there is to draw of a map.

    Args:
        lanes: every lane of the map.
        markings: painted lines and kerbs.
        crosswalks: outlines, each float64 [k, 2].
        junctions: outlines of the paved areas of junctions without their holes, each float64 [k, 2].
        bounds: x_min, y_min, x_max, y_max of the lanes [m].
    """

    lanes: tuple[LanePolygon, ...]
    markings: tuple[Marking, ...]
    crosswalks: tuple[np.ndarray, ...]
    junctions: tuple[np.ndarray, ...]
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lane:
    """A driving lane within one lane section, in its direction of travel.

    Args:
        key: LaneKey.
        points: centreline, float64 [n, 2], n >= 2.
        yaw: heading, unwrapped, float64 [n].
        half_width: float64 [n].
        s: arc length of each point from the first, float64 [n].
        speed_limit: [m/s].
        junction: id of the junction the lane belongs to, -1 for none.
        left: neighbour for lane changes, same direction of travel, or None.
        right: the same to the right.
        successors: keys of the lanes that go on from the end.
    """

    key: LaneKey
    points: np.ndarray
    yaw: np.ndarray
    half_width: np.ndarray
    s: np.ndarray
    speed_limit: float
    junction: int
    left: LaneKey | None
    right: LaneKey | None
    successors: tuple[LaneKey, ...]

    @property
    def z(self) -> np.ndarray:
        """Stand-in."""
        return np.zeros(len(self.s))

    @property
    def length(self) -> float:
        """Arc length [m]."""
        return float(self.s[-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Samples:
    """A lane sampled along increasing OpenDRIVE s; `sign` is +1 where travel follows s, else -1."""

    key: LaneKey
    element: ET.Element
    s: np.ndarray
    points: np.ndarray
    normal: np.ndarray
    half_width: np.ndarray
    sign: int
    first: carla.Waypoint
    last: carla.Waypoint

    @property
    def left(self) -> np.ndarray:
        return self.points + self.normal * self.half_width[:, None]

    @property
    def right(self) -> np.ndarray:
        return self.points - self.normal * self.half_width[:, None]


def extract(carla_map: carla.Map, xodr: str) -> tuple[RoadGeometry, dict[LaneKey, Lane]]:
    """The geometry and the driving lanes of a map.

    Args:
        carla_map: made from `xodr`.
        xodr: the OpenDRIVE text.

    Raises:
        ValueError: the map has no lane for driving.
    """
    polygons: list[LanePolygon] = []
    markings: list[Marking] = []
    driving: dict[LaneKey, tuple[_Samples, float, int]] = {}
    for road in ET.fromstring(xodr).iter("road"):
        junction = int(road.get("junction", "-1"))
        speeds = _speed_limits(road, DEFAULT_SPEED if junction < 0 else JUNCTION_SPEED)
        for section in _sections(road, carla_map):
            for lane in section:
                kind = _KIND_OF_TYPE.get(lane.element.get("type", ""), "other")
                polygons.append(_polygon(lane, kind, junction >= 0))
                if kind == "driving":
                    driving[lane.key] = lane, _speed_at(speeds, lane.s[len(lane.s) // 2]), junction
            if junction < 0:
                markings.extend(_markings(section))
            else:
                markings.extend(m for m in _markings(section) if m.kind == "curb")

    if not driving:
        raise ValueError("the map has no driving lane")
    lanes = {key: _driving_lane(*entry, driving) for key, entry in driving.items()}
    points = np.concatenate([p.outline for p in polygons])
    geometry = RoadGeometry(
        lanes=tuple(polygons),
        markings=tuple(markings),
        crosswalks=_crosswalks(carla_map),
        junctions=_junction_outlines(polygons),
        bounds=(*map(float, points.min(0)), *map(float, points.max(0))),  # type: ignore[arg-type]
    )
    return geometry, lanes


def _sections(road: ET.Element, carla_map: carla.Map) -> Iterator[list[_Samples]]:
    """The sampled lanes of each lane section, from the leftmost to the rightmost, without the reference line."""
    elements = road.findall("lanes/laneSection")
    ends = [float(e.get("s", 0)) for e in elements] + [float(road.get("length", 0))]
    for i, element in enumerate(elements):
        if ends[i + 1] - ends[i] < _MIN_SECTION:
            continue
        lanes = sorted(element.iter("lane"), key=lambda e: -int(e.get("id", 0)))
        samples = [_sample(carla_map, int(road.get("id", 0)), i, e, ends[i], ends[i + 1]) for e in lanes]
        yield [s for s in samples if s is not None]


def _sample(
    carla_map: carla.Map, road: int, section: int, element: ET.Element, start: float, end: float
) -> _Samples | None:
    lane = int(element.get("id", 0))
    if lane == 0:
        return None
    margin = min(1e-3, 0.05 * (end - start))
    s = np.linspace(start + margin, end - margin, max(2, int(np.ceil((end - start) / SAMPLE_STEP)) + 1))
    found = [(v, w) for v in s for w in (carla_map.get_waypoint_xodr(road, lane, float(v)),) if w is not None]
    if len(found) < 2:
        return None
    s = np.array([v for v, _ in found])
    rows = []
    for _, w in found:
        pose = w.transform
        rows.append((pose.location.x, -pose.location.y, -pose.rotation.yaw, w.lane_width))
    x, y, yaw, width = np.array(rows, np.float64).T

    # CARLA's waypoints face the direction of travel, which says on which side of it s runs
    points = np.stack([x, y], 1)
    forward = np.stack([np.cos(np.radians(yaw)), np.sin(np.radians(yaw))], 1)
    along = np.gradient(points, axis=0)
    sign = 1 if float((along * forward).sum()) >= 0 else -1
    return _Samples(
        key=(road, section, lane),
        element=element,
        s=s,
        points=points,
        normal=sign * np.stack([-forward[:, 1], forward[:, 0]], 1),
        half_width=np.maximum(width, 0.0) / 2,
        sign=sign,
        first=found[0][1],
        last=found[-1][1],
    )


def _polygon(lane: _Samples, kind: str, in_junction: bool) -> LanePolygon:
    keep = _corners(lane.left) | _corners(lane.right)
    return LanePolygon(kind=kind, left=lane.left[keep], right=lane.right[keep], in_junction=in_junction)


def _corners(points: np.ndarray) -> np.ndarray:
    """Which points of a polyline a straight line between the others does not already give, bool [n]."""
    keep = np.zeros(len(points), bool)
    keep[0] = keep[-1] = True
    stack = [(0, len(points) - 1)]
    while stack:
        a, b = stack.pop()
        if b - a < 2:
            continue
        t = np.linspace(0, 1, b - a + 1)[1:-1, None]
        gap = np.abs(points[a + 1 : b] - (points[a] * (1 - t) + points[b] * t)).max(1)
        worst = int(gap.argmax())
        if gap[worst] > _SIMPLIFY_TOLERANCE:
            keep[a + 1 + worst] = True
            stack += [(a, a + 1 + worst), (a + 1 + worst, b)]
    return keep


def _markings(section: list[_Samples]) -> Iterator[Marking]:
    """Each lane's mark lies on its outer edge, that of the reference line between lanes 1 and -1."""
    for lane in section:
        outer = lane.left if lane.key[2] > 0 else lane.right
        yield from _marking_runs(lane.element, lane.s, outer)


def _marking_runs(element: ET.Element, s: np.ndarray, edge: np.ndarray) -> Iterator[Marking]:
    marks = element.findall("roadMark")
    starts = [s[0] + float(m.get("sOffset", 0)) for m in marks]
    for mark, a, b in zip(marks, starts, [*starts[1:], np.inf], strict=False):
        kind = mark.get("type", "none")
        points = edge[(s >= a - SAMPLE_STEP / 2) & (s <= b + SAMPLE_STEP / 2)]
        if kind == "none" or len(points) < 2:
            continue
        color = "yellow" if mark.get("color") == "yellow" else "white"
        width = float(mark.get("width") or 0.125)
        yield Marking(points=points[_corners(points)], kind=kind.replace(" ", "_"), color=color, width=width)


def _speed_limits(road: ET.Element, default: float) -> list[tuple[float, float]]:
    """(s, limit) along a road, ascending in s."""
    limits = [(0.0, default)]
    for entry in road.findall("type"):
        speed = entry.find("speed")
        value = speed.get("max", "") if speed is not None else ""
        if speed is not None and value.replace(".", "", 1).isdigit():
            limits.append((float(entry.get("s", 0)), float(value) * _SPEED_UNITS.get(speed.get("unit", "m/s"), 1.0)))
    return sorted(limits, key=lambda limit: limit[0])


def _speed_at(limits: list[tuple[float, float]], s: float) -> float:
    return limits[bisect_right([at for at, _ in limits], s) - 1][1]


def _driving_lane(
    lane: _Samples, speed_limit: float, junction: int, driving: dict[LaneKey, tuple[_Samples, float, int]]
) -> Lane:
    road, section, index = lane.key
    step = lane.sign
    points, half_width = lane.points[::step], lane.half_width[::step]
    normal = step * lane.normal[::step]
    inner, outer = index - np.sign(index), index + np.sign(index)
    # Lane ids fall from left to right along s; seen along travel that order turns round with the sign.
    toward_left, toward_right = (max(inner, outer), min(inner, outer))[::step]

    def neighbour(other: int) -> LaneKey | None:
        key = (road, section, int(other))
        return key if key in driving and driving[key][0].sign == step else None

    return Lane(
        key=lane.key,
        points=points,
        yaw=np.unwrap(np.arctan2(-normal[:, 0], normal[:, 1])),
        half_width=half_width,
        s=np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]),
        speed_limit=speed_limit,
        junction=junction,
        left=neighbour(toward_left),
        right=neighbour(toward_right),
        successors=_successors(lane.last if step > 0 else lane.first, lane.key, driving),
    )


def _successors(
    end: carla.Waypoint, key: LaneKey, driving: dict[LaneKey, tuple[_Samples, float, int]]
) -> tuple[LaneKey, ...]:
    for distance in (0.02, 0.1, 0.5):
        following = {(w.road_id, w.section_id, w.lane_id) for w in end.next(distance)} - {key}
        found = sorted(following & driving.keys())
        if found:
            return tuple(found)
    return ()


def _crosswalks(carla_map: carla.Map) -> tuple[np.ndarray, ...]:
    """CARLA lists all corners in one row, each polygon closed by its first corner."""
    polygons: list[np.ndarray] = []
    corners: list[tuple[float, float]] = []
    for location in carla_map.get_crosswalks():
        corner = (location.x, -location.y)
        if corners and np.hypot(corner[0] - corners[0][0], corner[1] - corners[0][1]) < 1e-3:
            polygons.append(np.array(corners))
            corners = []
        else:
            corners.append(corner)
    return tuple(p for p in polygons if len(p) >= 3)


def _junction_outlines(polygons: list[LanePolygon]) -> tuple[np.ndarray, ...]:
    """Outlines of the union of the junctions' paved lanes: cracks closed, holes filled."""
    paved = [p.outline for p in polygons if p.in_junction and p.kind in PAVED_KINDS]
    if not paved:
        return ()
    cell = 0.25
    points = np.concatenate(paved)
    origin = points.min(0) - 5
    size = np.ceil((points.max(0) + 5 - origin) / cell).astype(int)
    mask = np.zeros((size[1], size[0]), np.uint8)
    for outline in paved:
        cv2.fillPoly(mask, [np.rint((outline - origin) / cell * 16).astype(np.int32)], 255, shift=4)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = [cv2.approxPolyDP(c, 0.6, True)[:, 0] * cell + origin for c in contours]
    return tuple(o for o in outlines if len(o) >= 3)
