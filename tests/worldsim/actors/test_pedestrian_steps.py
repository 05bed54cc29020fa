"""Pedestrians walk out of vehicles' way."""

import numpy as np
from placed_actors import actor, actors, steady_model, step, straight

from worldsim.datatypes.boxes import separation


def test_pedestrians_do_not_walk_into_vehicles_or_before_moving_ones() -> None:
    model = steady_model(0.0)
    walker = actor(30, 6.0, yaw=-np.pi / 2, speed=1.4)
    walker[4:6] = 0.6
    for vehicle, walks in (
        (actor(30, 4.0, speed=0.0, drives=0.0), False),
        (actor(25, 4.0, speed=8.0), False),
        (actor(20, 4.0, speed=0.0, drives=0.0), True),
        (actor(36, 4.0, speed=8.0), True),
    ):
        after = step(model, actors(walker, vehicle, kinds=(3, 1)), straight())
        assert (after.states[0, 0, 3] > 1.2) == walks
        assert (abs(after.states[0, 0, 2] + np.pi / 2) < 1e-6) == walks  # else it turns away

    # face to face with a standing car it walks out of its way
    walker[:4] = 24, 0.3, np.pi, 1.2
    who = actors(walker, actor(20, 0, speed=0.0, drives=0.0), kinds=(3, 1))
    for k in range(200):
        who = step(model, who, straight(), seed=k)
        boxes = who.states[0, :2][:, [0, 1, 2, 4, 5]]
        assert separation(boxes[0], boxes[1]) > 0
    assert abs(who.states[0, 0, 1]) > 2


def test_a_pedestrian_between_vehicles_finds_the_one_way_out() -> None:
    model = steady_model(0.0)
    walker = actor(30, 0, speed=1.0)
    walker[4:6] = 0.6
    around = [actor(34.0, 0, speed=0.0), actor(30, 2.0, speed=0.0), actor(26.0, 0, speed=0.0)]
    who = actors(walker, *around, kinds=(3, 1, 1, 1))
    for k in range(120):
        who = step(model, who, straight(), seed=k)
        who.states[0, 1:4] = around
    assert who.states[0, 0, 1] < -2
