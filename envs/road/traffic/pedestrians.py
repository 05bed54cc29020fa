"""Pedestrians: they walk along the kerb and sometimes cross the road, at crosswalks more readily. Partly compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT
from envs.road.traffic.paths import Paths
from envs.road.traffic.spawn_points import SpawnPoints
from worldsim.compiled import compiled
from worldsim.datatypes.signals import SignalKind

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap

LENGTH, WIDTH, HEIGHT = 0.5, 0.6, 1.75
"""Size of a pedestrian [m]."""
WALK_LENGTH = 60
"""Length of the lane that a pedestrian walks beside [m]."""
CROSSING_RATE, CROSSWALK_RATE = 0.03, 0.25
"""Crossings begun per pedestrian and second, anywhere and beside a crosswalk [1/s]."""
CAREFUL_GAP, CARELESS_GAP = 4.5, 2.2
"""Time to the nearest approaching vehicle below which a pedestrian does not begin to cross [s]; more on wide roads."""
ROAD_WIDTH, SEEN = 9.0, 150.0
"""Width of a road for which these gaps hold, and how far a pedestrian looks for vehicles [m]."""
LIGHT_RANGE = 8.0
"""A crosswalk this near to the stop line of a light is used while that is red [m]."""
LOOK_AHEAD = 0.8
"""Pedestrians on the road stop before vehicles this near [m]."""
REACH = 0.4
"""Half the room that a pedestrian needs there [m]."""
BLOCKED = 3.0
"""Pedestrians who cannot go on across the road for this long turn back [s]."""
STRIDE = 1.4
"""Distance walked in one cycle of the legs [m]."""
_NEAR, _FAR = 0, 1
_GREEN, _YELLOW = int(SignalKind.GREEN), int(SignalKind.YELLOW)


class Pedestrians:
    """`n` pedestrians, each on the path of the lane it walks beside.

    Attributes:
        paths: the lane; `lateral` is negative on the near kerb, positive on the far one.
        speed: walking speed [n] [m/s].
        direction: 1 walks with the lane, -1 against it [n].
        goal: lateral offset to reach [n] [m].
        near: lateral offset of the near side [n] [m].
        far: lateral offset of the far side [n] [m].
        careless: crosses in smaller gaps, bool [n].
        walked: distance walked so far [n] [m].
        moving: walked in the last step, bool [n].
        blocked: how long a vehicle has been in the way [n] [s].
        walkable: whether the near and far side are off the road at each metre, bool [n, 2, WALK_LENGTH + 1].
        crosswalk: whether there is a crosswalk at each metre, bool [n, WALK_LENGTH + 1].
        color: clothes, uint8 [n, 3].

    Args:
        n: how many.
        road_map: where they walk; shared by copies.
        rng: draws who they are.
    """

    def __init__(self, n: int, road_map: RoadMap, rng: np.random.Generator):
        self.paths = Paths(n, road_map)
        self.speed = rng.uniform(1.0, 1.8, n)
        self.direction = rng.choice([-1.0, 1.0], n)
        self.goal, self.near, self.far = np.zeros(n), np.zeros(n), np.zeros(n)
        self.careless = rng.random(n) < 0.25
        self.walked = rng.uniform(0, STRIDE, n)
        self.moving = np.zeros(n, bool)
        self.blocked = np.zeros(n)
        self.walkable = np.zeros((n, 2, WALK_LENGTH + 1), bool)
        self.crosswalk = np.zeros((n, WALK_LENGTH + 1), bool)
        self.color = rng.integers(30, 230, (n, 3)).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.speed)

    def copy(self) -> Pedestrians:
        """An independent copy."""
        other = object.__new__(Pedestrians)
        for name, value in vars(self).items():
            setattr(other, name, value.copy())
        return other

    @property
    def crossing(self) -> np.ndarray:
        """Who is crossing the road, bool [n]."""
        return (self.paths.length > 0) & (np.abs(self.goal - self.paths.lateral) > 1e-6)

    @property
    def on_crosswalk(self) -> np.ndarray:
        """Who is beside or on a crosswalk, bool [n]."""
        at = np.minimum(self.paths.s.astype(np.int64), WALK_LENGTH)
        return self.crosswalk[np.arange(len(at)), at]

    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [n, 5], facing where they walk, and heights of the ground under them [n] [m]."""
        poses = self.paths.poses()
        return _boxes(poses, self.paths.lateral, self.goal, self.direction), poses[:, 3]

    def speeds(self) -> np.ndarray:
        """[n] [m/s]."""
        return np.where(self.moving, self.speed, 0.0)

    def spawn(self, i: int, point: int, spawn_points: SpawnPoints, rng: np.random.Generator) -> None:
        """Put pedestrian `i` on a kerb at spawn point `point`, which has one on both sides of the road."""
        near, far = spawn_points.near_kerb[point], spawn_points.far_kerb[point]
        road_map, paths, left = self.paths.road_map, self.paths, spawn_points.kerb_side
        route = road_map.route_from(spawn_points.lanes[point], float(WALK_LENGTH), rng)
        self.near[i] = -left * (near + rng.uniform(0.6, 1.4))
        self.far[i] = left * (far + rng.uniform(0.6, 1.4))
        lateral = self.near[i] if rng.random() < 0.5 else self.far[i]
        self.goal[i] = lateral
        paths.assign(i, route, 0.0, lateral)
        self.direction[i] = 1.0
        self.blocked[i] = 0.0

        # where on either side of the lane one stands beside the road, and where it is to be crossed
        xy, yaw = paths.xy[i, : WALK_LENGTH + 1], paths.yaw[i, : WALK_LENGTH + 1]
        across = np.stack([-np.sin(yaw), np.cos(yaw)], axis=-1)
        sides = np.stack([xy + self.near[i] * across, xy + self.far[i] * across])
        z = np.tile(paths.z[i, : WALK_LENGTH + 1], 2)
        on_road = road_map.drivable(sides.reshape(-1, 2), None if road_map.is_flat else z)
        self.walkable[i] = ~on_road.reshape(2, -1)
        self.crosswalk[i] = spawn_points.on_crosswalk(xy)
        if not self.walkable[i, _NEAR if lateral == self.near[i] else _FAR, 0]:
            paths.remove(i)

    def step(
        self,
        own: np.ndarray,
        own_z: np.ndarray,
        vehicles: np.ndarray,
        vehicles_z: np.ndarray,
        speeds: np.ndarray,
        shown: np.ndarray,
        dt: float,
        rng: np.random.Generator,
    ) -> None:
        """Move everyone by a step.

        Args:
            own: their boxes now, [n, 5].
            own_z: heights of these [n] [m].
            vehicles: boxes of vehicles, [m, 5].
            vehicles_z: heights of these [m] [m].
            speeds: of the vehicles [m] [m/s].
            shown: SignalKind of every signal of the map.
            dt: length of the step [s].
            rng: draws who begins to cross.
        """
        paths = self.paths
        # one draw for everyone, so that who crosses does not shift the draws of the others
        draws = rng.random(len(self)) / dt
        _begin_crossing(
            draws, paths.s, paths.length, paths.lateral, paths.near_junction, self.crosswalk, self.walkable,
            self.careless, self.near, self.far, self.goal, own, own_z, vehicles, vehicles_z, speeds, paths.stop_s,
            paths.stop_signals, shown,
        )  # fmt: skip
        _walk(
            paths.s, paths.length, paths.lateral, self.speed, self.direction, self.goal, self.near, self.far,
            self.walked, self.moving, self.blocked, self.walkable, own, own_z, vehicles, vehicles_z, dt,
        )  # fmt: skip


@compiled
def _boxes(poses, lateral, goal, direction):
    n = len(lateral)
    boxes = np.empty((n, 5))
    for i in range(n):
        to_go = goal[i] - lateral[i]
        turn = 0.0 if direction[i] > 0 else np.pi
        if abs(to_go) > 1e-6:
            turn = np.sign(to_go) * np.pi / 2
        boxes[i] = (poses[i, 0], poses[i, 1], poses[i, 2] + turn, LENGTH, WIDTH)
    return boxes


@compiled
def _time_to_nearest(x, y, z, vehicles, vehicles_z, speeds):
    """Time until the first approaching vehicle is here if none slows [s]."""
    soonest = np.inf
    for j in range(len(vehicles)):
        dx, dy = x - vehicles[j, 0], y - vehicles[j, 1]
        distance = np.sqrt(dx * dx + dy * dy)
        towards = np.cos(vehicles[j, 2]) * dx + np.sin(vehicles[j, 2]) * dy > 0
        stands_off = speeds[j] < 0.5 and distance > 4.0
        if towards and distance < SEEN and not stands_off and abs(vehicles_z[j] - z) < LEVEL_HEIGHT:
            soonest = min(soonest, max(distance - vehicles[j, 3] / 2, 0.0) / max(abs(speeds[j]), 0.5))
    return soonest


@compiled
def _begin_crossing(
    draws, s, length, lateral, near_junction, crosswalk, walkable, careless, near, far, goal, own, own_z, vehicles,
    vehicles_z, speeds, stop_s, stop_signals, shown,
):  # fmt: skip
    """Set the goals of those who begin to cross now: `draws` [n] are below their rate [1/s]."""
    for i in range(len(s)):
        if length[i] <= 0 or abs(goal[i] - lateral[i]) > 1e-6:
            continue
        at = min(int(s[i]), WALK_LENGTH)
        rate = CROSSWALK_RATE if crosswalk[i, at] else 0.0 if near_junction[i, at] else CROSSING_RATE
        if draws[i] >= rate:
            continue
        closed = False
        for k in range(stop_s.shape[1]):
            if abs(stop_s[i, k] - s[i]) < LIGHT_RANGE:
                closed |= shown[stop_signals[i, k]] in (_GREEN, _YELLOW)
        across = _FAR if lateral[i] == near[i] else _NEAR
        wide = max(abs(far[i] - near[i]) / ROAD_WIDTH, 1.0)
        needed = wide * (CARELESS_GAP if careless[i] else CAREFUL_GAP)
        if closed or not walkable[i, across, at]:
            continue
        if _time_to_nearest(own[i, 0], own[i, 1], own_z[i], vehicles, vehicles_z, speeds) > needed:
            goal[i] = far[i] if across == _FAR else near[i]


@compiled
def _is_blocked(x, y, z, vehicles, vehicles_z):
    """Whether a vehicle takes up the ground around (x, y)."""
    for j in range(len(vehicles)):
        dx, dy = x - vehicles[j, 0], y - vehicles[j, 1]
        c, sn = np.cos(vehicles[j, 2]), np.sin(vehicles[j, 2])
        along, across = abs(c * dx + sn * dy), abs(c * dy - sn * dx)
        beside = along < vehicles[j, 3] / 2 + REACH and across < vehicles[j, 4] / 2 + REACH
        if beside and abs(vehicles_z[j] - z) < LEVEL_HEIGHT:
            return True
    return False


@compiled
def _walk(
    s, length, lateral, speed, direction, goal, near, far, walked, moving, blocked, walkable, own, own_z, vehicles,
    vehicles_z, dt,
):  # fmt: skip
    """A step of everyone: across the road if they are crossing, else along the kerb, turning where the road begins."""
    for i in range(len(s)):
        step = speed[i] * dt
        moving[i] = length[i] > 0
        if not moving[i]:
            blocked[i] = 0.0
            continue
        to_go = goal[i] - lateral[i]
        if abs(to_go) <= 1e-6:
            blocked[i] = 0.0
            side = _NEAR if lateral[i] == near[i] else _FAR
            ahead = s[i] + direction[i]
            if ahead < 0 or ahead > min(length[i], WALK_LENGTH) or not walkable[i, side, int(ahead)]:
                direction[i] = -direction[i]
            s[i] = min(max(s[i] + direction[i] * step, 0.0), length[i])
        else:
            # whoever is too near to a vehicle already walks on: standing there would block it for ever
            x, y, c, sn = own[i, 0], own[i, 1], np.cos(own[i, 2]), np.sin(own[i, 2])
            blocks = _is_blocked(x + LOOK_AHEAD * c, y + LOOK_AHEAD * sn, own_z[i], vehicles, vehicles_z)
            if blocks and not _is_blocked(x, y, own_z[i], vehicles, vehicles_z):
                moving[i] = False
                blocked[i] += dt
                if blocked[i] > BLOCKED:
                    goal[i] = near[i] if goal[i] == far[i] else far[i]
                    blocked[i] = 0.0
                continue
            blocked[i] = 0.0
            lateral[i] = goal[i] if abs(to_go) <= step else lateral[i] + np.sign(to_go) * step
        walked[i] += step
