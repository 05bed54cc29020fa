"""The stop lines of lights and signs along the ego's route on a server, and whether it obeys them. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from envs.carla.messages import MapSignals
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import LANE_RANGE
from worldsim.datatypes.route_signals import SignalCompliance, begin_compliance, comply, next_signal
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import SignalKind

if TYPE_CHECKING:
    from envs.maps.route import Route

LARGEST_OFFSET = 1.8
"""A stop point farther than this from the route is on another lane [m]."""
LARGEST_ANGLE = np.radians(60.0)
"""A lane that heads otherwise than the route by more is another one [rad]."""


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
        """Those of `signals` that the route crosses, as often as it does."""
        rows = []
        for (x, y, yaw), kind, light in zip(signals.poses, signals.kinds, signals.lights, strict=True):
            offset = np.array([x, y]) - route.points
            away = np.hypot(offset[:, 0], offset[:, 1])
            meets = (away < LARGEST_OFFSET) & (np.abs(wrap_angle(route.yaw - yaw)) < LARGEST_ANGLE)
            for run in np.split(np.flatnonzero(meets), np.flatnonzero(np.diff(np.flatnonzero(meets)) > 1) + 1):
                if len(run):
                    nearest = int(run[away[run].argmin()])
                    along = offset[nearest] @ (np.cos(route.yaw[nearest]), np.sin(route.yaw[nearest]))
                    rows.append((nearest + float(along), int(kind), int(light)))
        table = np.array(sorted(rows), np.float64).reshape(-1, 3)
        return RouteLines(s=table[:, 0], kinds=table[:, 1].astype(np.int64), lights=table[:, 2].astype(np.int64))

    def shown(self, light_states: np.ndarray) -> np.ndarray:
        """What each shows: SignalKind, NONE of a light that is off, int64 [k].

        Args:
            light_states: of all of the server's lights, SignalKind, int64 [n].
        """
        is_light = self.kinds == SignalKind.RED
        shown = self.kinds.copy()
        shown[is_light] = light_states[self.lights[is_light]]
        return shown


class RouteCompliance:
    """What the ego's route shows ahead of it and how the ego obeys it, frame by frame.

    Args:
        signals: of the server's map.
        length: of the ego [m].
    """

    def __init__(self, signals: MapSignals, length: float) -> None:
        self._signals, self._ahead = signals, length / 2
        self._route: Route | None = None
        self._lines = RouteLines(s=np.zeros(0), kinds=np.zeros(0, np.int64), lights=np.zeros(0, np.int64))
        self._light_states = np.zeros(0, np.int64)
        self._front = np.zeros(())
        self.compliance = SignalCompliance(*(np.zeros((), bool) for _ in SignalCompliance._fields))

    def step(self, s: float, lateral: float, speed: float) -> None:
        """The ego has come to arc length `s` [m] of the route it has followed, `lateral` [m] to the left of it."""
        after = np.array(s + self._ahead if abs(lateral) <= LANE_RANGE else np.nan)
        shown, stopped = self._lines.shown(self._light_states), self.compliance.stopped
        self.compliance = comply(self._lines.s, shown, self._front, after, np.array(speed), stopped)
        self._front = after

    def look(self, route: Route, s: float, speed: float, light_states: np.ndarray, scene: SceneState) -> None:
        """Write what comes next into `scene`; a route that is new is taken up at arc length `s` [m].

        Args:
            route: that the ego follows from now on.
            s: where it is on that route [m].
            speed: [m/s].
            light_states: of all of the server's lights in this frame, SignalKind, int64 [n].
            scene: of this frame, its lane already written.
        """
        self._light_states = light_states
        if route is not self._route:
            self._route, self._lines = route, RouteLines.of(route, self._signals)
            self._front = np.array(s + self._ahead)
            shown, stopped = self._lines.shown(light_states), self.compliance.stopped
            begun = begin_compliance(self._lines.s, shown, self._front, np.array(speed), stopped)
            self.compliance = self.compliance._replace(stopped=begun.stopped)
        if not scene.lane_valid.all():  # away from its route the ego has no next signal
            return
        shown = self._lines.shown(light_states)
        lit = np.where(shown == SignalKind.NONE, np.inf, self._lines.s)
        signal, distance = next_signal(lit, shown, self._front, self.compliance.stopped)
        scene.signal[...], scene.signal_distance[...], scene.signal_valid[...] = signal, distance, True
