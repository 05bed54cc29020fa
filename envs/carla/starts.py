"""Where the ego may begin on a server's map. numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from envs.carla.messages import MapFacts
from envs.ego_route import ROUTE_BEYOND, ROUTE_LENGTH
from worldsim.datatypes.scene import RouteCommand

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A place for the ego, and the route from there on.

    Args:
        pose: x, y, yaw [m, m, rad].
        z: height of the road there [m]; None for the nearest one.
        route: from there on.
        speed_limit: there [m/s].
    """

    pose: tuple[float, float, float]
    z: float | None
    route: Route
    speed_limit: float


class SpawnPoints:
    """The spawn points of a map.

    Args:
        facts: of the map.
        road_map: the same, read.
    """

    def __init__(self, facts: MapFacts, road_map: RoadMap) -> None:
        self._map_name, self._road_map, self._poses = facts.name, road_map, facts.spawns
        self._heights = road_map.height_at(facts.spawns[:, :2], facts.spawn_heights)

    def starts(
        self,
        start_pose: tuple[float, float, float] | None,
        route: Route | None,
        straight: float,
        rng: np.random.Generator,
    ) -> Iterator[Start]:
        """Where the ego may begin: where it is asked to, where a route does, or at the spawn points in the order drawn.

        Of these, only those whose route follows the lane for the first `straight` metres.

        Raises:
            ValueError: the pose is not near a lane, or there is no such spawn point.
        """
        places: list[tuple[tuple[float, float, float], float | None]]
        if start_pose is not None:
            places = [(start_pose, None)]
        elif route is not None:
            places = [(route.pose_at(0.0, 0.0, 0.0), float(route.height_at(0.0)))]
        else:
            order = rng.permutation(len(self._poses))
            places = [(tuple(self._poses[k].tolist()), float(self._heights[k])) for k in order]
        if not places:
            raise ValueError(f"map {self._map_name} has no spawn points: pass options={{'start_pose': (x, y, yaw)}}")

        given, found = start_pose is not None or route is not None, False
        for pose, z in places:
            lane = self._road_map.lane_at(np.array(pose[:2]), z)
            if lane is None:
                if given:
                    raise ValueError(f"start_pose {tuple(pose)} is not within 30 m of a driving lane")
                continue
            drawn = self._road_map.route_from(lane, ROUTE_LENGTH, rng)
            follows = (drawn.command[: int(straight) + 1] == RouteCommand.FOLLOW).all()
            if given or (straight == 0.0 or (follows and drawn.length >= straight + ROUTE_BEYOND)):
                found = True
                yield Start(pose=pose, z=z, route=drawn if route is None else route, speed_limit=lane.speed_limit)
        if not found:
            raise ValueError(f"map {self._map_name} has no spawn point with {straight} m without a junction")
