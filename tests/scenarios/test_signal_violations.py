"""Red lights run and stop signs missed, counted in drives whose answers are known, and in reports."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from drive_records import record

from scenarios.case_results import CaseResult
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.signal_violations import SignalViolations, describe_red_lights, violations_text
from scenarios.validation_report import summarise
from training.evaluation.closed_loop import ClosedLoopDrives, violation_scores
from training.evaluation.report import table
from worldsim.datatypes.scene import SceneState


def drive(red: list[int], missed: list[int], known: slice = slice(None), step: float = 0.5) -> DriveRecord:
    """40 steps of `step` metres each, with events at the given instants."""
    events = np.zeros((3, 41), bool)
    events[0, red], events[1, missed], events[2, known] = True, True, True
    return record(
        10 * step, red_light=events[0], stop_sign_missed=events[1], signal_known=events[2], progress=np.full(40, step)
    )


def test_violations_are_counted_and_told_per_kilometre_of_known_road() -> None:
    found = SignalViolations.of(drive([3, 20], [7]))
    assert found == SignalViolations(red_lights=2, stop_signs=1, distance=20.0)
    assert found.red_lights_per_km == pytest.approx(100.0)
    assert found.stop_signs_per_km == pytest.approx(50.0)
    half = SignalViolations.of(drive([], [], slice(21, None)))
    assert half is not None
    assert half.distance == pytest.approx(10.0)
    assert SignalViolations.of(drive([], [], slice(0, 0))) is None
    stood = SignalViolations.of(drive([], [], step=0.0))
    assert stood is not None
    assert stood.red_lights_per_km is None


def test_totals_leave_out_what_is_not_known() -> None:
    one = SignalViolations(red_lights=1, stop_signs=0, distance=400.0)
    assert SignalViolations.total([one, None, one]) == SignalViolations(red_lights=2, stop_signs=0, distance=800.0)
    assert SignalViolations.total([None]) is None
    assert SignalViolations.total([]) is None


def test_reports_say_how_many_how_often_or_not_known() -> None:
    assert violations_text(None) == ("not known", "not known")
    assert violations_text(SignalViolations(red_lights=2, stop_signs=0, distance=800.0)) == ("2 (2.5 per km)", "0")
    unknown = CaseResult(scenario="cut_in", seed=0, parameters={}, outcome="passed")
    results = [unknown, replace(unknown, violations=SignalViolations(red_lights=1, stop_signs=2, distance=100.0))]
    assert summarise("all", results).violations == results[1].violations
    assert summarise("all", results[:1]).violations is None


def test_an_evaluation_counts_them_in_its_closed_loop_drives_or_says_that_they_are_not_known() -> None:
    scenes = SceneState.empty((2, 100))
    scenes.ego[..., 0] = 10.0
    red = np.zeros((2, 100), bool)
    red[0, 5] = True
    drives = ClosedLoopDrives(scenes=scenes, red_light=red, stop_sign_missed=np.zeros((2, 100), bool))
    assert violation_scores(drives, 0.1) == {}
    scenes.signal_valid[0] = True
    scores = violation_scores(drives, 0.1)
    assert scores["known_km"] == pytest.approx(0.1)
    assert scores["red_lights_run"] == {"count": 1, "per_km": pytest.approx(10.0)}
    assert scores["stop_signs_missed"] == {"count": 0, "per_km": 0.0}

    assert "red lights run" not in table({})
    label = "red lights run by the lane follower in closed loop"
    assert f"| {label} | not known |" in table({"violations": {}})
    assert f"| {label} | 1 (10.0 per km) |" in table({"violations": scores})


def crossing(speeds: list[float], before: float) -> SimpleNamespace:
    """A drive at 0.1 s a step that crosses a line on red in its second step, `before` it at the first instant."""
    speed = np.array(speeds)
    scenes = SceneState.empty((len(speed),))
    scenes.ego[:, 0], scenes.signal_valid[:] = speed, True
    scenes.signal_distance[0], scenes.signal_distance[1] = before, before - 0.1 * speed[1]
    return SimpleNamespace(scenes=scenes, progress=0.1 * speed[1:], red_light=np.arange(len(speed)) == 2)


@pytest.mark.parametrize(
    ("speeds", "before", "told"),
    [
        ([4.0, 4.0, 3.0, 1.0, 0.2, 0.0, 0.0], 0.6, "crossed at 3.0 m/s, halted 0.2 m beyond the line, less than 1 m"),
        ([9.0, 9.0, 9.0, 6.0, 3.0, 0.0, 8.0], 1.0, "crossed at 9.0 m/s, halted 1.7 m beyond the line"),
        ([9.0, 9.0, 9.0, 10.0, 11.0], 1.0, "crossed at 9.0 m/s, 2.9 m beyond the line without a halt"),
    ],
)
def test_how_a_red_light_was_run(speeds: list[float], before: float, told: str) -> None:
    assert describe_red_lights(crossing(speeds, before)) == told  # pyright: ignore[reportArgumentType]


def test_no_red_light_run_is_not_described() -> None:
    drive = crossing([4.0, 4.0, 4.0], 0.6)
    drive.red_light[:] = False
    assert describe_red_lights(drive) == ""  # pyright: ignore[reportArgumentType]
