"""`drivedit dossier`: fidelity and validation joined in the page that simulation-credibility rules ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from scenarios.dossier_evidence import BENCH, FIDELITY, VALIDATION, Evidence, read_evidence
from scenarios.dossier_sections import dossier_sections, unknowns_of
from scenarios.dossier_targets import Target, targets_of
from scenarios.fidelity_worlds import interval_text
from scenarios.print_pdf import find_browser, print_pdf
from scenarios.report import Note, Page, Section, Stat, Table, write_json, write_page

SCHEMA = "drivedit.dossier/1"
"""Name and version of dossier.json."""


@dataclass(frozen=True, kw_only=True)
class DossierConfig:
    """What a dossier is made of.

    Args:
        fidelity: folder of `drivedit fidelity`.
        validation: folder of `drivedit validate --world learned`, of the same world model.
        out: folder for dossier.html, dossier.json and, if asked for, dossier.pdf.
        bench: folder of `drivedit bench-planners --exploit ...`, for how far the learned world can be gamed.
        tests: JUnit XML of the test suite (`pytest --junit-xml FILE`), for the section on verification.
        checkpoint: folder of the world model; None takes the one that ships with the package.
        pdf: also print it, by a browser of the Chromium family on the PATH.
    """

    fidelity: tyro.conf.Positional[Path]
    validation: tyro.conf.Positional[Path]
    out: Path = Path("runs/dossier")
    bench: Path | None = None
    tests: Path | None = None
    checkpoint: Path | None = None
    pdf: bool = False


def dossier(config: DossierConfig) -> int:
    """Read the reports and write the page.

    Returns:
        The exit code, 0: a dossier tells, and judges nothing.

    Raises:
        ValueError: a report is none, of another version, world or world model; or there is no browser for a PDF.
        ChildProcessError, TimeoutError: the browser did not print.
    """
    from worldsim.world_model import DEFAULT_CHECKPOINT

    browser = find_browser() if config.pdf else None
    evidence = read_evidence(
        config.fidelity,
        config.validation,
        config.checkpoint or DEFAULT_CHECKPOINT,
        bench=config.bench,
        tests=config.tests,
    )
    targets = targets_of(evidence)
    config.out.mkdir(parents=True, exist_ok=True)
    page, pdf = config.out / "dossier.html", config.out / "dossier.pdf"
    write_json(config.out / "dossier.json", _content(evidence, targets))
    write_page(page, dossier_page(evidence, targets))
    if browser is not None:
        print_pdf(page, pdf, browser)
    for target in targets:
        print(f"{'met    ' if target.met else 'NOT MET'}  {target.name}: {_value(target)} ({target.of})")
    print(pdf if browser is not None else page)
    return 0


def dossier_page(evidence: Evidence, targets: Sequence[Target]) -> Page:
    """The page."""
    report, num_met = evidence.fidelity, sum(target.met for target in targets)
    num_hidden = sum(len(one["seeds"]) for one in report["failures"]["hidden"])
    policy = evidence.validation["config"]["policy"].replace("_", " ")
    crash = next(row for row in report["failures"]["kinds"] if row["kind"] == "crash")
    spearman = interval_text(report["agreement"]["spearman"]).partition(" ")[0]
    found, made_up = (interval_text(crash[name], ".0%").partition(" ")[0] for name in ("found", "made_up"))
    return Page(
        title="How far to believe it: credibility of the learned world",
        subtitle=f"World model {evidence.checkpoint} ({evidence.checkpoint_sha256[:16]}), policy {policy}",
        verdict=f"{num_met} of {len(targets)} targets met",
        good=num_met == len(targets),
        stats=[
            Stat(value=spearman, label="Spearman with the reference world"),
            Stat(
                value=found,
                label="of the reference world's crashes found",
            ),
            Stat(
                value=made_up,
                label="of the learned world's crashes made up",
            ),
            Stat(value=f"{num_hidden}", label="hidden failures, named below"),
            Stat(value=f"{report['bias']['estimate']:+.3f}", label="optimistic bias of the mean score"),
        ],
        lead=_targets_section(targets),
        summary=Table(
            header=("what it rests on", "drives", "seeds", "SHA-256 of the file"),
            rows=[
                [source.name, _drives(evidence, source.name), Note(text=source.seeds), Note(text=source.sha256)]
                for source in evidence.sources
            ],
        ),
        note="Every number below is of these files, with how many drives it rests on. The reference world is a "
        "simulator: nothing here compares with real driving.",
        sections=dossier_sections(evidence),
        provenance={
            source.name: f"{source.path}: {source.command}" if source.command else source.path
            for source in evidence.sources
        },
    )


def _targets_section(targets: Sequence[Target]) -> Section:
    rows = [
        [target.name, f"{target.bound} {target.threshold:g}", _value(target), Note(text=target.of)]
        for target in targets
    ]
    return Section(
        title="Targets",
        text="What a learned world should reach before it stands for the reference world in choosing between policies.",
        table=Table(header=("target", "threshold", "value", "of"), rows=rows, good=[target.met for target in targets]),
        open=True,
    )


def _content(evidence: Evidence, targets: Sequence[Target]) -> dict:
    """As JSON: what the page adds to the reports that it joins."""
    return {
        "schema": SCHEMA,
        "targets": [asdict(target) | {"met": target.met} for target in targets],
        "checkpoint": {"name": evidence.checkpoint, "sha256": evidence.checkpoint_sha256},
        "policy": evidence.validation["config"]["policy"],
        "verdict": evidence.validation["verdict"],
        "same_code": evidence.same_code,
        "tests": evidence.tests,
        "not_known": unknowns_of(evidence),
        "sources": [asdict(source) for source in evidence.sources],
    }


def _drives(evidence: Evidence, name: str) -> str:
    """How many a report rests on."""
    report = evidence.fidelity
    num_worlds = 2 + max(0, len(report["worlds"]) - 1)
    if name == FIDELITY:
        return f"{len(report['planners'])} × {report['num_starts']} × {num_worlds} worlds"
    if name == VALIDATION:
        return str(len(evidence.results))
    if name == BENCH and evidence.bench is not None:
        return str(len(evidence.bench["drives"]))
    return "–"


def _value(target: Target) -> str:
    return "not known" if target.value is None else f"{target.value:.3g}"
