"""The ego's motion, computed rather than learned: a bicycle with pedal and steering response. numpy, batched, pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np

VEHICLE_NAMES = ("x", "y", "yaw", "speed", "acceleration", "steer_angle")
"""Ground frame [m, m, rad], [m/s], [m/s²], front wheels [rad]."""


class VehicleColumn(IntEnum):
    """Columns of VEHICLE_NAMES."""

    X = 0
    Y = 1
    YAW = 2
    SPEED = 3
    ACCELERATION = 4
    STEER_ANGLE = 5


MOTION_NAMES = ("dx", "dy", "dyaw", "speed", "acceleration", "steer_angle")
"""A step's displacement in the vehicle frame it started from [m, m, rad]; the rest as after the step."""


@dataclass(frozen=True, kw_only=True)
class VehicleModel:
    """A kinematic bicycle whose drive force and steering follow their commands with a lag.

    Defaults are near CARLA's vehicle.nissan.patrol: over 267 open-loop windows of 2 s from three recorded
    drives the speed is off by 0.39 m/s RMS (2.9 m/s standard deviation) and the yaw rate by 2.7 °/s RMS
    (8.1 °/s); the recorded steady turn at steer 0.05 is met within 0.1 °/s. CARLA's take-off delay of
    up to 3 s (clutch and gears) is left out on purpose. Like there, a coasting car slows clearly.

    Args:
        wheelbase: [m].
        max_steer_angle: front-wheel angle at full steer [rad].
        steer_lag: time constant of the steering [s].
        max_acceleration: drive force at full throttle, before resistance [m/s²].
        max_braking: brake force at full brake, resistance adds to it [m/s²].
        pedal_lag: time constant of drive and brake force [s].
        rolling_drag: deceleration of a coasting vehicle at low speed, engine brake included [m/s²].
        air_drag: deceleration per squared speed [1/m].
        max_lateral_acceleration: tyres slide wide beyond this [m/s²].
        length: [m].
        width: [m].

    Raises:
        ValueError: a number is not finite, or is not positive where it must be.
    """

    wheelbase: float = 2.84
    max_steer_angle: float = 1.08
    steer_lag: float = 0.07
    max_acceleration: float = 6.4
    max_braking: float = 6.0
    pedal_lag: float = 0.1
    rolling_drag: float = 2.3
    air_drag: float = 0.001
    max_lateral_acceleration: float = 7.0
    length: float = 4.6
    width: float = 1.9

    def __post_init__(self) -> None:
        for field in fields(self):
            value, may_be_zero = getattr(self, field.name), field.name in ("rolling_drag", "air_drag")
            if not (math.isfinite(value) and (value > 0 or (may_be_zero and value == 0))):
                right = "at least 0" if may_be_zero else "above 0"
                raise ValueError(f"vehicle: {field.name} must be a finite number {right}, got {value}")

    def of_size(self, length: float, width: float) -> VehicleModel:
        """A vehicle of another length and width [m] that drives alike, with a wheelbase that fits."""
        return replace(self, wheelbase=self.wheelbase * length / self.length, length=length, width=width)

    def yaw_rate(self, vehicle: np.ndarray) -> np.ndarray:
        """[rad/s] of vehicle states [..., 6]; limited by the tyres' grip."""
        v = vehicle[..., VehicleColumn.SPEED]
        rate = v * np.tan(vehicle[..., VehicleColumn.STEER_ANGLE]) / self.wheelbase
        limit = self.max_lateral_acceleration / np.maximum(np.abs(v), 1e-3)
        return np.clip(rate, -limit, limit)

    def steer_command(self, curvature: np.ndarray | float) -> np.ndarray:
        """The env's first action, positive left, that drives a circle of `curvature` [1/m]; not clipped to [-1, 1].

        Inverts `step` but for the steering lag, and `yaw_rate` within the tyres' grip.
        """
        return np.arctan(self.wheelbase * np.asarray(curvature)) / self.max_steer_angle

    def acceleration_command(self, acceleration: np.ndarray | float, speed: np.ndarray | float) -> np.ndarray:
        """The env's second action in [-1, 1] that yields `acceleration` [m/s²] at forward `speed` [m/s].

        Throttle overcomes the resistance; the brake adds to it. Inverts `step` but for the pedal lag.
        """
        wanted = np.asarray(acceleration, np.float64)
        force = wanted + self.rolling_drag + self.air_drag * np.square(np.asarray(speed, np.float64))
        return np.clip(np.where(force > 0, force / self.max_acceleration, force / self.max_braking), -1.0, 1.0)

    def step(self, vehicle: np.ndarray, control: np.ndarray, dt: float, num_substeps: int = 4) -> np.ndarray:
        """The state [..., 6] (VEHICLE_NAMES) after `dt` seconds of control [..., 4] (CONTROL_NAMES)."""
        vehicle = np.array(vehicle, np.float64)
        control = np.asarray(control, np.float64)
        if vehicle.ndim == control.ndim == 1:
            return self._step_one(vehicle, control, dt, num_substeps)
        if vehicle.ndim == control.ndim == 2 and len(vehicle) == len(control) == 1:
            return self._step_one(vehicle[0], control[0], dt, num_substeps)[None]
        h = dt / num_substeps
        steer_gain, pedal_gain = -np.expm1(-h / self.steer_lag), -np.expm1(-h / self.pedal_lag)
        x, y, yaw, v, a, delta = (vehicle[..., i] for i in range(6))
        steer, throttle, brake, reverse = (control[..., i] for i in range(4))
        drive = np.where(reverse > 0.5, -1.0, 1.0) * throttle * self.max_acceleration
        for _ in range(num_substeps):
            delta = delta + steer_gain * (steer * self.max_steer_angle - delta)
            resistance = brake * self.max_braking + self.rolling_drag + self.air_drag * v * v
            starting = np.sign(drive) * np.maximum(np.abs(drive) - resistance, 0.0)
            wanted = np.where(v == 0.0, starting, drive - np.sign(v) * resistance)
            a = a + pedal_gain * (wanted - a)
            new_v = v + h * a
            stopped = (v * new_v < 0.0) | ((v == 0.0) & (wanted == 0.0))
            new_v, a = np.where(stopped, 0.0, new_v), np.where(stopped, 0.0, a)
            mean_v = 0.5 * (v + new_v)
            state = np.stack([x, y, yaw, mean_v, a, delta], axis=-1)
            turn = h * self.yaw_rate(state)
            x = x + h * mean_v * np.cos(yaw + turn / 2)
            y = y + h * mean_v * np.sin(yaw + turn / 2)
            yaw = yaw + turn
            v = new_v
        return np.stack([x, y, yaw, v, a, delta], axis=-1)

    def _step_one(self, vehicle: np.ndarray, control: np.ndarray, dt: float, num_substeps: int) -> np.ndarray:
        """`step` of a single vehicle [6] to the same bits, in plain numbers: numpy takes ten times as long for one."""
        h = dt / num_substeps
        steer_gain, pedal_gain = -float(np.expm1(-h / self.steer_lag)), -float(np.expm1(-h / self.pedal_lag))
        x, y, yaw, v, a, delta = vehicle.tolist()
        steer, throttle, brake, reverse = control.tolist()
        drive = (-1.0 if reverse > 0.5 else 1.0) * throttle * self.max_acceleration
        for _ in range(num_substeps):
            delta = delta + steer_gain * (steer * self.max_steer_angle - delta)
            resistance = brake * self.max_braking + self.rolling_drag + self.air_drag * v * v
            if v == 0.0:
                wanted = math.copysign(max(abs(drive) - resistance, 0.0), drive)
            else:
                wanted = drive - math.copysign(resistance, v)
            a = a + pedal_gain * (wanted - a)
            new_v = v + h * a
            if v * new_v < 0.0 or (v == 0.0 and wanted == 0.0):
                new_v, a = 0.0, 0.0
            mean_v = 0.5 * (v + new_v)
            limit = self.max_lateral_acceleration / max(abs(mean_v), 1e-3)
            rate = mean_v * float(np.tan(delta)) / self.wheelbase
            turn = h * min(max(rate, -limit), limit)
            x = x + h * mean_v * float(np.cos(yaw + turn / 2))
            y = y + h * mean_v * float(np.sin(yaw + turn / 2))
            yaw = yaw + turn
            v = new_v
        return np.array([x, y, yaw, v, a, delta])


def pursuit_curvature(x: np.ndarray | float, y: np.ndarray | float, least_square: float = 1e-6) -> np.ndarray:
    """Curvature [1/m], positive left, of the circle that starts along the x axis and meets (x, y): pure pursuit.

    Coulter 1992, "Implementation of the Pure Pursuit Path Tracking Algorithm".

    Args:
        x: ahead [m].
        y: to the left [m].
        least_square: the squared distance counts at least this much [m²].
    """
    return 2 * y / np.maximum(x * x + y * y, least_square)


def motion_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """MOTION_NAMES [..., 6] of the step from vehicle states `before` to `after` [..., 6]."""
    d = after[..., :2] - before[..., :2]
    yaw = before[..., VehicleColumn.YAW]
    c, s = np.cos(yaw), np.sin(yaw)
    dx = c * d[..., 0] + s * d[..., 1]
    dy = c * d[..., 1] - s * d[..., 0]
    dyaw = (after[..., VehicleColumn.YAW] - yaw + np.pi) % (2 * np.pi) - np.pi
    speed, acceleration, steer_angle = np.moveaxis(after[..., VehicleColumn.SPEED :], -1, 0)
    return np.stack([dx, dy, dyaw, speed, acceleration, steer_angle], axis=-1)
