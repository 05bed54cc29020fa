"""Routes along lanes, and poses along them. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.boxes import wrap_angle


@dataclass(frozen=True, kw_only=True, eq=False)
class RouteStops:
    """Where a route crosses stop lines. Immutable.

    Args:
        s: arc length on the route, ascending, float64 [k] [m].
        signals: for which one stops there, index into RoadMap.signals, int64 [k].
    """

    s: np.ndarray
    signals: np.ndarray

    @staticmethod
    def none() -> RouteStops:
        """No stop line."""
        return RouteStops(s=np.zeros(0), signals=np.zeros(0, np.int64))


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """A route along lanes, one point a metre. Immutable.

    Args:
        points: centreline, float64 [r, 2] [m].
        z: height of the road, float64 [r] [m].
        yaw: direction of travel, float64 [r] [rad].
        half_width: of the lane, float64 [r] [m].
        speed_limit: float64 [r] [m/s].
        command: RouteCommand of the junction the point lies in or that begins within 30 m, int64 [r].
        lanes: the lane the point lies on, row in RoadMap.lane_keys, -1 where that is not known, int64 [r].
        stops: stop lines of lights, stop signs and yield signs.
        length: [m].
    """

    points: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    half_width: np.ndarray
    speed_limit: np.ndarray
    command: np.ndarray
    lanes: np.ndarray
    stops: RouteStops
    length: float

    def project(self, xy: np.ndarray, hint_s: float | None = None) -> tuple[float, float, float]:
        """Arc length, lateral offset (positive left) and route yaw at the nearest place of the route.

        Args:
            xy: [2] [m].
            hint_s: where the ego was lately; only the route from 15 m before to 25 m after it is searched.
        """
        from envs.maps.route_kernels import project

        low, high = (0, len(self.points)) if hint_s is None else (max(0, int(hint_s) - 15), int(hint_s) + 25)
        return project(self.points, self.yaw, float(xy[0]), float(xy[1]), low, high)

    def height_at(self, s: float) -> float:
        """Height of the road at arc length `s` [m]; beyond its ends that of the end."""
        from envs.maps.route_kernels import interpolate

        return interpolate(self.z, s)

    def pose_at(self, s: float, lateral: float, heading: float) -> tuple[float, float, float]:
        """x, y [m] and yaw [rad] at arc length `s`, `lateral` to its left, turned by `heading` from its direction;
        beyond its ends on their tangents."""
        i = int(min(max(s, 0), len(self.points) - 2))
        f = s - i
        x, y = self.points[i] + f * (self.points[i + 1] - self.points[i])
        yaw = self.yaw[i] + min(max(f, 0), 1) * wrap_angle(self.yaw[i + 1] - self.yaw[i])
        return float(x - np.sin(yaw) * lateral), float(y + np.cos(yaw) * lateral), float(yaw + heading)


def route_through(points: np.ndarray) -> Route:
    """The route through a polyline [r, 2] of which nothing else is known: lanes 3.5 m wide, 50 km/h, no commands.

    Raises:
        ValueError: it is shorter than 2 m.
    """
    points = np.asarray(points, np.float64)
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))]) if len(points) > 1 else np.zeros(1)
    if arc[-1] < 2.0:
        raise ValueError(f"a route needs at least 2 m, got {arc[-1]:.2f} m")
    s = np.arange(int(arc[-1]) + 1.0)
    even = np.stack([np.interp(s, arc, points[:, k]) for k in range(2)], axis=-1)
    along = np.gradient(even, axis=0)
    return Route(
        points=even,
        z=np.zeros(len(s)),
        yaw=np.arctan2(along[:, 1], along[:, 0]),
        half_width=np.full(len(s), 1.75),
        speed_limit=np.full(len(s), 50 / 3.6),
        command=np.zeros(len(s), np.int64),
        lanes=np.full(len(s), -1),
        stops=RouteStops.none(),
        length=float(s[-1]),
    )
