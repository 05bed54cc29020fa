"""WaypointController: steer and acceleration that bring the car to its waypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.pid import PID
from policies.rule_based import choose_pedal
from worldsim.datatypes.vehicle import VehicleModel, pursuit_curvature


@dataclass(frozen=True, kw_only=True)
class ControllerConfig:
    """How waypoints are followed.

    Args:
        lookahead_time: pure pursuit aims at the path through the waypoints this far ahead [s].
        min_lookahead: and at least this far, as far as the waypoints reach [m].
        proportional: acceleration per speed too little [1/s].
        integral: per speed too little over time [1/s²].
        derivative: per change of it.
        max_integral: the integral part counts no more than this [m/s²].
        least_reach: waypoints that end nearer than this are a car at rest, whose wheels are not turned [m].

    Raises:
        ValueError: a value is negative, or a distance or time is 0.
    """

    lookahead_time: float = 0.9
    min_lookahead: float = 4.0
    proportional: float = 1.3
    integral: float = 0.1
    derivative: float = 0.0
    max_integral: float = 0.2
    least_reach: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        for name in ("lookahead_time", "min_lookahead", "least_reach"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


class WaypointController:
    """Pure pursuit of the path through the waypoints, and a PID controller of the speed between the first two.

    Args:
        times: of the waypoints, at least two, rising [s].
        config: how they are followed.
        vehicle_model: the car it inverts to turn curvature and acceleration into steer and pedal.
    """

    def __init__(
        self,
        times: tuple[float, ...],
        config: ControllerConfig | None = None,
        vehicle_model: VehicleModel | None = None,
    ) -> None:
        self.times = times
        self.config = config or ControllerConfig()
        self.vehicle_model = vehicle_model or VehicleModel()
        self._pid = PID(
            proportional=self.config.proportional,
            integral=self.config.integral,
            derivative=self.config.derivative,
            max_integral=self.config.max_integral,
        )
        self.reset()

    def reset(self) -> None:
        """Forget past errors."""
        self._steer = 0.0
        self._pid.reset()

    def act(self, waypoints: np.ndarray, speed: float, dt: float) -> np.ndarray:
        """The action float32 [2] at `speed` [m/s] towards waypoints [k, 2] in the vehicle frame [m]; called once each
        `dt` [s]."""
        return np.array([self._choose_steer(waypoints, speed), self._choose_pedal(waypoints, speed, dt)], np.float32)

    def _choose_steer(self, waypoints: np.ndarray, speed: float) -> float:
        path = np.concatenate([np.zeros((1, 2)), waypoints.astype(np.float64)])
        arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
        if arcs[-1] >= self.config.least_reach:
            lookahead = max(self.config.min_lookahead, self.config.lookahead_time * speed)
            x, y = (float(np.interp(lookahead, arcs, path[:, i])) for i in range(2))
            command = float(self.vehicle_model.steer_command(pursuit_curvature(x, y)))
            self._steer = min(max(command, -1.0), 1.0)
        return self._steer

    def _choose_pedal(self, waypoints: np.ndarray, speed: float, dt: float) -> float:
        step = waypoints[1].astype(np.float64) - waypoints[0]
        wanted = float(np.hypot(*step)) / (self.times[1] - self.times[0])
        if step[0] < 0:  # it never reverses
            wanted = 0.0
        acceleration = self._pid.correct(wanted - speed, dt)
        return float(choose_pedal(acceleration, speed, self.vehicle_model))
