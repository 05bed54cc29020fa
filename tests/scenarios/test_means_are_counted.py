"""Every mean in a report stands beside a count, and every report names its seeds: in what is written and in what is
printed. Reports of evaluations and of generators are looked at where they are made, by the same two functions."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from known_comparisons import CASES, PLANNERS, everything
from means import names_its_seeds, uncounted_means
from straight_world import StraightWorld

from envs.driving_env import DrivingEnv
from policies.rule_based import LaneFollower
from scenarios.case_results import run_cases
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.demo import DemoConfig, demo
from scenarios.falsification.probability import importance_sampling
from scenarios.fidelity_report import compare, print_comparison, write_comparison
from scenarios.planner_bench_drives import PlannerDrive
from scenarios.planner_bench_report import Bench, markdown_table, print_bench, write_bench
from scenarios.report import provenance, seed_ranges, write_json
from scenarios.validation_config import ValidateConfig
from scenarios.validation_report import Validation, print_validation, report_content
from scenarios.verdict import decide

FACTS = provenance(checkpoint=None, seeds=[1, 2, 3, 4])


def test_a_mean_without_a_count_is_found() -> None:
    bare = {"planners": {"a": {"score": 0.5}}, "parts": [{"num_starts": 3, "mean": 0.1}, {"rates": [0.2, 1]}]}
    assert uncounted_means(bare) == ["/planners/a/score", "/parts/1/rates/0"]
    assert uncounted_means({"num_starts": 4, **bare}) == []
    assert not names_its_seeds(bare)


def test_seeds_are_told_by_their_ranges() -> None:
    assert seed_ranges(range(10)) == "0..9"
    assert seed_ranges([0, 1, 2, 3, 30, 7, 8]) == "0..3, 30, 7, 8"


def written(folder: Path) -> dict:
    report = json.loads((folder / "report.json").read_text())
    assert uncounted_means(report) == []
    assert names_its_seeds(report)
    return report


def test_validations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = ReferenceCaseRunner(DrivingEnv(StraightWorld()))
    results = run_cases(runner, LaneFollower(), [SCENARIOS["lead_braking"].draw(seed) for seed in (1, 2)])
    config = ValidateConfig().verdict_config()
    validation = Validation(
        config={}, policy="lane_follower", world="Reference world", results={"lead_braking": results}, undriven=(),
        decision=decide(results, config), verdict_config=config, comparison=None, conditions={}, provenance=FACTS,
    )  # fmt: skip
    write_json(tmp_path / "report.json", report_content(validation))
    summaries = written(tmp_path)["metric_summaries"]["lead_braking"]
    assert all(one["num_valid"] > 0 for one in summaries.values() if one["mean"] is not None)
    print_validation(validation, tmp_path)
    assert "lane_follower in reference world, seeds 1..4\n" in capsys.readouterr().out


def test_fidelity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compare(everything(standing={}), PLANNERS, CASES, num_resamples=20)
    write_comparison(tmp_path, comparison, {}, {}, FACTS)
    assert written(tmp_path)["by_scenario"]["cut_in"]["num_starts"] == 2
    print_comparison(comparison)
    assert "3 planners, mean scores over 4 paired starts, seeds 1..4: Spearman" in capsys.readouterr().out


def test_planners_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drives = [
        PlannerDrive(
            world="road", planner="stop", scenario="cut_in", seed=seed, outcome="passed", seconds=1.0, progress=4.0,
            pdms=score, num_decisions=7,
        )
        for seed, score in ((0, 0.5), (1, None))
    ]  # fmt: skip
    bench = Bench(planners=("stop",), worlds=("road",), seeds=(0, 1), drives=drives)
    write_bench(tmp_path, bench, {}, FACTS)
    (row,) = written(tmp_path)["rows"]
    assert (row["num_drives"], row["num_scored"], row["num_driving_scored"], row["num_decisions"]) == (2, 1, 0, 14)
    print_bench(bench)
    for told in (capsys.readouterr().out, markdown_table(bench)):
        assert "2 starts, seeds 0, 1" in told
        assert "0.50 (0.50 to 0.50) of 1" in told


def test_drives_to_look_at(tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo(
        DemoConfig(seconds=0.5, num_drives=2, seed=5, policy="lane_follower", out=tmp_path, checkpoint=tiny_checkpoint)
    )
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(drive["seed"], drive["seconds"]) for drive in report["drives"]] == [(5, 0.5), (6, 0.5)]
    assert names_its_seeds(report)
    page = (tmp_path / "report.html").read_text()
    assert "mean speed of 2 drives" in page
    assert "mean offset from the lane centre in 2 drives" in page


def test_probabilities(tmp_path: Path) -> None:
    class Half:
        num_axes = 1

        def admits(self, points: np.ndarray) -> np.ndarray:
            return np.ones(len(points), bool)

        def evaluate(self, points: np.ndarray) -> np.ndarray:
            return points[:, 0]

    found = importance_sampling(Half(), 200, np.random.default_rng(0))
    write_json(tmp_path / "report.json", {"estimate": asdict(found), "config": {"seed": 0}})
    assert written(tmp_path)["estimate"]["num_valid"] > 0
