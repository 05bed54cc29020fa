"""Cycles of lights that are told by their states alone."""

import numpy as np
import pytest

from envs.carla.light_clock import LightClock
from worldsim.datatypes.signals import LightCycleColumn, SignalKind, light_states

DT = 0.1
CYCLES = np.array([[40.0, 3.21, 15.0, 3.0], [40.0, 22.4, 15.0, 3.0], [25.0, 24.0, 10.0, 4.0]])


def clock() -> LightClock:
    return LightClock(CYCLES[:, LightCycleColumn.GREEN], CYCLES[:, LightCycleColumn.YELLOW], DT)


def watch(watcher: LightClock, steps: range, cycles: np.ndarray = CYCLES) -> float:
    """The time of the last look."""
    for step in steps:
        watcher.watch(step * DT, light_states(cycles, step * DT))
    return steps[-1] * DT


def assert_right(watcher: LightClock, now: float, cycles: np.ndarray = CYCLES) -> None:
    found = watcher.cycles()
    assert found is not None
    ahead = np.arange(0.0, 60.0, 0.5)[:, None]
    wrong = light_states(found, ahead) != light_states(cycles, now + ahead)
    assert wrong.mean() < 0.03  # within a step or two of a change
    np.testing.assert_allclose(found[:, LightCycleColumn.PERIOD], cycles[:, LightCycleColumn.PERIOD], atol=2 * DT)


def test_a_cycle_is_known_when_each_light_has_turned_red_and_green_again():
    watcher = clock()
    watch(watcher, range(200))
    assert watcher.cycles() is None
    assert_right(watcher, watch(watcher, range(200, 800)))


def test_lights_run_on_while_nobody_looks():
    watcher = clock()
    watch(watcher, range(800))
    assert_right(watcher, watch(watcher, range(5003, 5004)))


def test_a_turn_that_nobody_saw_does_not_make_a_period_longer():
    watcher = clock()
    watch(watcher, range(260))  # the first light has turned red
    watch(watcher, range(700, 1200))
    assert_right(watcher, watch(watcher, range(1200, 1700)))


def test_lights_that_were_set_otherwise_are_looked_at_anew():
    watcher, later = clock(), CYCLES.copy()
    watch(watcher, range(800))
    later[:, LightCycleColumn.OFFSET] += 19.0
    watch(watcher, range(900, 901), later)
    assert watcher.cycles() is None
    assert_right(watcher, watch(watcher, range(901, 1400), later), later)


def test_of_lights_that_are_off_nothing_is_known():
    watcher = clock()
    for step in range(800):
        states = light_states(CYCLES, step * DT)
        states[1] = SignalKind.NONE
        watcher.watch(step * DT, states)
    assert watcher.cycles() is None


def test_a_map_without_lights_is_known():
    watcher = LightClock(np.zeros(0), np.zeros(0), DT)
    watcher.watch(0.0, np.zeros(0, np.int64))
    assert watcher.cycles() == pytest.approx(np.zeros((0, 4)))
