"""Logs of finished drives: what survives, what is refused, what is forgotten."""

import pytest

from scenarios.fidelity_drives import Drive, ResultLog
from scenarios.json_log import JsonLog, read_log


def test_a_line_that_was_cut_short_is_left_out_and_other_conditions_are_told(tmp_path):
    path = tmp_path / "log.jsonl"
    assert read_log(path, {"code": 1}) == []
    log = JsonLog(path, {"code": 1}, [{"a": 1}])
    log.append([{"a": 2}, {"a": 3}])
    with path.open("ab") as file:
        file.write(b'{"a": 4\xff')
    assert read_log(path, {"code": 1}) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert read_log(path, {"code": 2}) is None
    path.write_bytes(b"")
    assert read_log(path, {"code": 1}) is None


def test_fidelity_forgets_a_planner_in_the_file_too(tmp_path):
    def drive(planner):
        return Drive(
            world="road",
            planner=planner,
            scenario="cut_in",
            seed=0,
            outcome="passed",
            progress=1.0,
            score=1.0,
            path=[[0.0, 0.0]],
        )

    log = ResultLog(tmp_path / "drives.jsonl", {"code": 1})
    log.add([drive("mine"), drive("lane_follower")])
    log.forget("mine")
    again = ResultLog(tmp_path / "drives.jsonl", {"code": 1})
    assert list(again.drives.values()) == [drive("lane_follower")]
    with pytest.raises(ValueError, match="was written with another world model, settings or code"):
        ResultLog(tmp_path / "drives.jsonl", {"code": 2})
