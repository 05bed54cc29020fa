"""What CARLA clients ask of a vehicle beside pedals and steering, as controls of the vehicle model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.scene import CONTROL_NAMES
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

MASS = 1500.0
"""Of every vehicle, from which the effect of impulses and forces follows [kg]."""
SPEED_TIME = 0.5
"""In which an Ackermann control would reach its speed if its acceleration stayed as it begins [s]."""
STANDING = 0.1
"""A vehicle that is to stand is held by its brake below this [m/s]."""
FULL_BRAKE = np.array([0.0, 0.0, 1.0, 0.0], np.float32)


@dataclass(frozen=True, kw_only=True)
class AckermannTarget:
    """CARLA's VehicleAckermannControl. Its jerk is not minded.

    Args:
        steer: of the front wheels, positive left [rad].
        steer_speed: how fast these turn; 0 turns them at once [rad/s].
        speed: to be reached, negative backwards [m/s].
        acceleration: most that is used for it, either way; 0 for all that the vehicle has [m/s²].
    """

    steer: float
    steer_speed: float
    speed: float
    acceleration: float


def ackermann_control(target: AckermannTarget, vehicle: np.ndarray, model: VehicleModel, dt: float) -> np.ndarray:
    """The control float32 [4] (CONTROL_NAMES) that takes a `vehicle` [6] (VEHICLE_NAMES) to a target, for `dt` [s]."""
    angle = float(vehicle[VehicleColumn.STEER_ANGLE])
    wanted = target.steer
    if target.steer_speed > 0.0:  # the wheels follow their command with a lag
        turn = target.steer_speed * dt / -math.expm1(-dt / model.steer_lag)
        wanted = min(max(wanted, angle - turn), angle + turn)
    steer = min(max(wanted / model.max_steer_angle, -1.0), 1.0)

    speed = float(vehicle[VehicleColumn.SPEED])
    backwards = target.speed < 0.0 or (target.speed == 0.0 and speed < 0.0)
    ahead, goal = -speed if backwards else speed, abs(target.speed)
    if ahead < 0.0 or (goal == 0.0 and ahead < STANDING):
        pedal = -1.0
    else:
        limit = target.acceleration if target.acceleration > 0.0 else math.inf
        acceleration = min(max((goal - ahead) / max(SPEED_TIME, dt), -limit), limit)
        pedal = float(model.acceleration_command(acceleration, ahead))
    return _control(steer, pedal, backwards)


def holding_control(speed: float, steer: float, model: VehicleModel) -> np.ndarray:
    """The control float32 [4] under which a vehicle keeps `speed` [m/s], steered by `steer` in [-1, 1]."""
    return _control(steer, float(model.acceleration_command(0.0, abs(speed))) if speed else -1.0, speed < 0.0)


def _control(steer: float, pedal: float, backwards: bool) -> np.ndarray:
    control = np.array([steer, max(pedal, 0.0), max(-pedal, 0.0), float(backwards)], np.float32)
    assert len(control) == len(CONTROL_NAMES)
    return control
