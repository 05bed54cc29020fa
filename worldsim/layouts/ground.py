"""The ground of made streets and junctions: areas, paint, kerbs, lanes and edges, as recorded ones have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from worldsim.datatypes.layout import AreaKind, GroundLine, Layout, LineColor, LineKind, join_polylines
from worldsim.layouts.junction import JunctionShape, Leg, curve
from worldsim.layouts.layout_model import JunctionControl
from worldsim.layouts.street import Street

LINE_WIDTH, STOP_LINE_WIDTH = 0.15, 0.4
"""[m]."""
DASHES = (3.0, 4.5)
"""A dash of a broken line, and the gap after it [m]."""
SOLID_LENGTH = 25.0
"""A broken centre line is solid this far before a junction [m]."""
CROSSWALK = (1.0, 4.0)
"""From where to where before a junction a crosswalk lies [m]."""
CROSSWALK_REACH = 5.0
"""So far before a junction with crosswalks nothing else is painted [m]."""
LIGHT_STOP, SIGN_STOP = 5.2, 1.2
"""The middle of the stop line lies this far before a junction with lights and with a stop sign [m]."""
AREA_STEP = 2.0
"""Distance of the points of areas and lines along a street [m]."""


class Area(NamedTuple):
    """One area of a Layout: its outline [n, 2], and its kind."""

    outline: np.ndarray
    kind: AreaKind


def ground_of(areas: Sequence[Area], lines: Sequence[GroundLine]) -> Layout:
    """A layout of areas and lines alone, at z = 0; what comes later lies on top."""
    area_points, area_starts = join_polylines([area.outline for area in areas])
    line_points, line_starts = join_polylines([line.points for line in lines])
    return Layout(
        area_points=area_points,
        area_starts=area_starts,
        area_kinds=np.array([area.kind for area in areas], np.int64),
        line_points=line_points,
        line_starts=line_starts,
        line_kinds=np.array([line.kind for line in lines], np.int64),
        line_colors=np.array([line.color for line in lines], np.int64),
        line_widths=np.array([line.width for line in lines], np.float32),
        line_dashes=np.array([line.dashes for line in lines], np.float32).reshape(-1, 2),
        line_speed_limits=np.array([line.speed_limit for line in lines], np.float32),
    )


def street_areas(street: Street) -> Iterator[Area]:
    """Sidewalks and lanes."""
    lanes = [k * street.lane_width for k in range(-street.num_lanes, street.num_lanes + 1)]
    bounds = [-street.edge, *lanes, street.edge]
    s = _arcs(street, 0.0, street.length)
    for k in range(len(bounds) - 1):
        right, left = (street.offset(s, np.full(len(s), t)) for t in bounds[k : k + 2])
        is_walk = k in (0, len(bounds) - 2)
        yield Area(np.concatenate([left, right[::-1]]), AreaKind.SIDEWALK if is_walk else AreaKind.DRIVABLE)


def street_lines(street: Street, color: LineColor) -> Iterator[GroundLine]:
    """Paint, then lanes' centres and edges.

    Args:
        street: the street.
        color: of the line between its directions.
    """
    first, last = (CROSSWALK_REACH if lit else 0.0 for lit in street.lit)
    s = _arcs(street, first, street.length - last)
    for k in range(-street.num_lanes, street.num_lanes + 1):
        points = street.offset(s, np.full(len(s), k * street.lane_width))
        if k == 0:
            yield from _centre_line(street, first, street.length - last, color)
        elif abs(k) == street.num_lanes:
            yield GroundLine(points, LineKind.SOLID, LineColor.WHITE, LINE_WIDTH)
        else:
            yield GroundLine(points, LineKind.BROKEN, LineColor.WHITE, LINE_WIDTH, DASHES)
    s = _arcs(street, 0.0, street.length)
    for side in (1, -1):
        for lane in range(street.num_lanes):
            points = street.offset(s, np.full(len(s), side * (lane + 0.5) * street.lane_width))
            centre = points[::-1] if side > 0 else points
            yield GroundLine(centre, LineKind.LANE_CENTRE, speed_limit=street.speed_limit)
        edge = street.offset(s, np.full(len(s), side * street.half_width))
        yield GroundLine(edge[::-1] if side > 0 else edge, LineKind.EDGE)


def _centre_line(street: Street, first: float, last: float, color: LineColor) -> Iterator[GroundLine]:
    kind = street.centre_line
    pieces = [(first, last, kind)]
    if kind == LineKind.BROKEN and street.length > 3 * SOLID_LENGTH:
        ends = SOLID_LENGTH, street.length - SOLID_LENGTH
        pieces = [(first, ends[0], LineKind.SOLID), (*ends, kind), (ends[1], last, LineKind.SOLID)]
    for start, end, one in pieces:
        s = _arcs(street, start, end)
        dashes = DASHES if one == LineKind.BROKEN else (0.0, 0.0)
        yield GroundLine(street.offset(s, np.zeros(len(s))), one, color, LINE_WIDTH, dashes)


def _arcs(street: Street, first: float, last: float) -> np.ndarray:
    last = max(last, first + 0.5)
    return np.linspace(first, last, max(2, round((last - first) / AREA_STEP) + 1))


def junction_areas(shape: JunctionShape, control: JunctionControl) -> Iterator[Area]:
    """Its sidewalks, its surface, and crosswalks where lights rule."""
    for outline in shape.sidewalks():
        yield Area(outline, AreaKind.SIDEWALK)
    yield Area(shape.outline(), AreaKind.JUNCTION)
    if control == JunctionControl.LIGHTS:
        near, far = CROSSWALK
        for leg in shape.legs:
            half = leg.half_width
            corners = [leg.point(near, half), leg.point(far, half), leg.point(far, -half), leg.point(near, -half)]
            yield Area(np.stack(corners), AreaKind.CROSSWALK)


def junction_lines(shape: JunctionShape, stops: Sequence[float]) -> Iterator[GroundLine]:
    """Kerbs, stop lines, the lanes through, edges.

    Args:
        shape: of the junction.
        stops: how far before the junction each leg's stop line lies, NaN where there is none [m].
    """
    for corner in shape.corners(0.0):
        yield GroundLine(corner, LineKind.CURB, width=LINE_WIDTH)
        yield GroundLine(corner[::-1], LineKind.EDGE)
    for leg, stop in zip(shape.legs, stops, strict=True):
        if np.isfinite(stop):
            line = np.stack([leg.point(stop, 0.1), leg.point(stop, leg.half_width - 0.1)])
            yield GroundLine(line, LineKind.STOP_LINE, LineColor.WHITE, STOP_LINE_WIDTH)
    for into in shape.legs:
        for out in shape.legs:
            if out is not into:
                for lane in range(min(into.num_lanes, out.num_lanes)):
                    yield GroundLine(way_through(into, lane, out, lane), LineKind.LANE_CENTRE)


def way_through(into: Leg, lane_in: int, out: Leg, lane_out: int) -> np.ndarray:
    """The line [n, 2] from a lane into a junction to a lane out of it."""
    return curve(into.lane_in(lane_in), into.yaw + np.pi, out.lane_out(lane_out), out.yaw)
