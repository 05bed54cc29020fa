"""PIDFollower: pure pursuit, IDM and a PID for the speed, for cars that are not quite the vehicle model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.rule_based import LaneFollowerConfig, choose_acceleration, steer_along_route
from policies.speed_pid import PIDConfig, SpeedPID
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv


class PIDFollower:
    """Drives as the LaneFollower, but sees to it that the car does as it is told: the pedal is corrected by the speed
    that results. Where the car is the vehicle model, both drive nearly the same.

    Args:
        config: how it drives.
        pid: gains.
        vehicle_model: the car it inverts first.
    """

    uses_pictures = False

    def __init__(
        self,
        config: LaneFollowerConfig | None = None,
        pid: PIDConfig | None = None,
        vehicle_model: VehicleModel | None = None,
    ) -> None:
        self.config = config or LaneFollowerConfig()
        self.vehicle_model = vehicle_model or VehicleModel()
        self._pid = SpeedPID(self.vehicle_model, pid)

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Forget the last episode."""
        self._pid.reset()
        self._dt = float(env.world.dt)

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2] for `info["scene"]`."""
        scene, c = SceneState.from_vector(info["scene"]), self.config
        steer = steer_along_route(
            scene[None],
            self.vehicle_model,
            lookahead_time=c.lookahead_time,
            min_lookahead=c.min_lookahead,
            offset=c.offset,
        )[0]
        acceleration = float(choose_acceleration(scene[None], c)[0])
        return np.array([steer, self._pid.pedal(acceleration, float(scene.speed), self._dt)], np.float32)
