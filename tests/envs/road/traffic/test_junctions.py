"""Giving way on constructed junctions: who goes, who waits, and where."""

import numpy as np
import pytest

from envs.road.traffic.admission import admit, goes_first
from envs.road.traffic.junctions import find_stops, follow_merging, give_way, signal_stops
from envs.road.traffic.passages import Drivers, Passages, RoadAhead, find_crossing, travel_time
from envs.road.traffic.right_of_way import MAJOR, MINOR
from worldsim.datatypes.signals import SignalKind

EAST, NORTH, WEST, SOUTH = 0.0, np.pi / 2, np.pi, -np.pi / 2
LANE = 1.75
"""Everyone keeps this far to the right of the middle of its road, which meets the others at the origin [m]."""
REACH = 12.0
"""The junction begins and ends this far from the origin [m]."""


class Approach:
    """A driver that comes to the junction from `before` metres before its line, goes straight on or turns."""

    def __init__(
        self, heading, before=20.0, speed=8.0, *, turn=0, rank=MAJOR, waited=0.0, room=np.inf, gap=np.inf, side=1.0
    ):
        self.speed, self.rank, self.waited, self.room, self.gap = speed, rank, waited, room, gap
        self.line = before + 2.25
        self.points, self.yaw = _path(heading, self.line, turn, side)
        self.exit = self.line + 0.5 + (2 * REACH if turn == 0 else np.pi / 2 * (REACH + turn * side * LANE))


def _path(heading, line, turn, side):
    """One point a metre: straight to the junction, straight or on a quarter circle through it, straight on."""
    s = np.arange(120.0) - line - 0.5
    radius = REACH + turn * side * LANE
    if turn == 0:
        along, across, bend = s - REACH, np.zeros(len(s)), np.zeros(len(s))
    else:
        bend = turn * np.clip(s / radius, 0, np.pi / 2)
        rest = np.maximum(s - radius * np.pi / 2, 0)
        along = np.minimum(s, 0) - REACH + radius * np.sin(np.abs(bend))
        across = turn * (radius * (1 - np.cos(bend)) + rest)
    across = across - side * LANE
    c, sn = np.cos(heading), np.sin(heading)
    return np.stack([c * along - sn * across, sn * along + c * across], axis=-1), heading + bend


def junction(*approaches: Approach) -> tuple[Drivers, Passages]:
    n = len(approaches)
    drivers = Drivers(
        xy=np.stack([a.points for a in approaches]),
        yaw=np.stack([a.yaw for a in approaches]),
        z=np.zeros((n, 120)),
        s=np.zeros(n),
        half_length=np.full(n, 2.25),
        speed=np.array([a.speed for a in approaches], float),
        waited=np.array([a.waited for a in approaches], float),
        gap=np.array([a.gap for a in approaches], float),
        lead=np.full(n, -1),
        lead_speed=np.zeros(n),
        room=np.array([a.room for a in approaches], float),
    )
    passages = Passages(
        line=np.array([a.line for a in approaches], float),
        entry=np.array([a.line + 0.5 for a in approaches], float),
        exit=np.array([a.exit for a in approaches], float),
        junction=np.full(n, 7),
        rank=np.array([a.rank for a in approaches]),
    )
    return drivers, passages


def who_waits(*approaches: Approach, stops=None, granted=None, left_hand=False) -> list[bool]:
    drivers, passages = junction(*approaches)
    n = len(approaches)
    stops = np.full(n, np.inf) if stops is None else np.array(stops, float)
    granted = np.zeros(n, bool) if granted is None else np.array(granted)
    return np.isfinite(admit(drivers, passages, stops, granted, left_hand)).tolist()


def test_alone_one_goes():
    assert who_waits(Approach(EAST, 6, 5)) == [False]


def test_whoever_comes_from_the_right_goes_first():
    """Northbound traffic comes from the right of eastbound."""
    assert who_waits(Approach(EAST, 6, 5), Approach(NORTH, 6, 5)) == [True, False]
    assert who_waits(Approach(NORTH, 6, 5), Approach(EAST, 6, 5)) == [False, True]
    assert who_waits(Approach(EAST, 6, 5), Approach(SOUTH, 6, 5)) == [False, True]


def test_in_left_hand_traffic_whoever_comes_from_the_left_goes_first():
    east, north, south = (Approach(heading, 6, 5, side=-1.0) for heading in (EAST, NORTH, SOUTH))
    assert who_waits(east, north, left_hand=True) == [False, True]
    assert who_waits(east, south, left_hand=True) == [True, False]


def test_a_larger_road_goes_first():
    assert who_waits(Approach(EAST, 6, 5), Approach(NORTH, 6, 5, rank=MINOR)) == [False, True]


def test_a_turn_across_waits_for_oncoming_traffic_but_not_for_who_turns_too():
    assert who_waits(Approach(EAST, 6, 5, turn=1), Approach(WEST, 10, 8)) == [True, False]
    drivers, passages = junction(Approach(EAST, 6, 5, turn=1), Approach(WEST, 10, 8, turn=1))
    assert not goes_first(0, 1, drivers, passages, False)
    assert not goes_first(1, 0, drivers, passages, False)


def test_straight_on_and_oncoming_do_not_wait_for_each_other():
    assert who_waits(Approach(EAST, 6, 5), Approach(WEST, 6, 5)) == [False, False]


def test_a_gap_that_is_long_enough_is_taken():
    near, far = Approach(NORTH, 12, 10), Approach(NORTH, 65, 8)
    assert who_waits(Approach(EAST, 2, 5, rank=MINOR), near)[0]
    assert not who_waits(Approach(EAST, 2, 5, rank=MINOR), far)[0]


def test_four_that_wait_for_their_right_go_one_after_the_other():
    waiting = [Approach(h, 1, 0.0, waited=w) for h, w in ((EAST, 3.0), (NORTH, 2.0), (WEST, 1.0), (SOUTH, 2.5))]
    waits = who_waits(*waiting)
    assert not waits[0]
    assert waits[1]
    assert waits[3]


def test_after_a_long_wait_one_is_let_in():
    """Those with priority who can stop with comfort do."""
    stream = [Approach(NORTH, 40, 10), Approach(NORTH, 60, 10)]
    assert who_waits(Approach(EAST, 1, 0.0, rank=MINOR, waited=5.0), *stream)[0]
    assert not who_waits(Approach(EAST, 1, 0.0, rank=MINOR, waited=20.0), *stream)[0]


def test_nobody_enters_a_junction_that_cannot_be_left():
    free_behind = 0.5 + 2 * REACH
    assert who_waits(Approach(EAST, 2, 4, room=free_behind + 2.0)) == [True]
    assert who_waits(Approach(EAST, 2, 4, room=free_behind + 15.0)) == [False]


def test_nobody_enters_while_another_is_in_the_way():
    inside = Approach(NORTH, -6, 2.0)
    assert who_waits(Approach(EAST, 4, 5), inside) == [True, False]


def test_who_was_let_in_goes_even_if_another_with_priority_comes():
    both = Approach(EAST, 3, 5), Approach(NORTH, 12, 6)
    assert who_waits(*both) == [True, False]
    assert who_waits(*both, granted=[True, False]) == [False, True]


def test_roads_on_two_levels_do_not_cross():
    drivers, passages = junction(Approach(EAST), Approach(NORTH))
    assert find_crossing(0, 1, drivers, passages)[0]
    drivers.z[1] += 6.0
    assert not find_crossing(0, 1, drivers, passages)[0]


def test_two_into_one_lane_merge():
    drivers, passages = junction(Approach(EAST), Approach(SOUTH, turn=1))
    crosses, merge, *_ = find_crossing(0, 1, drivers, passages)
    assert crosses
    assert merge


def test_in_the_junction_the_one_behind_follows_into_the_merge():
    drivers, passages = junction(Approach(EAST, -14, 4), Approach(SOUTH, -3, 4, turn=1))
    gap, speed = np.full(2, np.inf), np.zeros(2)
    follow_merging(drivers, passages, gap, speed)
    assert np.isinf(gap[0])
    assert np.isfinite(gap[1])
    assert speed[1] == 4


@pytest.mark.parametrize("fastest", [5.0, 12.0])
def test_travel_time_is_that_of_pulling_away(fastest):
    t, dt, v, x = 0.0, 1e-3, 2.0, 0.0
    while x < 20.0:
        v = min(v + 1.4 * dt, fastest)
        x, t = x + v * dt, t + dt
    assert travel_time(20.0, 2.0, fastest) == pytest.approx(t, abs=0.02)


def lights(front: float, speed: float, kind: SignalKind, halted=False) -> tuple[float, bool]:
    """Answer of `signal_stops` to a driver whose front is `front` metres before a line."""
    drivers, _ = junction(Approach(EAST, speed=speed))
    none = np.full((1, 1), np.inf)
    road = RoadAhead(
        length=np.array([100.0]),
        stop_s=np.array([[2.25 + front]]),
        stop_signals=np.zeros((1, 1), np.int64),
        line=none,
        entry=none,
        exit=none,
        junction=np.full((1, 1), -1),
        rank=np.zeros((1, 1), np.int64),
    )
    state = np.array([halted])
    stop = signal_stops(drivers, road, state, np.array([int(kind)]))
    return float(stop[0]), bool(state[0])


def test_lights():
    assert lights(30, 10, SignalKind.RED)[0] == pytest.approx(30)
    assert lights(30, 10, SignalKind.YELLOW)[0] == pytest.approx(30)
    assert np.isinf(lights(10, 10, SignalKind.YELLOW)[0])  # 5 m/s² would be needed
    assert np.isinf(lights(30, 10, SignalKind.GREEN)[0])
    assert np.isinf(lights(30, 10, SignalKind.YIELD)[0])
    assert np.isinf(lights(-2, 10, SignalKind.RED)[0])  # it has entered


def test_stop_signs_ask_for_a_full_stop_near_the_line():
    assert np.isfinite(lights(2, 3, SignalKind.STOP)[0])
    assert np.isfinite(lights(9, 0.0, SignalKind.STOP)[0])
    stop, halted = lights(2, 0.1, SignalKind.STOP)
    assert np.isinf(stop)
    assert halted
    stop, halted = lights(1, 1.0, SignalKind.STOP, halted=True)
    assert np.isinf(stop)
    assert halted


def test_everyone_gives_way_to_those_of_no_driver_model_although_they_would_be_first():
    drivers, passages = junction(Approach(EAST, 6, 8))
    ego = np.array([LANE, -22.0]) + 2.0 * np.arange(20)[:, None] * np.array([0.0, 1.0])
    assert np.isfinite(give_way(drivers, passages, ego[None], np.zeros(1), np.array([10.0]))).all()
    assert np.isinf(give_way(drivers, passages, ego[None], np.full(1, 6.0), np.array([10.0]))).all()
    away = ego + np.array([0.0, 60.0])
    assert np.isinf(give_way(drivers, passages, away[None], np.zeros(1), np.array([10.0]))).all()


def test_find_stops_makes_the_front_halt_before_the_line_of_a_red_light():
    drivers, _ = junction(Approach(EAST, 30, 10))
    road = RoadAhead(
        length=np.array([119.0]),
        stop_s=np.array([[32.25]]),
        stop_signals=np.zeros((1, 1), np.int64),
        line=np.array([[32.25]]),
        entry=np.array([[32.75]]),
        exit=np.array([[56.75]]),
        junction=np.array([[7]]),
        rank=np.zeros((1, 1), np.int64),
    )
    nobody = np.zeros((0, 20, 2)), np.zeros(0), np.zeros(0)
    for kind, stops in ((SignalKind.RED, True), (SignalKind.GREEN, False)):
        stop = find_stops(drivers, road, np.zeros(1, bool), np.zeros(1, bool), np.array([int(kind)]), False, *nobody)
        assert np.isfinite(stop[0]) == stops
