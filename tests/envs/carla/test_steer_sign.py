"""Steer is positive to the left in action, control and state, and to the right at CARLA's border alone."""

import numpy as np
import pytest

from envs.carla.coordinates import control_from_carla, control_to_carla
from worldsim.datatypes.scene import ControlColumn, control_from_action
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel


@pytest.mark.parametrize("steer", [0.4, -0.4])
def test_left_is_positive_here_and_negative_in_carla(steer):
    control = control_from_action(np.array([steer, 0.2], np.float32))
    assert control[ControlColumn.STEER] == pytest.approx(steer)
    vehicle = np.array([0.0, 0.0, 0.0, 5.0, 0.0, 0.0])
    for _ in range(10):
        vehicle = VehicleModel().step(vehicle, control, 0.1)
    for column in (VehicleColumn.Y, VehicleColumn.YAW, VehicleColumn.STEER_ANGLE):
        assert np.sign(vehicle[column]) == np.sign(steer)

    throttle, right, brake, reverse = control_to_carla(control)
    assert right == pytest.approx(-steer)
    np.testing.assert_allclose(control_from_carla(throttle, right, brake, False, reverse), control, atol=1e-6)
