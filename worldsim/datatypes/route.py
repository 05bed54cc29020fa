"""The road ahead: the route's preview from the ego's pose, and frames to see it from. numpy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from worldsim.datatypes.scene import ROUTE_DISTANCES

LANE_RANGE = 12.0
"""Farther than this from its route [m], the ego has none."""
SEARCH_AHEAD = 30
"""Route points searched ahead of the last known place."""


class RoutePreview(NamedTuple):
    """Where `b` egos are on their routes and what lies ahead.

    points: at ROUTE_DISTANCES, vehicle frame, float32 [b, 10, 2]. valid: bool [b, 10]. lateral_offset [m], positive
    left, and heading_error [rad] of the ego, float64 [b]. places: index of the route point last passed, int64 [b].
    on_route: within LANE_RANGE of a route that goes on, bool [b].
    """

    points: np.ndarray
    valid: np.ndarray
    lateral_offset: np.ndarray
    heading_error: np.ndarray
    places: np.ndarray
    on_route: np.ndarray


def stack_routes(routes: list[np.ndarray]) -> np.ndarray:
    """Polylines [r, 2] of different length as one float64 array [b, longest, 2], padded with NaN."""
    stacked = np.full((len(routes), max(2, *(len(route) for route in routes)), 2), np.nan)
    for row, route in zip(stacked, routes, strict=True):
        row[: len(route)] = route
    return stacked


def preview_route(routes: np.ndarray, vehicles: np.ndarray, places: np.ndarray) -> RoutePreview:
    """The preview of each ego on its route.

    Args:
        routes: ground frame, float64 [b, r, 2], NaN after a route's end; a route of less than 2 points is none.
        vehicles: VEHICLE_NAMES, float64 [b, 6].
        places: index of the route point last passed, int64 [b]; the search goes on from there.
    """
    b = len(routes)
    points = np.zeros((b, len(ROUTE_DISTANCES), 2), np.float32)
    valid = np.zeros((b, len(ROUTE_DISTANCES)), bool)
    lateral, heading, found = np.zeros(b), np.zeros(b), places.copy()
    on_route = np.zeros(b, bool)
    for k in range(b):
        line = routes[k][np.isfinite(routes[k, :, 0])]
        if len(line) < 2:
            continue
        first = int(np.clip(places[k] - 5, 0, len(line) - 2))
        near = line[first : first + SEARCH_AHEAD + 6]
        start, along = near[:-1], np.diff(near, axis=0)
        size = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)
        offset = vehicles[k, :2] - start
        fraction = (offset * along).sum(-1) / size**2
        low = np.where((np.arange(len(start)) == 0) & (first == 0), -np.inf, 0.0)
        clipped = np.clip(fraction, low, 1.0)
        miss = offset - clipped[:, None] * along
        at = int(np.argmin((miss**2).sum(-1)))
        direction = along[at] / size[at]
        lateral[k] = direction[0] * offset[at, 1] - direction[1] * offset[at, 0]
        turn = vehicles[k, 2] - np.arctan2(direction[1], direction[0])
        heading[k] = (turn + np.pi) % (2 * np.pi) - np.pi
        found[k] = first + at
        ended = first + at == len(line) - 2 and fraction[at] >= 1.0
        on_route[k] = abs(lateral[k]) <= LANE_RANGE and not ended
        if not on_route[k]:
            continue
        ahead = line[first + at :]
        steps = np.hypot(*np.diff(ahead, axis=0).T)
        arc = np.concatenate([[0.0], np.cumsum(steps)]) - clipped[at] * size[at]
        distances = np.asarray(ROUTE_DISTANCES)
        valid[k] = distances <= arc[-1]
        preview = np.stack([np.interp(distances, arc, ahead[:, i]) for i in range(2)], axis=-1)
        points[k] = np.where(valid[k][:, None], to_vehicle_frame(vehicles[k], preview), 0.0)
    return RoutePreview(points, valid, lateral, heading, found, on_route)


def route_ahead(route: np.ndarray, vehicle: np.ndarray, place: int) -> np.ndarray:
    """What is left of a route (ground frame [r, 2], NaN after its end) from point `place` on, float32 [k, 2] in the
    frame of `vehicle` [6]."""
    left = route[place:]
    return to_vehicle_frame(vehicle, left[np.isfinite(left[:, 0])]).astype(np.float32)


def to_vehicle_frame(vehicle: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [..., 2] of the ground frame in the frame of `vehicle` [6]: x forward, y left."""
    return rotate(points - vehicle[:2], -vehicle[2])


def to_ground_frame(vehicle: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [r, 2] in the frame of `vehicle` [6] in the ground frame, float64; inverts `to_vehicle_frame`."""
    return vehicle[:2] + rotate(points.astype(np.float64), vehicle[2])


def rotate(points: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """Points [..., 2] turned counter-clockwise by `angle` [rad], which broadcasts against [...]."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
