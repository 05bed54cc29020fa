"""LanePath: the centre of the ego's lane ahead, smooth and evenly spaced, from the route points of a SceneState."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from worldsim.datatypes.route import centreline_of
from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState

PATH_STEP = 1.0
"""Between the points of the path [m]."""
PATH_LENGTH = 120.0
"""The path goes on straight beyond the route that is known, up to here [m]."""


class LanePath:
    """The lane's centre ahead as evenly spaced points in the vehicle frame, from beside the ego on.

    Args:
        scene: a single one with at least one valid route point.
    """

    def __init__(self, scene: SceneState) -> None:
        line = centreline_of(scene).astype(np.float64)
        arcs = np.asarray(ROUTE_DISTANCES)[scene.route_valid]
        if len(line) > len(arcs):
            arcs = np.concatenate([[0.0], arcs])
        else:  # where the ego is beside its lane is not known
            line, arcs = np.concatenate([np.zeros((1, 2)), line]), np.concatenate([[0.0], arcs])

        wanted = np.arange(0.0, PATH_LENGTH + PATH_STEP, PATH_STEP)
        inside = wanted[wanted <= arcs[-1]]
        if len(arcs) > 2:
            points = CubicSpline(arcs, line)(inside)
        else:
            points = np.stack([np.interp(inside, arcs, line[:, i]) for i in range(2)], axis=-1)
        last = points[-1] - points[-2]
        more = np.arange(1, len(wanted) - len(inside) + 1)[:, None]
        self.points = np.concatenate([points, points[-1] + more * last])

        tangents = np.diff(self.points, axis=0)
        tangents /= np.maximum(np.linalg.norm(tangents, axis=-1, keepdims=True), 1e-9)
        self.tangents = np.concatenate([tangents, tangents[-1:]])
        self.yaws = np.arctan2(self.tangents[:, 1], self.tangents[:, 0])

    def at(self, arcs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points and tangents [..., 2] at arc lengths [...] [m]; straight on beyond both ends."""
        index = np.minimum(np.maximum((arcs / PATH_STEP).astype(int), 0), len(self.points) - 1)
        tangent = self.tangents[index]
        return self.points[index] + (arcs - index * PATH_STEP)[..., None] * tangent, tangent

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Arc length [m], offset to the left [m] and the path's yaw [rad] of points [m, 2], each [m]."""
        # |p - q|² less |p|², which is the same for all q: one product of matrices
        nearest = ((self.points**2).sum(axis=-1) - 2 * points @ self.points.T).argmin(axis=1)
        offset, tangent = points - self.points[nearest], self.tangents[nearest]
        along = (offset * tangent).sum(axis=-1)
        left = tangent[:, 0] * offset[:, 1] - tangent[:, 1] * offset[:, 0]
        return nearest * PATH_STEP + along, left, self.yaws[nearest]
