"""nuPlan's comfort bounds on smoothed ego signals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import savgol_filter

from worldsim.datatypes.scene import EgoColumn, SceneState


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
    """Smoothed ego signals, each [t]: [m/s²], [m/s²], [rad/s], [rad/s²], [m/s³], [m/s³]."""

    acceleration: np.ndarray
    lateral_acceleration: np.ndarray
    yaw_rate: np.ndarray
    yaw_acceleration: np.ndarray
    longitudinal_jerk: np.ndarray
    jerk: np.ndarray


def comfort_signals(scenes: SceneState, dt: float) -> ComfortSignals:
    """The signals after nuPlan's Savitzky–Golay filters (order 2; window 8 for accelerations, 15 for derivatives).

    Args:
        scenes: leading dim [t], t at least 3; windows shrink to shorter drives.
        dt: time between instants [s].

    Raises:
        ValueError: fewer than three instants.
    """
    if len(scenes.speed) < 3:
        raise ValueError(f"comfort needs at least 3 instants, got {len(scenes.speed)}")
    yaw_rate = scenes.ego[..., EgoColumn.YAW_RATE].astype(np.float64)
    longitudinal = _smooth(scenes.ego[..., EgoColumn.ACCELERATION].astype(np.float64), 8)
    lateral = _smooth(scenes.speed * yaw_rate, 8)
    return ComfortSignals(
        acceleration=longitudinal,
        lateral_acceleration=lateral,
        yaw_rate=_smooth(yaw_rate, 15),
        yaw_acceleration=_derivative(yaw_rate, dt),
        longitudinal_jerk=_derivative(longitudinal, dt),
        jerk=_derivative(np.hypot(longitudinal, lateral), dt),
    )


def comfort_violations(signals: ComfortSignals, bounds: ComfortBounds | None = None) -> dict[str, float]:
    """Name of each broken bound to the worst value; empty for a comfortable drive."""
    b = bounds or ComfortBounds()
    upper = {
        "acceleration": (signals.acceleration, b.max_acceleration),
        "braking": (-signals.acceleration, -b.min_acceleration),
        "lateral_acceleration": (np.abs(signals.lateral_acceleration), b.max_lateral_acceleration),
        "yaw_rate": (np.abs(signals.yaw_rate), b.max_yaw_rate),
        "yaw_acceleration": (np.abs(signals.yaw_acceleration), b.max_yaw_acceleration),
        "longitudinal_jerk": (np.abs(signals.longitudinal_jerk), b.max_longitudinal_jerk),
        "jerk": (np.abs(signals.jerk), b.max_jerk),
    }
    return {name: float(values.max()) for name, (values, bound) in upper.items() if values.max() > bound}


def _smooth(values: np.ndarray, window: int) -> np.ndarray:
    return np.asarray(savgol_filter(values, min(window, len(values)), polyorder=2))


def _derivative(values: np.ndarray, dt: float) -> np.ndarray:
    return np.asarray(savgol_filter(values, min(15, len(values)), polyorder=2, deriv=1, delta=dt))
