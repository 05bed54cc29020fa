"""Stop: brakes to a standstill in its lane and stays there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.rule_based import choose_pedal, steer_along_route
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv


class Stop:
    """Brakes evenly along the route: the planner that never makes progress, and still may be hit.

    Args:
        braking: [m/s²].
        vehicle_model: the car it inverts to turn curvature and acceleration into steer and pedal.

    Raises:
        ValueError: it would not brake.
    """

    uses_pictures = False

    def __init__(self, braking: float = 3.0, vehicle_model: VehicleModel | None = None) -> None:
        if not braking > 0:
            raise ValueError(f"braking must be positive, got {braking}")
        self.braking, self.vehicle_model = braking, vehicle_model or VehicleModel()

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Nothing to prepare."""

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2]."""
        scene = SceneState.from_vector(info["scene"])
        steer = steer_along_route(scene[None], self.vehicle_model)[0]
        pedal = choose_pedal(-self.braking, float(scene.speed), self.vehicle_model)
        return np.array([steer, pedal], np.float32)
