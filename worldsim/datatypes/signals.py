"""Traffic lights, stop and yield signs: what a control shows, and the cycles that lights go through. numpy only."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

SIGNAL_RANGE = 80.0
"""Stop lines farther ahead than this are not told [m]."""
SIGNAL_BEHIND = 2.0
"""A stop line still counts until it is this far behind the front bumper [m]: a car that halts late waits on it."""


class SignalKind(IntEnum):
    """What the next control on the route shows: the state of a light, or a sign; NONE: there is no control."""

    NONE = 0
    RED = 1
    YELLOW = 2
    GREEN = 3
    STOP = 4
    YIELD = 5


LIGHT_CYCLE_NAMES = ("period", "offset", "green", "yellow")
"""A light's cycle [s]: every `period`, from `offset` on, it is green for `green`, yellow for `yellow`, then red."""


class LightCycleColumn(IntEnum):
    """Columns of LIGHT_CYCLE_NAMES."""

    PERIOD = 0
    OFFSET = 1
    GREEN = 2
    YELLOW = 3


ROUTE_SIGNAL_NAMES = ("s", "kind", "period", "offset", "green", "yellow")
"""A stop line along a route: its arc length [m], SignalKind (RED stands for a light, of this cycle; STOP; YIELD), and
the light's LIGHT_CYCLE_NAMES, 0 for a sign."""


class RouteSignalColumn(IntEnum):
    """Columns of ROUTE_SIGNAL_NAMES."""

    S = 0
    KIND = 1
    PERIOD = 2
    OFFSET = 3
    GREEN = 4
    YELLOW = 5


NO_SIGNALS = np.zeros((0, len(ROUTE_SIGNAL_NAMES)), np.float32)
"""Of a route that is known to have no controls; None stands for a route of which that is not known."""


def light_states(cycles: ArrayLike, time: ArrayLike) -> np.ndarray:
    """What lights show at a time: SignalKind RED, YELLOW or GREEN, int64 [...].

    Args:
        cycles: LIGHT_CYCLE_NAMES, [..., 4].
        time: [s]; one for all, or of a shape that broadcasts with [...].

    Raises:
        ValueError: the last dim of `cycles` is not 4.
    """
    c = np.asarray(cycles, np.float64)
    if c.shape[-1:] != (len(LIGHT_CYCLE_NAMES),):
        raise ValueError(f"light cycles have shape [..., 4] = {', '.join(LIGHT_CYCLE_NAMES)}, got {c.shape}")
    period = c[..., LightCycleColumn.PERIOD]
    green = c[..., LightCycleColumn.GREEN]
    phase = np.mod(np.asarray(time, np.float64) - c[..., LightCycleColumn.OFFSET], np.where(period > 0, period, np.inf))
    in_yellow = phase < green + c[..., LightCycleColumn.YELLOW]
    return np.where(
        phase < green, int(SignalKind.GREEN), np.where(in_yellow, int(SignalKind.YELLOW), int(SignalKind.RED))
    )
