"""The credibility dossier: what it says of known reports, and what it refuses to join."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from known_comparisons import CASES, PLANNERS, everything

from scenarios.case_results import CaseResult
from scenarios.catalogue import SCENARIOS
from scenarios.dossier import DossierConfig, dossier
from scenarios.dossier_evidence import read_tests
from scenarios.fidelity_report import compare, write_comparison
from scenarios.print_pdf import find_browser, print_pdf
from scenarios.report import checkpoint_digest, write_json
from scenarios.validation_report import Validation, report_content
from scenarios.verdict import VerdictConfig, decide

JUNIT = '<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"/></testsuites>'


@pytest.fixture(scope="module")
def config(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> DossierConfig:
    """Reports of a fidelity run and of a validation in the same world model."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / "fidelity").mkdir()
    (folder / "validation").mkdir()
    conditions = {"checkpoint": checkpoint_digest(tiny_checkpoint), "code": "c0de", "maps": []}
    facts = {"seeds": "1..4", "command": "drivedit fidelity <here>"}
    comparison = compare(everything(standing={}), PLANNERS, CASES, num_resamples=50)
    write_comparison(folder / "fidelity", comparison, {}, conditions, facts)
    drawn = [SCENARIOS["merge"].draw(seed) for seed in range(4)]
    results = [
        CaseResult(scenario="merge", seed=seed, parameters=drawn[seed].parameters, outcome=outcome, digest="d")
        for seed, outcome in enumerate(["passed", "passed", "collision", "invalid"])
    ]
    validation = Validation(
        config={"policy": "mine.py:Late_Driver", "world": "learned", "first_seed": 0, "num_seeds": 4},
        policy="mine.py:Late_Driver",
        world="Learned world",
        results={"merge": results},
        undriven=(),
        decision=decide(results, VerdictConfig()),
        verdict_config=VerdictConfig(),
        comparison=None,
        conditions=conditions,
        provenance={"seeds": "0..3", "command": "drivedit validate"},
    )
    write_json(folder / "validation" / "report.json", report_content(validation))
    return DossierConfig(
        fidelity=folder / "fidelity",
        validation=folder / "validation",
        out=folder / "dossier",
        checkpoint=tiny_checkpoint,
    )


def test_every_section_is_there_with_its_numbers_and_what_is_not_known(config: DossierConfig, capsys) -> None:
    (config.out.parent / "junit.xml").write_text(JUNIT)
    rows = [
        {"planner": f"exploit:{size}", "world": "learned", "reward_rate": rate, "num_drives": 4}
        for size, rate in ((32, 0.33), (8, 0.301))
    ]
    bench = config.out.parent / "bench.json"
    bench.write_text(json.dumps({"schema": "drivedit.bench_planners/2", "rows": rows, "drives": [0] * 8}))
    assert dossier(replace(config, tests=config.out.parent / "junit.xml", bench=bench)) == 0
    page = (config.out / "dossier.html").read_text()
    titles = re.findall(r"<h2>(\d+) ", page)
    assert titles == [str(k) for k in range(1, 11)]
    assert "drivedit fidelity &lt;here&gt;" in page
    assert "3 passed" in page
    assert page.index("reward of exploit:8, learned world") < page.index("0.30 a second") < page.index("exploit:32")
    assert "7 tests, 2 failed, 2 skipped" in page
    for text in ("middling", "2: 67% (50% to 100%)", "Others stand", "Hidden failures", "33.3% (0.8% to 90.6%)"):
        assert text in page, text
    assert not re.findall(r'(?:src|href)="(?!data:)', page)  # self-contained

    content = json.loads((config.out / "dossier.json").read_text())
    targets = {target["name"]: target for target in content["targets"]}
    assert targets["planners ranked"]["value"] == 3
    assert not targets["planners ranked"]["met"]
    assert targets["crashes found, share"]["value"] == pytest.approx(2 / 3)
    assert targets["Spearman, minus that of the best trivial world"]["value"] == pytest.approx(2.0)
    assert targets["invalid cases of the validation, share"]["value"] == 0.25
    assert content["tests"] == {"num_tests": 7, "num_failed": 2, "num_skipped": 2}
    assert any("merge: validated, not compared" in one for one in content["not_known"])
    assert "NOT MET  planners ranked: 3" in capsys.readouterr().out


def test_what_was_not_given_is_not_known(config: DossierConfig) -> None:
    dossier(config)
    page = (config.out / "dossier.html").read_text()
    assert "no test results were given" in page
    assert "no report of bench-planners --exploit was given" in page
    content = json.loads((config.out / "dossier.json").read_text())
    assert any("test suite" in one for one in content["not_known"])


def test_reports_that_do_not_belong_together_are_refused(config: DossierConfig, tmp_path: Path) -> None:
    def changed(folder: Path, change: dict, conditions: dict | None = None) -> Path:
        report = json.loads((folder / "report.json").read_text())
        report |= change
        report["conditions"] |= conditions or {}
        (tmp_path / "report.json").write_text(json.dumps(report))
        return tmp_path / "report.json"

    other = changed(config.fidelity, {}, {"checkpoint": "f" * 64})
    with pytest.raises(ValueError, match="is of the world model with SHA-256 ffffffffffffffff"):
        dossier(replace(config, fidelity=other))
    with pytest.raises(ValueError, match=r"has schema 'drivedit\.fidelity/0', this version reads 'dr"):
        dossier(replace(config, fidelity=changed(config.fidelity, {"schema": "drivedit.fidelity/0"})))
    with pytest.raises(ValueError, match="was driven in the world 'road'"):
        dossier(replace(config, validation=changed(config.validation, {"config": {"world": "road"}})))
    with pytest.raises(ValueError, match=r"no report.json of drivedit validate|has schema"):
        dossier(replace(config, validation=config.fidelity))
    bench = tmp_path / "bench.json"
    facts = {"checkpoint": "other, SHA-256 ffffffffffffffff"}
    bench.write_text(json.dumps({"schema": "drivedit.bench_planners/2", "rows": [], "drives": [], "provenance": facts}))
    with pytest.raises(ValueError, match="is of the world model other, SHA-256 ffffffffffffffff"):
        dossier(replace(config, bench=bench))
    with pytest.raises(ValueError, match="no JUnit XML"):
        read_tests(other)
    with pytest.raises(FileNotFoundError):
        dossier(replace(config, fidelity=tmp_path / "nowhere"))
    changed(config.fidelity, {}, {"code": "other"})
    dossier(replace(config, fidelity=tmp_path, out=tmp_path / "out"))
    assert not json.loads((tmp_path / "out" / "dossier.json").read_text())["same_code"]


def test_a_pdf_without_a_browser_is_refused_before_anything_is_written(
    config: DossierConfig, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="needs a browser of the Chromium family, and none of chromium, "):
        dossier(replace(config, pdf=True, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_browser_that_fails_says_why(tmp_path: Path, monkeypatch) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\necho no display >&2\nexit 4\n")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_browser() == str(browser)
    page = tmp_path / "page.html"
    page.write_text("<p>hello</p>")
    with pytest.raises(ChildProcessError, match="exit code 4: no display"):
        print_pdf(page, tmp_path / "page.pdf", str(browser))
    assert not (tmp_path / "page.pdf").exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_a_page_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>hello</p>")
    print_pdf(page, tmp_path / "page.pdf", find_browser(("chromium",)))
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
