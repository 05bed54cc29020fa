"""Where edits are: poses along a route, and what of the ground is under them. numpy only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.boxes import corners, wrap_angle
from worldsim.datatypes.layout import AreaKind, Layout, LineKind
from worldsim.datatypes.outlines import is_inside
from worldsim.editing.edits import AlongRoute, OnMap, Place, Thing

PROBE_STEP = 1.0
"""A footprint is held against areas at points so far apart [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RouteLine:
    """The ego's route as edits see it.

    Args:
        points: float64 [r, 2], ground frame [m].
        ego_s: where the ego is on it [m].

    Raises:
        ValueError: fewer than two points.
    """

    points: np.ndarray
    ego_s: float

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise ValueError(f"a route needs at least 2 points, got {len(self.points)}")

    def pose(self, place: AlongRoute, what: str) -> tuple[np.ndarray, float]:
        """The point [2] of a place and the road's heading there [rad].

        Raises:
            ValueError: the route does not reach so far; `what` is named.
        """
        steps = np.diff(self.points, axis=0)
        arcs = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
        s = self.ego_s + place.ahead
        if not -1e-6 <= s <= arcs[-1] + 1e-6:
            raise ValueError(
                f"{what} at {place} is off the route, which reaches from {-self.ego_s:.0f} m to"
                f" {arcs[-1] - self.ego_s:.0f} m ahead: right would be a place between"
            )
        k = int(np.clip(np.searchsorted(arcs, s, side="right") - 1, 0, len(steps) - 1))
        along = steps[k] / max(float(np.hypot(*steps[k])), 1e-9)
        left = np.array([-along[1], along[0]])
        point = self.points[k] + (s - arcs[k]) * along + place.left * left
        return point, float(np.arctan2(along[1], along[0]))


def locate(
    place: Place, thing: Thing | None, layout: Layout, route: RouteLine | None, what: str
) -> tuple[np.ndarray, float]:
    """The point [2] and heading [rad] that a place means for a thing in a layout.

    Raises:
        ValueError: the route is not known, or does not reach so far; `what` is named.
    """
    if isinstance(place, AlongRoute):
        if route is None:
            raise ValueError(f"{what} at {place}: no route is known here; right would be OnMap(x=, y=)")
        point, road = route.pose(place, what)
        if place.turn is not None:
            return point, float(wrap_angle(road + place.turn))
        return point, _usual_heading(thing, road, place.left)
    point = np.array([place.x, place.y], np.float64)
    if place.yaw is not None:
        return point, float(wrap_angle(place.yaw))
    return point, _usual_heading(thing, *_nearest_lane(layout, point))


def _usual_heading(thing: Thing | None, road: float, left: float) -> float:
    """How a thing stands `left` of a road that heads along `road` [rad]."""
    if thing is not None and thing.faces_road:
        return float(wrap_angle(road - np.copysign(np.pi / 2, left)))
    return float(wrap_angle(road))


def _nearest_lane(layout: Layout, point: np.ndarray) -> tuple[float, float]:
    """Heading of the lane nearest to a point [rad], and how far to its left the point is [m]; 0 and 0 without lanes."""
    lines = [line[:, :2] for line, kind in zip(layout.lines(), layout.line_kinds, strict=True) if _leads(kind, line)]
    if not lines:
        return 0.0, 0.0
    starts, ends = np.concatenate([line[:-1] for line in lines]), np.concatenate([line[1:] for line in lines])
    along = ends - starts
    squared = np.maximum((along**2).sum(1), 1e-12)
    share = np.clip(((point - starts) * along).sum(1) / squared, 0.0, 1.0)
    apart = point - (starts + share[:, None] * along)
    k = int(np.argmin((apart**2).sum(1)))
    lateral = (along[k, 0] * apart[k, 1] - along[k, 1] * apart[k, 0]) / np.sqrt(squared[k])
    return float(np.arctan2(along[k, 1], along[k, 0])), float(lateral)


def _leads(kind: int, line: np.ndarray) -> bool:
    return kind == LineKind.LANE_CENTRE and len(line) > 1


def probe(footprint: np.ndarray) -> np.ndarray:
    """Points [n, 2] all over a footprint [5], its corners among them."""
    x, y, yaw, length, width = footprint.tolist()
    us = np.linspace(-0.5, 0.5, max(2, int(np.ceil(length / PROBE_STEP)) + 1)) * length
    vs = np.linspace(-0.5, 0.5, max(2, int(np.ceil(width / PROBE_STEP)) + 1)) * width
    u, v = (grid.ravel() for grid in np.meshgrid(us, vs))
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([x + c * u - s * v, y + s * u + c * v], axis=-1)


def lie_in_areas(layout: Layout, points: np.ndarray, kinds: Collection[AreaKind]) -> np.ndarray:
    """Which of the points [n, 2] lie in an area of these kinds, bool [n]."""
    inside = np.zeros(len(points), bool)
    for outline, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True):
        if kind not in kinds or len(outline) < 3:
            continue
        low, high = outline[:, :2].min(axis=0), outline[:, :2].max(axis=0)
        near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1) & ~inside)
        if len(near):
            inside[near] = is_inside(points[near], outline[:, :2])
    return inside


def distances(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """How far boxes [n, 5] are from a point [2], [n] [m]; 0 of those that it lies in."""
    d = point - boxes[:, :2]
    c, s = np.cos(boxes[:, 2]), np.sin(boxes[:, 2])
    along = np.abs(c * d[:, 0] + s * d[:, 1]) - 0.5 * boxes[:, 3]
    across = np.abs(c * d[:, 1] - s * d[:, 0]) - 0.5 * boxes[:, 4]
    return np.hypot(np.maximum(along, 0.0), np.maximum(across, 0.0))


def distance_to_ground(layout: Layout, point: np.ndarray) -> float:
    """How far a point [2] is from what is known of the ground, by the rectangles around its areas and lines [m]."""
    pieces = [piece[:, :2] for piece in (*layout.areas(), *layout.lines()) if len(piece)]
    if not pieces:
        return float("inf")
    low, high = np.array([p.min(0) for p in pieces]), np.array([p.max(0) for p in pieces])
    gap = np.maximum(np.maximum(low - point, point - high), 0.0)
    return float(np.hypot(gap[:, 0], gap[:, 1]).min())


def corners_of(footprint: np.ndarray) -> np.ndarray:
    """Corners [4, 2] and middle of a footprint [5], [5, 2]."""
    return np.concatenate([corners(footprint), footprint[None, :2]])


def describe(point: np.ndarray) -> OnMap:
    """A point [2] as a message names it."""
    return OnMap(x=round(float(point[0]), 1), y=round(float(point[1]), 1))
