"""The lights and signs along the ego's route in worlds that know their map, and whether the ego obeys them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from worldsim.datatypes.route import LANE_RANGE
from worldsim.datatypes.route_signals import (
    STOP_WITHIN,
    RouteSignals,
    SignalCompliance,
    begin_compliance,
    comply,
    next_signal,
)
from worldsim.datatypes.signals import (
    LIGHT_CYCLE_NAMES,
    ROUTE_SIGNAL_NAMES,
    SIGNAL_BEHIND,
    SIGNAL_RANGE,
    RouteSignalColumn,
    SignalKind,
)

if TYPE_CHECKING:
    from envs.maps.route import RouteStops
    from worldsim.datatypes.scene import SceneState

START_BRAKING = 4.0
"""A start at which more than this is needed to stop at a red light or a stop sign is no fair one [m/s²]."""
SAME_PLACE = 12.0
"""A sign this close to a light on the route says what holds when the light is off [m]."""
_STEP_REACH = 25.0
"""No car gets farther in a step [m]."""
_NONE = SignalCompliance(*(np.zeros(1, bool) for _ in SignalCompliance._fields))
_CYCLE = np.array([RouteSignalColumn[name.upper()] for name in LIGHT_CYCLE_NAMES])


@dataclass(frozen=True, kw_only=True, eq=False)
class SignalsAhead:
    """What an ego's route has ahead at an instant, and how the ego has obeyed it so far.

    Args:
        lines: of the route, of one ego.
        shown: SignalKind at each line, int64 [1, k].
        front: arc length of the ego's front bumper on the route, float64 [1] [m]; NaN away from the route.
        compliance: of the ego, [1].
    """

    lines: RouteSignals
    shown: np.ndarray
    front: np.ndarray
    compliance: SignalCompliance

    @staticmethod
    def begin(rows: np.ndarray, front: float, speed: float, time: float) -> SignalsAhead:
        """Of an ego that begins to drive.

        Args:
            rows: ROUTE_SIGNAL_NAMES along its route, [k, 6].
            front: arc length of its front bumper [m].
            speed: [m/s].
            time: of the lights' clock [s].
        """
        return SignalsAhead._on(rows, front, speed, time, _NONE.stopped)

    @staticmethod
    def _on(rows: np.ndarray, front: float, speed: float, time: float, stopped: np.ndarray) -> SignalsAhead:
        lines, at = RouteSignals.stack([rows]), np.array([front])
        shown = lines.shown(np.array([time]))
        compliance = begin_compliance(lines.s, shown, at, np.array([speed]), stopped)
        return SignalsAhead(lines=lines, shown=shown, front=at, compliance=compliance)

    def step(self, front: float, lateral: float, speed: float, time: float) -> SignalsAhead:
        """After a step on the same route.

        Args:
            front: arc length of the front bumper [m].
            lateral: distance from the route [m]; far away from it no line is crossed.
            speed: [m/s].
            time: of the lights' clock after the step [s].
        """
        after = np.array([front if abs(lateral) <= LANE_RANGE else np.nan])
        shown, compliance = self.shown, _NONE
        if self._has_line(front - _STEP_REACH, front + STOP_WITHIN):
            compliance = comply(self.lines.s, shown, self.front, after, np.array([speed]), self.compliance.stopped)
        if self._has_line(front - _STEP_REACH, front + SIGNAL_RANGE):
            shown = self.lines.shown(np.array([time]))
        return SignalsAhead(lines=self.lines, shown=shown, front=after, compliance=compliance)

    def follow(self, rows: np.ndarray, front: float, speed: float, time: float) -> SignalsAhead:
        """On another route from now on: what has happened in this step stays, as does a stop that was made at a stop
        sign which the new route has too. Args as in `begin`."""
        begun = SignalsAhead._on(rows, front, speed, time, self.compliance.stopped)
        return replace(begun, compliance=self.compliance._replace(stopped=begun.compliance.stopped))

    def fill(self, scene: SceneState) -> None:
        """Write what comes next into the scene of the instant; away from the route nothing is known."""
        front = self.front.item()
        scene.signal_valid[...] = np.isfinite(front)
        if scene.signal_valid and self._has_line(front - SIGNAL_BEHIND, front + SIGNAL_RANGE):
            signal, distance = next_signal(self.lines.s, self.shown, self.front, self.compliance.stopped)
            scene.signal[...], scene.signal_distance[...] = signal[0], distance[0]

    def _has_line(self, begin: float, end: float) -> bool:
        """Whether a line lies between two arc lengths [m]: mostly none does, which spares looking closer."""
        return any(begin <= s <= end for s in self.lines.s[0].tolist())

    @property
    def red_light(self) -> bool:
        """Whether the last step crossed a stop line on red."""
        return bool(self.compliance.red_light[0])

    @property
    def stop_sign_missed(self) -> bool:
        """Whether the last step passed a stop sign without a stop."""
        return bool(self.compliance.stop_sign_missed[0])


def is_fair_start(scene: SceneState) -> bool:
    """Whether the ego can still stop for a red light or stop sign ahead."""
    if not scene.signal_valid or scene.signal not in (SignalKind.RED, SignalKind.STOP):
        return True
    return bool(scene.speed**2 <= 2 * START_BRAKING * max(float(scene.signal_distance), 0.0))


def are_beside_light(s: np.ndarray, is_light: np.ndarray) -> np.ndarray:
    """Which stop lines at arc lengths `s` [k] [m] are within SAME_PLACE of that of a light, bool [k]."""
    return np.abs(s[:, None] - s[is_light]).min(-1, initial=np.inf) <= SAME_PLACE


def rows_along(stops: RouteStops, cycles: np.ndarray, groups: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """ROUTE_SIGNAL_NAMES float64 [k, 6] of the stop lines of a route.

    Signs beside a light are left out: they are for when it is off. So are lights without a program.

    Args:
        stops: of the route.
        cycles: LIGHT_CYCLE_NAMES of the map's light groups, [g, 4].
        groups: the group of each of the map's signals, -1 of what is no light, [n].
        signs: SignalKind of each of the map's signals, STOP, YIELD, or NONE of all else, [n].
    """
    group, sign = groups[stops.signals], signs[stops.signals]
    is_light = group >= 0
    counts = is_light | ((sign != SignalKind.NONE) & ~are_beside_light(stops.s, is_light))
    rows = np.zeros((len(stops.s), len(ROUTE_SIGNAL_NAMES)))
    rows[:, RouteSignalColumn.S] = stops.s
    rows[:, RouteSignalColumn.KIND] = np.where(is_light, int(SignalKind.RED), sign)
    rows[np.ix_(is_light, _CYCLE)] = cycles[group[is_light]]
    return rows[counts]
