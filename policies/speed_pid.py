"""SpeedPID: the pedal for a wanted acceleration, of a car that is not quite the vehicle model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.pid import PID
from policies.rule_based import choose_pedal
from worldsim.datatypes.vehicle import VehicleModel


@dataclass(frozen=True, kw_only=True)
class PIDConfig:
    """Gains on the error of the speed, which is what the wanted accelerations add up to less what is driven.

    Args:
        proportional: [1/s].
        integral: [1/s²].
        derivative: without a unit.
        max_error: the speed error never counts as more than this [m/s].
        max_integral: what adds up never corrects by more than this, so that nothing winds up at full pedal [m/s²].

    Raises:
        ValueError: a gain is negative, or a bound not positive.
    """

    proportional: float = 1.0
    integral: float = 0.5
    derivative: float = 0.0
    max_error: float = 1.5
    max_integral: float = 3.0

    def __post_init__(self) -> None:
        for name in ("proportional", "integral", "derivative"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("max_error", "max_integral"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


class SpeedPID:
    """Feed-forward by the inverse of the vehicle model, and PID on what remains.

    In the reference and the learned world the car is the vehicle model, so that the feed-forward alone is exact; where
    it is not, as in CARLA, the feedback makes up for other drag, mass and engine.

    Args:
        vehicle_model: whose inverse is fed forward.
        config: gains.
    """

    def __init__(self, vehicle_model: VehicleModel, config: PIDConfig | None = None) -> None:
        self.vehicle_model, self.config = vehicle_model, config or PIDConfig()
        self._pid = PID(
            proportional=self.config.proportional,
            integral=self.config.integral,
            derivative=self.config.derivative,
            max_integral=self.config.max_integral,
        )
        self.reset()

    def reset(self) -> None:
        """Forget the last episode."""
        self._target: float | None = None
        self._pid.reset()

    def pedal(self, acceleration: float, speed: float, dt: float) -> float:
        """Pedal in [-1, 1] for a wanted acceleration [m/s²] at `speed` [m/s]; called once each `dt` [s]."""
        c = self.config
        target = speed if self._target is None else self._target
        error = float(np.clip(target - speed, -c.max_error, c.max_error))
        corrected = acceleration + self._pid.correct(error, dt)

        # from a target that is within reach: what was asked for while the pedal was at its end is forgotten
        self._target = max(speed + error + acceleration * dt, 0.0)
        return float(choose_pedal(corrected, speed, self.vehicle_model))
