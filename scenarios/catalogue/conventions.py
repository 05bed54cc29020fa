"""What the catalogue's scenarios have in common: units, lanes, and when their events begin."""

from __future__ import annotations

from scenarios.parameters import Parameter

KMH = 1 / 3.6
"""[m/s]."""
NOTICE = 0.5
"""The event begins this long before time 0, so that the start shows it [s]."""
LANE_WIDTH = 3.5
"""Between the centres of neighbouring lanes [m]."""


def ego_speed(low: float, high: float) -> Parameter:
    """The ego's speed at the start [km/h]."""
    return Parameter(name="ego speed", unit="km/h", low=low, high=high)
