"""Routes of the CARLA leaderboard: read from its XML files, and laid over the lanes of a map."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from envs.carla.coordinates import pose_from_carla
from envs.maps.geometry import LaneKey
from envs.maps.lane_search import Stretch, find_shortest_paths, join_stretches
from envs.maps.road_map import RoadMap
from envs.maps.route import Route

NEAR = 4.0
"""A waypoint may be this far from the lane it is meant for [m]."""
OFFSET_COST = 5.0
"""Detour that is preferred to a lane one metre farther from a waypoint [m]."""
LONGEST_WAY = (4.0, 500.0)
"""Between two waypoints no way is looked for that is longer than their distance times the first plus the second [m]."""


class RouteError(ValueError):
    """A leaderboard route that cannot be read, or not be driven where it is asked for; names its file and id."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LeaderboardRoute:
    """A route as a leaderboard file has it.

    Args:
        source: file and id, for messages.
        id: of the route.
        town: map it belongs to.
        waypoints: in our frame, float64 [n, 2] [m]; n is at least 2.
    """

    source: str
    id: str
    town: str
    waypoints: np.ndarray


def read_routes(path: Path) -> list[LeaderboardRoute]:
    """The routes of a leaderboard file, 1.0 (`waypoint`) or 2.0 (`waypoints/position`), in its order.

    Raises:
        FileNotFoundError: no such file.
        RouteError: it is no such file, has no route, or one of them has no town, too few waypoints or one that is none.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no routes at {path}")
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, LookupError, ValueError) as error:  # the last two of encodings that cannot be read
        raise RouteError(f"{path} is no XML: {error}") from error
    routes = [_read(element, path) for element in root.iter("route")]
    if root.tag != "routes" or not routes:
        raise RouteError(f"{path} has no <route> in <routes>, its root is <{root.tag}>")
    return routes


def _read(element: ET.Element, path: Path) -> LeaderboardRoute:
    name, town = element.get("id", ""), element.get("town", "")
    source = f"{path}, route {name or 'without id'}"
    if not town:
        raise RouteError(f"{source}: it names no town")
    waypoints = []
    for point in [*element.findall("waypoint"), *element.findall("waypoints/position")]:
        try:
            x, y, _ = pose_from_carla(float(point.attrib["x"]), float(point.attrib["y"]), 0.0)
        except (KeyError, ValueError) as error:
            raise RouteError(f"{source}: waypoint {len(waypoints)} is none: {point.attrib}") from error
        if not np.isfinite((x, y)).all():
            raise RouteError(f"{source}: waypoint {len(waypoints)} must have finite numbers, got {point.attrib}")
        waypoints.append((x, y))
    if len(waypoints) < 2:
        raise RouteError(f"{source}: a route needs at least 2 waypoints, got {len(waypoints)}")
    return LeaderboardRoute(source=source, id=name, town=town, waypoints=np.array(waypoints, np.float64))


def route_on_map(road_map: RoadMap, route: LeaderboardRoute) -> Route:
    """The shortest route over the lanes of its map through all its waypoints, from the first to the last.

    Raises:
        RouteError: a waypoint is on no driving lane, or no way leads to it.
    """
    best: dict[tuple[LaneKey, float], tuple[float, list[list[Stretch]]]] = {}
    for number, xy in enumerate(route.waypoints):
        near = {lane.key: lane for lane in road_map.lanes_near(xy, NEAR)}
        where = f"waypoint {number} at ({xy[0]:.1f}, {xy[1]:.1f})"
        if not near:
            raise RouteError(f"{route.source}: {where} is not within {NEAR:g} m of a driving lane of {road_map.name}")
        if number == 0:
            best = {(lane.key, lane.s): (OFFSET_COST * lane.distance, []) for lane in near.values()}
            continue
        factor, slack = LONGEST_WAY
        longest = factor * float(np.hypot(*(xy - route.waypoints[number - 1]))) + slack
        goals = {key: lane.s for key, lane in near.items()}
        onward: dict[tuple[LaneKey, float], tuple[float, list[list[Stretch]]]] = {}
        for place, (so_far, ways) in best.items():
            for key, (cost, way) in find_shortest_paths(road_map.lanes, place, goals, longest).items():
                total = so_far + cost + OFFSET_COST * near[key].distance
                goal = key, goals[key]
                if goal not in onward or total < onward[goal][0]:
                    onward[goal] = total, [*ways, way]
        if not onward:
            raise RouteError(f"{route.source}: no way of at most {longest:.0f} m leads to {where} of {road_map.name}")
        best = onward
    _, ways = min(best.values(), key=lambda found: found[0])
    try:
        return road_map.route_along(join_stretches(ways))
    except ValueError as error:
        raise RouteError(f"{route.source}: {error}") from error
