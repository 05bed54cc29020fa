"""PixelPlanner: a policy that sees camera frames, its speed and the route command, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from policies.pixels.network import PixelNetwork
from policies.pixels.vision import Vision, fit_frame
from policies.rule_based import choose_pedal, steer_along_route
from worldsim.datatypes.scene import EgoColumn, SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv


class PixelPlanner:
    """Drives by a PixelNetwork: pure pursuit of the route points it sees, and the acceleration it asks for.

    Args:
        network: trained by `drivedit clone`.
        vision: what its sight suffers from.
        vehicle_model: the car it inverts to turn curvature and acceleration into steer and pedal.
    """

    uses_pictures = True

    def __init__(
        self, network: PixelNetwork, vision: Vision | None = None, vehicle_model: VehicleModel | None = None
    ) -> None:
        self.network = network.eval()
        self.vision = vision or Vision()
        self.vehicle_model = vehicle_model or VehicleModel()

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Look at what the camera saw before the start."""
        past = env.start_clip().frames[:-1]  # the newest comes with the first call of `act`
        self._frames: deque[np.ndarray] = deque(map(fit_frame, past), maxlen=max(self.vision.ages) + 1)

    def look(self, frame: np.ndarray) -> np.ndarray:
        """The pictures uint8 [k, h, w, 3] that it sees with the newest frame.

        Raises:
            ValueError: the frame is empty or not square.
        """
        self._frames.append(fit_frame(frame))
        oldest = len(self._frames) - 1
        return self.vision.see(np.stack([self._frames[oldest - min(age, oldest)] for age in self.vision.ages]))

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2].

        Raises:
            ValueError: the frame is empty or not square.
        """
        pictures, scene = self.look(frame), SceneState.from_vector(info["scene"])[None]
        with torch.inference_mode():
            intention = self.network(
                torch.from_numpy(pictures)[None],
                torch.from_numpy(scene.speed),
                torch.from_numpy(scene.command).long(),
            )
        return self.drive(scene.speed, intention.route.numpy(), intention.acceleration.numpy())[0]

    def drive(self, speed: np.ndarray, route: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
        """The actions float32 [n, 2] that follow routes [n, 10, 2] [m] with accelerations [n] [m/s²] at speeds [n]."""
        scenes = SceneState.empty(speed.shape)
        scenes.ego[:, EgoColumn.SPEED] = speed
        scenes.route[:], scenes.route_valid[:] = route, True
        steer = steer_along_route(scenes, self.vehicle_model)
        return np.stack([steer, choose_pedal(acceleration, speed, self.vehicle_model)], axis=-1).astype(np.float32)
