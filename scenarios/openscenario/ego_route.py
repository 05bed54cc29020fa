"""The way that the ego's route takes: where the file sends it, or past those whom it is to meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.maps.geometry import LaneKey
from envs.maps.road_map import RoadMap
from scenarios.openscenario.network import Pose
from scenarios.openscenario.positions import Fixed, Frame, read_position
from scenarios.openscenario.program import Program
from worldsim.datatypes.boxes import wrap_angle

REACH = 250.0
"""Ways are compared up to this length [m]."""
MOST_WAYS = 200
"""So many are compared at most."""
FAR = 40.0
"""Whatever is farther from a way is equally far [m]."""


def ego_lanes(program: Program, start: Pose) -> tuple[LaneKey, ...]:
    """The lanes of the ego's route from its start pose on.

    Where the file does not send the ego anywhere, the way that passes nearest to the other road users and to the places
    at which its conditions look for the ego; of equal ones the straightest.
    """
    network, road_map = program.network, program.network.map
    lane = road_map.lane_at(np.array(start[:2]))
    if lane is None or abs(wrap_angle(lane.yaw - start.yaw)) > np.pi / 2:
        return ()
    goals = tuple(each.at for each in program.ego_goals if isinstance(each, Fixed))
    if goals:
        found = network.follow_to(Pose(lane.x, lane.y, lane.yaw), goals)
        if found is not None and found.lanes[0] == lane.key:
            return found.lanes
    places = np.array([pose[:2] for pose in _places_of_interest(program)]).reshape(-1, 2)
    ways = _ways_from(road_map, lane.key, REACH + lane.s)

    def cost(way: tuple[LaneKey, ...]) -> tuple[float, float]:
        points = np.concatenate([road_map.lanes[key].points for key in way])
        away = np.hypot(*(points[:, None] - places[None]).transpose(2, 0, 1)).min(0) if len(places) else np.zeros(0)
        turns = sum(abs(float(road_map.lanes[key].yaw[-1] - road_map.lanes[key].yaw[0])) for key in way)
        return round(float(np.minimum(away, FAR).sum()), 1), turns

    return min(ways, key=cost)


def _ways_from(road_map: RoadMap, key: LaneKey, length: float) -> list[tuple[LaneKey, ...]]:
    """The ways over the lanes, each of `length` [m] or to the end of its road."""
    done: list[tuple[LaneKey, ...]] = []
    open_ways: list[tuple[tuple[LaneKey, ...], float]] = [((key,), road_map.lanes[key].length)]
    while open_ways:
        way, so_far = open_ways.pop(0)
        onward = [k for k in road_map.lanes[way[-1]].successors if k in road_map.lanes and k not in way]
        if so_far >= length or not onward or len(done) + len(open_ways) >= MOST_WAYS:
            done.append(way)
            continue
        open_ways += [((*way, k), so_far + road_map.lanes[k].length) for k in onward]
    return done


def _places_of_interest(program: Program) -> Sequence[Pose]:
    """Where the others begin, and the fixed places in conditions and actions that are about the ego."""
    frame = Frame(network=program.network, carla=program.file.is_carla)
    ego = program.ego.name
    found = [program.start[entity.name].pose for entity in program.entities if program.start[entity.name].present]
    nodes = []
    for node in program.file.root.walk():
        if node.tag == "ByEntityCondition" and any(n.attributes.get("entityRef") == ego for n in node.walk()):
            nodes += [each for each in node.walk() if each.tag == "Position"]
        if node.tag == "SynchronizeAction" and node.attributes.get("masterEntityRef") == ego:
            nodes.append(node.need("TargetPositionMaster"))
    positions = [read_position(node, frame) for node in nodes]
    return [*found, *(position.at for position in positions if isinstance(position, Fixed))]
