"""The report of a validation: coverage, metrics, pictures of failures, and a file for Rerun."""

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from straight_world import StraightWorld

from envs.driving_env import DrivingEnv
from policies.policy import ConstantPolicy
from policies.rule_based import LaneFollower
from scenarios.case_results import run_cases
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.colors import OUTCOMES
from scenarios.coverage import describe_gaps, measure_coverage
from scenarios.criteria import PassCriteria
from scenarios.metric_summaries import summarise_metrics
from scenarios.metrics.measure_drive import define_metrics
from scenarios.report import write_page
from scenarios.rerun_file import Run, check_rerun, write_rerun
from scenarios.rollout_files import load_drive, save_rollout
from scenarios.svg_figures import coverage_svg, top_view_svg
from scenarios.validation_config import ValidateConfig
from scenarios.validation_page import validation_page
from scenarios.validation_report import Validation, report_content
from scenarios.verdict import decide

SCENARIO = SCENARIOS["lead_braking"]


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """Results of four good and two bad drives, and the folder with what the bad ones left."""
    out = tmp_path_factory.mktemp("out")
    rollouts = {}
    runner = ReferenceCaseRunner(DrivingEnv(StraightWorld()))
    good = run_cases(runner, LaneFollower(), [SCENARIO.draw(seed) for seed in range(4)])
    fast = ConstantPolicy((0.0, 0.5))
    cases = [SCENARIO.draw(seed) for seed in (4, 5)]
    bad = run_cases(runner, fast, cases, lambda r, rollout: rollouts.update({r.id: rollout}))
    for result in bad:
        folder = out / "failures" / result.id
        folder.mkdir(parents=True)
        save_rollout(folder / "drive.npz", rollouts[result.id])
    return [*good, *bad], out


@pytest.fixture(scope="module")
def validation(driven):
    config = ValidateConfig().verdict_config()
    results = [*driven[0], replace(driven[0][0], seed=6, outcome="world_error", reason="it broke", details="Traceback")]
    return Validation(
        config={},
        policy="mine.py:Late",
        world="Reference world",
        results={"lead_braking": results},
        undriven=(),
        decision=decide(results, config),
        verdict_config=config,
        comparison=None,
        conditions={},
        provenance={"command": "drivedit validate"},
    )


def test_coverage_counts_each_case_once_and_names_what_is_missing(driven):
    results, _ = driven
    coverage = measure_coverage(SCENARIO, results)
    assert [p.name for p in coverage] == [p.name for p in SCENARIO.parameters]
    for parameter in coverage:
        assert sum(one.num_valid for one in parameter.bins) == 6
        assert sum(one.num_failed for one in parameter.bins) == 2
        for one in parameter.bins:
            inside = [r for r in results if one.low <= r.parameters[parameter.name] < one.high]
            assert one.num_valid == len(inside)
    only = measure_coverage(SCENARIO, results[:1])
    assert [p.num_covered for p in only] == [1] * len(only)
    empty = next(one for one in only[0].bins if not one.num_valid)
    assert f"{only[0].name} {empty.label}" in describe_gaps(only)
    assert describe_gaps([]) == ""


def test_summaries_of_metrics_leave_out_what_has_no_value(driven):
    results, _ = driven
    summaries = summarise_metrics([*results, replace(results[0], outcome="invalid", reason="no")])
    assert list(summaries) == list(define_metrics())
    score = summaries["neuroncap_score"]
    values = [r.metric("neuroncap_score") for r in results]
    assert (score.num_valid, score.least, score.greatest) == (6, min(values), 5.0)
    assert score.mean == pytest.approx(np.mean(values))
    impact = summaries["impact_speed"]
    assert (impact.num_valid, impact.num_not_applicable) == (2, 4)
    unknown = summaries["pdms"]
    assert unknown.num_valid + unknown.num_unknown == 6


def test_report_json_has_what_its_docs_say(validation):
    content = json.loads(json.dumps(report_content(validation), default=lambda value: value.__dict__, allow_nan=False))
    docs = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    for name in (*content, *content["results"][0], *content["statistics"], *content["summaries"][0]):
        assert f"`{name}`" in docs, name
    found = content["results"][0]["metrics"]["min_gap"]
    assert set(found) == {"value", "validity", "reason", "note"}
    assert content["metrics"]["min_gap"]["unit"] == "m"
    assert content["coverage"]["lead_braking"][0]["bins"][0]["label"].endswith("km/h")
    assert content["metric_summaries"]["lead_braking"]["collisions"]["num_valid"] == 6


def test_the_page_shows_the_verdict_then_the_failures_and_links_to_nothing(validation, driven, tmp_path):
    write_page(tmp_path / "report.html", validation_page(validation, [driven[1]], 2))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    places = [
        html.index(text) for text in ("Verdict: ", "All scenarios", "<h2>Failures", "<h2>Invalid", "Metrics of all")
    ]
    assert places == sorted(places)
    assert html.count('<article class="case">') == 2
    assert html.count("sh failures/lead_braking_") == 2
    assert html.count("data:image/svg+xml") == 3  # two failures from above, one coverage
    assert "it broke" in html
    assert "UN R157 annex 4 appendix 3" in html  # where a formula comes from


def test_pictures_from_above_and_of_coverage_are_well_formed(driven):
    results, out = driven
    failed = results[-1]
    drive = load_drive(out / "failures" / failed.id / "drive.npz")
    picture = ElementTree.fromstring(top_view_svg(drive))
    shapes = [node.tag.rpartition("}")[2] for node in picture]
    num_seconds = failed.step * 0.1
    assert shapes.count("polygon") >= 2 * int(num_seconds)  # the ego and the lead, every second
    assert f"{failed.step * 0.1:.3g} s" in [node.text for node in picture]
    assert "#d64545" in {node.get("fill") for node in picture}
    assert len(ElementTree.fromstring(coverage_svg(measure_coverage(SCENARIO, results)))) > 10


def test_each_outcome_has_its_color():
    rollout = ReferenceCaseRunner(DrivingEnv(StraightWorld())).run(SCENARIO.draw(0), LaneFollower())
    all_bounds = PassCriteria(min_progress=1.0, max_red_lights=0, max_stop_signs=0, max_route_offset=4.0)
    criteria = [criterion.name for criterion in all_bounds.judge(rollout)]
    assert {*criteria, "passed", "policy_error", "invalid", "world_error", "metric_error"} == set(OUTCOMES)


def test_a_rerun_file_needs_its_package_and_a_place(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"must be a file that ends in \.rrd"):
        check_rerun(tmp_path / "worst.bin")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'drivedit\[rerun\]'"):
        check_rerun(tmp_path / "worst.rrd")


def test_the_worst_drives_are_written_for_rerun(driven, tmp_path):
    pytest.importorskip("rerun")
    results, out = driven
    path = tmp_path / "worst.rrd"
    check_rerun(path)
    runs = [Run(result=r, drive=out / "failures" / r.id / "drive.npz", film=None) for r in results[-2:]]
    write_rerun(path, "mine.py:Late", runs)
    assert path.read_bytes()[:3] == b"RRF"
    assert path.stat().st_size > 20_000
    assert b"lead_braking_5/world/road_users" in path.read_bytes()
    with pytest.raises(FileNotFoundError):
        write_rerun(tmp_path / "none.rrd", "x", [replace(runs[0], drive=tmp_path / "none.npz")])
    assert [p.name for p in tmp_path.iterdir()] == ["worst.rrd"]
