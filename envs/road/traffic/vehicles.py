"""Fleet: the vehicles that drive among the ego, on routes of their own. numpy only."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from envs.road.traffic.driver_model import PATH_STEP, DriverConfig, curve_speed, give_way, idm, leaders
from envs.road.traffic.paths import NOWHERE, Paths
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectKind

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route

PATH_POINTS = 32
"""Points of its path a driver looks at, PATH_STEP apart."""
CROSSING_POINTS = 20
"""Of these, the ones on which it looks for crossing traffic."""
ROUTE_LENGTH = 250.0
"""Length of the routes drawn for drivers [m]."""


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """Whom the drivers of a fleet must mind besides each other.

    Args:
        boxes: [m, 5].
        speeds: [m] [m/s].
        margins: extra width of those about to step into a driver's way [m] [m].
        paths: where the moving ones that obey no fleet are expected to go, [k, CROSSING_POINTS, 2], PATH_STEP apart.
        path_speeds: their speeds [k] [m/s].
    """

    boxes: np.ndarray
    speeds: np.ndarray
    margins: np.ndarray
    paths: np.ndarray
    path_speeds: np.ndarray


class BackgroundVehicles:
    """`n` vehicles with drivers.

    Attributes:
        paths: where they drive.
        speed: [n] [m/s].
        acceleration: of the last step [n] [m/s²].
        lateral_speed: to the left [n] [m/s].
        waited: how long they have been standing [n] [s].
        hit_by_ego: hit by the ego, never to move again, bool [n].
        size: length, width, height [n, 3] [m].
        kind: ObjectKind [n].
        color: uint8 [n, 3].
        eagerness: preferred share of the speed limit [n].
        headway: preferred time gap [n] [s].
        bias: preferred offset in the lane [n] [m].

    Args:
        n: how many.
        truck_share: of them, [0, 1].
        road_map: where they drive; shared by copies.
        driver: how they drive.
        rng: draws their bodies and habits.
    """

    def __init__(self, n: int, truck_share: float, road_map: RoadMap, driver: DriverConfig, rng: np.random.Generator):
        self.road_map, self.driver = road_map, driver
        self.paths = Paths(n)
        self.size, self.kind = vehicle_sizes(n, truck_share, rng)
        self.color = car_colors(n, rng)
        self.eagerness = rng.uniform(0.75, 1.1, n)
        self.headway = rng.uniform(1.0, 1.9, n)
        self.bias = rng.uniform(-0.25, 0.25, n)
        self.speed, self.acceleration, self.lateral_speed = np.zeros(n), np.zeros(n), np.zeros(n)
        self.waited, self.hit_by_ego = np.zeros(n), np.zeros(n, bool)

    def __len__(self) -> int:
        return len(self.speed)

    def copy(self) -> BackgroundVehicles:
        """An independent copy; what never changes is shared."""
        other = copy.copy(self)
        for name in ("speed", "acceleration", "lateral_speed", "waited", "hit_by_ego"):
            setattr(other, name, getattr(self, name).copy())
        other.paths = self.paths.copy()
        return other

    @property
    def braking(self) -> np.ndarray:
        """Who shows brake lights, bool [n]."""
        return (self.acceleration < -0.6) | (self.speed < 0.1)

    def boxes(self) -> np.ndarray:
        """[n, 5]."""
        poses = self.paths.poses()
        poses[:, 2] += np.arctan2(self.lateral_speed, np.maximum(self.speed, 3.0))
        return np.concatenate([poses, self.size[:, :2]], axis=1)

    def enter(self, i: int, route: Route, s: float, rng: np.random.Generator) -> None:
        """Puts driver `i` on a route, at a speed that suits it."""
        self.paths.assign(i, route, s, float(self.bias[i]))
        self.speed[i] = self.paths.here(self.paths.speed_limit)[i] * self.eagerness[i] * rng.uniform(0.5, 1.0)
        self.acceleration[i], self.lateral_speed[i], self.waited[i], self.hit_by_ego[i] = 0.0, 0.0, 0.0, False

    def step(
        self, own: np.ndarray, others: Obstacles, dt: float, lane_changes: float, rng: np.random.Generator
    ) -> None:
        """Everyone, now at `boxes()` = `own`, drives for `dt` seconds; `lane_changes` are considered per second."""
        if len(self) == 0:
            return
        boxes = np.concatenate([own, others.boxes])
        speeds = np.concatenate([self.speed, others.speeds])
        self._drive(boxes, speeds, others, dt)
        if rng.random() < lane_changes * dt:
            self._change_lane(int(rng.integers(len(self))), int(rng.integers(2)), boxes, speeds, rng)
        self._extend_routes(rng)

    def _drive(self, boxes: np.ndarray, speeds: np.ndarray, others: Obstacles, dt: float) -> None:
        """One step along the paths."""
        paths, driver = self.paths, self.driver
        rows = np.arange(len(self))[:, None]
        index = paths.ahead(PATH_POINTS, int(PATH_STEP))
        xy, yaw = paths.xy[rows, index], paths.yaw[rows, index]
        xy = np.where(paths.active[:, None, None], xy, -NOWHERE)
        margins = np.concatenate([np.zeros(len(self)), others.margins])
        gap, lead_speed = leaders(xy, yaw, self.size[:, :2], boxes, speeds, margins)
        desired = np.minimum(paths.here(paths.speed_limit) * self.eagerness, curve_speed(yaw, driver))
        acceleration = idm(self.speed, desired, gap, lead_speed, self.headway, driver)
        stop = self._stop_distance(xy, index, others) - 3.5 - self.size[:, 0] / 2
        giving_way = idm(self.speed, desired, np.maximum(stop, 0.1), np.zeros(len(self)), 0.5 * self.headway, driver)
        # Whom even hard braking no longer stops in time goes on: standing in the crossing would be worse.
        can_stop = stop > self.speed**2 / (2 * 6.0)
        acceleration = np.where(can_stop, np.minimum(acceleration, giving_way), acceleration)
        acceleration = np.where(self.hit_by_ego, -driver.hardest_braking, acceleration)
        speed = np.maximum(self.speed + acceleration * dt, 0.0)
        self.acceleration = (speed - self.speed) / dt
        paths.s += np.where(paths.active, 0.5 * (self.speed + speed) * dt, 0.0)
        self.speed = speed
        self.waited = np.where(speed < 0.5, self.waited + dt, 0.0)
        pull = 0.9 * (self.bias - paths.lateral) - 1.9 * self.lateral_speed
        self.lateral_speed = (self.lateral_speed + pull * dt) * np.minimum(speed / 3.0, 1.0)
        paths.lateral += np.where(paths.active, self.lateral_speed * dt, 0.0)

    def _stop_distance(self, xy: np.ndarray, index: np.ndarray, others: Obstacles) -> np.ndarray:
        """Distance [n] at which drivers near a junction must stop to give way, infinite for the others."""
        distance = np.full(len(self), np.inf)
        rows = np.arange(len(self))[:, None]
        near = self.paths.junction[rows, index[:, :CROSSING_POINTS]].any(axis=1) & self.paths.active & ~self.hit_by_ego
        if near.any():
            own, speeds = xy[near, :CROSSING_POINTS], self.speed[near]
            all_paths, all_speeds = np.concatenate([own, others.paths]), np.append(speeds, others.path_speeds)
            distance[near] = give_way(own, speeds, self.waited[near], all_paths, all_speeds)
        return distance

    def _change_lane(self, i: int, side: int, boxes: np.ndarray, speeds: np.ndarray, rng: np.random.Generator) -> None:
        """Driver `i` moves to the left (side 0) or right lane if that is free (the safety criterion of MOBIL)."""
        if not self.paths.active[i] or self.speed[i] < 4.0 or self.hit_by_ego[i]:
            return
        here = int(self.paths.s[i])
        if self.paths.junction[i, here : here + 50].any() or abs(self.paths.lateral[i]) > 0.5:
            return
        box = boxes[i]
        lane = self.road_map.lane_at(box[:2])
        if lane is None or lane.in_junction:
            return
        target = self.road_map.neighbours(lane)[side]
        if target is None:
            return
        c, s = np.cos(target.yaw), np.sin(target.yaw)
        d = boxes[:, :2] - (target.x, target.y)
        along, across = c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0]
        blocked_ahead = (along >= 0) & (along < 12.0 + 1.5 * np.maximum(self.speed[i] - speeds, 0.0))
        blocked_behind = (along < 0) & (along > -10.0 - 2.5 * np.maximum(speeds - self.speed[i], 0.0))
        in_lane = np.abs(across) < target.half_width + 0.5
        in_lane[i] = False
        if (in_lane & (blocked_ahead | blocked_behind)).any():
            return
        offset = c * (box[1] - target.y) - s * (box[0] - target.x)
        self.paths.assign(i, self.road_map.route_from(target, ROUTE_LENGTH, rng), 0.0, float(offset))

    def _extend_routes(self, rng: np.random.Generator) -> None:
        """New routes for drivers whose route ends soon; who reaches the end of the road leaves the map."""
        paths = self.paths
        for i in np.flatnonzero(paths.active & (paths.length - paths.s < 80.0)).tolist():
            if paths.slide(i, 80.0):
                continue
            pose = paths.poses()[i]
            lane = self.road_map.lane_at(pose[:2])
            known = lane is not None and not lane.in_junction and abs(wrap_angle(lane.yaw - pose[2])) < 0.5
            if lane is not None and known and abs(paths.lateral[i]) < 0.5:
                offset = np.cos(lane.yaw) * (pose[1] - lane.y) - np.sin(lane.yaw) * (pose[0] - lane.x)
                paths.assign(i, self.road_map.route_from(lane, ROUTE_LENGTH, rng), 0.0, float(offset))
            if paths.length[i] - paths.s[i] < 4.0:
                paths.remove(i)


def vehicle_sizes(n: int, truck_share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Length, width, height [n, 3] [m] and kinds [n]."""
    truck = rng.random(n) < truck_share
    low = np.where(truck[:, None], (6.5, 2.3, 2.7), (3.9, 1.75, 1.4))
    high = np.where(truck[:, None], (9.5, 2.5, 3.4), (4.9, 2.0, 1.75))
    size = low + rng.random((n, 3)) * (high - low)
    return size, np.where(truck, ObjectKind.TRUCK, ObjectKind.CAR).astype(np.int64)


_PALETTE = np.array(
    [
        (235, 235, 238), (190, 194, 200), (120, 124, 130), (45, 47, 52), (20, 22, 26), (160, 30, 34),
        (35, 68, 140), (60, 110, 170), (46, 92, 62), (196, 160, 60), (120, 78, 50), (210, 100, 40),
    ]
)  # fmt: skip


def car_colors(n: int, rng: np.random.Generator) -> np.ndarray:
    """Car paints, uint8 [n, 3]."""
    shade = rng.integers(-12, 13, (n, 3))
    return np.clip(_PALETTE[rng.integers(len(_PALETTE), size=n)] + shade, 0, 255).astype(np.uint8)
