"""The scene from above, as points: the lane ahead, the corners of what stands there, and where they go in a box."""

from __future__ import annotations

import numpy as np

from envs.viewer.layout import Box
from worldsim.datatypes.route import centreline_of
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import VehicleModel

USUAL_HALF_WIDTH = 1.75
"""Drawn where the lane's width is unknown [m]."""
MAP_AHEAD, MAP_BEHIND = 45.0, 8.0
"""What is shown of the road ahead and behind [m]."""


def half_width_of(scene: SceneState) -> float:
    """Half the width of the ego's lane [m]."""
    return float(scene.half_width) if scene.lane_valid[2] else USUAL_HALF_WIDTH


def lane_sides(scene: SceneState) -> tuple[np.ndarray, np.ndarray]:
    """Left and right side of the lane ahead, each [r, 2] in the vehicle frame [m]; empty where the route is unknown."""
    line = centreline_of(scene)
    if len(line) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    aside = half_width_of(scene) * np.stack([-along[:, 1], along[:, 0]], axis=-1)
    return line + aside, line - aside


def map_points(points: np.ndarray, box: Box) -> np.ndarray:
    """Pixels [n, 2] in the bird's-eye `box` of vehicle-frame points [n, 2]: forward is up, left is left."""
    scale = box.h / (MAP_AHEAD + MAP_BEHIND)
    points = np.asarray(points, np.float64).reshape(-1, 2)
    x = box.x + box.w / 2 - points[:, 1] * scale
    y = box.y + MAP_AHEAD * scale - points[:, 0] * scale
    return np.stack([x, y], axis=-1)


def object_corners(pose: np.ndarray) -> np.ndarray:
    """Corners [4, 2] of an object (OBJECT_NAMES [6]) in the vehicle frame, front left first."""
    x, y, yaw, _, length, width = (float(v) for v in pose)
    local = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, width / 2]
    c, s = np.cos(yaw), np.sin(yaw)
    return local @ np.array([[c, s], [-s, c]]) + [x, y]


EGO_CORNERS = object_corners(np.array([0, 0, 0, 0, VehicleModel().length, VehicleModel().width]))
"""Corners of the ego [4, 2] in its own frame [m]."""
