"""nuPlan's comfort: bounds, and the smoothed ego signals that they hold for. Of one drive or of many at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.savitzky_golay import savitzky_golay

MIN_INSTANTS = 3
"""Filters of order 2 need as many."""


@dataclass(frozen=True, kw_only=True)
class ComfortBounds:
    """nuPlan's thresholds; all must hold at every instant.

    Args:
        min_acceleration: longitudinal [m/s²].
        max_acceleration: longitudinal [m/s²].
        max_lateral_acceleration: absolute [m/s²].
        max_yaw_rate: absolute [rad/s].
        max_yaw_acceleration: absolute [rad/s²].
        max_longitudinal_jerk: absolute [m/s³].
        max_jerk: of the acceleration's magnitude, absolute [m/s³].
    """

    min_acceleration: float = -4.05
    max_acceleration: float = 2.40
    max_lateral_acceleration: float = 4.89
    max_yaw_rate: float = 0.95
    max_yaw_acceleration: float = 1.93
    max_longitudinal_jerk: float = 4.13
    max_jerk: float = 8.37


@dataclass(frozen=True, kw_only=True, eq=False)
class ComfortSignals:
    """Smoothed ego signals, each [..., t]: [m/s²], [m/s²], [rad/s], [rad/s²], [m/s³], [m/s³]."""

    acceleration: np.ndarray
    lateral_acceleration: np.ndarray
    yaw_rate: np.ndarray
    yaw_acceleration: np.ndarray
    longitudinal_jerk: np.ndarray
    jerk: np.ndarray


def smooth_motion(acceleration: np.ndarray, speed: np.ndarray, yaw_rate: np.ndarray, dt: float) -> ComfortSignals:
    """The signals after nuPlan's Savitzky–Golay filters (order 2; window 8 for accelerations, 15 for derivatives);
    windows shrink to shorter drives.

    Args:
        acceleration: along the heading, [..., t] [m/s²], of at least MIN_INSTANTS instants.
        speed: [..., t] [m/s].
        yaw_rate: [..., t] [rad/s].
        dt: between instants [s].
    """
    longitudinal, lateral = savitzky_golay(acceleration, 8), savitzky_golay(speed * yaw_rate, 8)
    return ComfortSignals(
        acceleration=longitudinal,
        lateral_acceleration=lateral,
        yaw_rate=savitzky_golay(yaw_rate, 15),
        yaw_acceleration=_derivative(yaw_rate, dt),
        longitudinal_jerk=_derivative(longitudinal, dt),
        jerk=_derivative(np.hypot(longitudinal, lateral), dt),
    )


def bounded_signals(signals: ComfortSignals, b: ComfortBounds) -> dict[str, tuple[np.ndarray, float]]:
    """Values [..., t] by name, and the bound that each must not exceed."""
    return {
        "acceleration": (signals.acceleration, b.max_acceleration),
        "braking": (-signals.acceleration, -b.min_acceleration),
        "lateral_acceleration": (np.abs(signals.lateral_acceleration), b.max_lateral_acceleration),
        "yaw_rate": (np.abs(signals.yaw_rate), b.max_yaw_rate),
        "yaw_acceleration": (np.abs(signals.yaw_acceleration), b.max_yaw_acceleration),
        "longitudinal_jerk": (np.abs(signals.longitudinal_jerk), b.max_longitudinal_jerk),
        "jerk": (np.abs(signals.jerk), b.max_jerk),
    }


def comfortable_instants(signals: ComfortSignals, bounds: ComfortBounds | None = None) -> np.ndarray:
    """Where all bounds hold, bool [..., t]."""
    limited = bounded_signals(signals, bounds or ComfortBounds())
    return np.all([values <= bound for values, bound in limited.values()], axis=0)


def _derivative(values: np.ndarray, dt: float) -> np.ndarray:
    return savitzky_golay(values, 15, derivative=1, dt=dt)
