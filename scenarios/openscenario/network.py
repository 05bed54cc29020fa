"""Road and lane coordinates of a map, and the paths that road users follow over its lanes."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from envs.maps.geometry import Lane, LaneKey
from envs.maps.lane_search import find_shortest_paths
from envs.maps.opendrive.lane_surfaces import borders_at
from envs.maps.opendrive.road_reader import read_roads
from envs.maps.opendrive.roads import Road, Section
from envs.maps.opendrive.text import parse_opendrive
from envs.maps.road_map import LanePoint, RoadMap
from envs.maps.route import Route
from scenarios.openscenario.source import Node
from worldsim.datatypes.boxes import wrap_angle

PATH_AHEAD = 300.0
"""Paths reach at least so far ahead of who follows them, where the roads do [m]."""
LANE_REACH = 3.0
"""Who is farther from the centre of every lane follows none [m]."""
SAME_HEADING = np.radians(60.0)
"""A lane that heads otherwise by more is not followed [rad]."""
LONGEST_WAY = 3000.0
"""No way to a position is longer [m]."""
_NUM_CACHED = 256


class Pose(NamedTuple):
    """A place in the ground frame: x, y [m], yaw [rad] and the height of the ground [m]."""

    x: float
    y: float
    yaw: float
    z: float = 0.0

    def moved(self, ahead: float, left: float = 0.0) -> Pose:
        """The place so many metres ahead and to the left of it."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return self._replace(x=float(self.x + c * ahead - s * left), y=float(self.y + s * ahead + c * left))


class RoadPlace(NamedTuple):
    """A place in road coordinates: the road's number, s along its reference line and t to the left of it [m]."""

    road: int
    s: float
    t: float


class Following(NamedTuple):
    """Where someone is on a path: its lanes, arc length on it and offset to its left [m], and whether it is followed
    (1) or driven against (-1)."""

    lanes: tuple[LaneKey, ...]
    s: float
    lateral: float
    along: int


class Network:
    """A map in road coordinates.

    Args:
        road_map: the map.
    """

    def __init__(self, road_map: RoadMap) -> None:
        self.map = road_map
        self.path = lru_cache(maxsize=_NUM_CACHED)(self._path)

    @cached_property
    def _roads(self) -> dict[str, Road]:
        return {road.id: road for road in read_roads(parse_opendrive(self.map.xodr))[0]}

    @cached_property
    def _by_number(self) -> dict[int, Road]:
        return {road.number: road for road in self._roads.values()}

    @cached_property
    def _predecessors(self) -> dict[LaneKey, list[LaneKey]]:
        found: dict[LaneKey, list[LaneKey]] = {}
        for key in self.map.lane_keys:
            for following in self.map.lanes[key].successors:
                found.setdefault(following, []).append(key)
        return found

    def road(self, id: str) -> Road:
        """The road of the map's own id.

        Raises:
            ValueError: there is none.
        """
        if id not in self._roads:
            raise ValueError(f"map {self.map.name} has no road {id!r}")
        return self._roads[id]

    def at_road(self, road: Road, s: float, t: float) -> Pose:
        """The place at s and t of a road [m]; yaw is the direction of s.

        Raises:
            ValueError: the road is not that long.
        """
        self._check_s(road, s)
        points, z = road.surface(np.array([s]), np.array([t]))
        yaw = float(wrap_angle(road.line.at(np.array([s]))[1][0]))
        return Pose(float(points[0, 0]), float(points[0, 1]), yaw, float(z[0]))

    def at_lane(self, road: Road, lane_id: int, s: float, offset: float) -> Pose:
        """The place at s [m] of a lane, `offset` [m] to the left of its centre in the direction of s; yaw is the lane's
        direction of travel.

        Raises:
            ValueError: the road is not that long, or has no such lane there.
        """
        self._check_s(road, s)
        section = _section(road, s)
        rows = [row for row, lane in enumerate(section.lanes) if lane.id == lane_id]
        if not rows:
            there = ", ".join(str(lane.id) for lane in section.lanes)
            raise ValueError(
                f"road {road.id!r} of map {self.map.name} has no lane {lane_id} at s = {s:g} m, but {there}"
            )
        borders = borders_at(road, section, np.array([s]))[0][:, 0]
        pose = self.at_road(road, s, float((borders[rows[0]] + borders[rows[0] + 1]) / 2) + offset)
        along = section.lanes[rows[0]].along
        return pose if along else pose._replace(yaw=float(wrap_angle(pose.yaw + np.pi)))

    def _check_s(self, road: Road, s: float) -> None:
        if not -1e-6 <= s <= road.length + 1e-6:
            raise ValueError(f"road {road.id!r} of map {self.map.name} has s from 0 to {road.length:g} m, got {s:g}")

    def road_place(self, pose: Pose) -> tuple[RoadPlace, LaneKey] | None:
        """A place in coordinates of the road below it, and the lane that is nearest; None far from every lane."""
        found = self._lane_under(pose) or self.map.lane_at(np.array(pose[:2]))
        if found is None:
            return None
        road = self._by_number[found.key[0]]
        s = np.linspace(0.0, road.length, max(int(road.length), 1) + 1)
        points, heading, _ = road.line.at(s)
        nearest = int(np.hypot(*(points - np.array(pose[:2])).T).argmin())
        offset = np.array(pose[:2]) - points[nearest]
        c, n = np.cos(heading[nearest]), np.sin(heading[nearest])
        at = float(np.clip(s[nearest] + c * offset[0] + n * offset[1], 0.0, road.length))
        (point,), (yaw,), _ = road.line.at(np.array([at]))
        t = float(-np.sin(yaw) * (pose.x - point[0]) + np.cos(yaw) * (pose.y - point[1]))
        return RoadPlace(road.number, at, t), found.key

    def road_of(self, number: int) -> Road:
        """The road of a number."""
        return self._by_number[number]

    def _lane_under(self, pose: Pose) -> LanePoint | None:
        """The nearest lane that heads as the pose does, or the other way."""
        near = self.map.lanes_near(np.array(pose[:2]), LANE_REACH)
        same = [lane for lane in near if abs(wrap_angle(lane.yaw - pose.yaw)) < SAME_HEADING]
        against = [lane for lane in near if abs(wrap_angle(lane.yaw - pose.yaw + np.pi)) < SAME_HEADING]
        return (same or against or [None])[0]

    def follow(self, pose: Pose) -> Following | None:
        """How someone at a pose follows the lanes from there on, straight on at forks; None where no lane is."""
        lane = self._lane_under(pose)
        if lane is None:
            return None
        ahead = abs(wrap_angle(lane.yaw - pose.yaw)) < SAME_HEADING
        lanes = self._ahead_of((lane.key,), lane.s) if ahead else self._behind(lane.key, lane.s)
        route = self.path(lanes)
        start = route.length - self.map.lanes[lane.key].length if not ahead else 0.0
        s, lateral, _ = route.project(np.array(pose[:2]), start + lane.s)
        return Following(lanes, float(s), float(lateral), 1 if ahead else -1)

    def prolonged(self, following: Following) -> Following:
        """The same with lanes added where its path ends soon."""
        if following.along < 0 or self.path(following.lanes).length - following.s > PATH_AHEAD / 3:
            return following
        return following._replace(lanes=self._ahead_of(following.lanes, following.s))

    def follow_to(self, pose: Pose, goals: tuple[Pose, ...]) -> Following | None:
        """As `follow`, by the shortest way over the lanes that comes by the goals in turn, and straight on from there;
        None where there is none."""
        lane = self._lane_under(pose)
        if lane is None:
            return None
        keys, at = [lane.key], (lane.key, lane.s)
        for goal in goals:
            targets = {}
            for near in self.map.lanes_near(np.array(goal[:2]), LANE_REACH):
                targets.setdefault(near.key, near.s)
            ways = find_shortest_paths(self.map.lanes, at, targets, LONGEST_WAY)
            if not ways:
                return None
            key, (_, stretches) = min(ways.items(), key=lambda way: way[1][0])
            keys += [stretch.key for stretch in stretches if stretch.key != keys[-1]]
            at = (key, targets[key])
        lanes = self._ahead_of(tuple(keys), 0.0)
        s, lateral, _ = self.path(lanes).project(np.array(pose[:2]), lane.s)
        return Following(lanes, float(s), float(lateral), 1)

    def reach_ahead(self, following: Following, s: float) -> Following:
        """The same on a path that reaches at least to arc length `s` [m], where the roads do."""
        if s <= self.path(following.lanes).length:
            return following
        return following._replace(lanes=self._ahead_of(following.lanes, s - PATH_AHEAD))

    def reach_back(self, following: Following, distance: float) -> tuple[Following, float]:
        """The same on a path that begins earlier, and where on it is what lies `distance` [m] before the old one's
        beginning; negative where the road begins later than that."""
        lanes = (*self._behind(following.lanes[0], min(PATH_AHEAD - distance, 0.0))[:-1], *following.lanes)
        added = self.path(lanes).length - self.path(following.lanes).length
        return following._replace(lanes=lanes, s=following.s + added), added - distance

    def travel(self, pose: Pose) -> float:
        """The direction in which the lane nearest to a place is driven [rad]; the place's own far from every lane."""
        lane = self.map.lane_at(np.array(pose[:2]))
        return pose.yaw if lane is None else lane.yaw

    def beside(self, pose: Pose, num_lanes: int, node: Node, offset: float = 0.0) -> tuple[float, float]:
        """x and y in the middle of the lane that lies `num_lanes` to the left of a place, as seen along its yaw, and
        `offset` to the left of that [m].

        Raises:
            ScenarioFileError: there is none; `node` says where it is asked for.
        """
        found = self.road_place(pose)
        if found is None:
            raise node.error(f"there is no lane at x = {pose.x:.1f}, y = {pose.y:.1f} m")
        place, key = found
        road = self._by_number[place.road]
        along_s = abs(wrap_angle(float(road.line.at(np.array([place.s]))[1][0]) - pose.yaw)) < np.pi / 2
        sense = 1 if along_s else -1
        try:
            x, y, *_ = self.at_lane(road, neighbour_id(key[2], sense * num_lanes), place.s, sense * offset)
        except ValueError as error:
            raise node.error(str(error)) from error
        return x, y

    def _ahead_of(self, lanes: tuple[LaneKey, ...], s: float) -> tuple[LaneKey, ...]:
        chain = list(lanes)
        length = sum(self.map.lanes[key].length for key in chain) - s
        while length < PATH_AHEAD:
            onward = [key for key in self.map.lanes[chain[-1]].successors if key in self.map.lanes]
            if not onward:
                break
            chain.append(min(onward, key=lambda key: _turn(self.map.lanes[key])))
            length += self.map.lanes[chain[-1]].length
        return tuple(chain)

    def _behind(self, key: LaneKey, s: float) -> tuple[LaneKey, ...]:
        chain, length = [key], s
        while length < PATH_AHEAD and self._predecessors.get(chain[0]):
            before = min(self._predecessors[chain[0]], key=lambda key: _turn(self.map.lanes[key]))
            chain.insert(0, before)
            length += self.map.lanes[before].length
        return tuple(chain)

    def _path(self, lanes: tuple[LaneKey, ...]) -> Route:
        length = sum(self.map.lanes[key].length for key in lanes)
        return self.map.route_via(self.map.point_on(lanes[0], 0.0), lanes, length)

    def ground(self, x: float, y: float) -> float:
        """Height of the road nearest to a place [m]."""
        if self.map.is_flat:
            return 0.0
        lane = self.map.lane_at(np.array([x, y]))
        return 0.0 if lane is None else lane.z


def neighbour_id(lane_id: int, num: int) -> int:
    """The id of the lane `num` lanes towards greater ids, which has no lane 0."""
    found = lane_id + num
    return found + (1 if num > 0 else -1) if lane_id * found <= 0 else found


def _turn(lane: Lane) -> float:
    return abs(float(lane.yaw[-1] - lane.yaw[0]))


def _section(road: Road, s: float) -> Section:
    sections = [section for section in road.sections if not section.is_empty]
    return next((section for section in reversed(sections) if s >= section.start - 1e-6), sections[0])
