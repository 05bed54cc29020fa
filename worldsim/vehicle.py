"""The ego's motion, computed rather than learned: a bicycle with pedal and steering response. numpy, batched, pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VEHICLE_NAMES = ("x", "y", "yaw", "speed", "acceleration", "steer_angle")
"""Ground frame [m, m, rad], [m/s], [m/s²], front wheels [rad]."""

MOTION_NAMES = ("dx", "dy", "dyaw", "speed", "acceleration", "steer_angle")
"""A step's displacement in the vehicle frame it started from [m, m, rad]; the rest as after the step."""


@dataclass(frozen=True, kw_only=True)
class VehicleModel:
    """A kinematic bicycle whose drive force and steering follow their commands with a lag.

    Defaults are near CARLA's vehicle.nissan.patrol (see tests/test_vehicle.py for how near).

    Args:
        wheelbase: [m].
        max_steer_angle: front-wheel angle at full steer [rad].
        steer_lag: time constant of the steering [s].
        max_acceleration: at full throttle from standstill [m/s²].
        max_braking: at full brake [m/s²].
        pedal_lag: time constant of drive and brake force [s].
        rolling_drag: deceleration of a coasting vehicle at low speed [m/s²].
        air_drag: deceleration per squared speed [1/m].
        max_lateral_acceleration: tyres slide wide beyond this [m/s²].
        length: [m].
        width: [m].
    """

    wheelbase: float = 2.84
    max_steer_angle: float = 1.08
    steer_lag: float = 0.07
    max_acceleration: float = 4.5
    max_braking: float = 8.0
    pedal_lag: float = 0.25
    rolling_drag: float = 0.25
    air_drag: float = 0.0012
    max_lateral_acceleration: float = 7.0
    length: float = 4.6
    width: float = 1.9

    def yaw_rate(self, vehicle: np.ndarray) -> np.ndarray:
        """[rad/s] of vehicle states [..., 6]; limited by the tyres' grip."""
        v = vehicle[..., 3]
        rate = v * np.tan(vehicle[..., 5]) / self.wheelbase
        limit = self.max_lateral_acceleration / np.maximum(np.abs(v), 1e-3)
        return np.clip(rate, -limit, limit)

    def step(self, vehicle: np.ndarray, control: np.ndarray, dt: float, num_substeps: int = 4) -> np.ndarray:
        """The state [..., 6] (VEHICLE_NAMES) after `dt` seconds of control [..., 4] (CONTROL_NAMES)."""
        vehicle = np.array(vehicle, np.float64)
        control = np.asarray(control, np.float64)
        h = dt / num_substeps
        steer_gain, pedal_gain = -np.expm1(-h / self.steer_lag), -np.expm1(-h / self.pedal_lag)
        x, y, yaw, v, a, delta = (vehicle[..., i] for i in range(6))
        steer, throttle, brake, reverse = (control[..., i] for i in range(4))
        direction = np.where(reverse > 0.5, -1.0, 1.0)
        for _ in range(num_substeps):
            delta = delta + steer_gain * (steer * self.max_steer_angle - delta)
            a = a + pedal_gain * (direction * throttle * self.max_acceleration - a)
            new_v = v + h * a
            resistance = h * (brake * self.max_braking + self.rolling_drag + self.air_drag * v * v)
            new_v = np.sign(new_v) * np.maximum(np.abs(new_v) - resistance, 0.0)
            mean_v = 0.5 * (v + new_v)
            state = np.stack([x, y, yaw, mean_v, a, delta], axis=-1)
            turn = h * self.yaw_rate(state)
            x = x + h * mean_v * np.cos(yaw + turn / 2)
            y = y + h * mean_v * np.sin(yaw + turn / 2)
            yaw = yaw + turn
            v = new_v
        return np.stack([x, y, yaw, v, a, delta], axis=-1)


def motion_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """MOTION_NAMES [..., 6] of the step from vehicle states `before` to `after` [..., 6]."""
    d = after[..., :2] - before[..., :2]
    c, s = np.cos(before[..., 2]), np.sin(before[..., 2])
    dyaw = (after[..., 2] - before[..., 2] + np.pi) % (2 * np.pi) - np.pi
    dx, dy = c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]
    return np.stack([dx, dy, dyaw, after[..., 3], after[..., 4], after[..., 5]], axis=-1)
