"""What an OpenDRIVE map is read into: all there is to draw, and the lanes that are driven. Metres and radians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LaneKey = tuple[int, int, int]
"""Number of the road, index of the lane section, lane id."""
LANE_KINDS = ("driving", "restricted", "shoulder", "sidewalk", "parking", "median", "other")
"""What a lane is used for; restricted: paved, but for others than cars, such as a bus lane."""
PAVED_KINDS = ("driving", "restricted", "parking")
TURN_ANGLE = np.radians(35.0)
"""Heading change through a junction from which it counts as a turn."""
LEVEL_HEIGHT = 2.5
"""What lies farther apart in height is on another level [m]."""
SIMPLIFY_TOLERANCE = 0.01
"""Points are left out where a straight line comes this close to them [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LanePolygon:
    """The surface of one lane, between its two edges.

    Args:
        kind: one of LANE_KINDS.
        left: left edge seen along the reference line, float64 [n, 2] [m].
        right: right edge, float64 [n, 2], point by point opposite to `left`.
        left_z: height of the left edge, float64 [n] [m].
        right_z: height of the right edge, float64 [n] [m].
        in_junction: whether the lane belongs to a junction.
    """

    kind: str
    left: np.ndarray
    right: np.ndarray
    left_z: np.ndarray
    right_z: np.ndarray
    in_junction: bool

    @property
    def outline(self) -> np.ndarray:
        """The closed outline without its repeated first point, float64 [2n, 2]."""
        return np.concatenate([self.left, self.right[::-1]])


@dataclass(frozen=True, kw_only=True, eq=False)
class Marking:
    """A painted line, or a kerb.

    Args:
        points: along increasing s, float64 [n, 2] [m].
        z: height, float64 [n] [m].
        kind: OpenDRIVE's type with underscores: "solid", "broken", "solid_solid", "curb", "botts_dots", ...; of two
            parts the left one first, seen along `points`.
        color: "white" or "yellow".
        width: of one line [m].
        dash_length: of a broken line [m].
        dash_gap: of a broken line [m].
    """

    points: np.ndarray
    z: np.ndarray
    kind: str
    color: str
    width: float
    dash_length: float = 3.0
    dash_gap: float = 4.5


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadGeometry:
    """What there is to draw of a map.

    Args:
        lanes: every lane of the map.
        markings: painted lines, centre lines included, and kerbs.
        crosswalks: outlines, each float64 [k, 2] [m].
        stop_lines: each float64 [k, 3] [m].
        aprons: the ground right beyond the ends of lanes at which the map ends, each float64 [4, 2]; it is not drawn,
            but whoever drives onto it is not off the road.
        junctions: outlines of the paved areas of junctions, each float64 [k, 2]; an island is cut out by a slit that
            leads to it from the outside and back.
        bounds: x_min, y_min, x_max, y_max of the lanes [m].
    """

    lanes: tuple[LanePolygon, ...]
    markings: tuple[Marking, ...]
    crosswalks: tuple[np.ndarray, ...]
    stop_lines: tuple[np.ndarray, ...]
    aprons: tuple[np.ndarray, ...]
    junctions: tuple[np.ndarray, ...]
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lane:
    """A driving lane within one lane section, in its direction of travel.

    Args:
        key: LaneKey.
        points: centreline, float64 [n, 2], n >= 2 [m].
        z: height of the centreline, float64 [n] [m].
        yaw: heading, unwrapped, float64 [n] [rad].
        half_width: float64 [n] [m].
        s: arc length of each point from the first, float64 [n] [m].
        speed_limit: float64 [n] [m/s].
        junction: number of the junction the lane belongs to, -1 for none.
        left: neighbour for lane changes, same direction of travel, or None.
        right: the same to the right.
        successors: keys of the lanes that go on from the end.
    """

    key: LaneKey
    points: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    half_width: np.ndarray
    s: np.ndarray
    speed_limit: np.ndarray
    junction: int
    left: LaneKey | None
    right: LaneKey | None
    successors: tuple[LaneKey, ...]

    @property
    def length(self) -> float:
        """Arc length [m]."""
        return float(self.s[-1])

    def limit_at(self, s: float) -> float:
        """The speed limit at an arc length [m/s]."""
        return float(self.speed_limit[max(int(np.searchsorted(self.s, s + 1e-9, side="right")) - 1, 0)])


def corner_points(points: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Which points of a line the straight pieces between the others do not already give, bool [n].

    Args:
        points: [n, k] [m].
        others: further values at each point that are to be kept as well, [n] or [n, k] [m].
    """
    values = np.column_stack([points, *others])
    keep = np.zeros(len(values), bool)
    keep[0] = keep[-1] = True
    share = np.arange(len(values), dtype=np.float64)[:, None]
    stack = [(0, len(values) - 1)]
    while stack:
        a, b = stack.pop()
        if b - a < 2:
            continue
        first, chord = values[a], values[b] - values[a]
        gap = np.abs(values[a + 1 : b] - first - share[1 : b - a] / (b - a) * chord).max(1)
        worst = int(gap.argmax())
        if gap[worst] > SIMPLIFY_TOLERANCE:
            keep[a + 1 + worst] = True
            stack += [(a, a + 1 + worst), (a + 1 + worst, b)]
    return keep
