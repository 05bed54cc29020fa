"""Static scene: what never changes on a map, built once: roads, spawn points, scenery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike

from envs.ego_route import ROUTE_BEYOND
from envs.maps.ground_layout import add_lines, lane_lines
from envs.maps.road_map import SHORTEST_START, LanePoint, MapSource, RoadMap, load_map, load_town, read_map_source
from envs.road.rendering.scenery import Scenery
from envs.road.scene_cache import SceneParts, cached_map, cached_town
from envs.road.traffic.lights import LightPrograms
from envs.road.traffic.spawn_points import SpawnPoints
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import RouteCommand

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
        edited: other things stand on it than on that town or map.
    """

    road_map: RoadMap
    spawn_points: SpawnPoints
    scenery: Scenery
    town: int
    edited: bool = False

    @cached_property
    def layout(self) -> Layout:
        """All of it, lane centres and edges of the drivable area included; worked out when first asked for."""
        return add_lines(self.scenery.layout, lane_lines(self.road_map))

    @cached_property
    def obstacles(self) -> np.ndarray:
        """Boxes [k, 5] of the solid things beside the roads."""
        return self.scenery.obstacles

    def with_boxes_of(self, layout: Layout) -> StaticScene:
        """The same roads with the boxes of another layout."""
        other = replace(self, scenery=self.scenery.with_boxes_of(layout), edited=True)
        vars(other)["layout"] = self.layout.with_boxes_of(layout)
        return other

    def lane_under(self, pose: ArrayLike) -> LanePoint:
        """The driving lane under a pose (x, y, yaw).

        Raises:
            ValueError: not three finite numbers, or not on a driving lane in its direction.
        """
        start = np.asarray(pose, np.float64)
        if start.shape != (3,) or not np.isfinite(start).all():
            raise ValueError(f"start_pose must be three finite numbers (x, y, yaw), got {pose!r}")
        lane = self.road_map.lane_at(start[:2])
        if lane is None or lane.distance > lane.half_width or abs(wrap_angle(lane.yaw - start[2])) > np.pi / 2:
            x, y, yaw = start.tolist()
            raise ValueError(f"start_pose {x:g}, {y:g}, {yaw:g} is not on a driving lane in its direction")
        return lane

    def draw_start(self, straight: float, rng: np.random.Generator) -> LanePoint:
        """A lane point with road ahead, the first `straight` metres of it free of junctions.

        On a map whose roads are too short for ROUTE_BEYOND, the drawn one with the longest road ahead.

        Raises:
            ValueError: none was found in MAX_STARTS draws; says what is needed and what there is.
        """
        needed = straight + SHORTEST_START
        longest, found = 0.0, None
        for _ in range(MAX_STARTS):
            lane = self.spawn_points.lanes[int(rng.integers(len(self.spawn_points.lanes)))]
            route = self.road_map.route_from(lane, straight + ROUTE_BEYOND + 1.0, rng)
            follows = route.command[: int(straight) + 1] == RouteCommand.FOLLOW
            if route.length >= straight + ROUTE_BEYOND and follows.all():
                return lane
            # what counts is the road up to the junction, or all of it where a junction does no harm
            free = route.length if follows.all() or straight == 0 else float(follows.argmin())
            if free > longest:
                longest, found = free, lane
        if found is not None and longest >= needed:
            return found
        until = "before a junction" if straight > 0 else "ahead"
        raise ValueError(
            f"map {self.road_map.name}: no lane is long enough to start on: {needed:g} m of road {until} are needed,"
            f" the longest of {MAX_STARTS} places drawn has {longest:.0f} m"
        )


@lru_cache(maxsize=3)
def load_town_scene(seed: int) -> StaticScene:
    """The procedural town of a seed. The last few are kept, and all of them on disk."""
    return _static_scene(cached_town(seed, lambda: _build_scene(load_town(seed), seed)), seed)


def load_map_scene(source: str) -> StaticScene:
    """An OpenDRIVE map from its path or text. The last few are kept, and all of them on disk.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the map cannot be used.
    """
    return _load_map_scene(read_map_source(source))


@lru_cache(maxsize=2)
def _load_map_scene(source: MapSource) -> StaticScene:
    return _static_scene(cached_map(source, lambda: _build_scene(load_map(source), 0)), -1)


def _build_scene(road_map: RoadMap, scenery_seed: int) -> SceneParts:
    groups = LightPrograms.of(road_map, 0).groups  # the same for all seeds
    scenery = Scenery.build(road_map.geometry, scenery_seed, road_map.signals, groups, left_hand=road_map.left_hand)
    return SceneParts(road_map, SpawnPoints.find(road_map), scenery)


def _static_scene(parts: SceneParts, town: int) -> StaticScene:
    return StaticScene(road_map=parts.road_map, spawn_points=parts.spawn_points, scenery=parts.scenery, town=town)
