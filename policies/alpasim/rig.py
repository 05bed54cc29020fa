"""AlpaSim's rig frame and ours. The rig's origin is on the ground below the rear axle, ours below the ego's centre.

Both are right-handed, x forward, y left, z up; only the origins differ, by half a wheelbase along x. Of a plan that a
driver makes for its rear axle, our centre drives what the same rigid body's centre would.
"""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

TICKS = 1_000_000
"""The contract's clock: microseconds in a second."""


def rear_axle(model: VehicleModel) -> float:
    """How far the rig's origin lies behind the centre [m]."""
    return model.wheelbase / 2


def nose(model: VehicleModel) -> float:
    """From the rig's origin to the front bumper [m]."""
    return rear_axle(model) + model.length / 2


def rig_poses(vehicles: np.ndarray, model: VehicleModel) -> np.ndarray:
    """Poses [..., 3] (x, y, yaw) of the rig of VEHICLE_NAMES [..., 6], in the same ground frame."""
    return shift_poses(vehicles[..., : VehicleColumn.YAW + 1], -rear_axle(model))


def centre_poses(rigs: np.ndarray, model: VehicleModel) -> np.ndarray:
    """Poses [..., 3] of the ego's centre for poses [..., 3] of its rig; inverts `rig_poses`."""
    return shift_poses(rigs, rear_axle(model))


def shift_poses(poses: np.ndarray, ahead: float) -> np.ndarray:
    """Poses [..., 3] moved `ahead` along their own headings [m]."""
    x, y, yaw = np.moveaxis(np.asarray(poses, np.float64), -1, 0)
    return np.stack([x + ahead * np.cos(yaw), y + ahead * np.sin(yaw), yaw], axis=-1)


def relative_poses(poses: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Poses [..., 3] of a frame in which `origin` [3] stands, seen from it."""
    x, y, yaw = (poses[..., k] - origin[k] for k in range(3))
    c, s = np.cos(origin[2]), np.sin(origin[2])
    return np.stack([c * x + s * y, c * y - s * x, wrap_angle(yaw)], axis=-1)


def ground_poses(poses: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Poses [..., 3] seen from `origin` [3], in the frame in which that stands; inverts `relative_poses`."""
    x, y, yaw = np.moveaxis(poses, -1, 0)
    c, s = np.cos(origin[2]), np.sin(origin[2])
    return np.stack([origin[0] + c * x - s * y, origin[1] + s * x + c * y, origin[2] + yaw], axis=-1)


def rig_velocity(speed: float, yaw_rate: float, model: VehicleModel) -> tuple[float, float]:
    """Velocity of the rig's origin along its x and y [m/s], of an ego whose centre moves along its heading."""
    return speed, -yaw_rate * rear_axle(model)
