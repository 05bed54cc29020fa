"""Traffic flow: who has collided or waited long, told by hand, and drives of both worlds from the same start."""

import numpy as np
import pytest
from tiny_model import random_model

from training.evaluation.report import table
from training.evaluation.traffic_flow import TrafficWatch, find_start, score_traffic, traffic_scores
from worldsim.datatypes.scene import ObjectKind

COAST = np.zeros(4, np.float32)


def look(watch: TrafficWatch, x: float, speed: float, kind: ObjectKind = ObjectKind.CAR) -> None:
    """At a car that stands at the origin, and another road user."""
    boxes = np.array([[0.0, 0.0, 0.0, 4.0, 2.0], [x, 0.0, 0.0, 4.0, 2.0]])
    watch.see([7, 3], np.array([ObjectKind.CAR, kind]), boxes, np.array([0.0, speed]), 10.0)


def test_two_that_touch_have_collided_once_and_pedestrians_among_themselves_never() -> None:
    watch = TrafficWatch()
    for x in (6.0, 3.5, 3.0):
        look(watch, x, 2.0)
    assert watch.hits == {(3, 7)}
    pair = np.array([[0.0, 0.0, 0.0, 0.6, 0.6]] * 2)
    watch.see([1, 2], np.array([ObjectKind.PEDESTRIAN] * 2), pair, np.zeros(2), 10.0)
    assert watch.hits == {(3, 7)}
    watch.see([4], np.array([ObjectKind.STATIC]), pair[:1], np.zeros(1), 10.0)
    assert watch.vehicle_seconds == 60
    assert set(watch.longest_waits) == {3, 7}  # a cone waits for nobody


def test_those_who_begin_in_contact_have_not_collided() -> None:
    watch = TrafficWatch()
    for x in (3.0, 6.0, 3.0):
        look(watch, x, 2.0)
    assert watch.hits == set()


def test_only_standing_without_a_break_is_a_long_wait() -> None:
    watch = TrafficWatch()
    for k in range(7):
        look(watch, 9.0, 2.0 if k == 4 else 0.0)
    assert watch.longest_waits == {7: 70.0, 3: 40.0}
    scores = traffic_scores([watch, TrafficWatch()], minutes=0.5)
    assert (scores["waited_long"], scores["waited_long_share"]) == (1, 0.5)
    assert scores["vehicles_around"] == pytest.approx(140 / 60)


def test_the_learned_world_has_the_start_of_the_reference_world_and_a_route_for_minutes() -> None:
    world, clip = find_start(100003, 4.0)
    assert np.hypot(*np.diff(clip.route, axis=0).T).sum() > 2000
    assert clip.signals is not None
    assert clip.light_cycles is not None
    here = world.snapshot().vehicle
    np.testing.assert_array_equal(clip.vehicles[-1], here)
    # the lights and signs of the route are those of the world
    model = random_model()
    state = model.begin([clip], [0], pictures=False)
    for _ in range(15):
        state, prediction = model.step(state, COAST[None])
        told, scene = prediction.scene[0], world.step(COAST).scene
        assert told.signal == scene.signal
        assert told.signal_distance == pytest.approx(float(scene.signal_distance), abs=0.3)


def test_drives_of_both_worlds_are_counted_and_reported() -> None:
    report = score_traffic(random_model(), [100003], [], 0.1)
    learned, reference = report["traffic"]["learned"], report["traffic"]["reference"]
    assert learned["drives"] == reference["drives"] == 1
    assert learned["vehicles"] > 0
    assert reference["vehicles"] > 0
    text = table(report)
    assert "wait over 60 s" in text
    assert "collisions among road users" in text
    assert score_traffic(random_model(), [], [], 0.1) == {}
