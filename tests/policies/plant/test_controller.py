"""The controller takes the car along waypoints whose path and speed are known."""

import numpy as np
import pytest

from policies.plant.controller import ControllerConfig, WaypointController
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.scene import control_from_action
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

TIMES = (0.5, 1.0, 1.5, 2.0)


def straight(speed: float) -> np.ndarray:
    return np.array([[speed * t, 0.0] for t in TIMES], np.float32)


def follow(points, speed: float, seconds: float) -> np.ndarray:
    """The states [t, 6] of a car that is shown points(x) of the ground ahead, float [4, 2], at each step."""
    controller, model = WaypointController(TIMES), VehicleModel()
    states = [np.array([0.0, 0.0, 0.0, speed, 0.0, 0.0])]
    for _ in range(round(10 * seconds)):
        waypoints = to_vehicle_frame(states[-1], points(states[-1]))
        action = controller.act(waypoints, float(states[-1][VehicleColumn.SPEED]), 0.1)
        states.append(model.step(states[-1], control_from_action(action), 0.1))
    return np.array(states)


@pytest.mark.parametrize("speed", [3.0, 8.0, 14.0])
def test_the_speed_between_waypoints_is_reached_and_kept(speed: float) -> None:
    states = follow(lambda state: state[:2] + straight(speed), 8.0, 8.0)
    assert states[-10:, VehicleColumn.SPEED] == pytest.approx(np.full(10, speed), abs=0.15)
    assert np.abs(states[:, VehicleColumn.Y]).max() == 0.0


def test_a_circle_is_followed() -> None:
    radius, speed = 20.0, 6.0

    def ahead(state: np.ndarray) -> np.ndarray:
        angle = np.arctan2(state[0], radius - state[1]) + speed * np.array(TIMES) / radius
        return np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle))], axis=-1)

    states = follow(ahead, speed, 10.0)
    off = np.hypot(states[:, 0], states[:, 1] - radius) - radius
    assert np.abs(off).max() < 0.3


def test_waypoints_that_stay_stop_the_car_and_leave_its_wheels() -> None:
    states = follow(lambda state: np.repeat(state[None, :2], 4, axis=0), 5.0, 5.0)
    assert states[-1, VehicleColumn.SPEED] == 0.0
    noise = np.array([[0.02, 0.05], [0.05, 0.03], [0.03, 0.06], [0.04, 0.05]], np.float32)
    steer, pedal = WaypointController(TIMES).act(noise, 0.0, 0.1)
    assert steer == 0.0
    assert pedal < 0


def test_it_never_reverses() -> None:
    backwards = WaypointController(TIMES).act(-straight(3.0), 0.0, 0.1)
    assert backwards[1] < 0


def test_a_reset_forgets() -> None:
    controller = WaypointController(TIMES)
    first = controller.act(straight(5.0), 4.0, 0.1)
    assert not np.array_equal(controller.act(straight(5.0), 4.0, 0.1), first)
    controller.reset()
    np.testing.assert_array_equal(controller.act(straight(5.0), 4.0, 0.1), first)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="proportional must be at least 0, got -1"):
        ControllerConfig(proportional=-1.0)
    with pytest.raises(ValueError, match="min_lookahead must be positive, got 0"):
        ControllerConfig(min_lookahead=0.0)
