"""Paths: pieces of routes for many road users at once, in padded arrays. numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import RouteCommand

if TYPE_CHECKING:
    from envs.maps.route import Route

PATH_LENGTH = 260
"""Points held per path, one a metre."""
NOWHERE = 1e6
"""Coordinate of road users that are not on the map just now [m]."""


class Paths:
    """For each of `n` road users the piece of its route it is on, and where on it.

    Attributes:
        xy: centreline, one point a metre, float64 [n, PATH_LENGTH, 2] [m].
        yaw: [n, PATH_LENGTH] [rad].
        half_width: of the lane [n, PATH_LENGTH] [m].
        speed_limit: [n, PATH_LENGTH] [m/s].
        junction: in or shortly before a junction, bool [n, PATH_LENGTH].
        length: how much of the path is real [n] [m]; 0 for those that are not on the map.
        s: arc length on the path [n] [m].
        lateral: offset from the centreline, positive left [n] [m].
    """

    def __init__(self, n: int):
        self.xy = np.full((n, PATH_LENGTH, 2), NOWHERE)
        self.yaw = np.zeros((n, PATH_LENGTH))
        self.half_width = np.full((n, PATH_LENGTH), 1.75)
        self.speed_limit = np.zeros((n, PATH_LENGTH))
        self.junction = np.zeros((n, PATH_LENGTH), bool)
        self.length = np.zeros(n)
        self.s = np.zeros(n)
        self.lateral = np.zeros(n)
        self.routes: list[Route | None] = [None] * n
        self.route_s = np.zeros(n)  # where on its route the path begins

    def copy(self) -> Paths:
        """An independent copy; routes are immutable and shared."""
        other = object.__new__(Paths)
        for name, value in vars(self).items():
            setattr(other, name, value.copy())
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
        self.half_width[i] = route.half_width[index]
        self.speed_limit[i] = route.speed_limit[index]
        self.junction[i] = route.command[index] != RouteCommand.FOLLOW
        self.length[i] = min(PATH_LENGTH - 1, len(route.points) - 1 - first)
        self.s[i], self.lateral[i] = s - first, lateral
        self.routes[i], self.route_s[i] = route, first

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
        """x, y, yaw of everyone on the own path at `s` and `lateral`, [n, 3]."""
        rows = np.arange(len(self.s))
        i = np.clip(self.s.astype(np.int64), 0, PATH_LENGTH - 2)
        f = self.s - i
        xy = self.xy[rows, i] + f[:, None] * (self.xy[rows, i + 1] - self.xy[rows, i])
        yaw = self.yaw[rows, i] + np.clip(f, 0, 1) * wrap_angle(self.yaw[rows, i + 1] - self.yaw[rows, i])
        x = xy[:, 0] - np.sin(yaw) * self.lateral
        y = xy[:, 1] + np.cos(yaw) * self.lateral
        return np.stack([x, y, yaw], axis=-1)

    def here(self, values: np.ndarray) -> np.ndarray:
        """The entry of a per-point array [n, PATH_LENGTH] at everyone's `s`, [n]."""
        return values[np.arange(len(self.s)), np.clip(self.s.astype(np.int64), 0, PATH_LENGTH - 1)]

    def ahead(self, num_points: int, step: int) -> np.ndarray:
        """Indices [n, num_points] of every `step`-th point from everyone's `s` on."""
        index = self.s.astype(np.int64)[:, None] + step * np.arange(num_points)
        return np.clip(index, 0, PATH_LENGTH - 1)
