"""The viewer's hands: keys, mouse and sticks become a smooth action."""

import numpy as np
import pytest

from envs.viewer.action_smoothing import ActionSmoother, ActionSmootherConfig
from envs.viewer.held import Held
from worldsim.datatypes.vehicle import VehicleModel


def hold(smoother: ActionSmoother, held: Held, speed: float, seconds: float) -> np.ndarray:
    for _ in range(round(seconds * 30)):
        smoother.update(held, speed, 1 / 30)
    return smoother.action


def test_left_key_steers_left_smoothly_and_centres_itself():
    smoother = ActionSmoother()
    early = hold(smoother, Held(left=True), 1.0, 0.1)[0]
    full = hold(smoother, Held(left=True), 1.0, 2.0)[0]
    assert 0 < early < full == pytest.approx(1.0)
    assert hold(smoother, Held(), 1.0, 2.0)[0] == 0
    assert hold(smoother, Held(right=True), 1.0, 2.0)[0] == pytest.approx(-1.0)


def test_full_deflection_stays_within_the_lateral_acceleration():
    smoother, vehicle, speed = ActionSmoother(), VehicleModel(), 15.0
    steer = float(hold(smoother, Held(left=True), speed, 3.0)[0])
    curvature = np.tan(steer * vehicle.max_steer_angle) / vehicle.wheelbase
    assert curvature * speed**2 == pytest.approx(smoother.config.lateral_acceleration, rel=1e-3)


def test_pedals_ramp_and_space_brakes_at_once():
    smoother = ActionSmoother()
    assert 0 < hold(smoother, Held(accelerate=True), 5.0, 0.2)[1] < 1
    assert hold(smoother, Held(accelerate=True), 5.0, 1.0)[1] == 1
    smoother.reset()
    smoother.update(Held(full_brake=True), 5.0, 1 / 30)
    assert smoother.action[1] == -1


def test_mouse_holds_the_steering_where_it_is():
    assert hold(ActionSmoother(), Held(steer=-0.5), 0.5, 1.0)[0] == pytest.approx(-0.5)


def test_a_stick_holds_the_pedals_where_it_is():
    smoother = ActionSmoother()
    assert hold(smoother, Held(pedal=0.3), 5.0, 1.0)[1] == pytest.approx(0.3)
    assert hold(smoother, Held(pedal=-0.6), 5.0, 1.0)[1] == pytest.approx(-0.6)
    assert smoother.throttle == 0
    assert hold(smoother, Held(), 5.0, 1.0)[1] == 0


def test_brake_key_goes_before_a_stick():
    assert hold(ActionSmoother(), Held(pedal=1.0, full_brake=True), 5.0, 1.0)[1] == pytest.approx(0.0)


def test_rates_must_be_positive():
    with pytest.raises(ValueError, match=r"follow_rate must be positive, got 0\.0"):
        ActionSmootherConfig(follow_rate=0.0)
