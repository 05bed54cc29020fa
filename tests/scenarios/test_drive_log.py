"""The log of many planners' drives: what is forgotten, and what is refused."""

import pytest

from scenarios.drive_log import DriveLog
from scenarios.fidelity_drives import Drive


def test_a_planner_is_forgotten_in_the_file_too(tmp_path):
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

    log = DriveLog(tmp_path / "drives.jsonl", {"code": 1}, Drive)
    log.add([drive("mine"), drive("lane_follower")])
    log.forget("mine")
    again = DriveLog(tmp_path / "drives.jsonl", {"code": 1}, Drive)
    assert list(again.drives.values()) == [drive("lane_follower")]
    with pytest.raises(ValueError, match="was written with another world model, settings or code"):
        DriveLog(tmp_path / "drives.jsonl", {"code": 2}, Drive)
