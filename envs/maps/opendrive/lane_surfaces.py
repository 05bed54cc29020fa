"""Where the borders of the lanes of a lane section lie, sampled along the road."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.maps.opendrive.roads import LaneRecord, Road, Section, lift

WIDEST_LANE = 200.0
"""[m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SectionSurface:
    """A lane section sampled along s; borders run from the leftmost to the rightmost.

    Args:
        s: float64 [n] [m].
        heading: of the reference line [n] [rad].
        curvature: of the reference line [n] [1/m].
        t: of the borders, float64 [b, n], b = number of lanes + 1.
        slope: their derivatives over s [b, n].
        points: of the borders, float64 [b, n, 2].
        z: of the borders, float64 [b, n].
        centre: which border is the outer edge of lane 0.
    """

    s: np.ndarray
    heading: np.ndarray
    curvature: np.ndarray
    t: np.ndarray
    slope: np.ndarray
    points: np.ndarray
    z: np.ndarray
    centre: int


def sample_section(road: Road, section: Section) -> SectionSurface:
    """Where the borders of a section's lanes lie.

    Raises:
        ValueError: a lane is impossibly wide, or its border lies on the wrong side.
    """
    s = road.sample_positions(section.start, section.end)
    points, heading, curvature = road.line.at(s)
    t, slope = borders_at(road, section, s)
    border_points, z = lift(road, s, t, points, heading)
    centre = sum(lane.id > 0 for lane in section.lanes)
    return SectionSurface(
        s=s, heading=heading, curvature=curvature, t=t, slope=slope, points=border_points, z=z, centre=centre
    )


def borders_at(road: Road, section: Section, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """t of a section's borders and its derivative over s, from left to right, each [b, n].

    Raises:
        ValueError: as for sample_section.
    """
    inside = np.clip(s, section.start, max(section.start, section.end - 1e-9))
    offset, offset_slope = road.offset(inside), road.offset.slope(inside)
    centre = sum(lane.id > 0 for lane in section.lanes)
    t, slope = np.empty((2, len(section.lanes) + 1, len(s)))
    t[centre], slope[centre] = offset, offset_slope
    for rows, side in ((range(centre - 1, -1, -1), 1), (range(centre, len(section.lanes)), -1)):
        for row in rows:
            inner, outer = (row + 1, row) if side > 0 else (row, row + 1)
            lane = section.lanes[row]
            t[outer], slope[outer] = _outer_border(
                road, lane, side, inside, t[inner], slope[inner], offset, offset_slope
            )
    return t, slope


def _outer_border(
    road: Road,
    lane: LaneRecord,
    side: int,
    s: np.ndarray,
    inner: np.ndarray,
    inner_slope: np.ndarray,
    offset: np.ndarray,
    offset_slope: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """t and its derivative at the lane's edge away from lane 0."""
    if lane.width is not None:
        width, slope = lane.width(s), lane.width.slope(s)
    else:
        assert lane.border is not None
        width = side * (lane.border(s) + offset - inner)
        slope = side * (lane.border.slope(s) + offset_slope - inner_slope)
        if width.max() < -0.05:
            raise ValueError(
                f"{road.where}, lane {lane.id}: its <border> lies {-width.max():.2f} m inside of the lane next to it;"
                " the border of a right lane has a negative t"
            )
    if width.max() > WIDEST_LANE:
        raise ValueError(f"{road.where}, lane {lane.id}: {width.max():g} m wide; at most {WIDEST_LANE:g} m can be read")
    slope = np.where(width > 0, slope, 0.0)
    return inner + side * np.maximum(width, 0.0), inner_slope + side * slope
