"""Action smoothing: keys, mouse and gamepad become a smooth steering and pedal action."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.viewer.held import Held
from worldsim.datatypes.vehicle import VehicleModel


@dataclass(frozen=True, kw_only=True)
class ActionSmootherConfig:
    """How keys become steering and pedals.

    Args:
        steer_rate: steering turned in a second while a key is held [1/s].
        centre_rate: steering given back in a second when let go [1/s].
        pedal_rate: pedal pressed in a second while held [1/s].
        release_rate: pedal released in a second when let go [1/s].
        follow_rate: steering or pedal moved in a second towards where a mouse or a stick holds it [1/s].
        lateral_acceleration: full deflection never asks for more than this [m/s²].

    Raises:
        ValueError: a value is not positive.
    """

    steer_rate: float = 1.6
    centre_rate: float = 2.4
    pedal_rate: float = 2.5
    release_rate: float = 5.0
    follow_rate: float = 6.4
    lateral_acceleration: float = 4.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")


class ActionSmoother:
    """Turns what is held into a smooth action: steering ramps up and centres itself, and is finer at speed."""

    def __init__(self, config: ActionSmootherConfig | None = None, vehicle: VehicleModel | None = None) -> None:
        self.config = ActionSmootherConfig() if config is None else config
        self.vehicle = VehicleModel() if vehicle is None else vehicle
        self.steer = self.throttle = self.brake = 0.0

    def reset(self) -> None:
        """Let go of everything."""
        self.steer = self.throttle = self.brake = 0.0

    def steer_limit(self, speed: float) -> float:
        """The steering in (0, 1] that reaches the configured lateral acceleration at `speed` [m/s]."""
        curvature = self.config.lateral_acceleration / max(speed * speed, 1e-6)
        return min(1.0, float(self.vehicle.steer_command(curvature)))

    @property
    def action(self) -> np.ndarray:
        """Steer and acceleration as they stand now, float32 [2]."""
        return np.array([self.steer, self.throttle - self.brake], np.float32).clip(-1, 1)

    def update(self, held: Held, speed: float, seconds: float) -> None:
        """Move steering and pedals as `held` for `seconds` at `speed` [m/s]."""
        c, limit = self.config, self.steer_limit(speed)
        direction = float(held.left) - float(held.right)
        if held.steer is not None:
            self.steer = _move_toward(self.steer, held.steer * limit, c.follow_rate * seconds)
        elif direction and direction * self.steer >= 0:
            self.steer = _move_toward(self.steer, direction * limit, c.steer_rate * limit * seconds)
        else:  # let go, or counter-steering through the centre
            rate = c.centre_rate * max(limit, abs(self.steer))
            self.steer = _move_toward(self.steer, direction * limit, rate * seconds)
        if held.pedal is not None:
            self.throttle = _move_toward(self.throttle, max(held.pedal, 0.0), c.follow_rate * seconds)
            self.brake = _move_toward(self.brake, max(-held.pedal, 0.0), c.follow_rate * seconds)
        else:
            self.throttle = self._move_pedal(self.throttle, held.accelerate, seconds)
            self.brake = self._move_pedal(self.brake, held.brake, seconds)
        if held.full_brake:
            self.brake = 1.0

    def _move_pedal(self, value: float, pressed: bool, seconds: float) -> float:
        rate = self.config.pedal_rate if pressed else self.config.release_rate
        return _move_toward(value, float(pressed), rate * seconds)


def _move_toward(value: float, target: float, step: float) -> float:
    return target if abs(target - value) <= step else value + float(np.sign(target - value)) * step
