"""What a validation writes and prints: report.json, junit.xml, report.html, a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenarios.baseline import SCHEMA, Comparison
from scenarios.case_results import CaseResult, severity
from scenarios.catalogue import SCENARIOS
from scenarios.films import film_of
from scenarios.junit import write_junit
from scenarios.metrics.signal_violations import SignalViolations, violations_text
from scenarios.plots import scenario_figure, top_view_figure
from scenarios.report import Figure, Page, Rate, Section, Stat, Table, Video, write_json, write_page
from scenarios.reproduction import FAILURES
from scenarios.rollout_files import load_drive
from scenarios.scenario import Scenario
from scenarios.statistics import Interval, clopper_pearson
from scenarios.verdict import Decision, VerdictConfig


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts and failure rate of one scenario, or of all.

    Args:
        name: of the scenario, or "all".
        num_valid: cases that count.
        num_failed: valid cases that failed.
        num_invalid: cases that say nothing about the policy.
        failure_rate: with its two-sided 95 % Clopper–Pearson interval; None if no case is valid.
        violations: red lights run and stop signs missed in all; None where lights and signs are not known.
    """

    name: str
    num_valid: int
    num_failed: int
    num_invalid: int
    failure_rate: Interval | None
    violations: SignalViolations | None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A validation that is done.

    Args:
        config: of the command.
        policy: its name.
        world: title.
        results: of each scenario, by seed.
        undriven: ids of cases that were planned and not driven.
        decision: the verdict.
        verdict_config: what a PASS needs.
        comparison: with the baseline; None without one.
        conditions: what results depend on.
        provenance: what is needed to reproduce the numbers.
    """

    config: Mapping[str, Any]
    policy: str
    world: str
    results: Mapping[str, Sequence[CaseResult]]
    undriven: Sequence[str]
    decision: Decision
    verdict_config: VerdictConfig
    comparison: Comparison | None
    conditions: Mapping[str, Any]
    provenance: Mapping[str, str]

    @property
    def everything(self) -> list[CaseResult]:
        """All results."""
        return [result for of_one in self.results.values() for result in of_one]

    @property
    def summaries(self) -> list[Summary]:
        """Of each scenario, and of all."""
        return [*(summarise(name, of_one) for name, of_one in self.results.items()), summarise("all", self.everything)]


def summarise(name: str, results: Sequence[CaseResult]) -> Summary:
    """Counts and failure rate of some results."""
    num_valid, num_failed = sum(r.valid for r in results), sum(r.failed for r in results)
    return Summary(
        name=name,
        num_valid=num_valid,
        num_failed=num_failed,
        num_invalid=len(results) - num_valid,
        failure_rate=clopper_pearson(num_failed, num_valid) if num_valid else None,
        violations=SignalViolations.total(r.violations for r in results),
    )


def print_validation(validation: Validation, out: Path) -> None:
    """Print the table, the verdict, what it rests on, and where the report is."""
    head = f"{'scenario':<22}{'valid':>6}{'failed':>8}{'rate':>8}   {'95 % interval':<18}"
    print(f"\n{head}red lights run, stop signs missed")
    for s in validation.summaries:
        rate = s.failure_rate
        estimate, span = ("-", "") if rate is None else (f"{rate.estimate:.1%}", f"{rate.low:.1%} to {rate.high:.1%}")
        missed = "not known" if s.violations is None else ", ".join(violations_text(s.violations))
        invalid = f"   ({s.num_invalid} invalid)" if s.num_invalid else ""
        print(f"{s.name:<22}{s.num_valid:>6}{s.num_failed:>8}{estimate:>8}   {span:<18}{missed}{invalid}")
    print()
    for criterion in validation.decision.criteria:
        print(f"{'met    ' if criterion.met else 'NOT MET'}  {criterion}")
    if (comparison := validation.comparison) is not None:
        print(f"baseline: {_comparison_text(comparison)}")
    decision = validation.decision
    print(f"{decision.verdict}: {'; '.join(decision.reasons)}\n{out / 'report.html'}")


def write_validation(out: Path, validation: Validation, *, film_folders: Sequence[Path], num_videos: int) -> None:
    """Write report.json, junit.xml and report.html to `out`; films and drives are looked for in `film_folders`."""
    decision = validation.decision
    content = {
        "schema": SCHEMA,
        "verdict": decision.verdict,
        "exit_code": decision.exit_code,
        "reasons": decision.reasons,
        "criteria": [asdict(c) | {"margin": c.margin, "met": c.met} for c in decision.criteria],
        "statistics": {
            **asdict(validation.verdict_config),
            **{name: getattr(decision, name) for name in ("num_valid", "num_failed", "lower", "upper")},
            "upper_with_invalid": decision.upper_with_invalid,
            "num_to_pass": decision.num_to_pass,
        },
        "summaries": validation.summaries,
        "results": [result.to_json() for result in validation.everything],
        "undriven": validation.undriven,
        "baseline": validation.comparison,
        "config": validation.config,
        "conditions": validation.conditions,
        "provenance": validation.provenance,
    }
    write_json(out / "report.json", content)
    write_junit(out / "junit.xml", f"drivedit validate {validation.policy}", validation.results, decision)
    write_page(out / "report.html", _page(validation, film_folders, num_videos))


HOW_TO_READ = (
    "A case FAILs by a collision, by leaving the road, by too little progress, or by a policy that breaks. It is "
    "INVALID, and counts neither way, where the world did not realise the scenario or could not be believed. Bars show "
    "the failure rate with its two-sided 95 % Clopper–Pearson interval; the verdict compares the one-sided 95 % bound "
    "of all scenarios together with the limit. Both are valid for independent draws from the scenarios' distributions. "
    "Time to collision assumes constant velocities and looks 3 s ahead. Comfortable drives stay within all of nuPlan's "
    "bounds. Red lights run and stop signs missed are counted where the world knows its lights and signs; they fail no "
    "case. failures/ has a folder for each failed case, with the command that drives it again, bit for bit."
)


def _page(validation: Validation, film_folders: Sequence[Path], num_videos: int) -> Page:
    titles = [SCENARIOS[name].title for name in validation.results]
    sections = [_verdict_section(validation)]
    if validation.comparison is not None:
        sections.append(_baseline_section(validation.comparison))
    for name, results in validation.results.items():
        if results:
            sections.append(_scenario_section(SCENARIOS[name], results, film_folders, num_videos))
    return Page(
        title=f"Validation of {validation.policy.replace('_', ' ')}",
        subtitle=f"{validation.world}, {len(validation.everything)} cases from {', '.join(titles)}",
        verdict=validation.decision.verdict,
        good=validation.decision.verdict == "PASS",
        stats=_stats(validation),
        summary=_summary_table(validation),
        note=HOW_TO_READ,
        sections=sections,
        provenance=validation.provenance,
    )


def _verdict_section(validation: Validation) -> Section:
    decision = validation.decision
    rows = [
        [c.name, f"{c.value:.3g}", f"{c.bound} {c.threshold:.3g}", f"{c.margin:+.3g}", "met" if c.met else "not met"]
        for c in decision.criteria
    ]
    text = f"{'; '.join(decision.reasons)}."
    if decision.upper is not None and decision.upper_with_invalid != decision.upper:
        text += f" If every invalid case had failed, the upper bound would be {decision.upper_with_invalid:.1%}."
    table = Table(
        header=["criterion", "value", "threshold", "margin", ""], rows=rows, good=[c.met for c in decision.criteria]
    )
    return Section(title=f"Verdict: {decision.verdict}", text=text, table=table, open=True)


def _baseline_section(comparison: Comparison) -> Section:
    rows = [["passed before, fails now", name] for name in comparison.regressions]
    rows += [["failed before, passes now", name] for name in comparison.fixes]
    rows += [["invalid now", name] for name in comparison.newly_invalid]
    good = [row[0].startswith("failed before") for row in rows]
    table = Table(header=["change", "case"], rows=rows, good=good) if rows else None
    return Section(title="Against the baseline", text=f"{_comparison_text(comparison)}.", table=table, open=True)


def _comparison_text(c: Comparison) -> str:
    text = (
        f"{len(c.regressions)} regressions, {len(c.fixes)} fixes and {len(c.newly_invalid)} newly invalid cases among "
    )
    text += f"{c.num_compared} that both have"
    if c.num_different:
        text += f"; {c.num_different} of the same name were drawn otherwise then"
    if c.missing:
        text += f"; {len(c.missing)} of the baseline's were not driven now"
    listed = f" ({', '.join(c.regressions[:5])}{', ...' if len(c.regressions) > 5 else ''})" if c.regressions else ""
    return text + listed


def _stats(validation: Validation) -> list[Stat]:
    decision, valid = validation.decision, [r for r in validation.everything if r.valid]
    comfortable = sum(not r.comfort_violations for r in valid)
    ttcs = [r.min_ttc for r in valid if r.min_ttc is not None]
    stats = [
        Stat(value=f"{decision.num_failed} of {decision.num_valid}", label="valid cases failed"),
        Stat(value="–" if decision.upper is None else f"{decision.upper:.1%}", label="95 % upper bound of the rate"),
        Stat(value=f"{validation.verdict_config.max_failure_rate:.0%}", label="failure rate allowed"),
    ]
    if decision.num_to_pass is not None and decision.verdict == "INCONCLUSIVE":
        stats.append(Stat(value=f"{decision.num_to_pass}", label="valid cases would pass without another failure"))
    return [
        *stats,
        Stat(value=f"{len(validation.everything) - len(valid)}", label="invalid cases"),
        Stat(value=f"{min(ttcs):.1f} s" if ttcs else "> 3 s", label="minimum time to collision"),
        Stat(value=f"{comfortable / len(valid):.0%}" if valid else "none", label="comfortable drives"),
    ]


def _summary_table(validation: Validation) -> Table:
    allowed, rows, good = validation.verdict_config.max_failure_rate, [], []
    for s in validation.summaries:
        title = SCENARIOS[s.name].title if s.name in SCENARIOS else "All scenarios"
        rate = s.failure_rate
        cell = "no valid case" if rate is None else Rate(**asdict(rate), text=f"{rate.low:.0%} to {rate.high:.0%}")
        estimate = "" if rate is None else f"{rate.estimate:.1%}"
        counts = [str(s.num_valid), str(s.num_invalid), str(s.num_failed)]
        rows.append([title, *counts, estimate, cell, *violations_text(s.violations)])
        good.append(rate is not None and rate.estimate <= allowed)
    header = ["scenario", "valid", "invalid", "failed", "failure rate", "95 % confidence interval"]
    return Table(header=[*header, "red lights run", "stop signs missed"], rows=rows, good=good)


def _scenario_section(
    scenario: Scenario, results: Sequence[CaseResult], film_folders: Sequence[Path], num_videos: int
) -> Section:
    on_maps = any(r.map for r in results)
    header = ["seed", *(["map"] if on_maps else []), *results[0].parameters, "outcome", "why", "min. TTC [s]"]
    header += [
        "min. gap [m]",
        "progress [m]",
        "required progress [m]",
        "comfort",
        "red lights run",
        "stop signs missed",
    ]
    rows = [
        [
            str(r.seed),
            *([r.map] if on_maps else []),
            *(_number(value) for value in r.parameters.values()),
            r.outcome.replace("_", " "),
            r.reason or "; ".join(str(c) for c in r.criteria if not c.met),
            _number(r.min_ttc),
            _number(r.min_gap),
            f"{r.progress:.0f}",
            f"{r.min_progress:.0f}",
            ", ".join(name.replace("_", " ") for name in r.comfort_violations) or "within bounds",
            *violations_text(r.violations),
        ]
        for r in results
    ]
    worst = sorted(results, key=severity, reverse=True)
    filmed = [(r, film) for r in worst if (film := film_of(r, film_folders)) is not None][:num_videos]
    figures = [Figure(png=scenario_figure(results), alt="minimum time to collision and outcome of each case")]
    drives = [(r, drive) for r in worst if r.failed and (drive := _drive_of(r, film_folders)) is not None][:3]
    if drives:
        titles = [f"seed {r.seed}: {r.outcome.replace('_', ' ')}" for r, _ in drives]
        figures.append(
            Figure(png=top_view_figure(titles, [load_drive(p) for _, p in drives]), alt="failures from above")
        )
    return Section(
        title=scenario.title,
        text=f"{scenario.description} Sampled: {_samples(scenario)}.",
        figures=figures,
        videos=[_video(result, film) for result, film in filmed],
        table=Table(header=header, rows=rows, good=[not r.failed for r in results]),
    )


def _drive_of(result: CaseResult, folders: Sequence[Path]) -> Path | None:
    drives = [folder / FAILURES / result.id / "drive.npz" for folder in folders]
    return next((drive for drive in drives if drive.is_file()), None)


def _samples(scenario: Scenario) -> str:
    """Each sampled parameter with its range: "ego speed (20 to 50 km/h), headway (...)"."""
    return ", ".join(f"{name.partition(' [')[0]} ({span})" for name, span in scenario.samples.items())


def _video(result: CaseResult, film: Path) -> Video:
    ttc = "above 3 s" if result.min_ttc is None else f"{result.min_ttc:.1f} s"
    return Video(
        mp4=film.read_bytes(),
        title=f"seed {result.seed}: {result.outcome.replace('_', ' ')}",
        caption=f"minimum time to collision {ttc}, {result.seconds:.1f} s driven",
        good=not result.failed,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
