"""Right of way: which junction lanes are minor, and which cross. Found once per map. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT, TURN_ANGLE
from envs.maps.opendrive.signals import SignalType
from envs.road.traffic.admission import OPPOSITE_ANGLE
from envs.road.traffic.passages import CONFLICT_DISTANCE
from worldsim.datatypes.boxes import wrap_angle

if TYPE_CHECKING:
    from envs.maps.geometry import Lane, LaneKey
    from envs.maps.road_map import RoadMap

MAJOR, MINOR = 0, 1
"""Ranks of junction lanes: MINOR yields to MAJOR."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RightOfWay:
    """What the lanes of a map say about priority; rows as in `RoadMap.lane_keys`.

    Args:
        junction: id of the junction a lane belongs to, -1 for none, int64 [l].
        rank: MAJOR or MINOR, int64 [l]; MAJOR outside junctions.
        approaches: by junction id, the lanes into it with the junction lanes that begin at each.
    """

    junction: np.ndarray
    rank: np.ndarray
    approaches: dict[int, dict[LaneKey, tuple[Lane, ...]]]

    @staticmethod
    @lru_cache(maxsize=8)
    def of(road_map: RoadMap) -> RightOfWay:
        """The right of way on a map.

        Stop and yield signs make an approach minor, and so does the lack of a light where others have one. A
        junction without either has a major road if one has more lanes, or a higher limit, than the others, or if
        it is a T: its stem is minor. Elsewhere all approaches are equal.
        """
        approaches = _approaches(road_map)
        signs = _controlled_lanes(road_map, (SignalType.STOP, SignalType.YIELD))
        lights = _controlled_lanes(road_map, (SignalType.TRAFFIC_LIGHT,))
        minor: set[LaneKey] = set()
        for lanes_in in approaches.values():
            with_sign = {key for key in lanes_in if key in signs}
            with_light = {key for key in lanes_in if key in lights}
            if with_light:
                found = with_sign | (lanes_in.keys() - with_light)
            else:
                found = with_sign or _minor_by_shape(road_map, lanes_in)
            minor |= {lane.key for key in found for lane in lanes_in[key]}
        return RightOfWay(
            junction=np.array([road_map.lanes[key].junction for key in road_map.lane_keys], np.int64),
            rank=np.array([MINOR if key in minor else MAJOR for key in road_map.lane_keys], np.int64),
            approaches=approaches,
        )


def _approaches(road_map: RoadMap) -> dict[int, dict[LaneKey, tuple[Lane, ...]]]:
    found: dict[int, dict[LaneKey, tuple[Lane, ...]]] = {}
    for key in road_map.lane_keys:
        lane = road_map.lanes[key]
        for onward in (road_map.lanes[k] for k in lane.successors if k in road_map.lanes):
            if onward.junction >= 0 and onward.junction != lane.junction:
                lanes_in = found.setdefault(onward.junction, {})
                lanes_in[key] = (*lanes_in.get(key, ()), onward)
    return found


def _controlled_lanes(road_map: RoadMap, kinds: tuple[SignalType, ...]) -> set[LaneKey]:
    """Lanes with a stop line of such a signal on them or where they begin: the lane before counts as well."""
    lines = [stop for signal in road_map.signals if signal.kind in kinds for stop in signal.stops]
    lanes = {key for key, _ in lines}
    begins = {key for key, s in lines if s < 0.5 * road_map.lanes[key].length}
    return lanes | {key for key in road_map.lane_keys if begins & set(road_map.lanes[key].successors)}


def _minor_by_shape(road_map: RoadMap, lanes_in: dict[LaneKey, tuple[Lane, ...]]) -> set[LaneKey]:
    """Which approaches of a junction without signs are minor: the smaller roads, or the stem of a T."""
    sizes = {}
    for key in lanes_in:
        lane = road_map.lanes[key]
        beside = sum(k[:2] == key[:2] and (k[2] > 0) == (key[2] > 0) for k in road_map.lane_keys)
        sizes[key] = beside, round(float(lane.speed_limit[-1]), 1)
    if len(set(sizes.values())) > 1:
        return {key for key, size in sizes.items() if size < max(sizes.values())}
    straight = {key for key, onward in lanes_in.items() if any(abs(turn_of(lane)) < TURN_ANGLE for lane in onward)}
    stem = lanes_in.keys() - straight
    roads = {key[0] for key in straight}
    return stem if straight and len(roads) <= 2 else set()


def turn_of(lane: Lane) -> float:
    """How far a lane turns from its beginning to its end, positive left [rad]."""
    return float(lane.yaw[-1] - lane.yaw[0])


def lanes_cross(a: Lane, b: Lane) -> bool:
    """Whether two lanes cross or merge on one level."""
    d = a.points[:, None] - b.points[None]
    near = np.hypot(d[..., 0], d[..., 1]) < CONFLICT_DISTANCE
    return bool((near & (np.abs(a.z[:, None] - b.z[None]) < LEVEL_HEIGHT)).any())


def are_oncoming(a: Lane, b: Lane) -> bool:
    """Whether two junction lanes begin in opposite directions."""
    return abs(float(wrap_angle(a.yaw[0] - b.yaw[0]))) > OPPOSITE_ANGLE
