"""Starts before junctions: the way is what was asked for, distances are kept, and what a map lacks is named."""

import numpy as np
import pytest

from envs.maps.junction_search import JunctionAhead, find_junction_start
from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.road_map import load_map, load_town
from envs.maps.towns.special_places import merge_xodr, roundabout_xodr
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import RouteCommand

TOWN = 3
TURNS = (RouteCommand.STRAIGHT, RouteCommand.LEFT, RouteCommand.RIGHT)


def start_on(road_map, wanted, seed=0):
    """The start and the route that goes over the junction."""
    start = find_junction_start(road_map, wanted, np.random.default_rng(seed))
    return start, road_map.route_from(start.lane, 300.0, np.random.default_rng(seed), start.via)


@pytest.mark.parametrize("seed", range(3))
def test_the_stop_line_of_a_light_is_as_far_ahead_as_asked(seed):
    road_map = load_town(TOWN)
    start, route = start_on(road_map, JunctionAhead(distance=50.0, turns=TURNS, controls=("light",)), seed)
    assert road_map.signals[start.light].kind == SignalType.TRAFFIC_LIGHT
    assert route.stops.s[0] == pytest.approx(50.0, abs=0.1)
    assert route.stops.signals[0] == start.light
    assert start.partner is None


@pytest.mark.parametrize(
    ("side", "heading"), [("left", -np.pi / 2), ("right", np.pi / 2), ("oncoming", np.pi), ("beside", 0.0)]
)
def test_the_other_comes_from_where_it_is_asked_to_and_meets_the_ego_there(side, heading):
    turns = (RouteCommand.LEFT,) if side == "oncoming" else (RouteCommand.STRAIGHT,)
    road_map = load_map(merge_xodr(0)) if side == "beside" else load_town(TOWN)
    wanted = JunctionAhead(distance=40.0, turns=turns, partner=side, partner_distance=45.0)
    start, route = start_on(road_map, wanted)
    assert start.meeting >= 45.0
    assert np.hypot(*(route.points[40] - start.partner.points[round(start.meeting)])) < 2.5
    own, other = start.lane.yaw, start.partner.yaw[round(start.meeting) - 25]
    assert abs(wrap_angle(other - own - heading)) < np.radians(45.0)
    assert (route.command[30:45] == turns[0]).any()
    assert (np.hypot(*np.diff(start.partner.points, axis=0).T) < 1.1).all(), "the path has no gaps"


def test_a_roundabout_is_one_whose_lanes_lead_round():
    wanted = JunctionAhead(
        distance=40.0,
        turns=TURNS,
        controls=("yield",),
        partner="left",
        partner_turns=TURNS,
        roundabout=True,
        beyond=0.0,
    )
    assert find_junction_start(load_map(roundabout_xodr(0)), wanted, np.random.default_rng(0)).meeting > 40.0
    with pytest.raises(ValueError, match="no start before a roundabout ruled by yield"):
        find_junction_start(load_town(TOWN), wanted, np.random.default_rng(0))


def test_what_a_map_lacks_is_named():
    road_map = load_map(merge_xodr(0))
    with pytest.raises(ValueError, match=r"no start before a junction ruled by light .*; of 0 ways .* none is there"):
        find_junction_start(road_map, JunctionAhead(distance=40.0, controls=("light",)), np.random.default_rng(0))
    with pytest.raises(ValueError, match="of 2 ways over junctions of that kind 2 without 400 m of lane before it"):
        find_junction_start(road_map, JunctionAhead(distance=400.0), np.random.default_rng(0))
    wanted = JunctionAhead(distance=40.0, partner="right")
    with pytest.raises(ValueError, match="2 without a path that crosses"):
        find_junction_start(road_map, wanted, np.random.default_rng(0))


def test_a_start_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"distance to the junction must be positive, got 0"):
        JunctionAhead(distance=0.0)
    with pytest.raises(ValueError, match="green_ends is for a light, got controls stop"):
        JunctionAhead(distance=30.0, controls=("stop",), green_ends=1.0)
