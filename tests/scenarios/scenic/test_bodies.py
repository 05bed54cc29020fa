"""Bodies of Scenic programs: what moves them, by which conventions. Scenic is not needed."""

import math

import numpy as np
import pytest

from scenarios.scenic.bodies import DrivenBody, EgoBody, StandingBody, WalkingBody, actor_state
from scenarios.scenic.conventions import heading_of_yaw, yaw_of_heading
from worldsim.datatypes.scene import ControlColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleModel

NORTH = yaw_of_heading(0.0)


def make_car(speed: float = 10.0) -> DrivenBody:
    return DrivenBody(ObjectKind.CAR, (1.0, 2.0, NORTH), (0.0, speed), 4.6, 1.9)


def test_heading_zero_is_along_y_and_counts_anticlockwise():
    assert yaw_of_heading(0.0) == pytest.approx(math.pi / 2)
    assert yaw_of_heading(-math.pi / 2) == pytest.approx(0.0)
    for heading in (-3.0, -0.2, 0.0, 1.7):
        assert heading_of_yaw(yaw_of_heading(heading)) == pytest.approx(heading)


def test_positive_steer_turns_right():
    car = make_car()
    car.steer, car.throttle = 0.3, 0.5
    car.step(0.5)
    x, y, yaw = car.pose
    assert x > 1.0
    assert y > 2.0
    assert yaw < NORTH
    assert car.yaw_rate < 0


def test_a_car_moves_as_the_ego_would():
    car, model = make_car(), VehicleModel()
    car.throttle, car.brake, car.steer = 0.4, 0.1, -0.2
    ego = car.vehicle.copy()
    for _ in range(5):
        car.step(0.1)
        ego = model.step(ego, np.array([0.2, 0.4, 0.1, 0.0]), 0.1)
    np.testing.assert_array_equal(car.vehicle, ego)


def test_a_car_does_not_slide():
    car = make_car()
    car.move(3.0, 4.0)
    assert car.speed == pytest.approx(4.0)


def test_the_hand_brake_brakes_and_shows():
    car = make_car()
    car.hand_brake = True
    assert car.braking
    assert car.control[ControlColumn.BRAKE] == 1.0


def test_a_truck_turns_wider_than_a_car():
    car, truck = make_car(), DrivenBody(ObjectKind.TRUCK, (1.0, 2.0, NORTH), (0.0, 10.0), 9.2, 2.5)
    for body in (car, truck):
        body.steer = 0.1
        body.step(0.5)
    assert abs(truck.yaw_rate) < abs(car.yaw_rate)


def test_the_ego_is_moved_by_the_world_alone():
    ego = EgoBody((0.0, 0.0, 0.0), (5.0, 0.0), 4.5, 2.0)
    assert (ego.length, ego.width) == (4.6, 1.9)
    with pytest.raises(ValueError, match="SetPositionAction"):
        ego.place(1.0, 1.0)
    with pytest.raises(ValueError, match="SetVelocityAction"):
        ego.move(1.0, 0.0)
    ego.reverse, ego.throttle = True, 0.5
    with pytest.raises(ValueError, match="SetReverseAction"):
        _ = ego.action


def test_an_ego_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"4\.6 by 1\.9 m, got one of 8 by 2\.5 m"):
        EgoBody((0.0, 0.0, 0.0), (0.0, 0.0), 8.0, 2.5)


def test_a_pedestrian_walks_the_way_that_they_face():
    walker = WalkingBody((0.0, 0.0, 0.0), (0.0, 0.0), 0.5, 0.5)
    walker.face(0.0)
    walker.speed = 1.5
    walker.step(2.0)
    assert walker.pose == pytest.approx((0.0, 3.0, math.pi / 2))
    walker.move(-1.0, 0.0)
    walker.step(1.0)
    assert walker.pose[:2] == pytest.approx((-1.0, 3.0))


def test_a_prop_stands():
    prop = StandingBody((1.0, 2.0, 0.0), 0.5, 0.5)
    prop.step(0.1)
    prop.place(3.0, 4.0)
    assert prop.pose == (3.0, 4.0, 0.0)
    with pytest.raises(ValueError, match="prop"):
        prop.move(1.0, 0.0)


def test_a_body_is_an_actor_in_the_ground_frame():
    actor = actor_state(make_car(), 0.5)
    assert (actor.s, actor.lateral, actor.z, actor.speed) == (1.0, 2.0, 0.5, 10.0)
    assert actor.heading == pytest.approx(NORTH)
