"""What a dossier rests on: a fidelity report, a validation report and what else there is, read and checked together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from scenarios.baseline import read_report
from scenarios.case_results import CaseResult
from scenarios.fidelity_report import SCHEMA as FIDELITY_SCHEMA
from scenarios.planner_bench_report import SCHEMA as BENCH_SCHEMA
from scenarios.report import checkpoint_digest
from worldsim.configs import WorldModelConfig

FIDELITY, VALIDATION, BENCH, TESTS = "fidelity report", "validation report", "report of bench-planners", "test results"
"""Names of sources."""
README = "README.md"
"""In a checkpoint's folder: how its weights were made, from which data."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that numbers were taken from.

    Args:
        name: what it is.
        path: as it was given.
        sha256: of the file.
        command: that made it; "" where it does not tell.
        seeds: of its drives; likewise.
    """

    name: str
    path: str
    sha256: str
    command: str = ""
    seeds: str = ""


@dataclass(frozen=True, kw_only=True)
class SuiteCounts:
    """Results of a test suite, as JUnit XML has them."""

    num_tests: int
    num_failed: int
    num_skipped: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All of it.

    Args:
        fidelity: content of the fidelity report.
        validation: content of the validation report, with CaseResults.
        bench: content of the report of bench-planners; None without one.
        tests: of the test suite; None where they were not given.
        checkpoint: name of the world model's folder.
        checkpoint_sha256: of its config, weights and starts.
        model: its config.
        readme: how it was made, by its own folder; "" where that does not tell.
        sources: the files.
    """

    fidelity: Mapping[str, Any]
    validation: Mapping[str, Any]
    bench: Mapping[str, Any] | None
    tests: SuiteCounts | None
    checkpoint: str
    checkpoint_sha256: str
    model: WorldModelConfig
    readme: str
    sources: Sequence[Source]

    @property
    def results(self) -> Sequence[CaseResult]:
        """Of the validation."""
        return self.validation["results"]

    @property
    def same_code(self) -> bool:
        """Whether both reports were made with the same code."""
        return self.fidelity["conditions"]["code"] == self.validation["conditions"]["code"]


def read_evidence(
    fidelity: Path, validation: Path, checkpoint: Path, bench: Path | None = None, tests: Path | None = None
) -> Evidence:
    """Read the reports, which must be of the same world model.

    Args:
        fidelity: folder of `drivedit fidelity`, or its report.json.
        validation: folder of `drivedit validate` in the learned world, or its report.json.
        checkpoint: folder of the world model.
        bench: folder of `drivedit bench-planners`, or its report.json; None without one.
        tests: JUnit XML of a run of the test suite; None without one.

    Raises:
        ValueError: a file is no such report, of another version, or of another world or world model.
        OSError: a file cannot be read.
    """
    fidelity_file, validation_file = _report_file(fidelity), _report_file(validation)
    fidelity_content = _read_json(fidelity_file, FIDELITY_SCHEMA, "fidelity")
    validation_content = read_report(validation_file)
    world = validation_content["config"]["world"]
    if world != "learned":
        raise ValueError(
            f"{validation_file} was driven in the world {world!r}: a dossier is about the learned world, validate there"
        )
    digest = checkpoint_digest(checkpoint)
    for file, content in ((fidelity_file, fidelity_content), (validation_file, validation_content)):
        other = content["conditions"]["checkpoint"]
        if other != digest:
            raise ValueError(
                f"{file} is of the world model with SHA-256 {other[:16]}, {checkpoint} has {digest[:16]}: give the "
                "--checkpoint that both reports were driven in"
            )
    sources = [
        _source(FIDELITY, fidelity_file, fidelity_content),
        _source(VALIDATION, validation_file, validation_content),
    ]
    bench_content = None
    if bench is not None:
        bench_content = _read_json(_report_file(bench), BENCH_SCHEMA, "bench-planners")
        told = bench_content.get("provenance", {}).get("checkpoint", "")
        if told and digest[:16] not in told:
            raise ValueError(
                f"{_report_file(bench)} is of the world model {told}, {checkpoint} has {digest[:16]}: drive it again "
                "with the --checkpoint of the other reports"
            )
        sources.append(_source(BENCH, _report_file(bench), bench_content))
    if tests is not None:
        sources.append(_source(TESTS, tests, {}))
    readme = checkpoint / README
    return Evidence(
        fidelity=fidelity_content,
        validation=validation_content,
        bench=bench_content,
        tests=None if tests is None else read_tests(tests),
        checkpoint=checkpoint.name,
        checkpoint_sha256=digest,
        model=WorldModelConfig.from_json(checkpoint / "config.json"),
        readme=readme.read_text(encoding="utf-8") if readme.is_file() else "",
        sources=sources,
    )


def read_tests(path: Path) -> SuiteCounts:
    """The counts of a file that `pytest --junit-xml` wrote.

    Raises:
        ValueError: it is no such file.
        OSError: it cannot be read.
    """
    try:
        suites = list(ElementTree.fromstring(path.read_bytes()).iter("testsuite"))
        counts = {
            name: sum(int(s.attrib.get(name, 0)) for s in suites) for name in ("tests", "failures", "errors", "skipped")
        }
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{path} is no JUnit XML of a test run ({error})") from error
    if not suites:
        raise ValueError(f"{path} is no JUnit XML of a test run (it has no testsuite)")
    return SuiteCounts(
        num_tests=counts["tests"], num_failed=counts["failures"] + counts["errors"], num_skipped=counts["skipped"]
    )


def _report_file(path: Path) -> Path:
    return path / "report.json" if path.is_dir() else path


def _read_json(file: Path, schema: str, verb: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = content["schema"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{file} is no report.json of drivedit {verb} that tells its schema ({reason})") from error
    if found != schema:
        raise ValueError(f"{file} has schema {found!r}, this version reads {schema!r}: drive it again with it")
    return content


def _source(name: str, file: Path, content: Mapping[str, Any]) -> Source:
    facts = content.get("provenance", {})
    return Source(
        name=name,
        path=str(file),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        command=facts.get("command", ""),
        seeds=facts.get("seeds", ""),
    )
