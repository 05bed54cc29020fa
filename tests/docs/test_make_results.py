"""The results page is what its script makes of the reports kept beside it."""

import json
import sys

import pytest
from places import ROOT

DOCS = ROOT / "docs"


@pytest.fixture
def make_results(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import make_results

    return make_results


def test_the_page_is_the_one_that_the_script_renders(make_results):
    assert (DOCS / "results.md").read_text() == make_results.render(DOCS / "results")


def test_a_benchmark_is_kept_with_its_hardware_and_shown(make_results, tmp_path):
    source = tmp_path / "benchmark.json"
    source.write_text(json.dumps({"step_gflop": 2.7183, "cold_start_seconds": 3.25}))
    docs = tmp_path / "docs"
    config = make_results.ResultsConfig(benchmark=source, hardware="an abacus", measured="2026-11-28", docs=docs)
    make_results.make_results(config)
    page = (docs / "results.md").read_text()
    assert "on an abacus, 2026-11-28:" in page
    assert "| GFLOP of an env step | 2.72 | ≤ 3 |" in page
    assert "No report of `drivedit evaluate" in page
    make_results.make_results(make_results.ResultsConfig(docs=docs))
    assert (docs / "results.md").read_text() == page


def test_an_evaluation_is_kept_without_its_paths_and_shown_as_the_command_prints_it(make_results, tmp_path):
    report = {
        "config": {"data": "/somewhere/test", "num_starts": 48},
        "violations": {"red_lights_run": {"count": 1, "per_km": 0.4}},
        "trust": {"auroc": 0.91, "mean_of_worst": 0.2, "mean_of_others": 0.9},
    }
    source, docs = tmp_path / "report.json", tmp_path / "docs"
    source.write_text(json.dumps(report))
    make_results.make_results(make_results.ResultsConfig(evaluation=source, hardware="an abacus", docs=docs))
    page = (docs / "results.md").read_text()
    assert "| red lights run by the lane follower in closed loop | 1 (0.4 per km) | 0 |" in page
    assert "0.91, mean trust 0.20 against 0.90 | ≥ 0.9 |" in page
    assert "/somewhere" not in (docs / "results" / "evaluation.json").read_text()


def test_a_report_without_its_hardware_is_refused(make_results, tmp_path):
    with pytest.raises(ValueError, match="measured on"):
        make_results.ResultsConfig(benchmark=tmp_path / "benchmark.json")
    with pytest.raises(ValueError, match="'an abacus' belongs to a report"):
        make_results.ResultsConfig(hardware="an abacus")
