"""Pedestrians: they walk along the kerb and sometimes cross the road. numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.road.traffic.paths import Paths
from envs.road.traffic.spawn_points import SpawnPoints
from worldsim.datatypes.boxes import overlap

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap

LENGTH, WIDTH, HEIGHT = 0.5, 0.6, 1.75
"""Size of a pedestrian [m]."""
CROSSING_RATE = 0.03
"""Crossings begun per pedestrian and second [1/s]."""
CAREFUL_GAP, CARELESS_GAP = 4.5, 2.2
"""Time to the nearest approaching vehicle below which a pedestrian does not begin to cross [s]."""
LOOK_AHEAD = 0.8
"""Pedestrians on the road stop before vehicles this near [m]."""
BLOCKED = 3.0
"""Pedestrians who cannot go on across the road for this long turn back [s]."""
STRIDE = 1.4
"""Distance walked in one cycle of the legs [m]."""


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
        color: clothes, uint8 [n, 3].
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
        return self.paths.active & (np.abs(self.goal - self.paths.lateral) > 1e-6)

    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [n, 5], facing where they walk, and heights of the ground under them [n] [m]."""
        poses = self.paths.poses()
        across = np.sign(self.goal - self.paths.lateral) * np.pi / 2
        along = np.where(self.direction > 0, 0.0, np.pi)
        boxes = np.empty((len(poses), 5))
        boxes[:, :3] = poses[:, :3]
        boxes[:, 2] += np.where(self.crossing, across, along)
        boxes[:, 3:] = LENGTH, WIDTH
        return boxes, poses[:, 3]

    def speeds(self) -> np.ndarray:
        """[n] [m/s]."""
        return np.where(self.moving, self.speed, 0.0)

    def spawn(self, i: int, point: int, spawn_points: SpawnPoints, road_map: RoadMap, rng: np.random.Generator) -> None:
        """Put pedestrian `i` on a kerb at spawn point `point`, if there is one on both sides of the road."""
        near, far = spawn_points.near_kerb[point], spawn_points.far_kerb[point]
        if not (np.isfinite(near) and np.isfinite(far)):
            return
        route = road_map.route_from(spawn_points.lanes[point], 60.0, rng)
        self.near[i] = -(near + rng.uniform(0.6, 1.4))
        self.far[i] = far + rng.uniform(0.6, 1.4)
        lateral = self.near[i] if rng.random() < 0.5 else self.far[i]
        self.goal[i] = lateral
        self.paths.assign(i, route, 0.0, lateral)
        self.direction[i] = 1.0

    def step(
        self,
        road_map: RoadMap,
        own: np.ndarray,
        vehicles: np.ndarray,
        vehicles_z: np.ndarray,
        speeds: np.ndarray,
        dt: float,
        rng: np.random.Generator,
    ) -> None:
        """Move everyone, now at `boxes()` = `own`, by `dt` seconds among vehicles [m, 5] with speeds [m]."""
        paths = self.paths

        # one draw for everyone, so that who crosses does not shift the draws of the others
        draws = rng.random(len(self))
        crossing = self.crossing
        begins = paths.active & ~crossing & (draws < CROSSING_RATE * dt) & ~paths.here(paths.near_junction)
        for i in np.flatnonzero(begins).tolist():
            needed = CARELESS_GAP if self.careless[i] else CAREFUL_GAP
            if _time_to_nearest(own[i], vehicles, speeds) > needed:
                self.goal[i] = self.far[i] if paths.lateral[i] < 0 else self.near[i]

        step = self.speed * dt
        d = self.goal - paths.lateral
        blocked = np.zeros(len(self), bool)
        if crossing.any():
            ahead = own[crossing]
            ahead[:, 0] += LOOK_AHEAD * np.cos(ahead[:, 2])
            ahead[:, 1] += LOOK_AHEAD * np.sin(ahead[:, 2])
            blocked[crossing] = overlap(ahead[:, None], vehicles[None]).any(axis=1)

        self.moving = paths.active & ~blocked
        self.blocked = np.where(blocked, self.blocked + dt, 0.0)
        back = self.blocked > BLOCKED
        self.goal = np.where(back, np.where(self.goal == self.far, self.near, self.far), self.goal)
        self.blocked[back] = 0.0
        self._turn_back_at_junctions(road_map)
        paths.lateral += np.where(self.moving & crossing, np.clip(d, -step, step), 0.0)
        paths.s += np.where(self.moving & ~crossing, self.direction * step, 0.0)
        self.walked += np.where(self.moving, step, 0.0)

    def _turn_back_at_junctions(self, road_map: RoadMap) -> None:
        """Turn round those who would walk off their path or onto the road."""
        paths, s = self.paths, self.paths.s.copy()
        paths.s = np.clip(s + self.direction, 0, None)
        on_road = road_map.drivable(paths.poses()[:, :2])
        paths.s = s
        next_s = s + self.direction
        turns = ((next_s < 0) | (next_s > paths.length) | on_road) & ~self.crossing
        self.direction = np.where(turns, -self.direction, self.direction)


def _time_to_nearest(pedestrian: np.ndarray, vehicles: np.ndarray, speeds: np.ndarray) -> float:
    """Time until the first approaching vehicle is here if none slows [s]."""
    if len(vehicles) == 0:
        return np.inf
    d = pedestrian[:2] - vehicles[:, :2]
    distance = np.hypot(d[:, 0], d[:, 1])
    towards = (np.cos(vehicles[:, 2]) * d[:, 0] + np.sin(vehicles[:, 2]) * d[:, 1]) > 0
    gap = np.maximum(distance - vehicles[:, 3] / 2, 0.0)
    time = np.where(towards & (distance < 60.0), gap / np.maximum(np.abs(speeds), 0.5), np.inf)
    return float(np.min(np.where((speeds < 0.5) & (distance > 4.0), np.inf, time)))
