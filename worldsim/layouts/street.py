"""Street: a road between two junctions, and the coordinates of what stands beside it. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import LineKind

STEP = 1.0
"""Distance of the points of a street's centre line [m]."""
LEFT, RIGHT = 1, -1
"""Sides of a street, in its direction."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Street:
    """A road between the mouths of two junctions; beyond these its centre line goes straight on to their nodes.

    Args:
        points: its centre line from the first mouth to the last one, STEP apart, float64 [n, 2] [m].
        yaws: its direction at each of them, float64 [n] [rad].
        num_lanes: each way.
        lane_width: [m].
        sidewalk: width of either sidewalk [m].
        reaches: from the first mouth back to its node, and from the last one on to its node [m].
        openings: whether another street leaves the node at its start (row 0) and its end (row 1) to the left (column 0)
            and the right (column 1), bool [2, 2].
        lit: whether lights rule the junction at its start and at its end.
        centre_line: the paint between its two directions.
        speed_limit: 0 where it is not known [m/s].
    """

    points: np.ndarray
    yaws: np.ndarray
    num_lanes: int
    lane_width: float
    sidewalk: float
    reaches: tuple[float, float]
    openings: np.ndarray
    lit: tuple[bool, bool]
    centre_line: LineKind
    speed_limit: float = 0.0

    @cached_property
    def length(self) -> float:
        """From mouth to mouth [m]."""
        return STEP * (len(self.points) - 1)

    @property
    def half_width(self) -> float:
        """Of the carriageway [m]."""
        return self.num_lanes * self.lane_width

    @property
    def edge(self) -> float:
        """From the centre line to the outer edge of a sidewalk [m]."""
        return self.half_width + self.sidewalk

    def poses(self, s: np.ndarray) -> np.ndarray:
        """x, y, yaw [n, 3] on the centre line at arc lengths [n] from the first mouth [m]; straight on beyond it."""
        s = np.asarray(s, np.float64)
        at = np.clip(s / STEP, 0, len(self.points) - 1)
        index = np.minimum(at.astype(np.int64), len(self.points) - 2)
        share = (at - index)[:, None]
        xy = (1 - share) * self.points[index] + share * self.points[index + 1]
        yaw = self.yaws[index] + share[:, 0] * wrap_angle(self.yaws[index + 1] - self.yaws[index])
        beyond = np.minimum(s, 0.0) + np.maximum(s - self.length, 0.0)
        xy = xy + beyond[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
        return np.column_stack([xy, yaw])

    def offset(self, s: np.ndarray, t: np.ndarray | float) -> np.ndarray:
        """Points [n, 2] at arc lengths [n] and `t` [m] to the left of the centre line."""
        pose = self.poses(s)
        return pose[:, :2] + np.asarray(t)[..., None] * np.stack([-np.sin(pose[:, 2]), np.cos(pose[:, 2])], axis=-1)

    def curvature(self, s: np.ndarray) -> np.ndarray:
        """Of the centre line at arc lengths [n], positive to the left, over 4 m; 0 beyond its ends [1/m]."""
        before, after = (self.poses(np.asarray(s, np.float64) + by)[:, 2] for by in (-2.0, 2.0))
        return wrap_angle(after - before) / 4.0

    def coordinates(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Arc length and offset to the left [n] of points [n, 2], and their distance from the centre line with its
        straight ends [n] [m]."""
        tree, arcs = self._nearest
        s = arcs[tree.query(points)[1]]
        for _ in range(3):  # the nearest sample, then along the tangent
            pose = self.poses(s)
            gap = points - pose[:, :2]
            along = gap[:, 0] * np.cos(pose[:, 2]) + gap[:, 1] * np.sin(pose[:, 2])
            s = np.clip(s + np.clip(along, -STEP, STEP), -self.reaches[0], self.length + self.reaches[1])
        pose = self.poses(s)
        gap = points - pose[:, :2]
        t = gap[:, 1] * np.cos(pose[:, 2]) - gap[:, 0] * np.sin(pose[:, 2])
        return s, t, np.hypot(gap[:, 0], gap[:, 1])

    @cached_property
    def _nearest(self) -> tuple[KDTree, np.ndarray]:
        arcs = np.arange(-self.reaches[0], self.length + self.reaches[1] + 0.5 * STEP, STEP)
        return KDTree(self.poses(arcs)[:, :2]), arcs

    def first(self, length: float) -> Street:
        """The street up to an arc length [m]."""
        count = max(2, round(min(length, self.length) / STEP) + 1)
        return replace(self, points=self.points[:count], yaws=self.yaws[:count])

    def reversed(self) -> Street:
        """The same street in the other direction."""
        return replace(
            self,
            points=self.points[::-1],
            yaws=wrap_angle(self.yaws[::-1] + np.pi),
            reaches=self.reaches[::-1],
            openings=self.openings[::-1, ::-1],
            lit=self.lit[::-1],
        )


def resample(points: np.ndarray, step: float = STEP) -> tuple[np.ndarray, np.ndarray]:
    """A polyline [k, 2] with points [n, 2] about `step` apart (its length is stretched to a multiple), and its
    directions there [n]."""
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0.0, arcs[-1], max(2, round(arcs[-1] / step) + 1))
    even = np.stack([np.interp(at, arcs, points[:, k]) for k in range(2)], axis=-1)
    ahead = np.gradient(even, axis=0)
    return even, np.arctan2(ahead[:, 1], ahead[:, 0])
