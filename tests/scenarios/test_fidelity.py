"""A small comparison of both worlds from end to end."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from envs.process_pool import in_processes
from scenarios.case_runner import make_case_runner
from scenarios.fidelity import FidelityConfig, fidelity


def test_both_worlds_are_driven_compared_and_gone_on_with(tiny_checkpoint: Path, tmp_path: Path, capsys) -> None:
    """With a planner of one's own, which drives anew in each run; the second goes on in two processes."""
    mine = tmp_path / "mine.py"
    mine.write_text("from policies.policy import ConstantPolicy\n\n\nclass Mine(ConstantPolicy):\n    pass\n")
    config = FidelityConfig(
        planners=("accelerating",),
        own=(f"{mine}:Mine",),
        scenarios=("lead_braking", "cut_in"),
        num_seeds=1,
        out=tmp_path,
        checkpoint=tiny_checkpoint,
    )
    code = fidelity(config)
    log = tmp_path / "drives.jsonl"
    lines = log.read_text().splitlines()
    assert len(lines) == 1 + 3 * 5 * 2
    report = json.loads((tmp_path / "report.json").read_text())
    assert (tmp_path / "report.html").read_text().count("lane follower") >= 1
    assert code == (0 if report["agreement"]["spearman"]["estimate"] >= 0.9 else 1)
    road = {name: score["road"] for name, score in report["planners"].items()}
    assert road["lane_follower"] > road["accelerating"]
    assert report["trust"] is None  # no picture was made
    assert [row["world"] for row in report["worlds"]] == ["learned", "repeated", "standing", "constant_velocity"]
    assert report["num_places"] == 2
    reference = [d for d in map(json.loads, lines[1:]) if d["planner"] == "lane_follower"]
    assert all(d["score"] > 0.5 for d in reference if d["world"] == "road")

    log.write_text("\n".join(lines[:-2]) + "\n" + lines[-2][:20])  # interrupted: a drive is missing, one cut short
    fidelity(replace(config, num_workers=2))
    again = log.read_text().splitlines()
    assert set(again) == set(lines)
    own = ["mine" in line for line in again]
    assert own == sorted(own)  # planners of one's own drive again, and their drives of before are gone
    assert json.loads((tmp_path / "report.json").read_text())["planners"] == report["planners"]

    mine.write_text(
        "import os\n\n\nclass Mine:\n    def reset(self, env, seed):\n        self.seed = seed\n\n"
        "    def act(self, frame, info):\n        return None if self.seed else os._exit(7)\n"
    )
    assert fidelity(config) == 3
    told = capsys.readouterr().err
    for world in ("road", "learned", "standing"):
        assert f"in {world}, lead_braking seed 0: step 0: the policy ended the process in act, exit code 7" in told
        assert f"in {world}, cut_in seed 1: step 0: the policy answered None" in told
    assert json.loads((tmp_path / "report.json").read_text())["planners"][f"{mine}:Mine"]["road"] == 0.0

    with pytest.raises(ValueError, match="another world model"):
        fidelity(FidelityConfig(num_seeds=1, out=tmp_path, checkpoint=tiny_checkpoint, num_sampling_steps=1))


@pytest.mark.slow
def test_planners_that_look_are_ranked_without_the_reference_planner_and_pushed(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    config = FidelityConfig(
        observe="pixels",
        planners=("pixels", "pixels_grey", "pixels_least_data"),
        scenarios=("lead_braking", "cut_in"),
        num_seeds=1,
        recovery_starts=1,
        out=tmp_path,
        checkpoint=tiny_checkpoint,
    )
    fidelity(config)
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["planners"]) == list(config.planners)
    drives = [json.loads(line) for line in (tmp_path / "drives.jsonl").read_text().splitlines()[1:]]
    assert len(drives) == 4 * 2 * 3
    pushed = [drive for drive in drives if drive["scenario"] == "lane_recovery"]
    assert len(pushed) == 4 * 2
    assert all((drive["recovery_time"] is None) == (drive["scenario"] != "lane_recovery") for drive in drives)
    assert report["trust"]["num_pairs"] == 3 * 2
    learned = [drive for drive in drives if drive["world"] == "learned"]
    assert all(0 <= drive["lowest_trust"] <= drive["mean_trust"] + 1e-6 for drive in learned)
    assert all(drive["lowest_trust"] is None for drive in drives if drive["world"] == "road")
    assert all(drive["path"] for drive in drives if drive["planner"] == "lane_follower")
    assert "Does trust tell" in (tmp_path / "report.html").read_text()
    assert report["recovery"]["num_starts"] == 1
    assert report["recovery"]["planners"]["lane_follower"]["recovered"]["road"] == 1.0
    assert "Recovery" in (tmp_path / "report.html").read_text()


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="device 'cuda:99' cannot be had"):
        fidelity(FidelityConfig(device="cuda:99", out=tmp_path))
    with pytest.raises(ValueError, match="num_seeds must be at least 1, got 0"):
        FidelityConfig(num_seeds=0)
    with pytest.raises(ValueError, match="at least one scenario"):
        FidelityConfig(scenarios=())
    with pytest.raises(ValueError, match="own must be planners that do not drive yet, each once, got blind"):
        FidelityConfig(own=("blind",))
    with pytest.raises(ValueError, match=r"own has no planner named 'bst'; there are .*pdm_closed.*module:Name"):
        FidelityConfig(own=("bst",))
    assert "standing" in FidelityConfig().worlds
    assert FidelityConfig(trivial_worlds=False).worlds == FidelityConfig(observe="pixels").worlds == ("road", "learned")
    with pytest.raises(ValueError, match="the trivial world 'standing' is state-only"):
        make_case_runner("standing")
    assert FidelityConfig(own=("pdm_closed", "mine.py:P")).ranked_planners()[-2:] == ("pdm_closed", "mine.py:P")
    with pytest.raises(ValueError, match="pixels drives by pictures, of which there are none: give --observe pixels"):
        fidelity(FidelityConfig(own=("pixels",), out=tmp_path))
    with pytest.raises(ValueError, match="no planner is named best; there are lane_follower, hurried"):
        FidelityConfig(planners=("best",))
    with pytest.raises(ValueError, match="at least 3 planners, got lane_follower, blind"):
        FidelityConfig(planners=("blind",))
    with pytest.raises(ValueError, match="at least 3 planners, got pixels, pixels_grey"):
        FidelityConfig(observe="pixels", planners=("pixels", "pixels_grey"))
    with pytest.raises(ValueError, match="no planner is named blind; there are lane_follower, pixels"):
        FidelityConfig(observe="pixels", planners=("blind",))
    with pytest.raises(ValueError, match="recovery_starts must be at least 0, got -1"):
        FidelityConfig(recovery_starts=-1)


@pytest.mark.parametrize("allow", [False, True])
def test_a_pickle_of_ones_own_is_loaded_only_where_that_is_allowed(
    allow: bool, tiny_checkpoint: Path, tmp_path: Path, monkeypatch
) -> None:
    def tell(name: str, **settings) -> None:
        raise ValueError(f"{name} {settings['allow_pickle']} {settings['checkpoint'].name}")

    monkeypatch.setattr("scenarios.fidelity.make_policy", tell)
    config = FidelityConfig(own=("sb3:mine.zip",), allow_pickle=allow, checkpoint=tiny_checkpoint, out=tmp_path / "out")
    with pytest.raises(ValueError, match=f"^sb3:mine.zip {allow} {tiny_checkpoint.name}$"):
        fidelity(config)


def refuse(number: int) -> int:
    if number == 1:
        raise ValueError("number 1 is refused")
    time.sleep(0.2)
    return number


def test_a_worker_that_fails_ends_the_others() -> None:
    """The rest of a long queue is not worked off first."""
    begun = time.monotonic()
    with pytest.raises(ValueError, match="number 1 is refused"):
        list(in_processes(refuse, [(k,) for k in range(1, 500)], 2))
    assert time.monotonic() - begun < 30
    assert sorted(in_processes(refuse, [(2,), (3,)], 1)) == [2, 3]
