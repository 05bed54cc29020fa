"""Routes, compiled: the place of a point on a route, and points along it. Imported when first used, for numba is slow
to load.

Like all compiled code here without fast mathematics: the same input gives the same bits in every process.
"""

from __future__ import annotations

import math

import numpy as np

from worldsim.compiled import compiled


@compiled
def wrap(angle: float) -> float:
    """The angle [rad] in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


@compiled
def interpolate(values: np.ndarray, s: float) -> float:
    """The value at arc length `s` [m] of `values` [r], one a metre; beyond the ends that of the end."""
    last = len(values) - 1
    if s <= 0.0:
        return values[0]
    if s >= last:
        return values[last]
    i = int(s)
    return (values[i + 1] - values[i]) * (s - i) + values[i]


@compiled
def points_at(points: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Points [n, 2] at arc lengths `s` [n] [m] of a centreline [r, 2] with one point a metre."""
    found = np.empty((len(s), 2))
    for k in range(len(s)):
        found[k, 0] = interpolate(points[:, 0], s[k])
        found[k, 1] = interpolate(points[:, 1], s[k])
    return found


@compiled
def preview_route(
    points: np.ndarray,
    length: float,
    s: float,
    distances: np.ndarray,
    pose: np.ndarray,
    route: np.ndarray,
    valid: np.ndarray,
) -> None:
    """Writes the route's points at `distances` [k] ahead of arc length `s` into `route` [k, 2].

    They are in the frame of `pose` (x, y, yaw first). `valid` [k] tells those that lie on the route, which is `length`
    long; the others are left as they are.
    """
    ego_x, ego_y, yaw = pose[0], pose[1], pose[2]
    c, sn = math.cos(-yaw), math.sin(-yaw)
    for k in range(len(distances)):
        valid[k] = s + distances[k] <= length
        if valid[k]:
            x = interpolate(points[:, 0], s + distances[k]) - ego_x
            y = interpolate(points[:, 1], s + distances[k]) - ego_y
            route[k, 0], route[k, 1] = c * x - sn * y, sn * x + c * y


@compiled
def project(points: np.ndarray, yaw: np.ndarray, x: float, y: float, low: int, high: int) -> tuple[float, float, float]:
    """Arc length, lateral offset and route yaw at the place nearest to (x, y); see `Route.project`.

    Args:
        points: centreline [r, 2] [m].
        yaw: [r] [rad].
        x: [m].
        y: [m].
        low: first point to search.
        high: end of those to search.
    """
    last = len(points) - 1
    if low >= last:
        low, high = last - 1, last + 1
    nearest, least = low, np.inf
    for i in range(low, min(high, last + 1)):
        squared = (points[i, 0] - x) ** 2 + (points[i, 1] - y) ** 2
        if squared < least:
            nearest, least = i, squared

    # of the two segments at the nearest point the one that comes nearer; the route's ends go straight on
    gap, s, lateral, direction = np.inf, 0.0, 0.0, 0.0
    for i in range(max(nearest - 1, 0), min(nearest, last - 1) + 1):
        dx, dy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
        size = math.hypot(dx, dy)
        if size == 0.0:
            size = 1.0
        rx, ry = x - points[i, 0], y - points[i, 1]
        f = (rx * dx + ry * dy) / size / size
        if i > 0:
            f = max(f, 0.0)
        if i < last - 1:
            f = min(f, 1.0)
        squared = (rx - f * dx) ** 2 + (ry - f * dy) ** 2
        if squared < gap:
            turn = wrap(yaw[i + 1] - yaw[i]) * min(max(f, 0.0), 1.0)
            gap, s, lateral, direction = squared, i + f, (dx * ry - dy * rx) / size, wrap(yaw[i] + turn)
    return s, lateral, direction
