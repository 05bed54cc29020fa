"""Lights and signs that a start clip brings: what the learned world says of them, and whether they are obeyed."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import random_clip, random_model

from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import NO_SIGNALS, SignalKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.model_state import ModelState
from worldsim.world_model import WorldModel

COAST, BRAKE = np.zeros((1, 4), np.float32), np.array([[0.0, 0.0, 1.0, 0.0]], np.float32)
THROTTLE = np.array([[0.0, 0.6, 0.0, 0.0]], np.float32)
RED, YELLOW, GREEN, STOP, YIELD = (SignalKind(k) for k in range(1, 6))


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return random_model()


def clip(signals: list[list[float]] | None, seed: int = 0) -> StartClip:
    """An ego at 5 m/s, alone on a straight road, whose front is 2.3 m before arc length 0 of its route's lines."""
    one = replace(random_clip(8, seed), scenes=SceneState.empty((8,)))
    rows = None if signals is None else np.array(signals, np.float32).reshape(-1, 6)
    return replace(one, signals=NO_SIGNALS if rows is not None and not len(rows) else rows)


def drive(model: WorldModel, state: ModelState, controls: list[np.ndarray]) -> list:
    steps = [model.read(state)]
    for control in controls:
        state, prediction = model.step(state, control)
        steps.append(prediction)
    return steps


def test_a_light_goes_through_its_cycle_and_its_line_comes_nearer(model: WorldModel) -> None:
    start = clip([[40.0, RED, 3.0, 1.03, 0.5, 0.3]])
    steps = drive(model, model.begin([start], [0], pictures=False), [BRAKE] * 45)
    scenes = [step.scene for step in steps]
    assert all(scene.signal_valid[0] for scene in scenes)
    half_length = model.config.vehicle.length / 2
    assert scenes[0].signal_distance[0] == pytest.approx(40.0 - half_length, abs=1e-4)
    covered = np.array([step.tracked.vehicles[0, 0] for step in steps]) - start.vehicles[-1, 0]
    np.testing.assert_allclose([scene.signal_distance[0] for scene in scenes], 40.0 - half_length - covered, atol=1e-3)
    phase = np.mod(0.1 * np.arange(46) - 1.03, 3.0)
    expected = np.where(phase < 0.5, GREEN, np.where(phase < 0.8, YELLOW, RED))
    assert [int(scene.signal[0]) for scene in scenes] == expected.tolist()


def test_a_line_crossed_on_red_is_told_in_that_step_alone(model: WorldModel) -> None:
    crossed = {}
    for name, cycle in (("red", [100.0, 50, 20, 3]), ("green", [100.0, 0, 20, 3]), ("yellow", [100.0, -20.0, 20, 3])):
        state = model.begin([clip([[3.0, RED, *cycle]])], [0], pictures=False)
        crossed[name] = [bool(step.tracked.red_light[0]) for step in drive(model, state, [COAST] * 8)]
    assert sum(crossed["red"]) == 1
    assert not any(crossed["green"] + crossed["yellow"])


def test_a_stop_sign_becomes_one_to_give_way_at_and_is_missed_without_a_stop(model: WorldModel) -> None:
    start = clip([[8.0, STOP, 0, 0, 0, 0]])
    steps = drive(model, model.begin([start], [0], pictures=False), [BRAKE] * 12 + [THROTTLE] * 30)
    shown = [int(step.scene.signal[0]) for step in steps]
    stop, give_way, past = (shown.count(kind) for kind in (STOP, YIELD, SignalKind.NONE))
    assert shown == [STOP] * stop + [YIELD] * give_way + [SignalKind.NONE] * past
    assert min(stop, give_way, past) > 2
    assert not any(step.tracked.stop_sign_missed[0] for step in steps)
    passed = drive(model, model.begin([start], [0], pictures=False), [COAST] * 30)
    assert sum(bool(step.tracked.stop_sign_missed[0]) for step in passed) == 1


def test_a_stop_already_made_is_taken_over_from_the_clip(model: WorldModel) -> None:
    start = clip([[4.0, STOP, 0, 0, 0, 0]])
    start.scenes.signal[-1] = YIELD
    steps = drive(model, model.begin([start], [0], pictures=False), [COAST] * 20)
    assert not any(step.tracked.stop_sign_missed[0] for step in steps)


def test_without_signals_nothing_is_known_and_nothing_reported(model: WorldModel) -> None:
    unknown, none = (
        drive(model, model.begin([clip(signals)], [0], pictures=False), [COAST] * 5) for signals in (None, [])
    )
    assert not any(step.scene.signal_valid[0] for step in unknown)
    assert all(step.scene.signal_valid[0] and step.scene.signal[0] == SignalKind.NONE for step in none)
    assert not any(step.tracked.red_light[0] | step.tracked.stop_sign_missed[0] for step in unknown + none)


def test_pictures_change_nothing_of_the_signals(model: WorldModel) -> None:
    start = clip([[6.0, RED, 100.0, 50, 20, 3]])
    ours, theirs = (
        drive(model, model.begin([start], [0], pictures=pictures), [COAST] * 6) for pictures in (True, False)
    )
    for a, b in zip(ours, theirs, strict=True):
        for name in ("signal", "signal_distance", "signal_valid"):
            np.testing.assert_array_equal(getattr(a.scene, name), getattr(b.scene, name))
        assert a.tracked.red_light == b.tracked.red_light


def test_slots_at_different_times_keep_their_own_clocks_and_lines(model: WorldModel) -> None:
    light, sign = [6.0, RED, 4.0, 1.0, 1.0, 0.5], [5.0, STOP, 0, 0, 0, 0]
    states = [model.begin([clip(signals, k)], [k], pictures=False) for k, signals in enumerate(([light, sign], None))]
    for _ in range(7):
        states[0], _ = model.step(states[0], BRAKE)
    together, alone = ModelState.concat(states), states
    for _ in range(12):
        together, joint = model.step(together, np.repeat(THROTTLE, 2, axis=0))
        pairs = [model.step(state, THROTTLE) for state in alone]
        alone = [state for state, _ in pairs]
        for slot, (_, single) in enumerate(pairs):
            assert joint.tracked.scene[slot] == single.tracked.scene[0]
            assert joint.tracked.red_light[slot] == single.tracked.red_light[0]
            assert joint.tracked.stop_sign_missed[slot] == single.tracked.stop_sign_missed[0]
    assert together.take([1]).tracked.signals.known.tolist() == [False]
