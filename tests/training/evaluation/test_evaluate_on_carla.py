"""`drivedit evaluate --world carla` over a bridge: recorded there, then held against the learned world."""

import json
from pathlib import Path

import pytest
from bridge_process import serving
from means import uncounted_means
from tiny_model import CONFIG

from drivedit import main
from training.data.rollouts import RolloutDataset
from training.evaluation.evaluate import EvaluateConfig

ROAD = ("--world", "road", "--frame-size", "64", "64", "--num-vehicles", "3", "--num-pedestrians", "2")


def evaluated(data: Path, out: Path, checkpoint: Path, port: int) -> int:
    settings = {
        "world": "carla",
        "port": port,
        "carla-maps": "Town_003",
        "num-episodes": 2,
        "seconds-per-episode": 3.0,
        "data": data,
        "out": out,
        "checkpoint": checkpoint,
        "num-starts": 3,
        "seconds": 1.0,
        "long-starts": 1,
        "long-seconds": 1.0,
        "loops": 0,
        "closed-loop-starts": 1,
    }
    return main(["evaluate", *(text for name, value in settings.items() for text in (f"--{name}", str(value)))])


@pytest.mark.timeout(600)
def test_the_learned_world_is_scored_against_what_carla_shows(tmp_path, tiny_checkpoint, capsys):
    data, out = tmp_path / "data", tmp_path / "evaluation"
    with serving(*ROAD) as bridge:
        assert evaluated(data, out, tiny_checkpoint, bridge.port) == 0
    dataset = RolloutDataset(data)
    assert dataset.indices == [0, 1]
    assert dataset.frame_size == CONFIG.frame_size
    report = json.loads((out / "report.json").read_text())
    shown = "replayed" if "replayed" in report else "live"
    assert uncounted_means(report) == []
    assert report[shown]["psnr"]["1"]["repeat"] > 10
    assert (out / "films" / f"{shown}_00.mp4").is_file()
    told = capsys.readouterr().out
    assert f"| {shown}: PSNR at 1 s |" in told
    rows = [line.split(" | ") for line in told.splitlines() if line.startswith("| ")]
    assert rows[1][:2] == ["| seed of starts and noise", "0"]
    uncounted = [row[0] for row in rows[2:] if row[-1].strip() == "|" and row[1] != "not known"]
    assert [label for label in uncounted if not label.endswith(": drives")] == []
    # the recording is kept: without a server it is whole already and is only compared again
    assert evaluated(data, tmp_path / "again", tiny_checkpoint, 1) == 0
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert again[shown] == report[shown]
    # another map is another recording
    (data / "meta" / "recording.json").write_text('{"world": "road"}')
    assert evaluated(data, out, tiny_checkpoint, 1) == 2


def test_places_in_carla_are_refused_without_it(tmp_path):
    with pytest.raises(ValueError, match="are for world 'carla', got them for 'recording'"):
        EvaluateConfig(data=tmp_path, carla_maps=("Town01",))
