"""The log of many planners' drives: what is forgotten, and what is refused."""

import pytest

from scenarios.case_results import BROKEN, WORLD_BROKE, undriven_result
from scenarios.catalogue import SCENARIOS
from scenarios.drive_log import DriveLog
from scenarios.fidelity_drives import Drive
from scenarios.validation_run import CaseLog


def drive(planner, outcome="passed"):
    return Drive(
        world="road",
        planner=planner,
        scenario="cut_in",
        seed=0,
        outcome=outcome,
        progress=1.0,
        score=1.0,
        path=[[0.0, 0.0]],
    )


def test_what_the_world_broke_is_driven_again(tmp_path):
    case = SCENARIOS["cut_in"].draw(0)
    log = DriveLog(tmp_path / "drives.jsonl", {"code": 1}, Drive)
    log.add([drive("a", WORLD_BROKE), drive("b", BROKEN)])
    assert log.missing("road", "a", [case]) == [], "not within a run, which would never end"
    again = DriveLog(tmp_path / "drives.jsonl", {"code": 1}, Drive)
    assert [again.missing("road", planner, [case]) for planner in "ab"] == [[case], []]


def test_what_the_world_broke_in_a_validation_is_driven_again_when_its_command_begins_again(tmp_path):
    case = SCENARIOS["cut_in"].draw(0)
    log = CaseLog(tmp_path, {"code": 1})
    log.add(undriven_result(case, WORLD_BROKE, "no memory"))
    assert list(CaseLog(tmp_path, {"code": 1}, begins=False).results) == [case.id]
    assert list(CaseLog(tmp_path, {"code": 1}, begins=True).results) == []


def test_a_planner_is_forgotten_in_the_file_too(tmp_path):
    log = DriveLog(tmp_path / "drives.jsonl", {"code": 1}, Drive)
    log.add([drive("mine"), drive("lane_follower")])
    log.forget("mine")
    again = DriveLog(tmp_path / "drives.jsonl", {"code": 1}, Drive)
    assert list(again.drives.values()) == [drive("lane_follower")]
    with pytest.raises(ValueError, match="was written with another world model, settings or code"):
        DriveLog(tmp_path / "drives.jsonl", {"code": 2}, Drive)
