"""Motion of a road user from its acceleration and turning."""

import numpy as np
import pytest
from placed_actors import actor, turning

from worldsim.actors.actor_motion import integrate, lane_keeping
from worldsim.actors.courses import free_courses
from worldsim.actors.route_frame import to_frenet


def test_motion_is_integrated() -> None:
    state = actor(0, 0, speed=10.0)
    for _ in range(20):
        state = integrate(state, np.array([-2.0, 0.1]), 0.1)
    assert state[3] == pytest.approx(6.0)
    assert state[2] == pytest.approx(0.2)
    assert state[0] == pytest.approx(16.0, abs=0.15)
    assert integrate(actor(0, 0, speed=0.1), np.array([-3.0, 1.0]), 0.1)[[2, 3]].tolist() == [0, 0]


def test_lane_keeping_returns_to_its_offset_and_follows_the_bend() -> None:
    line, state = turning(30.0), actor(1.0, 0.8, speed=8.0)
    state[8] = 0.0
    for _ in range(25):
        place = to_frenet(line, state[None, None])
        rate = lane_keeping(state[None, None], place, free_courses((1, 1)))[0, 0]
        state = integrate(state, np.array([0.0, rate]), 0.1)
    place = to_frenet(line, state[None, None])
    assert abs(place.lateral[0, 0]) < 0.15
    assert abs(place.heading[0, 0]) < 0.06
