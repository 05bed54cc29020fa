"""Lights and signs along the ego's route where the map is known: which count, routes that change, starts, clips."""

import gymnasium
import numpy as np
import pytest
from small_worlds import SMALL

import drivedit  # noqa: F401 (registers the ids)
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.maps.route import RouteStops
from envs.road.road_world import RoadWorld
from envs.signals_ahead import SignalsAhead, is_fair_start, rows_along
from policies.rule_based import LaneFollower, LaneFollowerConfig
from worldsim.datatypes.route_signals import RouteSignals
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import SignalKind

NONE, RED, YELLOW, GREEN, STOP, YIELD = (SignalKind(k) for k in range(6))
LIGHT = [100.0, RED, 60.0, 10.0, 20.0, 3.0]
SIGN = [100.0, STOP, 0.0, 0.0, 0.0, 0.0]
CYCLES = np.array([[60.0, 5.0, 20.0, 3.0], [60.0, 35.0, 20.0, 3.0]])


def told(ahead: SignalsAhead) -> tuple[bool, int, float]:
    scene = SceneState.empty()
    ahead.fill(scene)
    return bool(scene.signal_valid), int(scene.signal), round(float(scene.signal_distance), 4)


def test_lights_and_signs_of_the_map_become_those_of_the_route() -> None:
    groups, signs = np.array([1, -1, -1, -1]), np.array([NONE, STOP, YIELD, NONE])
    stops = RouteStops(s=np.array([20.0, 50.0, 90.0, 120.0]), signals=np.array([1, 0, 2, 3]))
    rows = rows_along(stops, CYCLES, groups, signs)
    np.testing.assert_array_equal(rows, [[20, STOP, 0, 0, 0, 0], [50, RED, 60, 35, 20, 3], [90, YIELD, 0, 0, 0, 0]])
    assert rows_along(RouteStops.none(), CYCLES, groups, signs).shape == (0, 6)


def test_a_sign_beside_a_light_is_for_when_the_light_is_off() -> None:
    groups, signs = np.array([0, -1, -1]), np.array([NONE, YIELD, STOP])
    stops = RouteStops(s=np.array([48.0, 50.0, 70.0]), signals=np.array([1, 0, 2]))
    assert rows_along(stops, CYCLES, groups, signs)[:, 1].tolist() == [RED, STOP]


def test_what_is_told_on_the_way_to_a_light_and_over_it() -> None:
    ahead = SignalsAhead.begin(np.array([LIGHT]), 10.0, 8.0, 0.0)
    assert told(ahead) == (True, NONE, 0.0)
    ahead = ahead.step(30.0, 0.3, 8.0, 9.9)
    assert told(ahead) == (True, RED, 70.0)
    ahead = ahead.step(31.0, 0.3, 8.0, 10.0)
    assert told(ahead) == (True, GREEN, 69.0)
    ahead = ahead.step(99.9, 0.3, 8.0, 33.0)
    assert told(ahead) == (True, RED, 0.1)
    ahead = ahead.step(100.7, 0.3, 8.0, 33.1)
    assert told(ahead) == (True, RED, -0.7)
    assert ahead.red_light
    ahead = ahead.step(101.5, 0.3, 8.0, 33.2)
    assert not ahead.red_light
    assert told(ahead.step(102.3, 0.3, 8.0, 33.3)) == (True, NONE, 0.0)


def test_yellow_that_turns_red_in_the_step_over_the_line_is_still_yellow() -> None:
    ahead = SignalsAhead.begin(np.array([LIGHT]), 99.8, 8.0, 32.95)
    assert told(ahead)[1] == YELLOW
    ahead = ahead.step(100.6, 0.0, 8.0, 33.05)
    assert told(ahead)[1] == RED
    assert not ahead.red_light


def test_away_from_the_route_nothing_is_known_or_crossed() -> None:
    ahead = SignalsAhead.begin(np.array([LIGHT]), 99.8, 8.0, 0.0).step(100.6, 14.0, 8.0, 0.1)
    assert told(ahead) == (False, NONE, 0.0)
    assert not ahead.red_light
    back = ahead.step(101.0, 2.0, 8.0, 0.2)
    assert told(back) == (True, RED, -1.0)
    assert not back.red_light


def test_a_new_route_crosses_nothing_and_keeps_what_happened_and_the_stop_that_was_made() -> None:
    stopped = SignalsAhead.begin(np.array([SIGN]), 90.0, 8.0, 0.0).step(97.0, 0.0, 0.2, 1.0)
    assert told(stopped) == (True, YIELD, 3.0)
    shifted = np.array([[20.0, *SIGN[1:]]])
    followed = stopped.follow(shifted, 17.0, 1.0, 1.0)
    assert told(followed) == (True, YIELD, 3.0)
    assert not followed.step(20.5, 0.0, 3.0, 2.0).stop_sign_missed

    crossed = SignalsAhead.begin(np.array([LIGHT]), 99.9, 8.0, 0.0).step(100.1, 0.0, 8.0, 0.1)
    assert crossed.follow(np.zeros((0, 6)), 3.0, 8.0, 0.1).red_light
    behind = crossed.follow(np.array([[2.0, *LIGHT[1:]]]), 3.0, 8.0, 0.1).step(3.5, 0.0, 8.0, 0.2)
    assert not behind.red_light


@pytest.mark.parametrize(
    ("signal", "distance", "speed", "fair"),
    [(RED, 10.0, 10.0, False), (RED, 15.0, 10.0, True), (STOP, -0.5, 1.0, False), (GREEN, 1.0, 14.0, True)],
)
def test_a_start_is_fair_where_the_ego_can_still_stop(signal: int, distance: float, speed: float, fair: bool) -> None:
    scene = SceneState.empty()
    scene.ego[0] = speed
    scene.signal[...], scene.signal_distance[...] = signal, distance
    assert is_fair_start(scene)  # nothing is known
    scene.signal_valid[...] = True
    assert is_fair_start(scene) == fair


@pytest.fixture(scope="module")
def road() -> gymnasium.Env:
    return gymnasium.make("DriveDiT-Road-v0", obs="state", max_episode_seconds=60.0).unwrapped


def test_the_lane_follower_obeys_in_towns_and_one_that_does_not_is_reported(road) -> None:
    counts = {}
    for obeys in (True, False):
        driver, counts[obeys], shown = LaneFollower(LaneFollowerConfig(obey_signals=obeys)), 0, set()
        for seed in (6, 8):
            _, info = road.reset(seed=seed)
            assert not info["red_light"]
            assert info["signal_valid"]
            for _ in range(400):
                _, _, terminated, truncated, info = road.step(driver.act(np.zeros((0, 0, 3), np.uint8), info))
                counts[obeys] += int(info["red_light"]) + int(info["stop_sign_missed"])
                shown.add(int(info["signal"]))
                if terminated or truncated:
                    break
        assert {RED, GREEN} <= shown
    assert counts[True] == 0
    assert counts[False] > 0


def test_saved_states_and_branches_go_on_with_the_same_lights(road) -> None:
    road.reset(seed=1)
    for _ in range(20):
        road.step(np.array([0.0, 0.2], np.float32))
    (twin,) = road.branch(1)
    other = gymnasium.make("DriveDiT-Road-v0", obs="state").unwrapped
    other.set_state(road.get_state())
    for _ in range(60):
        action = np.array([0.0, 0.1], np.float32)
        infos = [env.step(action)[-1] for env in (road, twin, other)]
        for name in ("signal", "signal_distance", "red_light", "stop_sign_missed"):
            assert infos[0][name] == infos[1][name] == infos[2][name]


def test_a_start_clip_hands_the_lights_on_to_the_learned_world(tiny_checkpoint) -> None:
    world = RoadWorld(SMALL)
    learned = LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint, pictures=False))
    brake = np.array([0, 0, 1, 0], np.float32)
    for seed in range(60):
        step = world.reset(seed, {})
        if step.scene.signal in (RED, YELLOW, GREEN) and step.scene.signal_distance > 15:
            break
    clip = world.start_clip(pictures=False)
    assert clip.signals is not None
    signals = RouteSignals.stack([clip.signals])
    half = world.config.vehicle.length / 2
    nearest = np.flatnonzero(signals.s[0] - half >= 0)[0]
    assert signals.s[0, nearest] - half == pytest.approx(float(step.scene.signal_distance), abs=1e-3)
    begun = learned.reset(0, {"start_clip": clip})
    assert begun.scene.signal == step.scene.signal
    same = 0
    for k in range(300):
        theirs, ours = world.step(brake).scene, learned.step(brake).scene
        assert ours.signal_valid
        same += int(ours.signal == theirs.signal)
        if k < 5:
            assert ours.signal_distance == pytest.approx(float(theirs.signal_distance), abs=0.3)
    assert same > 290  # but for steps at which a light switches, cycles being rounded in a clip
