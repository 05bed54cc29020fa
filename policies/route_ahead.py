"""The route ahead of the ego as points, for many scenes at once. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState


def valid_order(scenes: SceneState) -> np.ndarray:
    """Indices [n, r] of the scenes' route points, the valid ones first."""
    return np.argsort(~scenes.route_valid, axis=1, kind="stable")


def valid_points(scenes: SceneState) -> tuple[np.ndarray, np.ndarray]:
    """The valid route points, float64 [n, r, 2], the last one repeated up to r, and how many there are [n]."""
    count = scenes.route_valid.sum(axis=1)
    num = scenes.route_valid.shape[1]
    if (count == num).all():
        return scenes.route.astype(np.float64), count
    index = np.minimum(np.arange(num), np.maximum(count - 1, 0)[:, None])
    order = np.take_along_axis(valid_order(scenes), index, axis=1)
    return np.take_along_axis(scenes.route, order[..., None], axis=1).astype(np.float64), count


def space_route(scenes: SceneState, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Arc lengths from the ego [p] and the route at these, float64 [n, p, 2], at infinity beyond a route's end [m].

    Args:
        scenes: [n], each with a valid route point.
        step: between the points [m].
    """
    points, count = valid_points(scenes)
    distances = np.asarray(ROUTE_DISTANCES)[valid_order(scenes)]
    distances = np.where(np.arange(distances.shape[1]) < count[:, None], distances, np.inf)
    reach = np.concatenate([np.zeros((len(count), 1)), distances], axis=1)
    route = np.concatenate([np.zeros((len(count), 1, 2)), points], axis=1)

    arcs = np.arange(0.0, ROUTE_DISTANCES[-1], step)
    last = reach[np.arange(len(count)), count]
    path = interpolate_rows(np.broadcast_to(arcs, (len(count), len(arcs))), reach, route)
    return arcs, np.where((arcs < last[:, None])[..., None], path, np.inf)


def interpolate_rows(wanted: np.ndarray, positions: np.ndarray, points: np.ndarray) -> np.ndarray:
    """As np.interp of x and y, for each row of wanted [n, k], positions [n, r] and points [n, r, 2] by itself;
    [n, k, 2]."""
    k = (positions[:, None] <= wanted[..., None]).sum(-1) - 1
    k = np.clip(k, 0, positions.shape[1] - 2)
    rows = np.arange(len(k))[:, None]
    begin, end = positions[rows, k], positions[rows, k + 1]
    first, second = points[rows, k], points[rows, k + 1]
    with np.errstate(invalid="ignore"):  # between two positions at infinity
        share = np.nan_to_num(np.clip((wanted - begin) / np.maximum(end - begin, 1e-12), 0.0, 1.0))
    return first + share[..., None] * (second - first)


def left_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals to the left of polylines from the origin through `points`, [n, r, 2]; 0 where points coincide."""
    tangents = np.diff(np.concatenate([np.zeros((len(points), 1, 2)), points], axis=1), axis=1)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=-1, keepdims=True), 1e-9)
    return np.stack([-tangents[..., 1], tangents[..., 0]], axis=-1)
