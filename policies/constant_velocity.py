"""ConstantVelocity: straight on at the speed of the start, whatever comes; the forecast that others are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.speed_pid import PIDConfig, SpeedPID
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv


class ConstantVelocity:
    """Holds speed and heading: the wheels straight, no acceleration. It looks at its own speed and nothing else.

    Args:
        vehicle_model: the car whose drag it makes up for.
    """

    uses_pictures = False

    def __init__(self, vehicle_model: VehicleModel | None = None) -> None:
        # without acceleration the speed to hold is that of the start: only what is lost of it is to be made up for
        self._pid = SpeedPID(vehicle_model or VehicleModel(), PIDConfig())

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Forget the last episode."""
        self._pid.reset()
        self._dt = float(env.world.dt)

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2]."""
        speed = float(SceneState.from_vector(info["scene"]).speed)
        return np.array([0.0, self._pid.pedal(0.0, speed, self._dt)], np.float32)
