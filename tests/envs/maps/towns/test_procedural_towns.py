"""Towns load, never end, and are the same for the same seed."""

import math
import random
from functools import cache

import pytest

from envs.maps.towns.procedural_towns import town_xodr

carla = pytest.importorskip("carla")

SEEDS = range(5)
STEP = 2.0


@cache
def load(seed: int) -> "carla.Map":
    return carla.Map(f"town_{seed}", town_xodr(seed))


def turn(a: float, b: float) -> float:
    return abs((b - a + 180) % 360 - 180)


def test_equal_seeds_give_equal_text():
    assert town_xodr(3) == town_xodr(3)
    assert town_xodr(3) != town_xodr(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_walks_never_end_and_never_jump(seed: int):
    rng = random.Random(seed)
    for start in load(seed).generate_waypoints(40.0):
        waypoint = start
        for _ in range(round(300 / STEP)):
            following = waypoint.next(STEP)
            assert following, f"dead end in road {waypoint.road_id}, lane {waypoint.lane_id}"
            after = rng.choice(following)
            gap = waypoint.transform.location.distance(after.transform.location)
            assert 0.5 < gap <= 2.6, (waypoint.road_id, after.road_id)
            assert turn(waypoint.transform.rotation.yaw, after.transform.rotation.yaw) < 25
            waypoint = after


@pytest.mark.parametrize("seed", SEEDS)
def test_junctions_have_every_turn_and_no_lane_is_left_out(seed: int):
    topology = load(seed).get_topology()
    into_lanes = {(b.road_id, b.lane_id) for _, b in topology}
    turns: dict[int, set[tuple[int, int]]] = {}
    for a, b in topology:
        assert (a.road_id, a.lane_id) in into_lanes
        if b.is_junction and not a.is_junction:
            exit_road = b.next_until_lane_end(STEP)[-1].next(STEP)[0].road_id
            turns.setdefault(b.junction_id, set()).add((a.road_id, exit_road))
    sizes = {len(pairs) for pairs in turns.values()}
    assert sizes == {6, 12}, "every T junction has 6 pairs of streets, every X junction 12"


def test_streets_have_both_sizes_and_several_limits():
    text = "".join(town_xodr(seed) for seed in SEEDS)
    for limit in (30, 50, 70):
        assert f'<speed max="{limit}" unit="km/h"' in text
    counts = {w.lane_id for w in load(0).generate_waypoints(10.0) if not w.is_junction}
    assert counts == {-2, -1, 1, 2}


def test_lanes_meet_without_a_step():
    worst = 0.0
    for a, b in load(1).get_topology():
        end = a.next_until_lane_end(0.5)[-1].transform.location if not a.is_junction else None
        if end is not None:
            worst = max(worst, math.hypot(end.x - b.transform.location.x, end.y - b.transform.location.y))
    assert worst < 1.0
