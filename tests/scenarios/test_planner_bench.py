"""All planners in one table: a small run from end to end, and rows of constructed drives."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from policies.search.sampling_planner import SamplingPlannerConfig
from scenarios.planner_bench import DEFAULT_PLANNERS, BenchPlannersConfig, bench_planners
from scenarios.planner_bench_drives import PlannerDrive
from scenarios.planner_bench_report import Bench, markdown_table, summarise, write_bench

SMALL = SamplingPlannerConfig(num_samples=4, num_iterations=1, num_elites=2, num_knots=2, horizon=4, replan_interval=4)


def test_planners_drive_in_both_worlds_and_a_broken_one_is_named(tiny_checkpoint: Path, tmp_path: Path, capsys) -> None:
    """One searches, and its steps of the model are counted; the second run drives what is missing, and one's own."""
    pytest.importorskip("carla", reason="the reference world's roads need the carla package")
    mine = tmp_path / "mine.py"
    mine.write_text(
        "class Mine:\n    uses_pictures = False\n\n    def reset(self, env, seed):\n        pass\n\n"
        "    def act(self, frame, info):\n        raise RuntimeError('out of fuel')\n"
    )
    config = BenchPlannersConfig(
        planners=("planner", "stop", f"{mine}:Mine"),
        scenarios=("lead_braking",),
        num_seeds=1,
        out=tmp_path / "out",
        checkpoint=tiny_checkpoint,
        planner=SMALL,
    )
    assert bench_planners(config) == 3
    log = tmp_path / "out" / "drives.jsonl"
    lines = log.read_text().splitlines()
    assert len(lines) == 1 + 4 * 2
    printed = capsys.readouterr().out
    assert "out of fuel" in printed
    assert "Reference world, 1 starts" in printed

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    rows = {(row["world"], row["planner"]): row for row in report["rows"]}
    assert len(rows) == 4 * 2
    assert rows["road", "planner"]["model_steps"] == pytest.approx(4 * 4 / 4, abs=1.0)  # 16 in every fourth decision
    assert rows["road", "stop"]["model_steps"] == 0
    assert rows["road", f"{mine}:Mine"]["num_broken"] == 1
    assert rows["road", "lane_follower"]["driving_score"] > rows["road", f"{mine}:Mine"]["driving_score"]
    assert rows["road", "planner"]["wall_ms"] > rows["road", "stop"]["wall_ms"] > 0
    assert "bench_planners/2" in report["schema"]
    assert "out of fuel" in (tmp_path / "out" / "report.json").read_text()
    assert (tmp_path / "out" / "report.html").read_text().count("lane_follower") >= 2

    log.write_text("\n".join(lines[:-3]) + "\n" + lines[-3][:20])  # interrupted
    mine.write_text(mine.read_text().replace("raise RuntimeError('out of fuel')", "return [0.0, -1.0]"))
    assert bench_planners(config) == 0
    again = log.read_text().splitlines()
    assert set(lines[1:-3]) - {line for line in lines if "Mine" in line} <= set(again)
    assert len(again) == len(lines)
    with pytest.raises(ValueError, match="another world model, settings or code"):
        bench_planners(replace(config, planner=replace(SMALL, horizon=5)))


def drive(planner="a", world="road", seed=0, **values) -> PlannerDrive:
    """Of ten seconds and a hundred decisions."""
    standard = {"outcome": "passed", "seconds": 10.0, "progress": 50.0, "pdms": 0.8, "driving_score": 0.9}
    standard |= {"reward": 5.0, "num_decisions": 100, "wall_seconds": 0.4, "cpu_seconds": 0.2, "model_steps": 600}
    return PlannerDrive(world=world, planner=planner, scenario="cut_in", seed=seed, **{**standard, **values})


def test_a_row_is_over_the_valid_drives_of_a_planner_in_a_world() -> None:
    drives = [
        drive(),
        drive(seed=1, outcome="collision", pdms=0.0, reward=-1.0),
        drive(seed=2, outcome="invalid", pdms=None),
        drive(seed=3, outcome="policy_error", pdms=0.0, num_decisions=0, wall_seconds=0, cpu_seconds=0, model_steps=0),
        drive("b", pdms=0.9),
        drive("b", "learned", pdms=None, driving_score=None),
    ]
    rows = summarise(Bench(planners=("a", "b"), worlds=("road", "learned"), seeds=range(4), drives=drives))
    assert [(row.world, row.planner) for row in rows] == [
        ("road", "b"),
        ("road", "a"),
        ("learned", "a"),
        ("learned", "b"),
    ]
    a = rows[1]
    assert (a.num_drives, a.num_collisions, a.num_off_road, a.num_broken) == (3, 1, 0, 1)
    assert a.crash_rate is not None
    assert a.crash_rate.estimate == pytest.approx(2 / 3)
    assert a.pdms is not None
    assert a.pdms.estimate == pytest.approx(0.8 / 3)
    assert (a.wall_ms, a.cpu_ms, a.model_steps) == pytest.approx((4.0, 2.0, 6.0))
    assert a.reward_rate == pytest.approx((5.0 - 1.0 + 5.0) / 30.0)
    assert (rows[2].num_drives, rows[2].pdms, rows[3].pdms) == (0, None, None)


def test_exploit_of_several_sizes_gets_a_plot_of_reward_over_size(tmp_path: Path) -> None:
    planners = ("lane_follower", "exploit:8", "exploit:64")
    drives = [drive(name, world, reward=r) for name in planners for world, r in (("road", 1.0), ("learned", 2.0))]
    bench = Bench(planners=planners, worlds=("road", "learned"), seeds=[0], drives=drives)
    write_bench(tmp_path, bench, {}, {})
    assert "Can the learned world be gamed?" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "table.md").read_text() == markdown_table(bench)
    assert markdown_table(bench).count("\n") == 2 + 6 + 2
    assert "\n1 starts, seeds 0. PDMS" in markdown_table(bench)
    write_bench(tmp_path, replace(bench, planners=planners[:2]), {}, {})
    assert "Can the learned world be gamed?" not in (tmp_path / "report.html").read_text()


def test_what_cannot_be_benched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="device 'cuda:99' cannot be had"):
        bench_planners(BenchPlannersConfig(planners=("stop",), device="cuda:99", out=tmp_path))
    assert {"pdm_closed", "mppi_pdms", "exploit", "pixels"} < {*DEFAULT_PLANNERS}
    assert not {"sb3", "replay"} & {*DEFAULT_PLANNERS}
    assert BenchPlannersConfig(exploit=(16, 64)).all_planners() == ("lane_follower", "exploit:16", "exploit:64")
    with pytest.raises(ValueError, match="planners must be different, got stop twice"):
        BenchPlannersConfig(planners=("stop", "stop"))
    with pytest.raises(ValueError, match="worlds must be one or more of learned, road, carla, got none"):
        BenchPlannersConfig(worlds=())
    with pytest.raises(ValueError, match="carla_maps are for world 'carla', which is not among learned, road"):
        BenchPlannersConfig(carla_maps=("Town01",))
    with pytest.raises(ValueError, match="maps are for worlds 'road' and 'learned', got them for road, carla"):
        BenchPlannersConfig(worlds=("road", "carla"), maps=(Path("town.xodr"),))
    with pytest.raises(ValueError, match="num_seeds must be at least 1, got 0"):
        BenchPlannersConfig(num_seeds=0)
