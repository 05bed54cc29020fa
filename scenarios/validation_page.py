"""report.html of a validation: what a safety engineer asks first comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scenarios.baseline import Comparison, describe_comparison
from scenarios.case_results import CaseResult, severity
from scenarios.catalogue import SCENARIOS
from scenarios.coverage import describe_gaps, measure_coverage
from scenarios.criteria import Criterion
from scenarios.films import film_of
from scenarios.metric_tables import case_metrics_table, metric_summary_table
from scenarios.metrics.signal_violations import violations_text
from scenarios.plots import scenario_figure
from scenarios.report import Card, Figure, Fold, Note, Page, Rate, Section, Stat, SvgFigure, Table, Video
from scenarios.reproduction import FAILURES
from scenarios.rollout_files import load_drive
from scenarios.scenario import Scenario
from scenarios.svg_figures import coverage_svg, top_view_svg
from scenarios.validation_report import Validation

HOW_TO_READ = (
    "A case FAILs by a collision, by leaving the road, by a criterion of its scenario, by too little progress, or by "
    "a policy that breaks. It is INVALID, and counts neither way, where the world did not realise the scenario or "
    "could not be believed. Bars show the failure rate with its two-sided 95 % Clopper–Pearson interval; the verdict "
    "compares the one-sided 95 % bound of all scenarios together with the limit. Both are valid for independent draws "
    "from the scenarios' distributions. Time to collision assumes constant velocities and looks 3 s ahead."
)


def validation_page(validation: Validation, film_folders: Sequence[Path], num_videos: int) -> Page:
    """The page; films and drives are looked for in `film_folders`."""
    titles = [SCENARIOS[name].title for name in validation.results]
    sections = []
    if validation.comparison is not None:
        sections.append(_baseline_section(validation.comparison))
    filmed = {
        result.id: film
        for of_one in validation.results.values()
        for result, film in _worst_films(of_one, film_folders, num_videos)
    }
    failed = sorted((r for r in validation.everything if r.failed), key=severity, reverse=True)
    if failed:
        sections.append(_failures_section(failed, filmed, film_folders))
    invalid = [result for result in validation.everything if not result.valid]
    if invalid:
        sections.append(_invalid_section(invalid))
    for name, results in validation.results.items():
        if results:
            sections.append(_scenario_section(SCENARIOS[name], results, filmed))
    return Page(
        title=f"Validation of {validation.policy.replace('_', ' ')}",
        subtitle=f"{validation.world}, {len(validation.everything)} cases from {', '.join(titles)}",
        verdict=validation.decision.verdict,
        good=validation.decision.verdict == "PASS",
        stats=_stats(validation),
        lead=_verdict_section(validation),
        summary=_summary_table(validation),
        note=HOW_TO_READ,
        sections=sections,
        provenance=validation.provenance,
    )


def _verdict_section(validation: Validation) -> Section:
    decision = validation.decision
    text = f"{'; '.join(decision.reasons)}."
    if decision.upper is not None and decision.upper_with_invalid != decision.upper:
        text += f" If every invalid case had failed, the upper bound would be {decision.upper_with_invalid:.1%}."
    if validation.undriven:
        text += f" Not driven: {', '.join(validation.undriven[:10])}{', ...' if len(validation.undriven) > 10 else ''}."
    return Section(title=f"Verdict: {decision.verdict}", text=text, table=criteria_table(decision.criteria), open=True)


def criteria_table(criteria: Sequence[Criterion]) -> Table:
    """Each with threshold, value and margin."""
    rows = [
        [
            c.name.replace("_", " "),
            f"{c.bound} {c.threshold:.3g} {c.unit}".rstrip(),
            f"{c.value:.3g} {c.unit}".rstrip() + (f", {c.detail}" if c.detail else ""),
            f"{c.margin:+.3g} {c.unit}".rstrip(),
            "met" if c.met else "not met",
        ]
        for c in criteria
    ]
    return Table(header=["criterion", "threshold", "value", "margin", ""], rows=rows, good=[c.met for c in criteria])


def _baseline_section(comparison: Comparison) -> Section:
    rows = [["passed before, fails now", name] for name in comparison.regressions]
    rows += [["failed before, passes now", name] for name in comparison.fixes]
    rows += [["invalid now", name] for name in comparison.newly_invalid]
    good = [row[0].startswith("failed before") for row in rows]
    table = Table(header=["change", "case"], rows=rows, good=good) if rows else None
    return Section(title="Against the baseline", text=f"{describe_comparison(comparison)}.", table=table, open=True)


def _stats(validation: Validation) -> list[Stat]:
    decision, valid = validation.decision, [r for r in validation.everything if r.valid]
    comfort = [value for r in valid if (value := r.metric("comfort")) is not None]
    ttcs = [r.min_ttc for r in valid if r.min_ttc is not None]
    no_ttc = "> 3 s" if any(r.min_ttc_known for r in valid) else "not known"
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
        Stat(value=f"{min(ttcs):.1f} s" if ttcs else no_ttc, label="minimum time to collision"),
        Stat(value=f"{sum(comfort) / len(comfort):.0%}" if comfort else "not known", label="comfortable drives"),
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


def _failures_section(failed: Sequence[CaseResult], filmed: dict[str, Path], folders: Sequence[Path]) -> Section:
    return Section(
        title="Failures",
        text=f"{len(failed)} {'case' if len(failed) == 1 else 'cases'}, the worst first. From above: the ego in blue, "
        "others in brown, every second, in red where it ended; ahead of the start is to the right.",
        cards=[_failure_card(result, filmed.get(result.id), folders) for result in failed],
    )


def _failure_card(result: CaseResult, film: Path | None, folders: Sequence[Path]) -> Card:
    folder = next((path for f in folders if (path := f / FAILURES / result.id).is_dir()), None)
    drive = None if folder is None else folder / "drive.npz"
    figures = []
    if drive is not None and drive.is_file():
        figures.append(SvgFigure(svg=top_view_svg(load_drive(drive)), alt=f"{result.id} from above"))
    drawn = ", ".join(_labelled_parameters(result))
    ended = "" if result.step is None else f" at step {result.step}"
    return Card(
        title=f"{SCENARIOS[result.scenario].title}, seed {result.seed}: {result.outcome.replace('_', ' ')}{ended}",
        text=f"{result.reason}. {drawn}" if result.reason else drawn,
        table=criteria_table(result.criteria) if result.criteria else None,
        figures=figures,
        videos=[] if film is None else [_video(result, film)],
        command="" if folder is None else f"sh {FAILURES}/{result.id}/reproduce.sh",
        folds=_case_folds(result),
    )


def _invalid_section(invalid: Sequence[CaseResult]) -> Section:
    rows = [[r.id, r.outcome.replace("_", " "), Note(text=r.reason)] for r in invalid]
    return Section(
        title="Invalid cases",
        text="They say nothing about the policy.",
        table=Table(header=["case", "outcome", "why"], rows=rows),
        open=True,
        folds=[Fold(title=f"Traceback of {r.id}", printed=r.details) for r in invalid if r.details],
    )


def _scenario_section(scenario: Scenario, results: Sequence[CaseResult], filmed: dict[str, Path]) -> Section:
    on_maps = any(r.map for r in results)
    labels = [parameter.label for parameter in scenario.parameters]
    header = ["seed", *(["map"] if on_maps else []), *labels, "outcome", "least margin", "min. TTC [s]"]
    header += ["min. gap [m]", "required braking [m/s²]", "progress [m]", "comfort"]
    rows = [
        [
            str(r.seed),
            *([r.map] if on_maps else []),
            *(_number(value) for value in r.parameters.values()),
            r.outcome.replace("_", " "),
            _least_margin(r),
            _number(r.min_ttc),
            _number(r.metric("min_gap")),
            _number(r.metric("required_deceleration")),
            f"{r.progress:.0f}",
            _comfort(r),
        ]
        for r in results
    ]
    coverage = measure_coverage(scenario, results)
    driven = [result for result in results if result.metrics]
    folds = [
        Fold(
            title="Metrics of all cases",
            text="Of the valid cases. Not applicable: there was nothing to measure; unknown: the data is missing.",
            table=metric_summary_table(results),
        ),
        Fold(title="Metrics of each case", folds=[_metrics_fold(_outcome(result), result) for result in driven]),
    ]
    return Section(
        title=scenario.title,
        text=f"{scenario.description} Sampled: {_samples(scenario)}. {describe_gaps(coverage)}",
        figures=[
            SvgFigure(svg=coverage_svg(coverage), alt="cases in each bin of each parameter"),
            Figure(
                png=scenario_figure(results, {p.name: p.label for p in scenario.parameters}),
                alt="minimum time to collision and outcome of each case",
            ),
        ],
        videos=[_video(r, filmed[r.id]) for r in results if not r.failed and r.id in filmed],
        table=Table(header=header, rows=rows, good=[not r.failed for r in results]),
        folds=folds if driven else [],
    )


def _case_folds(result: CaseResult) -> list[Fold]:
    folds = []
    if result.metrics:
        folds.append(_metrics_fold("Metrics", result))
    if result.details:
        folds.append(Fold(title="Traceback", printed=result.details))
    return folds


def _metrics_fold(title: str, result: CaseResult) -> Fold:
    table, absent = case_metrics_table(result)
    realised = [f"{r.name} {r.realised:.3g} {r.unit} (requested {r.requested:.3g})" for r in result.realised]
    return Fold(title=title, text=f"Realised: {', '.join(realised)}. {absent}", table=table)


def _worst_films(
    results: Sequence[CaseResult], folders: Sequence[Path], num_videos: int
) -> list[tuple[CaseResult, Path]]:
    worst = sorted(results, key=severity, reverse=True)
    return [(r, film) for r in worst if (film := film_of(r, folders)) is not None][:num_videos]


def _labelled_parameters(result: CaseResult) -> list[str]:
    units = {parameter.name: parameter.unit for parameter in SCENARIOS[result.scenario].parameters}
    return [f"{name} {value:.3g} {units.get(name, '')}".rstrip() for name, value in result.parameters.items()]


def _least_margin(result: CaseResult) -> str:
    """The criterion that was broken, or that the least of its threshold is left of."""
    if not result.criteria:
        return "–"
    closest = min(result.criteria, key=lambda c: c.margin / abs(c.threshold) if c.threshold else c.margin)
    return f"{closest.name.replace('_', ' ')} {closest.margin:+.3g} {closest.unit}".rstrip()


def _comfort(result: CaseResult) -> str:
    value = result.metric("comfort")
    if value is None:
        return "not known" if result.metrics else "–"
    return "within bounds" if value else result.metrics["comfort"].note.replace("_", " ")


def _samples(scenario: Scenario) -> str:
    """Each sampled parameter with its range: "ego speed (20 to 50 km/h), headway (...)"."""
    return ", ".join(f"{parameter.name} ({parameter.span})" for parameter in scenario.parameters)


def _video(result: CaseResult, film: Path) -> Video:
    ttc = "above 3 s" if result.min_ttc_known else "not known"
    ttc = ttc if result.min_ttc is None else f"{result.min_ttc:.1f} s"
    return Video(
        mp4=film.read_bytes(),
        title=_outcome(result),
        caption=f"minimum time to collision {ttc}, {result.seconds:.1f} s driven",
        good=not result.failed,
    )


def _outcome(result: CaseResult) -> str:
    return f"seed {result.seed}: {result.outcome.replace('_', ' ')}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
