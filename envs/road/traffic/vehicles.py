"""Background vehicles: they drive around the ego on routes of their own."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT
from envs.road.traffic.driver_model import (
    DriverConfig,
    advance,
    choose_acceleration,
    desired_speed,
    leaders,
    vehicle_boxes,
)
from envs.road.traffic.junctions import LINE_GAP, find_stops
from envs.road.traffic.passages import Drivers, RoadAhead
from envs.road.traffic.paths import Paths
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectKind

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route

ROUTE_LENGTH = 250.0
"""Length of the routes drawn for drivers [m]."""


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """What background vehicles give way to besides each other.

    Args:
        boxes: [m, 5].
        z: heights of the boxes [m] [m].
        speeds: [m] [m/s].
        margins: extra width of those about to step into a driver's way [m] [m].
        paths: where those that follow no driver model are expected to go, [k, CROSSING_POINTS, 2], PATH_STEP apart.
        path_z: their heights [k] [m].
        path_speeds: their speeds [k] [m/s].
    """

    boxes: np.ndarray
    z: np.ndarray
    speeds: np.ndarray
    margins: np.ndarray
    paths: np.ndarray
    path_z: np.ndarray
    path_speeds: np.ndarray


class BackgroundVehicles:
    """`n` vehicles with drivers.

    Attributes:
        paths: where they drive.
        speed: [n] [m/s].
        acceleration: of the last step [n] [m/s²].
        lateral_speed: to the left [n] [m/s].
        waited: how long they have been standing [n] [s].
        granted: may enter the junction ahead, bool [n].
        halted: has stopped at the stop sign ahead, bool [n].
        hit_by_ego: has been hit by the ego and never moves again, bool [n].
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
        self.paths = Paths(n, road_map)
        self.size, self.kind = vehicle_sizes(n, truck_share, rng)
        self.color = car_colors(n, rng)
        self.eagerness = rng.uniform(0.75, 1.1, n)
        self.headway = rng.uniform(1.0, 1.9, n)
        self.bias = rng.uniform(-0.25, 0.25, n)
        self.speed = np.zeros(n)
        self.acceleration = np.zeros(n)
        self.lateral_speed = np.zeros(n)
        self.waited = np.zeros(n)
        self.granted = np.zeros(n, bool)
        self.halted = np.zeros(n, bool)
        self.hit_by_ego = np.zeros(n, bool)

    def __len__(self) -> int:
        return len(self.speed)

    @property
    def _idm(self) -> tuple[float, float, float, float, float]:
        """Parameters of `choose_acceleration`."""
        d = self.driver
        return d.acceleration, d.comfortable_braking, d.hardest_braking, d.standstill_gap, d.exponent

    def copy(self) -> BackgroundVehicles:
        """An independent copy; what never changes is shared."""
        other = copy.copy(self)
        for name in ("speed", "acceleration", "lateral_speed", "waited", "granted", "halted", "hit_by_ego"):
            setattr(other, name, getattr(self, name).copy())
        other.paths = self.paths.copy()
        return other

    @property
    def braking(self) -> np.ndarray:
        """Who shows brake lights, bool [n]."""
        return (self.acceleration < -0.6) | (self.speed < 0.1)

    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [n, 5] and heights of the road under them [n] [m]."""
        poses = self.paths.poses()
        return vehicle_boxes(poses, self.lateral_speed, self.speed, self.size), poses[:, 3]

    def enter(self, i: int, route: Route, s: float, rng: np.random.Generator) -> None:
        """Put vehicle `i` on a route, at a speed that suits it."""
        self.paths.assign(i, route, s, float(self.bias[i]))
        speed = self.paths.here(self.paths.speed_limit)[i] * self.eagerness[i] * rng.uniform(0.5, 1.0)

        # nobody appears too fast for the line ahead
        lines = np.concatenate([self.paths.stop_s[i], self.paths.line[i]]) - s - self.size[i, 0] / 2
        nearest = np.min(lines, where=lines > 0, initial=np.inf)
        self.speed[i] = min(speed, np.sqrt(2 * self.driver.comfortable_braking * max(nearest - LINE_GAP, 0.0)))
        for value in (self.acceleration, self.lateral_speed, self.waited):
            value[i] = 0.0
        self.granted[i] = self.halted[i] = self.hit_by_ego[i] = False

    def step(
        self,
        own: np.ndarray,
        own_z: np.ndarray,
        obstacles: Obstacles,
        shown: np.ndarray,
        dt: float,
        lane_changes: float,
        rng: np.random.Generator,
    ) -> None:
        """Move everyone by a step.

        Args:
            own: their boxes now, [n, 5].
            own_z: heights of these [n] [m].
            obstacles: all others that they mind.
            shown: SignalKind of every signal of the map.
            dt: length of the step [s].
            lane_changes: considered per second, by all together [1/s].
            rng: draws who changes lane, and routes.
        """
        if len(self) == 0:
            return
        boxes = np.concatenate([own, obstacles.boxes])
        z = np.concatenate([own_z, obstacles.z])
        speeds = np.concatenate([self.speed, obstacles.speeds])
        self._drive(boxes, z, speeds, obstacles, shown, dt)
        if rng.random() < lane_changes * dt:
            self._change_lane(int(rng.integers(len(self))), int(rng.integers(2)), boxes, z, speeds, rng)
        self._extend_routes(rng)

    def _drive(
        self, boxes: np.ndarray, z: np.ndarray, speeds: np.ndarray, obstacles: Obstacles, shown: np.ndarray, dt: float
    ) -> None:
        """One step along the paths."""
        paths, driver = self.paths, self.driver
        margins = np.concatenate([np.zeros(len(self)), obstacles.margins])
        gap, lead_speed, lead, room = leaders(
            paths.xy, paths.yaw, paths.z, paths.s, paths.length, self.size, self.waited, boxes, z, speeds, margins
        )
        desired = desired_speed(
            paths.yaw, paths.speed_limit, paths.s, self.eagerness, driver.lateral_acceleration,
            0.6 * driver.comfortable_braking,
        )  # fmt: skip
        stop = find_stops(
            Drivers(
                paths.xy, paths.yaw, paths.z, paths.s, self.size[:, 0] / 2, self.speed, self.waited, gap, lead,
                lead_speed, room,
            ),
            RoadAhead(
                paths.length, paths.stop_s, paths.stop_signals, paths.line, paths.entry, paths.exit, paths.junction,
                paths.rank,
            ),
            self.halted, self.granted, shown, self.road_map.left_hand, obstacles.paths, obstacles.path_z,
            obstacles.path_speeds,
        )  # fmt: skip
        asked = choose_acceleration(
            self.speed, desired, self.headway, gap, lead_speed, stop, self.hit_by_ego, self._idm
        )
        advance(
            self.speed, self.acceleration, self.waited, self.lateral_speed, paths.s, paths.lateral, paths.length,
            self.bias, asked, dt,
        )  # fmt: skip

    def _change_lane(
        self, i: int, side: int, boxes: np.ndarray, z: np.ndarray, speeds: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Move vehicle `i` to the left (side 0) or right lane if that is free (the safety criterion of MOBIL)."""
        if not self.paths.active[i] or self.speed[i] < 4.0 or self.hit_by_ego[i]:
            return
        here = int(self.paths.s[i])
        if self.paths.near_junction[i, here : here + 50].any() or abs(self.paths.lateral[i]) > 0.5:
            return
        box = boxes[i]
        lane = self.road_map.lane_at(box[:2], float(z[i]))
        if lane is None or lane.in_junction:
            return
        target = self.road_map.neighbours(lane)[side]
        if target is None:
            return

        # a gap in the target lane must be free ahead and behind, more so the faster one closes in on it
        c, s = np.cos(target.yaw), np.sin(target.yaw)
        d = boxes[:, :2] - (target.x, target.y)
        along, across = c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0]
        blocked_ahead = (along >= 0) & (along < 12.0 + 1.5 * np.maximum(self.speed[i] - speeds, 0.0))
        blocked_behind = (along < 0) & (along > -10.0 - 2.5 * np.maximum(speeds - self.speed[i], 0.0))
        in_lane = (np.abs(across) < target.half_width + 0.5) & (np.abs(z - z[i]) < LEVEL_HEIGHT)
        in_lane[i] = False
        if (in_lane & (blocked_ahead | blocked_behind)).any():
            return

        offset = c * (box[1] - target.y) - s * (box[0] - target.x)
        self.paths.assign(i, self.road_map.route_from(target, ROUTE_LENGTH, rng), 0.0, float(offset))

    def _extend_routes(self, rng: np.random.Generator) -> None:
        """Give a new route to vehicles whose route ends soon; one that reaches the end of the road leaves the map."""
        paths = self.paths
        for i in ((paths.length > 0) & (paths.length - paths.s < 80.0)).nonzero()[0].tolist():
            if paths.slide(i, 80.0):
                continue
            pose = paths.poses()[i]
            lane = self.road_map.lane_at(pose[:2], float(pose[3]))
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
