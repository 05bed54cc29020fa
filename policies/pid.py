"""PID: the controller of textbooks, once for all that follow a speed."""

from __future__ import annotations


class PID:
    """A correction from an error: proportional, integral and derivative.

    Args:
        proportional: gain on the error.
        integral: gain on what it adds up to [1/s].
        derivative: gain on its change [s].
        max_integral: the integral part never corrects by more than this, so that it does not wind up.
    """

    def __init__(self, *, proportional: float, integral: float, derivative: float, max_integral: float) -> None:
        self._proportional, self._integral, self._derivative = proportional, integral, derivative
        self._max_integral = max_integral
        self.reset()

    def reset(self) -> None:
        """Forget past errors."""
        self._added_up, self._error = 0.0, None

    def correct(self, error: float, dt: float) -> float:
        """The correction; called once each `dt` [s]."""
        change = 0.0 if self._error is None else (error - self._error) / dt
        self._error = error
        added_up = self._added_up + self._integral * error * dt
        self._added_up = min(max(added_up, -self._max_integral), self._max_integral)
        return self._proportional * error + self._added_up + self._derivative * change
