"""Pedestrians wait at the kerb for vehicles that come and for lights that let these go."""

import numpy as np
import pytest
from lane_layouts import layout_with_lanes, tee

from worldsim.actors.kerb_waits import CAREFUL_GAP, CARELESS_OF, are_on_road, find_kerb_waits
from worldsim.actors.lane_graph import LaneGraph, Streets
from worldsim.datatypes.scene import ObjectKind

FAR_EGO = np.array([0.0, 500.0, 0.0, 0.0, 0.0, 0.0])
SOUTH = -np.pi / 2
CAREFUL, CARELESS = float(CARELESS_OF + 1), float(CARELESS_OF)


def actor(x: float, y: float, yaw: float, speed: float, kind: ObjectKind) -> tuple[list[float], ObjectKind]:
    size = [0.5, 0.6] if kind == ObjectKind.PEDESTRIAN else [4.0, 1.8]
    return [x, y, yaw, speed, *size, 0.0, 1.0, np.nan, 0.0], kind


def waits(*actors: tuple[list[float], ObjectKind], ego: np.ndarray = FAR_EGO, way: float = CAREFUL) -> list[bool]:
    states, kinds = np.array([row for row, _ in actors]), np.array([kind for _, kind in actors], np.int64)
    streets = Streets(LaneGraph.of(tee()), None, 0.0)
    return find_kerb_waits(streets, states, kinds, np.full(len(kinds), way), ego)[0].tolist()


def walker(x: float, y: float, yaw: float = SOUTH) -> tuple[list[float], ObjectKind]:
    return actor(x, y, yaw, 1.3, ObjectKind.PEDESTRIAN)


def kerb() -> float:
    """y of a place beside the main road of the tee from which a step leads on it, at x = -40."""
    on = [y for y in np.arange(0.0, 8.0, 0.1) if LaneGraph.of(tee()).find_lane(-40.0, y, np.pi) is not None]
    return max(on) + 0.4


def test_a_pedestrian_lets_a_vehicle_pass_and_not_one_that_is_far_or_goes_away() -> None:
    y = kerb()
    near = actor(-40.0 + 8.0 * (CAREFUL_GAP - 1.0), y - 2.0, np.pi, 8.0, ObjectKind.CAR)
    far = actor(-40.0 + 8.0 * (CAREFUL_GAP + 2.0), y - 2.0, np.pi, 8.0, ObjectKind.CAR)
    gone = actor(-50.0, y - 2.0, np.pi, 8.0, ObjectKind.CAR)
    assert waits(walker(-40.0, y), near) == [True, False]
    assert waits(walker(-40.0, y), far) == [False, False]
    assert waits(walker(-40.0, y), gone) == [False, False]


def test_who_walks_along_the_kerb_or_is_on_the_road_walks_on() -> None:
    y = kerb()
    near = actor(-20.0, y - 2.0, np.pi, 8.0, ObjectKind.CAR)
    assert waits(walker(-40.0, y, 0.0), near) == [False, False]
    assert waits(walker(-40.0, y, np.pi / 2), near) == [False, False]
    assert waits(walker(-40.0, y - 2.0), near) == [False, False]
    assert waits(walker(-40.0, y + 5.0), near) == [False, False]


def test_the_careless_take_smaller_gaps_and_the_ego_counts_as_others_do() -> None:
    y = kerb()
    ego = np.array([-40.0 + 8.0 * 3.5, y - 2.0, np.pi, 8.0, 0.0, 0.0])
    assert waits(walker(-40.0, y), ego=ego) == [True]
    assert waits(walker(-40.0, y), ego=ego, way=CARELESS) == [False]
    ego[0] = -40.0 + 8.0
    assert waits(walker(-40.0, y), ego=ego, way=CARELESS) == [True]


@pytest.mark.parametrize(("time", "expected"), [(0.0, True), (16.0, True), (25.0, False)])
def test_nobody_crosses_while_the_light_lets_vehicles_go(time: float, expected: bool) -> None:
    streets = Streets(LaneGraph.of(tee(lights=True)), np.array([[40.0, 0.0, 15.0, 4.0]] * 2), time)
    states, kinds = np.array([walker(-9.5, kerb())[0]]), np.array([ObjectKind.PEDESTRIAN], np.int64)
    assert find_kerb_waits(streets, states, kinds, np.full(1, CAREFUL), FAR_EGO)[0].tolist() == [expected]
    unknown = streets._replace(light_cycles=None)
    assert find_kerb_waits(unknown, states, kinds, np.full(1, CAREFUL), FAR_EGO)[0].tolist() == [False]
    states[0, 0] = -40.0  # the light is not for those who cross elsewhere
    assert find_kerb_waits(streets, states, kinds, np.full(1, CAREFUL), FAR_EGO)[0].tolist() == [False]


@pytest.mark.parametrize(("slant", "turn"), [(-0.5, 0.5), (np.pi + 0.6, -0.6), (-0.9, None), (SOUTH, None)])
def test_who_walks_along_a_road_that_bends_turns_with_it_and_does_not_wait(slant: float, turn: float | None) -> None:
    near = actor(-20.0, kerb() - 2.0, np.pi, 8.0, ObjectKind.CAR)
    rows, kinds = zip(walker(-40.0, kerb() - 0.2, slant), near, strict=True)
    states, numbers = np.array(rows), np.array(kinds, np.int64)
    waiting, turns = find_kerb_waits(
        Streets(LaneGraph.of(tee()), None, 0.0), states, numbers, np.full(2, CAREFUL), FAR_EGO
    )
    assert waiting[0] == (turn is None)
    np.testing.assert_allclose(turns, [np.nan if turn is None else turn, np.nan], atol=1e-6)


def cross() -> LaneGraph:
    """A wide crossroads at the origin: straight lanes 4 m beside the middle, and turns to the right around corners."""
    ways = [np.array([(-50.0, -4.0), (-14.0, -4.0)]), np.array([(-14.0, -4.0), (14.0, -4.0)])]
    t = np.linspace(0.0, 1.0, 13)[:, None]
    start, corner, end = (np.array(place) for place in ((-14.0, -4.0), (-4.0, -4.0), (-4.0, -14.0)))
    ways.append((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * end)
    turns = [np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    square = np.array([(-14.0, -14.0), (14.0, -14.0), (14.0, 14.0), (-14.0, 14.0)])
    return LaneGraph.of(layout_with_lanes([way @ turn for turn in turns for way in ways], [], square))


def test_amid_a_junction_is_road_where_no_lane_leads_and_its_corners_are_not() -> None:
    lanes = cross()
    assert np.hypot(*lanes.points[:, :2].T).min() > 3.9
    assert are_on_road(lanes, np.array([(0.0, 0.0), (1.5, -1.0), (-12.0, -12.0), (11.0, -12.0)])).tolist() == [
        True, True, False, False,
    ]  # fmt: skip


def test_nobody_waits_amid_a_junction() -> None:
    states, kinds = np.array([walker(0.0, 0.5, SOUTH)[0]]), np.array([ObjectKind.PEDESTRIAN], np.int64)
    states[0, 1] = -1.5  # a step before a lane
    ego = np.array([-12.0, -4.0, 0.0, 8.0, 0.0, 0.0])
    assert not find_kerb_waits(Streets(cross(), None, 0.0), states, kinds, np.full(1, CAREFUL), ego)[0].any()


def test_a_place_is_on_the_road_in_whichever_direction() -> None:
    places = np.array([(-40.0, -2.0), (-40.0, 2.0), (-40.0, 6.5), (0.0, 40.0), (900.0, 900.0)])
    assert are_on_road(LaneGraph.of(tee()), places).tolist() == [True, True, False, False, False]
