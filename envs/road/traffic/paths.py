"""Paths: pieces of routes for many road users at once, in padded arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.maps.opendrive.signals import SignalType
from envs.road.traffic.driver_model import poses_along
from envs.road.traffic.right_of_way import MAJOR, RightOfWay
from envs.signals_ahead import are_beside_light
from worldsim.datatypes.scene import RouteCommand

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route, RouteStops

PATH_LENGTH = 260
"""Points held per path, one a metre."""
NOWHERE = 1e6
"""Coordinate of road users that are not on the map just now [m]."""
NUM_AHEAD = 8
"""Stop lines and junctions held per path."""
LINE_BEFORE, LINE_AFTER = 15.0, 3.0
"""A stop line this far before or after the beginning of a junction is where one waits for it [m]."""
ENTRY_GAP = 0.5
"""Without a stop line one waits this far before the junction [m]."""
SAME_LINE = 3.0
"""Stop lines nearer to each other are one [m]."""


class Paths:
    """For each of `n` road users the piece of its route it is on, and where on it.

    Attributes:
        xy: centreline, one point a metre, float64 [n, PATH_LENGTH, 2] [m].
        yaw: [n, PATH_LENGTH] [rad].
        z: height of the road [n, PATH_LENGTH] [m].
        speed_limit: [n, PATH_LENGTH] [m/s].
        near_junction: in or shortly before a junction, bool [n, PATH_LENGTH].
        length: how much of the path is real [n] [m]; 0 for those that are not on the map.
        s: arc length on the path [n] [m].
        lateral: offset from the centreline, positive left [n] [m].
        stop_s: stop lines in order, infinite beyond the last, [n, NUM_AHEAD] [m].
        stop_signals: their rows in RoadMap.signals, [n, NUM_AHEAD].
        entry: where junctions begin, in order, [n, NUM_AHEAD] [m].
        exit: where they end [n, NUM_AHEAD] [m].
        line: where one waits before them [n, NUM_AHEAD] [m].
        junction: their ids, -1 beyond the last, [n, NUM_AHEAD].
        rank: MAJOR or MINOR, [n, NUM_AHEAD].

    Args:
        n: how many road users.
        road_map: of their routes; shared by copies.
    """

    def __init__(self, n: int, road_map: RoadMap):
        self.road_map = road_map
        self.xy = np.full((n, PATH_LENGTH, 2), NOWHERE)
        self.yaw = np.zeros((n, PATH_LENGTH))
        self.z = np.zeros((n, PATH_LENGTH))
        self.speed_limit = np.zeros((n, PATH_LENGTH))
        self.near_junction = np.zeros((n, PATH_LENGTH), bool)
        self.length = np.zeros(n)
        self.s = np.zeros(n)
        self.lateral = np.zeros(n)
        self.routes: list[Route | None] = [None] * n
        self.route_s = np.zeros(n)  # where on its route the path begins
        self.stop_s = np.full((n, NUM_AHEAD), np.inf)
        self.stop_signals = np.zeros((n, NUM_AHEAD), np.int64)
        self.entry = np.full((n, NUM_AHEAD), np.inf)
        self.exit = np.full((n, NUM_AHEAD), np.inf)
        self.line = np.full((n, NUM_AHEAD), np.inf)
        self.junction = np.full((n, NUM_AHEAD), -1)
        self.rank = np.full((n, NUM_AHEAD), MAJOR)

    def copy(self) -> Paths:
        """An independent copy; routes are immutable and shared."""
        other = object.__new__(Paths)
        for name, value in vars(self).items():
            setattr(other, name, value if name == "road_map" else value.copy())
        return other

    @property
    def active(self) -> np.ndarray:
        """Who is on the map, bool [n]."""
        return self.length > 0

    def assign(self, i: int, route: Route, s: float, lateral: float = 0.0) -> None:
        """Put road user `i` on `route` at arc length `s`."""
        first = int(np.clip(s, 0, len(route.points) - 1))
        index = np.minimum(np.arange(first, first + PATH_LENGTH), len(route.points) - 1)
        self.xy[i] = route.points[index]
        self.yaw[i] = route.yaw[index]
        self.z[i] = route.z[index]
        self.speed_limit[i] = route.speed_limit[index]
        self.near_junction[i] = route.command[index] != RouteCommand.FOLLOW
        self.length[i] = min(PATH_LENGTH - 1, len(route.points) - 1 - first)
        self.s[i], self.lateral[i] = s - first, lateral
        self.routes[i], self.route_s[i] = route, first
        self._assign_junctions(i, route, first)

    def _assign_junctions(self, i: int, route: Route, first: int) -> None:
        """Find the stop lines and junctions on the path of road user `i`, which begins at `first` of its route."""
        right_of_way = RightOfWay.of(self.road_map)
        on_lane = np.where(route.lanes >= 0, right_of_way.junction[route.lanes], -1)
        begins = np.flatnonzero(np.diff(on_lane, prepend=-1) != 0)
        ends = np.append(begins[1:], len(on_lane))
        ahead = (on_lane[begins] >= 0) & (ends > first)
        begins, ends = begins[ahead][:NUM_AHEAD], ends[ahead][:NUM_AHEAD]
        stops, signals = _one_per_line(route.stops, self.road_map)
        beyond = stops > first - LINE_BEFORE
        stops, signals = stops[beyond][:NUM_AHEAD], signals[beyond][:NUM_AHEAD]

        # one waits for a junction at its stop line, and where there is none shortly before it
        at = stops[None] - begins[:, None]
        belongs = (at > -LINE_BEFORE) & (at < LINE_AFTER)
        lines = np.where(belongs, stops[None], np.inf).min(axis=1, initial=np.inf)
        lines = np.where(np.isfinite(lines), lines, begins - ENTRY_GAP)

        for held, empty, values in (
            (self.stop_s, np.inf, stops - first),
            (self.stop_signals, 0, signals),
            (self.entry, np.inf, begins - first),
            (self.exit, np.inf, ends - first),
            (self.line, np.inf, lines - first),
            (self.junction, -1, on_lane[begins]),
            (self.rank, MAJOR, right_of_way.rank[route.lanes[begins]]),
        ):
            held[i] = empty
            held[i, : len(values)] = values

    def slide(self, i: int, ahead: float) -> bool:
        """Hold more of road user `i`'s route if less than `ahead` metres are left; False if the route ends first."""
        route = self.routes[i]
        if route is None or self.length[i] - self.s[i] >= ahead:
            return route is not None
        self.assign(i, route, self.route_s[i] + self.s[i], self.lateral[i])
        return self.length[i] - self.s[i] >= ahead

    def remove(self, i: int) -> None:
        """Take road user `i` off the map."""
        self.xy[i] = NOWHERE
        self.length[i] = 0.0
        self.s[i] = 0.0
        self.lateral[i] = 0.0
        self.routes[i] = None

    def poses(self) -> np.ndarray:
        """x, y, yaw, z of everyone on the own path at `s` and `lateral`, [n, 4]."""
        return poses_along(self.xy, self.yaw, self.z, self.s, self.lateral)

    def here(self, values: np.ndarray) -> np.ndarray:
        """The entry of a per-point array [n, PATH_LENGTH] at everyone's `s`, [n]."""
        return values[np.arange(len(self.s)), np.minimum(self.s.astype(np.int64), PATH_LENGTH - 1)]


def _one_per_line(stops: RouteStops, road_map: RoadMap) -> tuple[np.ndarray, np.ndarray]:
    """Where the stop lines are [k] and the signal that counts at each [k]; none is a sign beside a light."""
    is_light = np.array([road_map.signals[k].kind == SignalType.TRAFFIC_LIGHT for k in stops.signals.tolist()], bool)
    counts = is_light | ~are_beside_light(stops.s, is_light)
    found: list[tuple[float, int]] = []
    for s, signal in zip(stops.s[counts].tolist(), stops.signals[counts].tolist(), strict=True):
        if not found or s - found[-1][0] > SAME_LINE:
            found.append((s, signal))
    return np.array([s for s, _ in found], np.float64), np.array([k for _, k in found], np.int64)
