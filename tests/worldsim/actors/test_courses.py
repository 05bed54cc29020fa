"""Courses along lanes: where a vehicle will drive, and what it meets there."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lane_layouts import LEFT_OF_STEM, RIGHT_OF_STEM, STRAIGHT_ON, layout_with_lanes, tee

from worldsim.actors.course_columns import COURSE_NAMES, CourseColumn
from worldsim.actors.courses import find_courses
from worldsim.actors.lane_graph import LaneGraph
from worldsim.actors.leads import FREE
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind
from worldsim.layouts.assembly import join_layouts

FAR_EGO = np.array([0.0, 500.0, 0.0, 0.0, 0.0, 0.0])
NORTH = np.pi / 2
CYCLES = np.array([[40.0, 0.0, 15.0, 4.0], [40.0, 20.0, 15.0, 4.0]])


def car(x: float, y: float, yaw: float = 0.0, speed: float = 8.0, acceleration: float = 0.0) -> list[float]:
    return [x, y, yaw, speed, 4.0, 1.8, 0.0, 1.0, np.nan, acceleration]


def courses(graph: LaneGraph, *rows: list[float], time: float = 0.0, goals: object = None, **parts: Any) -> np.ndarray:
    """COURSE_NAMES [s, 18] of these cars, or of what `kinds` says."""
    states, n = np.array(rows), len(rows)
    kinds = np.array(parts.get("kinds", [ObjectKind.CAR] * n), np.int64)
    ego = np.array(parts.get("ego", FAR_EGO))
    route = np.array(parts.get("route", [ego[:2], ego[:2] + np.array([30.0, 0.0])]))
    goal = None if goals is None else np.array(goals, np.float64)
    waited = None if "waited" not in parts else np.array(parts["waited"])
    ids = parts.get("ids", np.arange(n))
    return find_courses(graph, CYCLES, time, states, kinds, ids, ego, route, goal, waited)


def value(row: np.ndarray, name: str) -> float:
    return float(row[COURSE_NAMES.index(name)])


def test_a_vehicle_follows_its_lane_with_offset_and_heading() -> None:
    graph = LaneGraph.of(tee())
    row, beside, against = courses(graph, car(-40, -1.5, 0.1), car(-40, 9.0), car(30, -2, np.pi))
    assert value(row, "on_lane") == 1
    assert value(row, "lateral") == pytest.approx(0.5)
    assert value(row, "heading") == pytest.approx(0.1)
    assert value(row, "curve_speed") == pytest.approx(FREE)
    assert value(row, "gap") == FREE
    assert value(beside, "on_lane") == value(against, "on_lane") == 0


def test_a_vehicle_knows_the_limit_of_its_own_lane() -> None:
    ways = [np.array([(-60.0, y), (60.0, y)]) for y in (0.0, 8.0, 16.0)]
    layout = replace(layout_with_lanes(ways, []), line_speed_limits=np.array([8.3, 13.9, 0.0], np.float32))
    found = courses(LaneGraph.of(layout), car(0, 0), car(0, 8), car(0, 16), car(0, 40))
    assert [value(row, "speed_limit") for row in found] == pytest.approx([8.3, 13.9, 0.0, 0.0])


def test_the_course_bends_as_the_way_that_leads_to_its_goal() -> None:
    graph = LaneGraph.of(tee())
    for lane, goal, sign in ((LEFT_OF_STEM, (-30.0, 2.0), 1), (RIGHT_OF_STEM, (30.0, -2.0), -1)):
        row = courses(graph, car(2, -12, NORTH), goals=[goal])[0]
        assert value(row, "turn") == pytest.approx(graph.turns[lane])
        assert sign * value(row, "bend_beyond") > 1.2
        assert 2.0 < value(row, "curve_speed") < 8.0
        assert value(row, "entry") == pytest.approx(0.0, abs=0.1)  # its front is at the junction
    # without a goal each takes the way of its own number, and both ways are taken
    turns = {np.sign(value(row, "turn")) for row in courses(graph, *[car(2, -12 - 5 * k, NORTH) for k in range(8)])}
    assert turns == {-1, 1}


def test_the_lead_is_whoever_is_on_the_course_around_the_bend_too() -> None:
    graph = LaneGraph.of(tee())
    turner, lead, aside = car(2, -14, NORTH), car(-30, 2, np.pi, speed=3.0), car(2, 20, NORTH)
    row = courses(graph, turner, lead, aside, goals=[(-50, 2), (np.nan, np.nan), (np.nan, np.nan)])[0]
    way = 4 + graph.lengths[LEFT_OF_STEM] + 20
    assert value(row, "gap") == pytest.approx(way - 4.0, abs=0.3)
    assert value(row, "lead_speed") == pytest.approx(3.0, abs=1e-3)
    ego = np.array([-35.0, -2.0, 0.0, 2.0, 0.0, 0.0])
    behind_ego = courses(graph, car(-50, -2), ego=ego)[0]
    assert value(behind_ego, "gap") == pytest.approx(15 - 2.0 - 2.3, abs=0.01)
    assert value(behind_ego, "lead_speed") == 2.0


def test_pedestrians_are_leads_when_they_come_towards_the_course() -> None:
    graph = LaneGraph.of(tee())
    kinds = [ObjectKind.CAR, ObjectKind.PEDESTRIAN]
    walker = [-30.0, -4.6, NORTH, 1.2, 0.6, 0.6, 0.0, 1.0, np.nan, 0.0]
    assert value(courses(graph, car(-50, -2), walker, kinds=kinds)[0], "gap") == pytest.approx(17.7, abs=0.01)
    walker[2] = -NORTH
    assert value(courses(graph, car(-50, -2), walker, kinds=kinds)[0], "gap") == FREE


def test_a_red_light_is_stopped_for_and_a_yellow_one_where_that_is_possible() -> None:
    graph = LaneGraph.of(tee(lights=True))
    for time, shown, speed, stops in (
        (5.0, SignalKind.GREEN, 8.0, False),
        (16.0, SignalKind.YELLOW, 8.0, True),
        (16.0, SignalKind.YELLOW, 13.0, False),  # 4.7 m/s² would be too hard
        (30.0, SignalKind.RED, 8.0, True),
        (30.0, SignalKind.RED, 16.0, False),
    ):
        row = courses(graph, car(-31, -2, speed=speed), time=time)[0]
        assert value(row, "signal") == shown
        assert value(row, "signal_distance") == pytest.approx(18.0, abs=0.01)
        assert value(row, "stop") == pytest.approx(18.0 if stops else FREE, abs=0.01)


def test_a_stop_sign_is_obeyed_once() -> None:
    graph = LaneGraph.of(tee(stop_sign=True))
    assert value(courses(graph, car(2, -25, NORTH))[0], "stop") == pytest.approx(12.0, abs=0.01)
    assert value(courses(graph, car(2, -14, NORTH, speed=0.1))[0], "stop") == FREE
    assert value(courses(graph, car(2, -14, NORTH, speed=0.8, acceleration=1.0))[0], "stop") == FREE
    assert value(courses(graph, car(2, -14, NORTH, speed=0.8, acceleration=-1.0))[0], "stop") < 1.1


def test_the_minor_road_waits_for_the_major_one_and_for_the_ego() -> None:
    graph = LaneGraph.of(tee())
    left = [(-40.0, 2.0), (np.nan, np.nan)]
    stem, main = car(2, -20, NORTH, speed=5.0), car(-25, -2, speed=8.0)
    first, second = courses(graph, stem, main, goals=left)
    assert value(first, "minor") == 1
    assert value(first, "wait") == pytest.approx(8.0, abs=0.01)
    assert value(first, "rival_time") < 3.5
    assert value(second, "wait") == FREE
    gone = courses(graph, stem, car(40, -2), goals=left)[0]
    assert value(gone, "wait") == FREE
    ego = np.array([-25.0, -2.0, 0.0, 8.0, 0.0, 0.0])
    route = np.stack([np.arange(-25.0, 40.0, 2.5), np.full(26, -2.0)], axis=-1)
    for_ego = courses(graph, stem, goals=left[:1], ego=ego, route=route)[0]
    assert value(for_ego, "wait") == pytest.approx(8.0, abs=0.01)


def test_nobody_waits_for_those_who_stand_behind_him() -> None:
    graph = LaneGraph.of(tee())
    goals = [(-40.0, 2.0), (np.nan, np.nan)]
    stem = car(2, -7, NORTH, speed=2.0)  # its body is in the way of who stands on the main road
    for speed, waits in ((5.0, True), (0.0, False)):
        ego = np.array([-5.0, -2.0, 0.0, speed, 0.0, 0.0])
        route = np.stack([np.arange(-5.0, 40.0, 2.5), np.full(18, -2.0)], axis=-1)
        row = courses(graph, stem, goals=goals[:1], ego=ego, route=route)[0]
        assert (value(row, "wait") < FREE) == waits
    queue = courses(graph, stem, car(-9, -2, speed=0.0), car(-4, -2, speed=0.0), goals=[*goals, goals[1]])
    assert value(queue[1], "gap") < 2
    alone = courses(graph, stem, car(-4, -2, speed=0.0), goals=goals)[0]
    assert value(queue[0], "wait") == pytest.approx(value(alone, "wait"))


def test_who_merges_first_is_followed() -> None:
    graph = LaneGraph.of(tee())
    goals = [(np.nan, np.nan), (40.0, -2.0)]
    first, second = courses(graph, car(0, -2, speed=6.0), car(2, -7, NORTH, speed=4.0), goals=goals)
    mine = graph.crossings[RIGHT_OF_STEM, STRAIGHT_ON] - 3 - 2  # of its front from where they merge
    other = graph.crossings[STRAIGHT_ON, RIGHT_OF_STEM] - 10 - 2
    assert value(second, "gap") == pytest.approx(max(mine - other - 4, 0), abs=0.1)
    assert value(second, "lead_speed") == 6.0
    assert value(first, "gap") == FREE


def test_two_in_a_junction_never_wait_for_each_other() -> None:
    graph = LaneGraph.of(tee())
    goals = [(-40.0, 2.0), (40.0, -2.0)]
    rng = np.random.default_rng(0)
    for _ in range(50):
        stem = car(2, float(rng.uniform(-14, -6)), NORTH, speed=float(rng.uniform(0, 6)))
        main = car(float(rng.uniform(-14, -2)), -2, speed=float(rng.uniform(0, 6)))
        waits = courses(graph, stem, main, goals=goals)[:, CourseColumn.WAIT]
        assert (waits == FREE).any()


def test_without_lanes_there_is_a_free_way() -> None:
    row = courses(LaneGraph.of(tee().crop(np.array([[900.0, 900.0]]), 1.0)), car(-40, -2))[0]
    assert value(row, "on_lane") == 0
    assert value(row, "gap") == value(row, "wait") == value(row, "stop") == FREE


def test_of_two_that_stand_face_to_face_the_one_that_came_last_goes_on() -> None:
    graph = LaneGraph.of(tee())
    east, west = car(-3.0, -1.6, speed=0.0), car(3.0, 0.4, np.pi, speed=0.0)  # they would pass with 0.2 m between them
    for waited, goes in (((1.0, 9.0), None), ((9.0, 5.0), 1), ((5.0, 9.0), 0)):
        gaps = courses(graph, east, west, waited=waited)[:, CourseColumn.GAP]
        assert [gap == FREE for gap in gaps] == [goes == 0, goes == 1]
    # nobody goes on into the other
    west[1] = 0.1
    assert (courses(graph, east, west, waited=(5.0, 9.0))[:, CourseColumn.GAP] < FREE).all()


def test_of_two_that_merge_in_a_junction_the_one_behind_follows_however_close_they_are() -> None:
    graph = LaneGraph.of(tee())
    goals = [(40.0, -2.0), (40.0, -2.0)]
    along, turns = graph.lengths[STRAIGHT_ON], graph.lengths[RIGHT_OF_STEM]
    for ahead in (1.0, 5.0, 9.0):
        # both have to go as far to where their lanes end, but for `ahead`
        main = car(10 - 4.0, -2, speed=4.0)
        own = graph.points[graph.starts[RIGHT_OF_STEM] : graph.starts[RIGHT_OF_STEM + 1]]
        k = int(np.abs((turns - 4.0 - ahead) - graph.steps[RIGHT_OF_STEM] * np.arange(len(own))).argmin())
        stem = car(*own[k], speed=4.0)
        rest = turns - k * graph.steps[RIGHT_OF_STEM]
        first, second = courses(graph, main, stem, goals=goals)
        assert value(first, "gap") == FREE
        assert value(second, "gap") <= max(rest - 4.0 - 4.0, 0.0) + 0.1
        assert value(first, "wait") == value(second, "wait") == FREE
    assert along > 8


def test_who_has_stood_before_the_ego_goes_on_where_it_passes() -> None:
    graph = LaneGraph.of(tee())
    west = car(3.0, 0.4, np.pi, speed=0.0)
    for y, speed, waited, goes in (
        (-1.65, 0.0, 5.0, True),
        (-1.65, 0.0, 1.0, False),
        (-1.65, 2.0, 5.0, False),
        (-1.2, 0.0, 5.0, False),
    ):
        ego = np.array([-3.0, y, 0.0, speed, 0.0, 0.0])
        row = courses(graph, west, ego=ego, waited=(waited,))[0]
        assert (value(row, "gap") == FREE) == goes
    behind = np.array([-3.0, 0.4, np.pi, 0.0, 0.0, 0.0])
    assert value(courses(graph, west, ego=behind, waited=(50.0,))[0], "gap") < 3


def test_nobody_drives_into_a_junction_in_which_one_stands_in_the_way() -> None:
    graph = LaneGraph.of(tee())
    west = [(-40.0, 2.0)]
    stem = car(2.0, -20.0, np.pi / 2, speed=5.0)
    for x, in_way in ((2.0, True), (7.5, False)):
        # it stands there behind another one, and so does not come
        stands, before = car(x, -2.0, speed=0.0), car(x + 6.0, -2.0, speed=0.0)
        row = courses(graph, stem, stands, before, goals=[*west, (40.0, -2.0), (40.0, -2.0)])[0]
        assert (value(row, "wait") == pytest.approx(8.0, abs=0.05)) == in_way
    # who is in the junction already, or can no longer stop, goes on behind its lead
    fast = car(2.0, -12.5, np.pi / 2, speed=9.0)
    assert value(courses(graph, fast, stands, before, goals=[*west, (40.0, -2.0), (40.0, -2.0)])[0], "wait") == FREE


def test_of_two_in_a_junction_the_ego_goes_first_while_it_moves() -> None:
    graph = LaneGraph.of(tee())
    own = graph.points[graph.starts[LEFT_OF_STEM] : graph.starts[LEFT_OF_STEM + 1]]
    turns = car(*own[1], speed=2.0)  # in the junction, its front before the main road's lane
    route = np.stack([np.arange(-8.5, 40.0, 2.0), np.full(25, -2.0)], axis=-1)
    for speed, waits in ((4.0, True), (0.0, False)):
        ego = np.array([-8.5, -2.0, 0.0, speed, 0.0, 0.0])
        row = courses(graph, turns, ego=ego, route=route, goals=[(-40.0, 2.0)])[0]
        assert (value(row, "wait") < FREE) == waits


def test_a_driver_goes_the_same_way_when_the_layout_grows() -> None:
    small = tee()
    ahead = [np.array([(70.0 + 20 * k, 60.0), (80.0 + 20 * k, 60.0)]) for k in range(3)]
    before, grown = LaneGraph.of(small), LaneGraph.of(join_layouts([layout_with_lanes(ahead, []), small]))
    assert len(grown) == len(before) + 3
    for number in range(12):
        stem = car(2.0, -14.0, np.pi / 2)
        turns = [value(courses(graph, stem, ids=np.array([number]))[0], "turn") for graph in (before, grown)]
        assert turns[0] == turns[1]
