"""The ground of a map in the terms of a Layout: its surfaces as areas, its paint, lanes and edges as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from worldsim.datatypes.layout import AreaKind, GroundLine, Layout, LineColor, LineKind, join_polylines

if TYPE_CHECKING:
    from envs.maps.geometry import LanePolygon, Marking, RoadGeometry
    from envs.maps.road_map import RoadMap

EDGE_STEP = 1.0
"""How finely the edge of the drivable area is told from a seam between two lanes [m]."""
BEYOND_EDGE = 0.4
"""So far outside a surface there is no drivable ground where its side is an edge [m]."""
THIN_TOLERANCE = 0.02
"""Points of a line that are not farther than this from a straight one between the others are left out [m]."""
STOP_LINE_WIDTH = 0.4
"""[m]."""

_AREA_OF_LANE = {
    "driving": AreaKind.DRIVABLE,
    "restricted": AreaKind.DRIVABLE,
    "shoulder": AreaKind.SHOULDER,
    "sidewalk": AreaKind.SIDEWALK,
    "parking": AreaKind.PARKING,
    "median": AreaKind.MEDIAN,
}
_LINE_OF_MARK = {
    **{kind.name.lower(): kind for kind in LineKind},
    "double_solid": LineKind.SOLID_SOLID,
    "double_broken": LineKind.BROKEN_BROKEN,
}


class Areas(NamedTuple):
    """`m` closed outlines: fields as `Layout` has them, without their prefix.

    points: float64 [p, 3] [m]. starts: first point of each outline and the end of the last, int64 [m + 1]. kinds:
    AreaKind, int64 [m].
    """

    points: np.ndarray
    starts: np.ndarray
    kinds: np.ndarray


class Lines(NamedTuple):
    """`m` polylines: fields as `Layout` has them, without their prefix.

    points: float64 [p, 3] [m]. starts: first point of each and the end of the last, int64 [m + 1]. kinds: LineKind,
    int64 [m]. colors: LineColor, int64 [m]. widths: of one painted line, 0 where nothing is painted, float32 [m] [m].
    dashes: length and gap of broken lines, 0 of others, float32 [m, 2] [m]. speed_limits: of lanes' centres, 0 where
    not known and of others, float32 [m] [m/s].
    """

    points: np.ndarray
    starts: np.ndarray
    kinds: np.ndarray
    colors: np.ndarray
    widths: np.ndarray
    dashes: np.ndarray
    speed_limits: np.ndarray


def ground_layout(geometry: RoadGeometry) -> tuple[Areas, Lines]:
    """The surfaces of a map and what is painted on them, in the order of the geometry.

    Areas: every lane by its kind, then the outlines of junctions, then crosswalks; what comes later lies on top. Lines:
    markings and kerbs, then stop lines.
    """
    areas = [(_AREA_OF_LANE.get(lane.kind, AreaKind.OTHER), _outline(lane)) for lane in geometry.lanes]
    places, heights = _edge_heights(geometry)
    for kind, outlines in ((AreaKind.JUNCTION, geometry.junctions), (AreaKind.CROSSWALK, geometry.crosswalks)):
        areas += [(kind, _raised(outline, places, heights)) for outline in outlines]
    points, starts = join_polylines([outline for _, outline in areas])
    kinds = np.array([int(kind) for kind, _ in areas], np.int64)
    stop_lines = [
        GroundLine(line, LineKind.STOP_LINE, LineColor.WHITE, STOP_LINE_WIDTH) for line in geometry.stop_lines
    ]
    return Areas(points, starts, kinds), _lines_of([*map(_marking, geometry.markings), *stop_lines])


def lane_lines(road_map: RoadMap) -> Lines:
    """What is not painted: the centre of every driving lane in its direction of travel, and the edges of the drivable
    area, each with the drivable ground to its left."""
    return _lines_of([*_lane_centres(road_map), *_edges(road_map)])


def join_lines(parts: Iterable[Lines]) -> Lines:
    """All their lines, in that order."""
    parts = list(parts)
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    return Lines(
        points=np.concatenate([part.points for part in parts]),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        kinds=np.concatenate([part.kinds for part in parts]),
        colors=np.concatenate([part.colors for part in parts]),
        widths=np.concatenate([part.widths for part in parts]),
        dashes=np.concatenate([part.dashes for part in parts]),
        speed_limits=np.concatenate([part.speed_limits for part in parts]),
    )


def add_lines(layout: Layout, lines: Lines) -> Layout:
    """The layout with these lines after its own."""
    own = Lines(
        points=layout.line_points,
        starts=layout.line_starts,
        kinds=layout.line_kinds,
        colors=layout.line_colors,
        widths=layout.line_widths,
        dashes=layout.line_dashes,
        speed_limits=layout.line_speed_limits,
    )
    joined = join_lines([own, lines])
    return with_ground(layout, Areas(layout.area_points, layout.area_starts, layout.area_kinds), joined)


def with_ground(layout: Layout, areas: Areas, lines: Lines) -> Layout:
    """The layout with this for its ground; what stands on it stays."""
    return replace(
        layout,
        area_points=areas.points,
        area_starts=areas.starts,
        area_kinds=areas.kinds,
        line_points=lines.points,
        line_starts=lines.starts,
        line_kinds=lines.kinds,
        line_colors=lines.colors,
        line_widths=lines.widths,
        line_dashes=lines.dashes,
        line_speed_limits=lines.speed_limits,
        ground_known=True,
    )


def _marking(marking: Marking) -> GroundLine:
    kind = _LINE_OF_MARK.get(marking.kind, LineKind.OTHER)
    color = LineColor.YELLOW if marking.color == "yellow" else LineColor.WHITE
    points = np.column_stack([marking.points, marking.z])
    dashes = (marking.dash_length, marking.dash_gap) if "broken" in marking.kind else (0.0, 0.0)
    return GroundLine(points, kind, LineColor.NONE if kind == LineKind.CURB else color, marking.width, dashes)


def _lane_centres(road_map: RoadMap) -> Iterator[GroundLine]:
    for _, lane in sorted(road_map.lanes.items()):
        limit = lane.limit_at(0.5 * float(lane.s[-1]))
        yield GroundLine(_thinned(np.column_stack([lane.points, lane.z])), LineKind.LANE_CENTRE, speed_limit=limit)


def _edges(road_map: RoadMap) -> Iterator[GroundLine]:
    """The sides of paved surfaces beyond which nothing is paved; of junctions those of the whole surface."""
    from envs.maps.geometry import PAVED_KINDS

    geometry = road_map.geometry
    paved = [lane for lane in geometry.lanes if lane.kind in PAVED_KINDS and not lane.in_junction]
    sides = [np.column_stack([lane.right, lane.right_z]) for lane in paved]
    sides += [np.column_stack([lane.left, lane.left_z])[::-1] for lane in paved]
    heights = _edge_heights(geometry)
    sides += [_closed_to_the_left(_raised(outline, *heights)) for outline in geometry.junctions]
    for side in sides:
        points = _resampled(side, EDGE_STEP)
        steps = np.diff(points[:, :2], axis=0)
        sizes = np.hypot(steps[:, 0], steps[:, 1])
        outward = np.stack([steps[:, 1], -steps[:, 0]], axis=-1) / np.maximum(sizes, 1e-9)[:, None]
        middles = 0.5 * (points[1:] + points[:-1])
        is_edge = ~road_map.drivable(middles[:, :2] + BEYOND_EDGE * outward, middles[:, 2]) & (sizes > 1e-6)
        for first, end in _runs(is_edge):
            yield GroundLine(_thinned(points[first : end + 1]), LineKind.EDGE)


def _runs(flags: np.ndarray) -> Iterator[tuple[int, int]]:
    """First index and end of each run of True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True)


def _closed_to_the_left(outline: np.ndarray) -> np.ndarray:
    """An outline [n, 3] as a closed line [n + 1, 3] that has the inside to its left."""
    x, y = outline[:, 0], outline[:, 1]
    clockwise = float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) < 0
    line = outline[::-1] if clockwise else outline
    return np.concatenate([line, line[:1]])


def _outline(lane: LanePolygon) -> np.ndarray:
    """The outline of a lane, [2n, 3]."""
    return np.column_stack([lane.outline, np.concatenate([lane.left_z, lane.right_z[::-1]])])


def _edge_heights(geometry: RoadGeometry) -> tuple[KDTree, np.ndarray]:
    """The points of all lanes' edges, and their heights [p] [m]."""
    edges = [edge for lane in geometry.lanes for edge in (lane.left, lane.right)]
    heights = [z for lane in geometry.lanes for z in (lane.left_z, lane.right_z)]
    return KDTree(np.concatenate(edges)), np.concatenate(heights)


def _raised(outline: np.ndarray, places: KDTree, heights: np.ndarray) -> np.ndarray:
    """An outline [n, 2] at the height of the nearest lane's edge, [n, 3]."""
    return np.column_stack([outline, heights[places.query(outline)[1]]])


def _resampled(points: np.ndarray, step: float) -> np.ndarray:
    """A polyline [n, 3] with further points on it, so that none is farther than `step` [m] from the next."""
    sizes = np.linalg.norm(np.diff(points, axis=0), axis=1)
    parts = np.maximum(np.ceil(sizes / step).astype(np.int64), 1)
    first = np.concatenate([[0], np.cumsum(parts)])
    at = np.interp(np.arange(first[-1] + 1), first, np.arange(len(points)))  # between which points, and how far
    return np.stack([np.interp(at, np.arange(len(points)), points[:, k]) for k in range(3)], axis=-1)


def _thinned(points: np.ndarray) -> np.ndarray:
    """A polyline [n, 3] without the points that the others give, to THIN_TOLERANCE."""
    keep = np.zeros(len(points), bool)
    keep[[0, -1]] = True
    pieces = [(0, len(points) - 1)]
    while pieces:
        first, last = pieces.pop()
        if last - first < 2:
            continue
        share = np.linspace(0.0, 1.0, last - first + 1)[1:-1, None]
        gaps = np.linalg.norm(points[first + 1 : last] - ((1 - share) * points[first] + share * points[last]), axis=1)
        worst = first + 1 + int(gaps.argmax())
        if gaps.max() > THIN_TOLERANCE:
            keep[worst] = True
            pieces += [(first, worst), (worst, last)]
    return points[keep]


def _lines_of(lines: Iterable[GroundLine]) -> Lines:
    lines = list(lines)
    points, starts = join_polylines([line.points for line in lines])
    return Lines(
        points,
        starts,
        kinds=np.array([int(line.kind) for line in lines], np.int64),
        colors=np.array([int(line.color) for line in lines], np.int64),
        widths=np.array([line.width for line in lines], np.float32),
        dashes=np.array([line.dashes for line in lines], np.float32).reshape(-1, 2),
        speed_limits=np.array([line.speed_limit for line in lines], np.float32),
    )
