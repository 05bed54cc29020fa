"""What comes next on a route, and red lights run and stop signs missed, in hand-made cases with known answers."""

import numpy as np
import pytest

from worldsim.datatypes.route_signals import RouteSignals, SignalCompliance, begin_compliance, comply, next_signal
from worldsim.datatypes.signals import NO_SIGNALS, SignalKind

NONE, RED, YELLOW, GREEN, STOP, YIELD = SignalKind


def step(shown: int, before: float, after: float, speed: float = 8.0, stopped: bool = False, line: float = 100.0):
    """The compliance of one step of an ego whose route has one line; fronts relative to it."""
    arrays = (np.array(x) for x in (line + before, line + after, speed, stopped))
    return comply(np.array([line]), np.array([shown]), *arrays)


def ahead(gaps: list[float], shown: list[int], stopped: bool = False) -> tuple[int, float]:
    signal, distance = next_signal(np.array(gaps) + 50.0, np.array(shown), np.array(50.0), np.array(stopped))
    return int(signal), float(distance)


def test_a_line_crossed_on_red_is_a_red_light_run() -> None:
    assert step(RED, -0.3, 0.5).red_light
    assert not step(RED, -0.3, 0.5).stop_sign_missed


@pytest.mark.parametrize("shown", [YELLOW, GREEN, YIELD])
def test_a_line_may_be_crossed_on_yellow_and_on_green_and_at_a_yield_sign(shown: int) -> None:
    assert not any(step(shown, -0.3, 0.5))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0.2, 0.2),  # stands on the line when the light turns red
        (0.2, 1.0),  # was over it, and clears the junction
        (-1.0, -0.1),  # comes to a halt before it
        (-0.5, 0.0),  # touches it
        (0.0, 0.0),
        (0.5, -0.5),  # rolls back over it
        (-0.3, np.nan),  # has left its route
    ],
)
def test_what_crosses_no_line_runs_no_red_light(before: float, after: float) -> None:
    assert not step(RED, before, after).red_light
    assert not step(STOP, before, after).stop_sign_missed


def test_setting_off_from_the_line_itself_crosses_it() -> None:
    assert step(RED, 0.0, 0.1).red_light


def test_a_line_passed_in_between_two_steps_at_high_speed_counts() -> None:
    assert step(RED, -2.0, 2.0, speed=40.0).red_light
    lines, shown = np.array([10.0, 12.0]), np.array([GREEN, RED])
    assert comply(lines, shown, np.array(9.0), np.array(13.0), np.array(40.0), np.array(False)).red_light


def test_a_stop_sign_wants_a_stop_within_four_metres_before_its_line() -> None:
    def drive(fronts: list[float], speeds: list[float]) -> list[SignalCompliance]:
        line, shown = np.array([100.0]), np.array([STOP])
        at = np.array(100.0 + fronts[0])
        states = [begin_compliance(line, shown, at, np.array(speeds[0]), np.array(False))]
        for k in range(1, len(fronts)):
            here, there = np.array(100.0 + fronts[k - 1]), np.array(100.0 + fronts[k])
            states.append(comply(line, shown, here, there, np.array(speeds[k]), states[-1].stopped))
        return states

    stopped = drive([-9.0, -3.5, -3.45, -2.0, -0.5, 0.5], [8.0, 2.0, 0.4, 2.0, 4.0, 5.0])
    assert [bool(c.stopped) for c in stopped] == [False, False, True, True, True, False]
    assert not any(c.stop_sign_missed for c in stopped)
    for fronts, speeds in (
        ([-9.0, -4.5, -4.45, -2.0, 0.5], [8.0, 2.0, 0.0, 2.0, 4.0]),  # stopped too early
        ([-9.0, -3.5, -1.0, 0.2], [8.0, 2.0, 0.6, 0.6]),  # rolled through
        ([-9.0, -1.0, 0.3], [8.0, 3.0, 0.0]),  # stopped behind the line
    ):
        missed = [bool(c.stop_sign_missed) for c in drive(fronts, speeds)]
        assert missed == [False] * (len(fronts) - 1) + [True]
    again = drive([-2.0, 1.0, -2.0, 1.0], [0.0, 3.0, -3.0, 3.0])  # backs up and crosses anew, without a stop
    assert [bool(c.stop_sign_missed) for c in again] == [False, False, False, True]


def test_a_stop_that_was_made_counts_for_the_next_sign_only() -> None:
    lines, shown = np.array([100.0, 102.0]), np.array([STOP, STOP])
    after = comply(lines, shown, np.array(99.0), np.array(100.5), np.array(4.0), np.array(True))
    assert not after.stop_sign_missed
    assert not after.stopped
    assert comply(lines, shown, np.array(100.5), np.array(102.5), np.array(4.0), after.stopped).stop_sign_missed


def test_the_next_control_is_the_nearest_within_80_m() -> None:
    assert ahead([], []) == (NONE, 0.0)
    assert ahead([70.0, 30.0], [STOP, GREEN]) == (GREEN, 30.0)
    assert ahead([80.0], [RED]) == (RED, 80.0)
    assert ahead([80.1], [RED]) == (NONE, 0.0)
    assert ahead([np.inf], [NONE]) == (NONE, 0.0)


def test_a_light_counts_until_two_metres_behind_and_a_sign_until_its_line() -> None:
    assert ahead([-2.0, 40.0], [RED, GREEN]) == (RED, -2.0)
    assert ahead([-2.1, 40.0], [RED, GREEN]) == (GREEN, 40.0)
    assert ahead([-0.1, 40.0], [STOP, GREEN]) == (GREEN, 40.0)
    assert ahead([0.0], [STOP]) == (STOP, 0.0)


def test_after_the_stop_a_stop_sign_is_one_to_give_way_at() -> None:
    assert ahead([1.0], [STOP], stopped=True) == (YIELD, 1.0)
    assert ahead([1.0], [RED], stopped=True) == (RED, 1.0)


def test_many_egos_at_once_are_each_as_alone() -> None:
    rng = np.random.default_rng(0)
    lines, shown = rng.uniform(0, 100, (50, 4)), rng.integers(1, 6, (50, 4))
    before = rng.uniform(0, 100, 50)
    after, speed, stopped = before + rng.uniform(-5, 20, 50), rng.uniform(0, 1, 50), rng.random(50) < 0.5
    together = comply(lines, shown, before, after, speed, stopped)
    signals = next_signal(lines, shown, before, stopped)
    assert together.red_light.any()
    assert together.stop_sign_missed.any()
    assert together.stopped.any()
    for i in range(50):
        alone = comply(lines[i], shown[i], before[i], after[i], speed[i], stopped[i])
        assert all(bool(a) == bool(b[i]) for a, b in zip(alone, together, strict=True))
        one = next_signal(lines[i], shown[i], before[i], stopped[i])
        assert (one[0], one[1]) == (signals[0][i], signals[1][i])


def test_routes_signals_are_stacked_taken_joined_and_handed_on() -> None:
    light, sign = [30.0, RED, 60.0, 10.0, 20.0, 3.0], [70.0, STOP, 0, 0, 0, 0]
    signals = RouteSignals.stack([np.array([light, sign]), None, NO_SIGNALS])
    assert signals.known.tolist() == [True, False, True]
    assert signals.shown(np.array([10.0, 0, 0])).tolist() == [[GREEN, STOP], [NONE, NONE], [NONE, NONE]]
    assert signals.shown(np.array([9.0, 0, 0]))[0, 0] == RED
    joined = RouteSignals.concat([signals.take([2]), signals.take([0, 1])])
    for found, expected in zip(joined, signals.take([2, 0, 1]), strict=True):
        np.testing.assert_array_equal(found, expected)

    handed_on = signals.ahead(0, 25.0, 15.0)
    assert handed_on is not None
    np.testing.assert_allclose(handed_on, [[5.0, RED, 60.0, 55.0, 20.0, 3.0], [45.0, STOP, 0, 0, 0, 0]])
    times = np.arange(0.0, 130.0, 0.5)
    then = [RouteSignals.stack([handed_on]).shown(np.array([t]))[0, 0] for t in times]
    assert then == [signals.shown(np.array([15.0 + t, 0, 0]))[0, 0] for t in times]
    for slot, s, left in ((0, 31.0, [39.0]), (0, 71.0, []), (2, 0.0, [])):
        rows = signals.ahead(slot, s, 0.0)
        assert rows is not None
        assert rows[:, 0].tolist() == left
    assert signals.ahead(1, 0.0, 0.0) is None
