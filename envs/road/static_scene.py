"""Static scene: what never changes on a map, built once per process: roads, spawn points, scenery."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from envs.ego_route import ROUTE_BEYOND
from envs.maps.road_map import LanePoint, RoadMap, load_map, load_town
from envs.road.rendering.scenery import Scenery
from envs.road.traffic.spawn_points import SpawnPoints
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import RouteCommand

SHORTEST_BEYOND = 10.0
"""The least of it, on maps with short roads [m]."""
MAX_STARTS = 200
"""Starts drawn before giving up on finding one that fits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StaticScene:
    """One map with everything static on it.

    Args:
        road_map: its roads.
        spawn_points: where road users appear.
        scenery: what stands beside the roads.
        town: seed of the procedural town, -1 for a map.
    """

    road_map: RoadMap
    spawn_points: SpawnPoints
    scenery: Scenery
    town: int

    def lane_under(self, pose: ArrayLike) -> LanePoint:
        """The driving lane under a pose (x, y, yaw).

        Raises:
            ValueError: not three finite numbers, or not on a driving lane in its direction.
        """
        start = np.asarray(pose, np.float64)
        if start.shape != (3,) or not np.isfinite(start).all():
            raise ValueError(f"start must be (x, y, yaw), got {pose}")
        lane = self.road_map.lane_at(start[:2])
        if lane is None or lane.distance > lane.half_width or abs(wrap_angle(lane.yaw - start[2])) > np.pi / 2:
            raise ValueError(f"start {tuple(start)} is not on a driving lane in its direction")
        return lane

    def draw_start(self, straight: float, rng: np.random.Generator) -> LanePoint:
        """A lane point with road ahead, the first `straight` metres of it free of junctions.

        On a map whose roads are too short for ROUTE_BEYOND, the drawn one with the longest road ahead.

        Raises:
            ValueError: none was found in MAX_STARTS draws.
        """
        longest, found = straight + SHORTEST_BEYOND, None
        for _ in range(MAX_STARTS):
            lane = self.spawn_points.lanes[int(rng.integers(len(self.spawn_points.lanes)))]
            route = self.road_map.route_from(lane, straight + ROUTE_BEYOND + 1.0, rng)
            follows = route.command[: int(straight) + 1] == RouteCommand.FOLLOW
            if route.length >= straight + ROUTE_BEYOND and follows.all():
                return lane
            if route.length >= longest and follows.all():
                longest, found = route.length, lane
        if found is not None:
            return found
        raise ValueError(f"map {self.road_map.name} has no start with {straight} m without a junction")


@lru_cache(maxsize=3)
def load_town_scene(seed: int) -> StaticScene:
    """The procedural town of a seed; the last few are kept."""
    return _build_scene(load_town(seed), seed, seed)


@lru_cache(maxsize=2)
def load_map_scene(source: str) -> StaticScene:
    """An OpenDRIVE map from its path or text; the last few are kept.

    Raises:
        ValueError: the map cannot be used.
    """
    return _build_scene(load_map(source), 0, -1)


def _build_scene(road_map: RoadMap, scenery_seed: int, town: int) -> StaticScene:
    scenery = Scenery.build(road_map.geometry, scenery_seed)
    return StaticScene(road_map=road_map, spawn_points=SpawnPoints.find(road_map), scenery=scenery, town=town)
