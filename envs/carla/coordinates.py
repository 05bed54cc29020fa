"""CARLA's frame (x forward, y right, degrees clockwise) and ours (y left, radians counter-clockwise). numpy only.

The client side and the bridge convert here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from worldsim.datatypes.scene import CONTROL_NAMES


def pose_from_carla(x: float, y: float, yaw: float) -> tuple[float, float, float]:
    """x, y [m] and yaw [rad] of a pose that CARLA gives as x, y [m] and yaw [degrees]."""
    return x, -y, -math.radians(yaw)


def pose_to_carla(x: float, y: float, yaw: float) -> tuple[float, float, float]:
    """x, y [m] and yaw [degrees] in CARLA's frame of our pose."""
    return x, -y, -math.degrees(yaw)


def poses_to_carla(poses: np.ndarray) -> np.ndarray:
    """`pose_to_carla` of poses [n, 3]."""
    return np.stack([poses[:, 0], -poses[:, 1], -np.degrees(poses[:, 2])], axis=-1)


def control_from_carla(throttle: float, steer: float, brake: float, hand_brake: bool, reverse: bool) -> np.ndarray:
    """The control float32 [4] (CONTROL_NAMES) of a CARLA control, whose steer is positive to the right.

    A hand brake is a full brake.
    """
    brake = 1.0 if hand_brake else brake
    low, high = np.array([-1.0, 0.0, 0.0, 0.0]), np.ones(len(CONTROL_NAMES))
    return np.clip(np.array([-steer, throttle, brake, float(reverse)]), low, high).astype(np.float32)


def control_to_carla(control: Sequence[float] | np.ndarray) -> tuple[float, float, float, bool]:
    """throttle, steer, brake and reverse of a control [4]."""
    steer, throttle, brake, reverse = (float(value) for value in control)
    return throttle, -steer, brake, reverse > 0.5
