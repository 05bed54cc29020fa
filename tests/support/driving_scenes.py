"""Constructed SceneStates for tests of planners: a lane of constant curvature, and scenes that cost nothing."""

import numpy as np

from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState
from worldsim.datatypes.vehicle import VehicleModel

MODEL = VehicleModel()


def scene_on_circle(curvature=0.0, *, offset=0.0, heading=0.0, speed=8.0, limit=12.0, lead=None) -> SceneState:
    """Ego `offset` left of a lane of constant curvature, `heading` to its left."""
    scene = SceneState.empty()
    s = np.asarray(ROUTE_DISTANCES)
    if abs(curvature) < 1e-9:
        x, y = s, np.zeros_like(s)
    else:
        x, y = np.sin(curvature * s) / curvature, (1 - np.cos(curvature * s)) / curvature
    y = y - offset
    c, n = np.cos(heading), np.sin(heading)
    scene.route[:] = np.stack([c * x + n * y, c * y - n * x], axis=-1)
    scene.route_valid[:] = True
    scene.ego[:] = [speed, 0, 0, 0]
    scene.ego_valid[:] = True
    scene.lane[:] = [offset, heading, 1.75, limit]
    scene.lane_valid[:] = True
    if lead is not None:
        scene.lead[:] = lead
        scene.lead_valid[...] = True
    return scene


def good_scenes(n, h, speed=10.0) -> SceneState:
    scenes = SceneState.empty((n, h))
    scenes.ego[..., 0] = speed
    scenes.lane[:] = [0, 0, 1.75, 10.0]
    scenes.lane_valid[:] = True
    return scenes
