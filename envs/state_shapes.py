"""Shapes of the arrays in what states of both worlds hold."""

from __future__ import annotations

from envs.external_actors import ExternalActors
from envs.maps.route import Route, RouteStops
from worldsim.datatypes.route_signals import SignalCompliance
from worldsim.datatypes.scene import SceneState

SHARED_SHAPES: dict[type, dict[str, str]] = {
    Route: {
        "points": "n 2", "z": "n", "yaw": "n", "half_width": "n", "speed_limit": "n", "command": "n", "lanes": "n",
    },
    RouteStops: {"s": "k", "signals": "k"},
    SignalCompliance: {"stopped": "1", "red_light": "1", "stop_sign_missed": "1"},
    SceneState: {
        "ego": "4", "lane": "4", "route": "p 2", "lead": "2", "command": "", "objects": "o 6", "object_kinds": "o",
        "ego_valid": "4", "lane_valid": "4", "route_valid": "p", "lead_valid": "", "signal": "",
        "signal_distance": "", "signal_valid": "",
    },
    ExternalActors: {"ids": "n", "heights": "n", "colors": "n 3", "braking": "n"},
}  # fmt: skip
"""Dims by attribute, as `check_shapes` of `envs.state_arrays` reads them."""
