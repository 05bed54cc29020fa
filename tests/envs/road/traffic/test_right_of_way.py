"""Which approaches of junctions are minor, by signs, lights, size and shape."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.road_map import RoadMap, load_town
from envs.road.traffic.right_of_way import MAJOR, MINOR, RightOfWay, turn_of


def with_signals(road_map: RoadMap, signals) -> RoadMap:
    """The same map with other signals."""
    other = object.__new__(RoadMap)
    vars(other).update(vars(road_map))
    other.signals = tuple(signals)
    return other


def ranks(road_map: RoadMap, junction: int) -> dict:
    """Rank of each lane into a junction."""
    right_of_way = RightOfWay.of(road_map)
    lanes_in = right_of_way.approaches[junction]
    return {
        key: {int(right_of_way.rank[road_map.lane_keys.index(lane.key)]) for lane in onward}
        for key, onward in lanes_in.items()
    }


@pytest.fixture(scope="module")
def town() -> RoadMap:
    return load_town(0)


def test_without_signs_the_stem_of_a_t_or_the_smaller_road_is_minor(town):
    bare = with_signals(town, [])
    found = set()
    for junction, lanes_in in RightOfWay.of(bare).approaches.items():
        lanes = [bare.lanes[key] for key in lanes_in]
        sizes = {(sum(k[:2] == lane.key[:2] for k in bare.lane_keys), float(lane.speed_limit[-1])) for lane in lanes}
        got = ranks(bare, junction)
        if len(sizes) > 1:
            found.add("size")
            assert {MAJOR} in got.values()
            assert {MINOR} in got.values()
        elif len(lanes_in) == 3:
            found.add("T")
            for key, onward in lanes_in.items():
                stem = all(abs(turn_of(lane)) > np.radians(35) for lane in onward)
                assert got[key] == {MINOR if stem else MAJOR}
    assert found


def test_a_stop_or_yield_sign_makes_its_approach_minor_whatever_its_size(town):
    junction, lanes_in = next(iter(RightOfWay.of(town).approaches.items()))
    key = next(iter(lanes_in))
    sign = next(s for s in town.signals if s.kind != SignalType.SPEED_LIMIT)
    for kind in (SignalType.STOP, SignalType.YIELD):
        signed = with_signals(town, [replace(sign, kind=kind, stops=((key, town.lanes[key].length),))])
        got = ranks(signed, junction)
        assert got.pop(key) == {MINOR}
        assert set(map(frozenset, got.values())) == {frozenset({MAJOR})}


def test_approaches_without_a_light_yield_to_those_with_one(town):
    junction, lanes_in = next(iter(RightOfWay.of(town).approaches.items()))
    key = next(iter(lanes_in))
    light = replace(
        town.signals[0], kind=SignalType.TRAFFIC_LIGHT, stops=((key, town.lanes[key].length),), junction=junction
    )
    got = ranks(with_signals(town, [light]), junction)
    assert got.pop(key) == {MAJOR}
    assert set(map(frozenset, got.values())) == {frozenset({MINOR})}
