"""The log of many planners' drives: what is forgotten, and what is refused."""

import json

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


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"progress": "x"}, "Drive.progress is 'x'; right would be float"),
        ({"seed": "x"}, "Drive.seed is 'x'; right would be int"),
        ({"colour": "red"}, "unexpected keyword argument 'colour'"),
    ],
)
def test_a_damaged_entry_is_named_and_the_file_stays(tmp_path, wrong, named):
    path = tmp_path / "drives.jsonl"
    DriveLog(path, {"code": 1}, Drive).add([drive("a")])
    head, line = path.read_text().splitlines()
    path.write_text("\n".join([head, json.dumps(json.loads(line) | wrong)]))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"drives.jsonl: damaged, .* is no entry: .*{named}; without that line"):
        DriveLog(path, {"code": 1}, Drive)
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", ["{}", '{"criteria": 5}', '{"id": []}'])
def test_a_damaged_entry_of_a_validation_is_named(tmp_path, line):
    log = CaseLog(tmp_path, {"code": 1})
    log._log.path.write_text(log._log.path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"jsonl: damaged, .* is no entry: it lacks 'criteria'|is no entry: 'int'"):
        CaseLog(tmp_path, {"code": 1})
