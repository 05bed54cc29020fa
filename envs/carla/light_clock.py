"""The cycles of a server's traffic lights, learned by watching them: the API tells how long a light is green and
yellow, but not when its turn comes. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.signals import LIGHT_CYCLE_NAMES, LightCycleColumn, SignalKind, light_states

SLACK = 2
"""A light may change so many steps from when it is expected to: times are known to the step."""


class LightClock:
    """Watches lights that switch by fixed times. A light's cycle is known once it has been seen to turn red and green
    again; where it stands in its cycle is forgotten when it shows something else.

    Args:
        greens: how long each is green, float64 [n] [s].
        yellows: and yellow.
        dt: time between two looks in a row [s].
    """

    def __init__(self, greens: np.ndarray, yellows: np.ndarray, dt: float) -> None:
        self._cycles = np.full((len(greens), len(LIGHT_CYCLE_NAMES)), np.nan)
        self._cycles[:, LightCycleColumn.GREEN], self._cycles[:, LightCycleColumn.YELLOW] = greens, yellows
        self._dt = dt
        self._states: np.ndarray | None = None
        self._time = 0.0

    def watch(self, time: float, states: np.ndarray) -> None:
        """At `time` [s] of the server's clock the lights show `states`, SignalKind, int64 [n]."""
        in_a_row = self._states is not None and time - self._time < 1.5 * self._dt
        offsets, periods = self._cycles[:, LightCycleColumn.OFFSET], self._cycles[:, LightCycleColumn.PERIOD]
        if not in_a_row:  # a turn may have been missed
            offsets[np.isnan(periods)] = np.nan
        expected = self._as_expected(time, states)
        if not in_a_row and not expected.all():  # all were set anew, as by another episode of a served world
            expected = np.zeros(len(states), bool)
        offsets[~expected] = np.nan

        if in_a_row:
            assert self._states is not None
            changed = states != self._states
            begun = time - self._since_green(states)
            turned = changed & (states == SignalKind.GREEN) & np.isfinite(offsets) & (begun - offsets > self._dt)
            periods[turned & np.isnan(periods)] = (begun - offsets)[turned & np.isnan(periods)]
            offsets[changed] = begun[changed]
        self._time, self._states = time, states.copy()

    def cycles(self) -> np.ndarray | None:
        """LIGHT_CYCLE_NAMES, float64 [n, 4]; time 0 is that of the last look. None while one light's is not known."""
        if np.isnan(self._cycles).any():
            return None
        found = self._cycles.copy()
        offsets = found[:, LightCycleColumn.OFFSET] - self._time
        found[:, LightCycleColumn.OFFSET] = np.mod(offsets, found[:, LightCycleColumn.PERIOD])
        return found

    def _since_green(self, states: np.ndarray) -> np.ndarray:
        """How long ago lights that have just come to show `states` [n] turned green, [n] [s]; NaN of those that are
        off."""
        greens, yellows = self._cycles[:, LightCycleColumn.GREEN], self._cycles[:, LightCycleColumn.YELLOW]
        ago = np.full(len(states), np.nan)
        ago[states == SignalKind.GREEN] = 0.0
        ago[states == SignalKind.YELLOW] = greens[states == SignalKind.YELLOW]
        ago[states == SignalKind.RED] = (greens + yellows)[states == SignalKind.RED]
        return ago

    def _as_expected(self, time: float, states: np.ndarray) -> np.ndarray:
        """Which lights [n] show what their cycles say, or have none yet."""
        known = np.isfinite(self._cycles).all(axis=1)
        around = time + self._dt * np.arange(-SLACK, SLACK + 1)
        shown = light_states(np.where(known, self._cycles.T, 1.0).T, around[:, None])
        return ~known | (shown == states).any(axis=0)
