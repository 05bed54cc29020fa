"""The road ahead: the route's preview from the ego's pose, and frames to see it from. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from worldsim.datatypes.scene import ROUTE_DISTANCES, LaneColumn, SceneState
from worldsim.datatypes.vehicle import VehicleColumn

LANE_RANGE = 12.0
"""Farther than this from its route [m], the ego has none."""
SEARCH_BACK, SEARCH_AHEAD = 5, 30
"""Route points searched behind and ahead of the last known place."""


ROUTE_LANE_NAMES = ("half_width", "speed_limit", "left_edge", "right_edge")
"""Of the lane at a point of a route: half its width [m], its speed limit [m/s], and how far the drivable area reaches
to the left and to the right of its centre [m]; NaN where unknown."""


class RouteLaneColumn(IntEnum):
    """Columns of ROUTE_LANE_NAMES."""

    HALF_WIDTH = 0
    SPEED_LIMIT = 1
    LEFT_EDGE = 2
    RIGHT_EDGE = 3


class Routes(NamedTuple):
    """The routes of `b` egos, each with up to `r` points; what lies after a route's end is padding.

    points: ground frame, float64 [b, r, 2] [m], NaN after the end. arcs: arc length of each point from the first,
    float64 [b, r] [m], inf after the end. lanes: ROUTE_LANE_NAMES, float64 [b, r, 4]. counts: number of points, int64
    [b]; a route of less than 2 points is none.
    """

    points: np.ndarray
    arcs: np.ndarray
    lanes: np.ndarray
    counts: np.ndarray

    @staticmethod
    def stack(points: Sequence[np.ndarray], lanes: Sequence[np.ndarray] | None = None) -> Routes:
        """Routes of polylines [r, 2] of different length, in the ground frame, and their lanes [r, 4]; without `lanes`
        nothing is known of these."""
        b, counts = len(points), np.array([len(line) for line in points], np.int64)
        r = max(2, int(counts.max(initial=0)))
        stacked = Routes(np.full((b, r, 2), np.nan), np.full((b, r), np.inf), np.full((b, r, 4), np.nan), counts)
        for k, line in enumerate(points):
            n = len(line)
            stacked.points[k, :n] = line
            stacked.arcs[k, :n] = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])[:n]
            if lanes is not None:
                stacked.lanes[k, :n] = lanes[k]
        return stacked

    def take(self, rows: Sequence[int]) -> Routes:
        """The routes of the given egos, in that order."""
        return Routes(*(values[list(rows)] for values in self))

    @staticmethod
    def concat(many: Sequence[Routes]) -> Routes:
        """The routes of all of them, in that order."""
        r = max(routes.points.shape[1] for routes in many)
        padded = [routes._padded(r) for routes in many]
        return Routes(*(np.concatenate(values) for values in zip(*padded, strict=True)))

    def _padded(self, r: int) -> Routes:
        more = r - self.points.shape[1]
        if not more:
            return self
        after = ((0, 0), (0, more))
        return Routes(
            np.pad(self.points, (*after, (0, 0)), constant_values=np.nan),
            np.pad(self.arcs, after, constant_values=np.inf),
            np.pad(self.lanes, (*after, (0, 0)), constant_values=np.nan),
            self.counts,
        )

    def segments_at(self, arcs: np.ndarray) -> np.ndarray:
        """Index of the segment in which arc lengths [b, k] [m] fall, int64 [b, k]; the nearest one beyond the ends."""
        passed = (self.arcs[:, None] <= arcs[..., None]).sum(-1)
        return np.clip(passed - 1, 0, np.maximum(self.counts[:, None] - 2, 0))

    def lanes_at(self, arcs: np.ndarray) -> np.ndarray:
        """ROUTE_LANE_NAMES [b, k, 4] at the points nearest to arc lengths [b, k] [m]."""
        index = self.segments_at(arcs)
        rows = np.arange(len(self.points))[:, None]
        here, there = self.arcs[rows, index], self.arcs[rows, np.minimum(index + 1, self.arcs.shape[1] - 1)]
        return self.lanes[rows, index + (arcs - here > there - arcs)]

    def ahead(self, slot: int, vehicle: np.ndarray, place: int) -> tuple[np.ndarray, np.ndarray]:
        """What is left of a route from point `place` on: points float32 [k, 2] in the frame of `vehicle` [6], and lanes
        float32 [k, 4]."""
        left = slice(place, int(self.counts[slot]))
        points = to_vehicle_frame(vehicle, self.points[slot, left])
        return points.astype(np.float32), self.lanes[slot, left].astype(np.float32)


class RoutePreview(NamedTuple):
    """Where `b` egos are on their routes and what lies ahead.

    points: at ROUTE_DISTANCES, vehicle frame, float32 [b, 10, 2]. valid: bool [b, 10]. lateral_offset [m], positive
    left, and heading_error [rad] of the ego, float64 [b]. places: index of the route point last passed, int64 [b].
    arcs: of the ego's projection, float64 [b] [m]. on_route: within LANE_RANGE of a route that goes on, bool [b].
    """

    points: np.ndarray
    valid: np.ndarray
    lateral_offset: np.ndarray
    heading_error: np.ndarray
    places: np.ndarray
    arcs: np.ndarray
    on_route: np.ndarray


def preview_routes(routes: Routes, vehicles: np.ndarray, places: np.ndarray) -> RoutePreview:
    """The preview of each ego on its route.

    Args:
        routes: of the egos.
        vehicles: VEHICLE_NAMES, float64 [b, 6].
        places: index of the route point last passed, int64 [b]; the search goes on from there.
    """
    last = np.maximum(routes.counts - 2, 0)
    rows = np.arange(len(last))
    exists = routes.counts >= 2

    # the nearest segment among those around the last known place
    first = np.clip(places - SEARCH_BACK, 0, last)
    index = first[:, None] + np.arange(SEARCH_BACK + SEARCH_AHEAD)
    searched = (index <= last[:, None]) & exists[:, None]
    index = np.minimum(index, last[:, None])
    start = routes.points[rows[:, None], index]
    along = routes.points[rows[:, None], index + 1] - start
    size = np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-6)
    offset = vehicles[:, None, :2] - start
    fraction = (offset * along).sum(-1) / size**2
    low = np.where(index == 0, -np.inf, 0.0)  # before its beginning a route goes straight on
    clipped = np.clip(fraction, low, 1.0)
    miss = ((offset - clipped[..., None] * along) ** 2).sum(-1)
    nearest = np.argmin(np.where(searched, miss, np.inf), axis=1)

    # the ego beside it
    place = np.where(exists, index[rows, nearest], places)
    direction = along[rows, nearest] / size[rows, nearest, None]
    offset = offset[rows, nearest]
    lateral = direction[:, 0] * offset[:, 1] - direction[:, 1] * offset[:, 0]
    turn = vehicles[:, VehicleColumn.YAW] - np.arctan2(direction[:, 1], direction[:, 0])
    heading = (turn + np.pi) % (2 * np.pi) - np.pi
    lateral, heading = np.where(exists, lateral, 0.0), np.where(exists, heading, 0.0)
    arcs = routes.arcs[rows, np.minimum(place, last)] + clipped[rows, nearest] * size[rows, nearest]
    arcs = np.where(exists, arcs, 0.0)
    ended = (place == last) & (fraction[rows, nearest] >= 1.0)
    on_route = exists & (np.abs(lateral) <= LANE_RANGE) & ~ended

    points, valid = _points_ahead(routes, vehicles, arcs, on_route)
    return RoutePreview(points, valid, lateral, heading, place, arcs, on_route)


def _points_ahead(
    routes: Routes, vehicles: np.ndarray, arcs: np.ndarray, on_route: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points at ROUTE_DISTANCES from arc lengths [b] on, float32 [b, r, 2] in the vehicle frame, and which of them
    there are, bool [b, r]: none of an ego that is not `on_route`, bool [b]."""
    rows = np.arange(len(arcs))
    wanted = arcs[:, None] + np.asarray(ROUTE_DISTANCES)
    length = routes.arcs[rows, np.maximum(routes.counts - 1, 0)]
    valid = on_route[:, None] & (wanted <= length[:, None] + 1e-9)
    at = routes.segments_at(wanted)
    here, there = (routes.points[rows[:, None], at + k] for k in (0, 1))
    begin, end = (routes.arcs[rows[:, None], at + k] for k in (0, 1))
    with np.errstate(invalid="ignore"):  # of routes that there are not
        share = (wanted - begin) / np.maximum(end - begin, 1e-9)
        ground = here + share[..., None] * (there - here)
        points = rotate(ground - vehicles[:, None, :2], -vehicles[:, None, VehicleColumn.YAW])
    return np.where(valid[..., None], points, 0.0).astype(np.float32), valid


def centreline_of(scene: SceneState) -> np.ndarray:
    """The route's centreline ahead as one SceneState shows it.

    Points float32 [r, 2] in the vehicle frame [m]: the one beside the ego where it is known, then the valid route
    points.

    Args:
        scene: a single instant.
    """
    points = scene.route[scene.route_valid]
    if scene.lane_valid[[LaneColumn.LATERAL_OFFSET, LaneColumn.HEADING_ERROR]].all():
        offset, error = float(scene.lateral_offset), float(scene.heading_error)
        beside = np.array([[-offset * np.sin(error), -offset * np.cos(error)]])
        points = np.concatenate([beside, points])
    return points.astype(np.float32)


def to_vehicle_frame(vehicle: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [..., 2] of the ground frame in the frame of `vehicle` [6]: x forward, y left."""
    return rotate(points - vehicle[:2], -vehicle[VehicleColumn.YAW])


def to_ground_frame(vehicle: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [r, 2] in the frame of `vehicle` [6] in the ground frame, float64; inverts `to_vehicle_frame`."""
    return vehicle[:2] + rotate(points.astype(np.float64), vehicle[VehicleColumn.YAW])


def rotate(points: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """Points [..., 2] turned counter-clockwise by `angle` [rad], which broadcasts against [...]."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
