"""A roundabout and a merge as OpenDRIVE: read without a complaint, driven through, the same for the same seed."""

import warnings

import numpy as np
import pytest

from envs.maps.road_map import load_map
from envs.maps.towns.special_places import merge_xodr, roundabout_xodr


@pytest.mark.parametrize("make", [roundabout_xodr, merge_xodr])
def test_a_seed_makes_a_map_that_is_read_as_it_is_meant(make):
    assert make(5) == make(5) != make(6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        road_map = load_map(make(5))
    num_yields = 4 if make is roundabout_xodr else 1
    assert [len(signal.stops) for signal in road_map.signals] == [1] * num_yields
    for lane in road_map.lanes.values():
        for key in lane.successors:
            assert np.hypot(*(road_map.lanes[key].points[0] - lane.points[-1])) < 0.05
        assert road_map.drivable(lane.points).all()


def test_one_drives_round_and_out_at_every_arm():
    road_map = load_map(roundabout_xodr(1))
    start = road_map.lane_at(road_map.lanes[1, 0, -1].points[0])
    assert start is not None
    ends = set()
    for seed in range(40):
        route = road_map.route_from(start, 600.0, np.random.default_rng(seed))
        turned = np.abs(np.diff(np.unwrap(route.yaw))).max()
        assert turned < np.radians(12.0), "a metre of road turns no sharper"
        ends.add(road_map.lane_keys[route.lanes[-1]][0])
    assert ends == {1, 2, 3, 4}
