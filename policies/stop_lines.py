"""What the light or sign ahead asks of a driver, from the SceneState alone; nothing where none is known."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import SignalKind

STOP_MARGIN = 1.0
"""How far before the stop line one comes to stand [m]."""
YIELD_SPEED = 4.0
"""Speed at which the line of a yield sign is crossed [m/s]."""
YIELD_BRAKING = 1.5
"""Deceleration counted on before a yield sign [m/s²]."""
_HALTED = 1.0
"""A car slower than this has halted, and waits even with its nose beyond the line [m/s]."""


def must_stop(scenes: SceneState, braking: float) -> np.ndarray:
    """Whether the ego is to stop before the next line, bool [...]: at red, at a stop sign, and at yellow where it can.

    A car that has passed the line drives on, unless it has come to a halt there on red.

    Args:
        scenes: [...].
        braking: hardest deceleration with which one stops at yellow [m/s²].
    """
    distance, speed = scenes.signal_distance.astype(np.float64), np.maximum(scenes.speed.astype(np.float64), 0.0)
    before = distance >= 0
    can_stop = speed**2 <= 2 * braking * distance
    red = (scenes.signal == SignalKind.RED) & (before | (speed < _HALTED))
    yellow = (scenes.signal == SignalKind.YELLOW) & before & can_stop
    stop = (scenes.signal == SignalKind.STOP) & before
    return scenes.signal_valid & (red | yellow | stop)


def find_stop_gap(scenes: SceneState, braking: float, standstill_gap: float) -> np.ndarray:
    """Gap [...] [m] to a standing car that would make a driver halt STOP_MARGIN before the line; inf without need.

    Args:
        scenes: [...].
        braking: as in `must_stop` [m/s²].
        standstill_gap: which the driver keeps to a standing car [m].
    """
    gap = scenes.signal_distance.astype(np.float64) - STOP_MARGIN + standstill_gap
    return np.where(must_stop(scenes, braking), gap, np.inf)


def bound_yield_speed(scenes: SceneState) -> np.ndarray:
    """Speed [...] [m/s] now from which a yield sign's line is reached at YIELD_SPEED; inf without one ahead."""
    ahead = scenes.signal_valid & (scenes.signal == SignalKind.YIELD)
    distance = np.maximum(scenes.signal_distance.astype(np.float64), 0.0)
    return np.where(ahead, np.sqrt(YIELD_SPEED**2 + 2 * YIELD_BRAKING * distance), np.inf)
