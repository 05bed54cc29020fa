"""The lane follower at junctions, in closed loop on constructed ones whose answers are known."""

from collections.abc import Callable

import numpy as np
import pytest

from policies.rule_based import LaneFollower, LaneFollowerConfig, choose_acceleration
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind, RouteCommand, SceneState
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleModel

DT, RADIUS, ENTRY = 0.1, 9.0, 40.0
"""Step [s], radius of a turn, and where the junction begins, along the route [m]."""
EGO = VehicleModel()
Car = Callable[[float], tuple[float, float, float, float]]
"""x, y, yaw and speed of another at a time; the ego begins at the origin and the junction at x = ENTRY."""


def ahead(s: np.ndarray) -> np.ndarray:
    """Straight on; x, y, yaw [..., 3] along the route."""
    return np.stack([s, 0 * s, 0 * s], axis=-1)


def to_the_left(s: np.ndarray) -> np.ndarray:
    """A turn by 90° from ENTRY on."""
    yaw = np.clip((s - ENTRY) / RADIUS, 0.0, np.pi / 2)
    straight = np.minimum(s, ENTRY)
    x = straight + RADIUS * np.sin(yaw)
    y = RADIUS * (1 - np.cos(yaw)) + np.maximum(s - ENTRY - RADIUS * np.pi / 2, 0.0)
    return np.stack([x, y, yaw], axis=-1)


def to_ego(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    d, (c, s) = points - pose[:2], (np.cos(pose[2]), np.sin(pose[2]))
    return np.stack([c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]], axis=-1)


def approach(
    course, command: RouteCommand, car: Car | None, speed=8.0, seconds=20.0, config=None, signal=SignalKind.NONE
):
    """Front, speed and acceleration of the ego over time, and whether it touches the car."""
    s, log, touched = 0.0, [], False
    for k in range(round(seconds / DT)):
        pose = course(np.array(s))
        scene = SceneState.empty()
        scene.ego[:], scene.ego_valid[:] = (speed, 0, 0, 0), True
        scene.lane[:], scene.lane_valid[:] = (0, 0, 1.75, 10.0), True
        scene.route[:] = to_ego(pose, course(s + np.array(ROUTE_DISTANCES))[:, :2])
        scene.route_valid[:] = True
        near = ENTRY - 30 < s < ENTRY + RADIUS * np.pi / 2
        scene.command[...] = command if near else RouteCommand.FOLLOW
        line = ENTRY - 2.0 - (s + EGO.length / 2)
        scene.signal_valid[...] = True
        if line > 0 and signal:
            scene.signal[...], scene.signal_distance[...] = signal, line
        if car is not None:
            x, y, yaw, v = car(k * DT)
            place = to_ego(pose, np.array([x, y]))
            scene.objects[0], scene.object_kinds[0] = (*place, yaw - pose[2], v, 4.6, 1.9), ObjectKind.CAR
            boxes = np.array([[*pose, EGO.length, EGO.width], [x, y, yaw, 4.6, 1.9]])
            touched |= bool(overlap(boxes[:1], boxes[1:])[0])
        acceleration = float(choose_acceleration(scene[None], config or LaneFollowerConfig())[0])
        speed = max(speed + DT * acceleration, 0.0)
        s += DT * speed
        log.append((s + EGO.length / 2, speed, acceleration))
    return (*np.array(log).T, touched)


def oncoming(at: float, speed: float = 10.0) -> Car:
    """Straight on in the opposite lane, in the middle of the junction at a time [s]."""
    return lambda t: (ENTRY + 7.0 - speed * (t - at), 3.5, np.pi, speed)


def crossing(at: float, speed: float = 10.0) -> Car:
    """From the left, before the ego at a time [s]."""
    return lambda t: (ENTRY + 3.0, -speed * (t - at), -np.pi / 2, speed)


@pytest.mark.parametrize("at", [3.0, 4.5, 5.5, 6.5, 7.5])
def test_a_left_turn_waits_for_oncoming_traffic_and_goes_on(at: float) -> None:
    front, speed, _, touched = approach(to_the_left, RouteCommand.LEFT, oncoming(at))
    assert not touched
    assert front[-1] > 70.0
    assert speed[-1] > 6.0


def test_without_the_rule_it_hits_the_oncoming_car() -> None:
    careless = LaneFollowerConfig(give_way=False)
    hit = [
        approach(to_the_left, RouteCommand.LEFT, oncoming(at), config=careless)[-1] for at in np.arange(4.5, 8.1, 0.5)
    ]
    assert any(hit)


@pytest.mark.parametrize("car", [oncoming(1.0), oncoming(14.0), lambda t: (ENTRY + 7.0, 3.5, np.pi, 0.0)])
def test_a_left_turn_is_not_delayed_by_who_has_passed_is_far_away_or_waits(car: Car) -> None:
    front = approach(to_the_left, RouteCommand.LEFT, car)[0]
    alone = approach(to_the_left, RouteCommand.LEFT, None)[0]
    assert np.abs(front - alone).max() < 0.5


def test_it_goes_straight_on_beside_oncoming_and_before_waiting_traffic() -> None:
    alone = approach(ahead, RouteCommand.STRAIGHT, None)[0]

    def will_stop(t: float) -> tuple[float, float, float, float]:
        t = min(t, 4.0)  # then it stands
        return ENTRY + 3.0, 25.0 - 8.0 * t + t * t, -np.pi / 2, 8.0 - 2.0 * t

    for car in (oncoming(4.0), will_stop):
        np.testing.assert_array_equal(approach(ahead, RouteCommand.STRAIGHT, car)[0], alone)


@pytest.mark.parametrize("at", [4.0, 4.5, 5.0])
def test_it_brakes_for_who_crosses_without_priority_and_cannot_stop_any_more(at: float) -> None:
    assert approach(ahead, RouteCommand.STRAIGHT, crossing(at), config=LaneFollowerConfig(give_way=False))[-1]
    assert not approach(ahead, RouteCommand.STRAIGHT, crossing(at))[-1]


def test_it_brakes_for_an_oncoming_car_that_turns_across() -> None:
    def car(t: float) -> tuple[float, float, float, float]:
        way = 5.0 * (t - 2.6)  # begins to turn at 2.6 s
        turned = np.clip(way / 9.0, 0.0, np.pi / 2)
        beyond = max(way - 9.0 * np.pi / 2, 0.0)
        x = ENTRY + 10.0 - min(way, 0.0) - 9.0 * np.sin(turned)
        return x, 3.5 - 9.0 * (1 - np.cos(turned)) - beyond, np.pi + turned, 5.0

    assert approach(ahead, RouteCommand.STRAIGHT, car, config=LaneFollowerConfig(give_way=False))[-1]
    assert not approach(ahead, RouteCommand.STRAIGHT, car)[-1]


@pytest.mark.parametrize("at", [5.0, 6.0, 7.0])
def test_at_a_yield_sign_it_lets_others_cross_and_waits_before_the_line(at: float) -> None:
    front, speed, acceleration, touched = approach(ahead, RouteCommand.STRAIGHT, crossing(at), signal=SignalKind.YIELD)
    assert not touched
    assert acceleration.min() > -6.0  # no emergency
    assert front[round(at / DT)] < ENTRY - 2.0 + 0.1
    assert front[-1] > 70.0
    assert speed[-1] > 8.0


def test_a_bend_in_the_road_brings_no_oncoming_car_across() -> None:
    """On a bend to the left each oncoming car heads for the ego's lane until it, too, has turned."""
    radius = 40.0

    def bend(s: np.ndarray, lateral: float = 0.0) -> np.ndarray:
        yaw = s / radius
        r = radius - lateral
        return np.stack([r * np.sin(yaw), radius - r * np.cos(yaw), yaw], axis=-1)

    def car(t: float) -> tuple[float, float, float, float]:
        x, y, yaw = bend(np.array(60.0 - 8.0 * t), 3.5)
        return float(x), float(y), float(yaw) + np.pi, 8.0

    alone = approach(bend, RouteCommand.STRAIGHT, None, seconds=6.0)[0]
    np.testing.assert_array_equal(approach(bend, RouteCommand.STRAIGHT, car, seconds=6.0)[0], alone)


def test_many_scenes_at_once_are_answered_as_each_alone() -> None:
    """Bit for bit, whatever stands beside."""
    rng = np.random.default_rng(0)
    scenes = SceneState.empty((60,))
    scenes.ego[:, 0], scenes.ego_valid[:] = rng.uniform(0, 14, 60), True
    scenes.lane[:], scenes.lane_valid[:] = (0, 0, 1.75, 13.9), True
    for k in range(60):
        scenes.route[k] = (to_the_left if k % 2 else ahead)(rng.uniform(20, 40) + np.array(ROUTE_DISTANCES))[:, :2]
    scenes.route[..., 0] -= 20.0
    scenes.route_valid[:] = np.arange(10) < rng.integers(0, 11, (60, 1))
    scenes.command[:] = rng.integers(0, 4, 60)
    scenes.signal[:], scenes.signal_distance[:], scenes.signal_valid[:] = rng.integers(0, 6, 60), 12.0, True
    shape = scenes.object_kinds.shape
    low, high = (-10, -30, -np.pi, 0, 4, 1.7), (50, 30, np.pi, 15, 8, 2.4)
    scenes.objects[:] = rng.uniform(low, high, (*shape, 6))
    scenes.object_kinds[:] = rng.integers(0, 5, shape)

    follower = LaneFollower()
    alone = np.stack([follower.action(scenes[k]) for k in range(60)])
    np.testing.assert_array_equal(follower.actions(scenes), alone)
    careless = LaneFollower(LaneFollowerConfig(give_way=False)).actions(scenes)
    assert (careless != alone).any(axis=1).sum() >= 3
