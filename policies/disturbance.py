"""A disturbance pushes a car off its lane's centre; the policy that drives it has to bring it back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.policy import Policy
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

SETTLING = 2.0
"""The heading is corrected within about this distance [m], so that it is reached before the offset is."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How far a car is pushed, at constant speed, on a straight road.

    Args:
        offset: from the lane's centre, positive left [m].
        heading: against the lane, on the side of the offset, so that the car is still moving away; above 0 [rad].

    Raises:
        ValueError: the offset is 0, or the heading not in (0, π/4).
    """

    offset: float
    heading: float

    def __post_init__(self) -> None:
        if self.offset == 0:
            raise ValueError("a disturbance needs an offset other than 0, got 0")
        if not 0 < self.heading < math.pi / 4:
            raise ValueError(f"heading must lie in (0, π/4) rad, got {self.heading}")

    def outward(self, lateral_offset: np.ndarray | float) -> np.ndarray:
        """How far a car at `lateral_offset` [m] is to the side that it is pushed to [m]."""
        return np.asarray(lateral_offset) * math.copysign(1.0, self.offset)

    def reached(self, lateral_offset: np.ndarray | float) -> np.ndarray:
        """Whether a car at `lateral_offset` [m] is as far out as it is pushed."""
        return self.outward(lateral_offset) >= abs(self.offset)


class DisturbedPolicy:
    """A policy that takes over when its car has been pushed off the lane's centre. It watches from the beginning.

    What pushes looks at the true state, so that it pushes alike in every world.

    Args:
        policy: drives from then on.
        disturbance: how far the car is pushed.
    """

    def __init__(self, policy: Policy, disturbance: Disturbance) -> None:
        self.policy, self.disturbance = policy, disturbance
        self._vehicle_model = VehicleModel()

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Begin with a push."""
        self.policy.reset(env, seed)
        self._pushes = True

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2]."""
        scene = SceneState.from_vector(info["scene"])  # a copy, taken before the policy may write into what it is shown
        action = self.policy.act(frame, info)
        self._pushes = self._pushes and not self.disturbance.reached(float(scene.lateral_offset))
        return self._push(scene) if self._pushes else action

    def _push(self, scene: SceneState) -> np.ndarray:
        """Steer towards the disturbance's heading, at the speed of the moment."""
        wanted = math.copysign(self.disturbance.heading, self.disturbance.offset)
        curvature = (wanted - float(scene.heading_error)) / SETTLING
        steer = np.clip(self._vehicle_model.steer_command(curvature), -1.0, 1.0)
        pedal = self._vehicle_model.acceleration_command(0.0, float(scene.speed))
        return np.array([steer, pedal], np.float32)
