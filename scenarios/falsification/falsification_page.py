"""report.html of a search for failures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from envs.worlds import WORLDS
from scenarios.falsification.counterexamples import Counterexample
from scenarios.falsification.falsification import Falsification, describe
from scenarios.metric_tables import case_metrics_table
from scenarios.plots import parameters_figure, robustness_figure
from scenarios.report import Card, Figure, Fold, Note, Page, Section, Stat, SvgFigure, Table
from scenarios.reproduction import FAILURES
from scenarios.rollout_files import load_drive
from scenarios.svg_figures import top_view_svg
from scenarios.validation_page import criteria_table

HOW_TO_READ = (
    "Robustness is the least margin over the criteria of a case: positive where it passes, negative where it fails. A "
    "run that did not realise its scenario is no counterexample. How often a search fails says nothing of how often "
    "the policy does: drivedit estimate tells that. A counterexample is avoidable if a reference driver (UN "
    "R157's careful driver, FSM, RSS) would have run into nobody on the same path, and confirmed if the reference "
    "world shows a failure of the same case too, of whatever kind."
)


def falsification_page(found: Falsification, out: Path) -> Page:
    """The page; drives are looked for in the report's folder."""
    config, confirmation = found.config, found.confirmation
    first = found.first_failure
    rate = confirmation.rate
    return Page(
        title=f"Search for failures of {config.policy.replace('_', ' ')}",
        subtitle=f"{WORLDS[config.world].title}, {len(found.runs)} runs of {config.entry.title}",
        verdict=found.verdict,
        good=not found.num_failed and found.exit_code == 0,
        stats=[
            Stat(value=f"{len(found.counterexamples) + found.num_more}", label="distinct counterexamples"),
            Stat(value="–" if first is None else f"{first + 1}", label="runs until the first"),
            Stat(value="–" if rate is None else f"{rate.estimate:.0%}", label="confirmed by the reference world"),
            Stat(value=f"{found.avoidable['avoidable']}", label="avoidable by a reference driver"),
            Stat(value=f"{len(found.runs) - found.num_valid}", label="invalid runs"),
        ],
        lead=Section(title="What was found", text=". ".join(describe(found) or ["No run failed"])),
        summary=_summary_table(found),
        note=HOW_TO_READ,
        sections=[_search_section(found), *([_found_section(found, out)] if found.counterexamples else [])],
        provenance=found.provenance,
    )


def _summary_table(found: Falsification) -> Table:
    rows = [[outcome.replace("_", " "), str(count)] for outcome, count in found.outcomes.items()]
    return Table(header=["outcome", "runs"], rows=rows, good=[outcome == "passed" for outcome in found.outcomes])


def _search_section(found: Falsification) -> Section:
    parameters = found.config.space().parameters
    outcomes = [run.outcome for run in found.runs]
    values = np.array([[run.values[p.name] for p in parameters] for run in found.runs])
    return Section(
        title="The search",
        text=f"{found.config.entry.description} Searched by {found.config.sampler}: "
        + ", ".join(f"{p.name} ({p.span})" for p in parameters)
        + ".",
        figures=[
            Figure(png=robustness_figure([r.robustness for r in found.runs], outcomes), alt="robustness of each run"),
            Figure(png=parameters_figure([p.label for p in parameters], values, outcomes), alt="where the runs were"),
        ]
        if found.runs
        else [],
    )


def _found_section(found: Falsification, out: Path) -> Section:
    header = ["counterexample", "outcome", "robustness", "avoidable", "reference world", "if not confirmed"]
    rows = [
        [
            one.name,
            one.run.outcome.replace("_", " "),
            f"{one.run.robustness:.2f}",
            ", ".join(one.avoided_by).replace("_", " ") or one.avoidable,
            "–" if one.reference is None else one.reference.outcome.replace("_", " "),
            Note(text=one.why_unconfirmed()),
        ]
        for one in found.counterexamples
    ]
    asked = found.confirmation.rate is not None
    return Section(
        title="Counterexamples",
        text="Distinct failures, the worst first.",
        table=Table(header=header, rows=rows, good=[one.confirmed for one in found.counterexamples] if asked else ()),
        open=True,
        cards=[_card(one, found, out) for one in found.counterexamples],
    )


def _card(one: Counterexample, found: Falsification, out: Path) -> Card:
    folder, result = out / FAILURES / one.name, one.result
    drive = folder / "drive.npz"
    units = {parameter.name: parameter.unit for parameter in found.config.space().parameters}
    values = ", ".join(f"{name} {value:.3g} {units[name]}".rstrip() for name, value in one.run.values.items())
    figures = [SvgFigure(svg=top_view_svg(load_drive(drive)), alt=f"{one.name} from above")] if drive.is_file() else []
    folds = []
    if result.metrics:
        table, absent = case_metrics_table(result)
        folds.append(Fold(title="Metrics", text=absent, table=table))
    if one.reference is not None and one.reference.criteria:
        folds.append(Fold(title="In the reference world", table=criteria_table(one.reference.criteria)))
    return Card(
        title=f"{one.name}: {result.outcome.replace('_', ' ')}",
        text=f"{result.reason}. {values}" if result.reason else values,
        table=criteria_table(result.criteria) if result.criteria else None,
        figures=figures,
        command=f"sh {FAILURES}/{one.name}/reproduce.sh",
        folds=folds,
    )
