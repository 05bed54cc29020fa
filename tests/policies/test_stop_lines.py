"""The lane follower at lights and signs, in closed loop on a straight road whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from policies.rule_based import LaneFollower, LaneFollowerConfig
from policies.stop_lines import YIELD_SPEED, bound_yield_speed, find_stop_gap, must_stop
from worldsim.datatypes.route_signals import RouteSignals, begin_compliance, comply, next_signal
from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState, control_from_action
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleModel

MODEL = VehicleModel()
RED, YELLOW, GREEN, STOP, YIELD = (SignalKind(k) for k in range(1, 6))


def straight(speed: float, signal: int = 0, distance: float = 0.0, limit: float = 13.9) -> SceneState:
    scene = SceneState.empty()
    scene.ego[:], scene.ego_valid[:] = (speed, 0, 0, 0), True
    scene.lane[:], scene.lane_valid[:] = (0, 0, 1.75, limit), True
    scene.route[:, 0], scene.route_valid[:] = ROUTE_DISTANCES, True
    scene.signal[...], scene.signal_distance[...], scene.signal_valid[...] = signal, distance, True
    return scene


def drive(row, speed: float, seconds: float, config: LaneFollowerConfig | None = None):
    """Fronts, speeds and compliance of a lane follower that begins with its front at 0, one light or sign ahead."""
    signals, policy = RouteSignals.stack([np.array([row], np.float64)]), LaneFollower(config)
    vehicle, half = np.array([-MODEL.length / 2, 0, 0, speed, 0, 0.0]), MODEL.length / 2
    shown = signals.shown(np.zeros(1))
    state = begin_compliance(signals.s, shown, np.zeros(1), np.array([speed]), np.zeros(1, bool))
    fronts, speeds, states = [0.0], [speed], [state]
    for k in range(round(10 * seconds)):
        front = np.array([vehicle[0] + half])
        signal, distance = next_signal(signals.s, shown, front, state.stopped)
        scene = straight(vehicle[3], signal[0], distance[0])
        vehicle = MODEL.step(vehicle, control_from_action(policy.action(scene)), 0.1)
        state = comply(signals.s, shown, front, np.array([vehicle[0] + half]), vehicle[3:4], state.stopped)
        shown = signals.shown(np.array([0.1 * (k + 1)]))
        fronts.append(float(vehicle[0] + half))
        speeds.append(float(vehicle[3]))
        states.append(state)
    return np.array(fronts), np.array(speeds), states


@pytest.mark.parametrize("speed", [2.0, 8.0, 13.9])
def test_it_stands_before_a_red_light_and_goes_on_green(speed: float) -> None:
    fronts, speeds, states = drive([50.0, RED, 100.0, 20.0, 40.0, 3.0], speed, 30.0)
    waiting = fronts[190]
    assert 45.0 < waiting < 50.0
    assert speeds[190] < 0.1
    assert fronts[-1] > 80.0
    assert not any(state.red_light[0] for state in states)
    assert -np.diff(speeds).min() / 0.1 < 4.5  # without an emergency stop


@pytest.mark.parametrize("onset", np.arange(0.0, 6.0, 0.3))
def test_yellow_at_any_moment_is_either_stopped_for_or_passed_before_red(onset: float) -> None:
    fronts, _, states = drive([60.0, RED, 100.0, onset - 50.0, 50.0, 3.0], 13.0, 20.0)
    assert not any(state.red_light[0] for state in states)
    assert fronts[-1] > 80.0 or fronts[-1] < 60.0
    if onset < 0.5:
        assert fronts[-1] < 60.0  # there is room to stop
    if onset > 4.0:
        assert fronts[-1] > 80.0  # it has gone through


def test_it_stops_at_a_stop_sign_and_goes_on() -> None:
    fronts, speeds, states = drive([40.0, STOP, 0, 0, 0, 0], 10.0, 25.0)
    assert speeds.min() < 0.5
    assert 36.0 <= fronts[speeds.argmin()] <= 40.0
    assert fronts[-1] > 60.0
    assert not any(state.stop_sign_missed[0] for state in states)


def test_it_slows_down_for_a_yield_sign() -> None:
    fronts, speeds, _ = drive([60.0, YIELD, 0, 0, 0, 0], 12.0, 20.0)
    assert YIELD_SPEED - 1.0 < np.interp(60.0, fronts, speeds) < YIELD_SPEED + 1.2
    assert speeds[-1] > 10.0


def test_a_driver_who_does_not_obey_runs_them_all() -> None:
    reckless = LaneFollowerConfig(obey_signals=False)
    for row, name in (([40.0, RED, 100, 90, 10, 3], "red_light"), ([40.0, STOP, 0, 0, 0, 0], "stop_sign_missed")):
        assert sum(getattr(state, name)[0] for state in drive(row, 10.0, 8.0, reckless)[2]) == 1


def test_what_is_not_known_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        scene = straight(rng.uniform(0, 14), rng.integers(1, 6), rng.uniform(-2, 80), rng.uniform(5, 14))
        unknown = replace(scene, signal_valid=np.array(False))
        without = replace(straight(float(scene.speed), limit=float(scene.speed_limit)), signal_valid=np.array(False))
        np.testing.assert_array_equal(LaneFollower().action(unknown), LaneFollower().action(without))
        assert not must_stop(unknown, 3.0)
        assert np.isinf(find_stop_gap(unknown, 3.0, 2.5))
        assert np.isinf(bound_yield_speed(unknown))


@pytest.mark.parametrize(
    ("signal", "distance", "speed", "expected"),
    [
        (RED, 5.0, 10.0, True),
        (RED, -0.5, 0.3, True),  # has halted with its nose over the line
        (RED, -0.5, 6.0, False),  # is through
        (YELLOW, 30.0, 13.0, True),
        (YELLOW, 20.0, 13.0, False),  # it would take more than 3 m/s²
        (YELLOW, 0.0, 0.0, True),
        (GREEN, 10.0, 10.0, False),
        (STOP, 0.5, 0.6, True),
        (YIELD, 0.5, 0.6, False),
        (SignalKind.NONE, 0.0, 0.0, False),
    ],
)
def test_who_must_stop(signal: int, distance: float, speed: float, expected: bool) -> None:
    assert bool(must_stop(straight(speed, signal, distance), 3.0)) == expected
