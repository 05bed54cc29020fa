"""The route's centreline ahead of the ego as one SceneState tells it. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.scene import SceneState


def centreline(scene: SceneState) -> np.ndarray:
    """Points [r, 2] in the vehicle frame [m]: the one beside the ego where it is known, then the valid route points.

    Args:
        scene: a single instant.
    """
    points = scene.route[scene.route_valid]
    if scene.lane_valid[:2].all():
        offset, error = float(scene.lateral_offset), float(scene.heading_error)
        beside = np.array([[-offset * np.sin(error), -offset * np.cos(error)]])
        points = np.concatenate([beside, points])
    return points.astype(np.float32)
