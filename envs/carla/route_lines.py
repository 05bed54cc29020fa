"""The stop lines of lights and signs along the ego's route on a server, and whether it obeys them. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from envs.carla.messages import MapSignals
from envs.signals_ahead import SignalsAhead, are_beside_light
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import ROUTE_SIGNAL_NAMES, RouteSignalColumn, SignalKind

if TYPE_CHECKING:
    from envs.maps.route import Route

LARGEST_OFFSET = 1.8
"""A stop point farther than this from the route is on another lane [m]."""
LARGEST_ANGLE = np.radians(60.0)
"""A lane that heads otherwise than the route by more is another one [rad]."""
_NO_TIME = 0.0
"""The states of a server's lights are told, whatever the time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RouteLines:
    """The stop lines along a route, in order.

    Args:
        s: arc length of each, float64 [k] [m].
        kinds: SignalKind, RED of a light whatever it shows, int64 [k].
        lights: index of the light among the server's, -1 of a sign, int64 [k].
    """

    s: np.ndarray
    kinds: np.ndarray
    lights: np.ndarray

    @staticmethod
    def of(route: Route, signals: MapSignals) -> RouteLines:
        """Those of `signals` that the route crosses, as often as it does, without signs that stand in for a light."""
        rows = []
        for (x, y, yaw), kind, light in zip(signals.poses, signals.kinds, signals.lights, strict=True):
            offset = np.array([x, y]) - route.points
            away = np.hypot(offset[:, 0], offset[:, 1])
            meets = np.flatnonzero((away < LARGEST_OFFSET) & (np.abs(wrap_angle(route.yaw - yaw)) < LARGEST_ANGLE))
            for passage in np.split(meets, np.flatnonzero(np.diff(meets) > 1) + 1):
                if len(passage):
                    nearest = int(passage[away[passage].argmin()])
                    along = offset[nearest] @ (np.cos(route.yaw[nearest]), np.sin(route.yaw[nearest]))
                    rows.append((nearest + float(along), int(kind), int(light)))
        table = np.array(sorted(rows), np.float64).reshape(-1, 3)
        is_light = table[:, 2] >= 0
        table = table[is_light | ~are_beside_light(table[:, 0], is_light)]
        return RouteLines(s=table[:, 0], kinds=table[:, 1].astype(np.int64), lights=table[:, 2].astype(np.int64))

    def rows(self, cycles: np.ndarray | None = None) -> np.ndarray:
        """ROUTE_SIGNAL_NAMES float64 [k, 6]; with LIGHT_CYCLE_NAMES of all of the server's lights [n, 4], else without
        cycles."""
        rows = np.zeros((len(self.s), len(ROUTE_SIGNAL_NAMES)))
        rows[:, RouteSignalColumn.S], rows[:, RouteSignalColumn.KIND] = self.s, self.kinds
        if cycles is not None:
            is_light = self.lights >= 0
            rows[is_light, RouteSignalColumn.PERIOD :] = cycles[self.lights[is_light]]
        return rows

    def shown(self, light_states: np.ndarray) -> np.ndarray:
        """What each shows: SignalKind, NONE of a light that is off, int64 [k].

        Args:
            light_states: of all of the server's lights, SignalKind, int64 [n].
        """
        is_light = self.kinds == SignalKind.RED
        shown = self.kinds.copy()
        shown[is_light] = light_states[self.lights[is_light]]
        return shown

    def ahead(self, s: float, cycles: np.ndarray | None) -> np.ndarray | None:
        """ROUTE_SIGNAL_NAMES float32 [k, 6] of a start clip whose route begins at arc length `s`; None where a light is
        among them and its cycle, of LIGHT_CYCLE_NAMES `cycles` [n, 4], is not known."""
        left = self.rows(cycles)[self.s >= s].astype(np.float32)
        left[:, RouteSignalColumn.S] -= s
        return None if cycles is None and (left[:, RouteSignalColumn.KIND] == SignalKind.RED).any() else left


class RouteSigns:
    """What the ego's route has ahead and how the ego obeys it, frame by frame.

    Args:
        signals: of the server's map.
        length: of the ego [m].
        route: that it begins on.
        s: where it is on the route [m].
        speed: [m/s].
        light_states: of all of the server's lights, SignalKind, int64 [n].
    """

    def __init__(
        self, signals: MapSignals, length: float, route: Route, s: float, speed: float, light_states: np.ndarray
    ) -> None:
        self._signals, self._ahead_of_middle, self._route = signals, length / 2, route
        self.lines = RouteLines.of(route, signals)
        begun = SignalsAhead.begin(self.lines.rows(), s + self._ahead_of_middle, speed, _NO_TIME)
        self.now = self._lit(begun, light_states)

    def step(self, s: float, lateral: float, speed: float, light_states: np.ndarray) -> None:
        """The ego has come to arc length `s` [m] of the route it has followed, `lateral` [m] to the left of it, and the
        lights show `light_states`."""
        self.now = self._lit(self.now.step(s + self._ahead_of_middle, lateral, speed, _NO_TIME), light_states)

    def follow(self, route: Route, s: float, speed: float, light_states: np.ndarray) -> None:
        """The ego follows a route, perhaps another one, and is at arc length `s` of it [m]."""
        if route is not self._route:
            self._route, self.lines = route, RouteLines.of(route, self._signals)
            followed = self.now.follow(self.lines.rows(), s + self._ahead_of_middle, speed, _NO_TIME)
            self.now = self._lit(followed, light_states)

    def fill(self, scene: SceneState) -> None:
        """Write what comes next into the scene of the instant."""
        self.now.fill(scene)

    def _lit(self, ahead: SignalsAhead, light_states: np.ndarray) -> SignalsAhead:
        """With what the lights show; one that is off has no stop line."""
        shown = self.lines.shown(light_states)
        s = np.where(shown == SignalKind.NONE, np.inf, self.lines.s)
        return replace(ahead, lines=ahead.lines._replace(s=s[None]), shown=shown[None])
