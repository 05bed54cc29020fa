"""What futures are compared by, on futures of which all of it is known."""

import numpy as np
import pytest
from known_clips import ground
from lane_layouts import tee

from training.evaluation.traffic_features import Futures, RoadEdge, TrafficFeatures
from worldsim.actors.lane_graph import LaneGraph
from worldsim.datatypes.layout import Layout

DT = 0.1
EMPTY = LaneGraph.of(Layout.unknown())


def futures(boxes: np.ndarray, others: np.ndarray | None = None) -> Futures:
    """Road users [n, t, 5] in a single rollout, all of them seen."""
    t = boxes.shape[1]
    return Futures(
        boxes=boxes[None],
        seen=np.ones((1, *boxes.shape[:2]), bool),
        others=np.zeros((t, 0, 5)) if others is None else others,
        times=DT * (1 + np.arange(t)),
        dt=DT,
    )


def box(x: float, y: float, yaw: float = 0.0, length: float = 4.0, width: float = 2.0) -> list[float]:
    return [x, y, yaw, length, width]


def features_of(one: Futures, layout: Layout | None = None) -> TrafficFeatures:
    return TrafficFeatures.of(one, RoadEdge(layout or Layout.unknown()), EMPTY, None)


def test_rates_are_central_differences_of_what_is_seen_on_both_sides() -> None:
    t = DT * np.arange(6)
    rows = np.array([box(3 * s + s**2, 0.0, np.pi + 0.5 * s**2) for s in t])
    one = futures(rows[None])
    one.seen[0, 0, 5] = False
    found = features_of(one)
    speed, seen = found["linear_speed"]
    assert seen[0, 0].tolist() == [False, True, True, True, False, False]
    assert speed[0, 0, 1:4] == pytest.approx(3 + 2 * t[1:4])
    acceleration, twice = found["linear_acceleration"]
    assert twice[0, 0].tolist() == [False, False, True, False, False, False]
    assert acceleration[0, 0, 2] == pytest.approx(2.0)
    assert found["angular_speed"][0][0, 0, 1:4] == pytest.approx(t[1:4])  # through the wrap at pi
    assert found["angular_acceleration"][0][0, 0, 2] == pytest.approx(1.0)


def test_the_distance_is_between_the_nearest_corners_and_negative_in_a_collision() -> None:
    still = np.array([[box(0, 0)] * 3, [box(7, 6)] * 3, [box(30, 0)] * 3])
    near, seen = features_of(futures(still))["distance_to_nearest_object"]
    assert near[0, :, 1] == pytest.approx([5.0, 5.0, np.hypot(19.0, 4.0)])  # 3 along, 4 across
    hit = features_of(futures(still, others=np.array([[box(3.5, 0)]] * 3)))
    assert hit["distance_to_nearest_object"][0][0, 0, 1] == pytest.approx(-0.5)
    assert hit["collision"][0][0, :, 1].tolist() == [True, False, False]
    assert seen.all()
    turned = features_of(futures(np.array([[box(0, 0)] * 3, [box(5, 0, np.pi / 4)] * 3])))
    reach = (2 + 1) / np.sqrt(2)  # of the corner of the turned box towards the other
    assert turned["distance_to_nearest_object"][0][0, 0, 1] == pytest.approx(5 - reach - 2)


def test_time_to_collision_is_with_whom_one_follows() -> None:
    t = DT * np.arange(3)
    fast, slow = ([box(x + v * s, y) for s in t] for x, v, y in ((0.0, 10.0, 0.0), (19.0, 5.0, 0.5)))
    beside = [box(9.0, 5.0)] * 3
    found = features_of(futures(np.array([fast, slow, beside])))["time_to_collision"][0]
    # the gap of 15 m has shrunk to 14.5 m after one step; nobody is ahead of the others
    assert found[0, :, 1] == pytest.approx([14.5 / 5.0, 5.0, 5.0])
    crossing = [box(12.0, 0.0, np.pi / 2)] * 3
    assert features_of(futures(np.array([fast, crossing])))["time_to_collision"][0][0, 0, 1] == 5.0


def test_the_edge_is_as_far_as_the_corner_that_is_farthest_out() -> None:
    road = ground(np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]]))  # 8 m wide
    still = np.array([[box(50, 0)] * 3, [box(50, 4.5)] * 3])
    found = features_of(futures(still), road)
    assert found["distance_to_road_edge"][0][0, :, 1] == pytest.approx([-3.0, 1.5], abs=0.26)
    assert found["off_road"][0][0, :, 1].tolist() == [False, True]
    assert not features_of(futures(still))["off_road"][1].any()  # of an unknown road


def test_a_red_light_is_run_by_the_front_that_crosses_its_line() -> None:
    layout = tee(lights=True)
    lanes, edge = LaneGraph.of(layout), RoadEdge(layout)
    cycles = np.array([[20.0, 0.0, 5.0, 3.0], [20.0, 10.0, 5.0, 3.0]])
    late = 8.0 / DT  # group 0 turns red after 8 s
    x = -20.0 + 0.5 * np.arange(30)
    rows = np.array([[box(place, -2.0) for place in x], [box(-place, 2.0, np.pi) for place in x]])
    for start, runs in ((late - 30, False), (late, True)):
        one = futures(rows)
        one = Futures(**{**vars(one), "times": DT * (start + np.arange(30))})
        red, seen = TrafficFeatures.of(one, edge, lanes, cycles)["red_light"]
        assert seen.all()
        assert (red.sum(axis=-1) == int(runs)).all()
    crossed = TrafficFeatures.of(one, edge, lanes, cycles)["red_light"][0][0, 0].argmax()
    assert x[crossed] + 2.0 == pytest.approx(-11.0, abs=0.5)
    assert not TrafficFeatures.of(one, edge, lanes, None)["red_light"][1].any()
