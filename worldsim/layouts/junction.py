"""Where streets meet: the outline of a junction, its corners, the ways through it, and what rules it. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from worldsim.datatypes.boxes import wrap_angle

CURVE = 0.37
"""Control points of a junction's curves lie so far from its ends, in shares of the chord."""
CURVE_POINTS = 13
LEG_REACH = 20.0
"""So far its streets count as the ground of a junction [m]."""


@dataclass(frozen=True, kw_only=True)
class Leg:
    """The end of a street at a junction.

    Args:
        x: of the street's centre line at its mouth [m].
        y: likewise.
        yaw: out of the junction [rad].
        num_lanes: each way.
        lane_width: [m].
        sidewalk: [m].
    """

    x: float
    y: float
    yaw: float
    num_lanes: int
    lane_width: float
    sidewalk: float

    @property
    def half_width(self) -> float:
        """Of the carriageway [m]."""
        return self.num_lanes * self.lane_width

    def point(self, out: float, left: float) -> np.ndarray:
        """The point `out` of the junction and `left` [m] of the centre line, as one looks out, [2]."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([self.x + c * out - s * left, self.y + s * out + c * left])

    def lane_in(self, lane: int) -> np.ndarray:
        """Where a lane into the junction ends, counted from 0 at the middle, [2]."""
        return self.point(0.0, (lane + 0.5) * self.lane_width)

    def lane_out(self, lane: int) -> np.ndarray:
        """Where a lane out of the junction begins, [2]."""
        return self.point(0.0, -(lane + 0.5) * self.lane_width)


def curve(start: np.ndarray, start_yaw: float, end: np.ndarray, end_yaw: float) -> np.ndarray:
    """The cubic curve [CURVE_POINTS, 2] from a point in one direction to a point in another."""
    reach = CURVE * float(np.hypot(*(end - start)))
    a = start + reach * np.array([np.cos(start_yaw), np.sin(start_yaw)])
    b = end - reach * np.array([np.cos(end_yaw), np.sin(end_yaw)])
    u = np.linspace(0.0, 1.0, CURVE_POINTS)[:, None]
    return (1 - u) ** 3 * start + 3 * u * (1 - u) ** 2 * a + 3 * u**2 * (1 - u) * b + u**3 * end


@dataclass(frozen=True, kw_only=True, eq=False)
class JunctionShape:
    """The ground of a junction of at least two legs."""

    legs: tuple[Leg, ...]

    @cached_property
    def _around(self) -> list[Leg]:
        """The legs counter-clockwise."""
        return sorted(self.legs, key=lambda leg: float(wrap_angle(leg.yaw)))

    def corners(self, beyond: float) -> list[np.ndarray]:
        """From the left edge of each leg to the right one of the next, `beyond` 1 at the outer edge of the sidewalk, 0
        at the kerb, [CURVE_POINTS, 2] each."""
        found = []
        for k, leg in enumerate(self._around):
            after = self._around[(k + 1) % len(self._around)]
            start = leg.point(0.0, leg.half_width + beyond * leg.sidewalk)
            end = after.point(0.0, -after.half_width - beyond * after.sidewalk)
            found.append(curve(start, leg.yaw + np.pi, end, after.yaw))
        return found

    def outline(self, beyond: float = 0.0) -> np.ndarray:
        """Counter-clockwise, [n, 2]; as for `corners`."""
        return np.concatenate(self.corners(beyond))

    def sidewalks(self) -> list[np.ndarray]:
        """The outlines of its sidewalks."""
        return [np.concatenate([a, b[::-1]]) for a, b in zip(self.corners(0.0), self.corners(1.0), strict=True)]

    def gap(self, points: np.ndarray) -> np.ndarray:
        """Distance of points [n, 2] from the paved ground with its sidewalks, negative inside [n] [m]."""
        return self._distance(points, 1.0)

    def on_road(self, points: np.ndarray) -> np.ndarray:
        """Whether points [n, 2] lie on the drivable ground, that of its streets included, bool [n]."""
        found = self._distance(points, 0.0) < 0.0
        for leg in self.legs:
            gap = points - np.array([leg.x, leg.y])
            out = gap @ np.array([np.cos(leg.yaw), np.sin(leg.yaw)])
            left = gap @ np.array([-np.sin(leg.yaw), np.cos(leg.yaw)])
            found |= (out >= -0.1) & (out < LEG_REACH) & (np.abs(left) < leg.half_width)
        return found

    def _distance(self, points: np.ndarray, beyond: float) -> np.ndarray:
        # relative to the junction: float32 is coarse far from the origin
        middle = np.array([self.legs[0].x, self.legs[0].y])
        outline = (self.outline(beyond) - middle).astype(np.float32)
        return np.array([-cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in points - middle])
