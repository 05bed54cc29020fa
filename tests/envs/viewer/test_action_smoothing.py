"""The viewer's hands: keys, mouse and sticks become a smooth action."""

import numpy as np
import pytest

from envs.viewer.action_smoothing import ActionSmoother, ActionSmootherConfig, Held
from worldsim.datatypes.vehicle import VehicleModel


def hold(hands: ActionSmoother, held: Held, speed: float, seconds: float) -> np.ndarray:
    for _ in range(round(seconds * 30)):
        hands.update(held, speed, 1 / 30)
    return hands.action


def test_left_key_steers_left_smoothly_and_centres_itself():
    hands = ActionSmoother()
    early = hold(hands, Held(left=True), 1.0, 0.1)[0]
    full = hold(hands, Held(left=True), 1.0, 2.0)[0]
    assert 0 < early < full == pytest.approx(1.0)
    assert hold(hands, Held(), 1.0, 2.0)[0] == 0
    assert hold(hands, Held(right=True), 1.0, 2.0)[0] == pytest.approx(-1.0)


def test_full_deflection_stays_within_the_lateral_acceleration():
    hands, vehicle, speed = ActionSmoother(), VehicleModel(), 15.0
    steer = float(hold(hands, Held(left=True), speed, 3.0)[0])
    curvature = np.tan(steer * vehicle.max_steer_angle) / vehicle.wheelbase
    assert curvature * speed**2 == pytest.approx(hands.config.lateral_acceleration, rel=1e-3)


def test_pedals_ramp_and_space_brakes_at_once():
    hands = ActionSmoother()
    assert 0 < hold(hands, Held(accelerate=True), 5.0, 0.2)[1] < 1
    assert hold(hands, Held(accelerate=True), 5.0, 1.0)[1] == 1
    hands.reset()
    hands.update(Held(full_brake=True), 5.0, 1 / 30)
    assert hands.action[1] == -1


def test_mouse_holds_the_steering_where_it_is():
    assert hold(ActionSmoother(), Held(steer=-0.5), 0.5, 1.0)[0] == pytest.approx(-0.5)


def test_a_stick_holds_the_pedals_where_it_is():
    hands = ActionSmoother()
    assert hold(hands, Held(pedal=0.3), 5.0, 1.0)[1] == pytest.approx(0.3)
    assert hold(hands, Held(pedal=-0.6), 5.0, 1.0)[1] == pytest.approx(-0.6)
    assert hands.throttle == 0
    assert hold(hands, Held(), 5.0, 1.0)[1] == 0


def test_brake_key_goes_before_a_stick():
    assert hold(ActionSmoother(), Held(pedal=1.0, full_brake=True), 5.0, 1.0)[1] == pytest.approx(0.0)


def test_rates_must_be_positive():
    with pytest.raises(ValueError, match=r"follow_rate must be positive, got 0\.0"):
        ActionSmootherConfig(follow_rate=0.0)
