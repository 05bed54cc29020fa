"""The sections of a dossier, along the headings of simulation-credibility rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from scenarios.catalogue import SCENARIOS
from scenarios.coverage import BinCoverage, ParameterCoverage
from scenarios.dossier_evidence import FIDELITY, TESTS, VALIDATION, Evidence
from scenarios.dossier_sensitivity import UNKNOWN, fact_table, pairs_text, sensitivity_section
from scenarios.dossier_statements import ASKED_FOR, ASSUMPTIONS, NOT_KNOWN, SCOPE
from scenarios.dossier_targets import best_trivial
from scenarios.fidelity_failures import failure_sections
from scenarios.fidelity_sim2val import sim2val_section
from scenarios.fidelity_worlds import interval_of, interval_text, worlds_section
from scenarios.report import Fold, Note, Section, SvgFigure, Table
from scenarios.statistics import Interval, clopper_pearson
from scenarios.svg_figures import coverage_svg, intervals_svg


def dossier_sections(evidence: Evidence) -> list[Section]:
    """All of them, in order."""
    return [
        _scope(),
        _model(evidence),
        *_domain(evidence),
        _verification(evidence),
        *_validation(evidence),
        *_uncertainty(evidence),
        *_differences(evidence),
        sensitivity_section(evidence),
        _not_known(evidence),
        _asked_for(),
    ]


def _scope() -> Section:
    return Section(
        title="1 Scope and intended use",
        text="What the simulation is for, and what follows where it is wrong.",
        table=Table(header=("", ""), rows=_statements(SCOPE)),
        open=True,
    )


def _model(evidence: Evidence) -> Section:
    model = evidence.model
    vehicle = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in asdict(model.vehicle).items())
    facts = evidence.fidelity["provenance"]
    versions = [f"{name} {facts[name]}" for name in ("drivedit", "python", "torch", "numpy", "scipy") if name in facts]
    rows = (
        ("world model", evidence.checkpoint),
        ("SHA-256 of config, weights and starts", evidence.checkpoint_sha256),
        (
            "what it is",
            "Ego motion, route, lights and road users are tracked; a causal diffusion transformer over latents of a "
            "video autoencoder generates the pictures from these. Scripted road users move by script, the others by a "
            "learned model.",
        ),
        ("frames", f"{model.frame_size[0]} × {model.frame_size[1]} px, every {model.dt:g} s"),
        (
            "networks",
            f"transformer of {model.dit.depth} blocks, {model.dit.width} channels, {model.num_context} frames of "
            f"context; {model.vae.latent_channels} latent channels; road users by two layers of {model.actors.width}",
        ),
        ("ego", f"kinematic bicycle: {vehicle} (SI units)"),
        ("code", evidence.fidelity["conditions"]["code"]),
        ("versions", ", ".join(versions)),
        ("machine", facts.get("platform", UNKNOWN)),
    )
    text = "Config, weights and data. How the weights were made is told by the world model's own folder"
    return Section(
        title="2 Model, and where it comes from",
        text=f"{text}, below."
        if evidence.readme
        else f"{text}, which has no README: training data are {UNKNOWN} here.",
        table=Table(header=("", ""), rows=_statements(rows)),
        open=True,
        folds=[Fold(title="Training data, seeds and how it was trained", printed=evidence.readme)]
        if evidence.readme
        else [],
    )


def _domain(evidence: Evidence) -> list[Section]:
    """Assumptions, limits, and the scenario space with what of it was driven."""
    ranked, validated = evidence.fidelity["scenarios"], evidence.validation["coverage"]
    rows = []
    for name in dict.fromkeys([*ranked, *validated]):
        scenario = SCENARIOS.get(name)
        bins = [one for parameter in validated.get(name, ()) for one in parameter["bins"]]
        covered = f"{sum(one['num_valid'] > 0 for one in bins)} of {len(bins)}" if bins else "–"
        cases = sum(result.scenario == name for result in evidence.results)
        rows.append(
            [
                name,
                str(ranked.get(name, 0)),
                str(cases),
                covered,
                Note(text="–" if scenario is None else _parameters(name)),
            ]
        )
    maps = evidence.fidelity["conditions"]["maps"] or ["procedural towns, none of which a model was trained on"]
    return [
        Section(
            title="3 Assumptions, limits and operational domain",
            text="What is taken for granted. Where it does not hold, nothing in this dossier does.",
            table=Table(header=("",), rows=[[Note(text=one)] for one in ASSUMPTIONS]),
            open=True,
        ),
        Section(
            title="Scenario space that was driven",
            text=f"Roads: {', '.join(maps)}; {evidence.fidelity['num_places']} places in the fidelity report. Bins: "
            "parts of the parameters' ranges in which the validation has at least one valid case; drawn here, one "
            "scenario after the other.",
            figures=[
                SvgFigure(svg=coverage_svg(_coverage(parameters)), alt=f"cases of {name} in each bin of each parameter")
                for name, parameters in validated.items()
            ],
            table=Table(
                header=("scenario", "starts, fidelity", "cases, validation", "bins covered", "parameters"), rows=rows
            ),
            open=True,
        ),
    ]


def _verification(evidence: Evidence) -> Section:
    tests, results = evidence.tests, evidence.results
    digests = sum(bool(result.digest) for result in results)
    broken = [result.outcome for result in results if result.outcome in ("world_error", "metric_error")]
    suite = UNKNOWN if tests is None else f"{tests.num_tests - tests.num_failed - tests.num_skipped} passed"
    of = "no test results were given (--tests)" if tests is None else (
        f"{tests.num_tests} tests, {tests.num_failed} failed, {tests.num_skipped} skipped"
    )  # fmt: skip
    rows = [
        ["test suite", suite, of, TESTS],
        ["drives whose SHA-256 a repetition can be compared with", str(digests), _of_cases(results), VALIDATION],
        ["drives in which the world or a metric broke", str(len(broken)), _of_cases(results), VALIDATION],
        ["both reports made with the same code", "yes" if evidence.same_code else "no", "2 reports", "both reports"],
        ["starts", "the same in all worlds", f"seeds {evidence.fidelity['provenance']['seeds']}", FIDELITY],
    ]  # fmt: skip
    return Section(
        title="4 Verification",
        text="Whether the program does what it is meant to, and does it again. A drive is a function of its seed, its "
        "world and the policy; each failure of the validation has a command that drives it again and compares it bit "
        "for bit.",
        table=fact_table(rows),
        open=True,
    )


def _validation(evidence: Evidence) -> list[Section]:
    report, statistics = evidence.fidelity, evidence.validation["statistics"]
    of = pairs_text(evidence)
    crashes = _crashes(evidence)
    agreement = report["agreement"]
    rows = [
        ["Spearman's rank correlation", interval_text(agreement["spearman"]), of, FIDELITY],
        ["Kendall's τ", interval_text(agreement["kendall"]), of, FIDELITY],
        ["Pearson's correlation", interval_text(agreement["pearson"]), of, FIDELITY],
        ["mean maximum rank violation", interval_text(agreement["mmrv"], ".3f"), of, FIDELITY],
        ["crashes found", interval_text(crashes["found"], ".0%"), f"{crashes['num_reference']} crashes", FIDELITY],
        ["crashes made up", interval_text(crashes["made_up"], ".0%"), f"{crashes['num_simulator']} crashes", FIDELITY],
        ["crash in both worlds or in neither", f"{report['same_ends']:.0%}", of, FIDELITY],
    ]  # fmt: skip
    by_scenario = [
        [name, str(report["scenarios"][name]), *(interval_text(part[m]) for m in ("spearman", "pearson"))]
        for name, part in report["by_scenario"].items()
    ]
    validated = [
        [
            summary["name"],
            f"{summary['num_failed']} of {summary['num_valid']}",
            _rate(summary["num_failed"], summary["num_valid"]),
            str(summary["num_invalid"]),
        ]
        for summary in evidence.validation["summaries"]
    ]
    policy, config = evidence.validation["config"]["policy"], evidence.validation["config"]
    floors = [worlds_section(report["worlds"])] if report["worlds"] else []
    return [
        Section(
            title="5 Validation: does it stand for the reference world?",
            text=f"{len(report['planners'])} planners of varying quality from the same starts in both worlds, scored "
            "with NAVSIM's PDM score in closed loop. Intervals: 95 %, by a bootstrap over planners and starts; of "
            f"shares over starts. Seeds {report['provenance']['seeds']}.",
            table=fact_table(rows),
            open=True,
        ),
        Section(
            title="By scenario",
            text="Agreement over the starts of one scenario.",
            table=Table(header=("scenario", "starts", "Spearman", "Pearson"), rows=by_scenario),
            open=True,
        ),
        *floors,
        Section(
            title=f"What the learned world says of the policy {policy.replace('_', ' ')}",
            text=f"Verdict {evidence.validation['verdict']}: {'; '.join(evidence.validation['reasons'])}. "
            f"Limit of the failure rate {statistics['max_failure_rate']:.0%}, confidence "
            f"{statistics['confidence']:.0%}; seeds {config['first_seed']} and up, {config['num_seeds']} a scenario. "
            "Rates with two-sided 95 % Clopper–Pearson intervals.",
            table=Table(header=("scenario", "failed, of valid", "failure rate", "invalid"), rows=validated),
            open=True,
        ),
    ]


def _uncertainty(evidence: Evidence) -> list[Section]:
    report, statistics = evidence.fidelity, evidence.validation["statistics"]
    of, cases = pairs_text(evidence), _of_cases(evidence.results)
    rows = [
        ["optimistic bias: mean score, learned minus reference", interval_text(report["bias"], "+.3f"), of, FIDELITY],
        ["failure rate in the learned world, one-sided upper bound", _bound(statistics["upper"]), cases, VALIDATION],
        ["the same if all invalid cases had failed", _bound(statistics["upper_with_invalid"]), cases, VALIDATION],
    ]
    return [
        Section(
            title="6 Uncertainty",
            text="Intervals tell what another draw of planners and starts from the same scenarios would change. They "
            "tell nothing of other roads, other kinds of traffic, or real ones.",
            table=fact_table(rows),
            open=True,
        ),
        *([] if report["sim2val"] is None else [replace(sim2val_section(report["sim2val"]), open=True)]),
    ]


def _differences(evidence: Evidence) -> list[Section]:
    planners = evidence.fidelity["planners"]
    num_starts = evidence.fidelity["num_starts"]
    order = sorted(planners, key=lambda name: -abs(planners[name]["bias"]["estimate"]))
    biases = [(name.replace("_", " "), interval_of(planners[name]["bias"])) for name in order]
    rows = [
        [
            name.replace("_", " "),
            f"{planners[name]['road']:.3f}",
            f"{planners[name]['learned']:.3f}",
            interval_text(planners[name]["bias"], "+.3f"),
            f"{num_starts} starts",
        ]
        for name in order
    ]
    return [
        Section(
            title="7 Known differences",
            text="Mean scores of each planner in both worlds, the largest difference first; 95 % intervals by a "
            "bootstrap over starts. Below, the failures that differ, by name.",
            figures=[SvgFigure(svg=intervals_svg(biases, -0.2, 0.2, "+.3f"), alt="optimistic bias of each planner")],
            table=Table(header=("planner", "reference", "learned", "learned minus reference", "of"), rows=rows),
            open=True,
        ),
        *failure_sections(evidence.fidelity["failures"]),
    ]


def _not_known(evidence: Evidence) -> Section:
    return Section(
        title="9 What is not known",
        text="No report of DriveDiT tells this, or those at hand do not.",
        table=Table(header=("",), rows=[[Note(text=one)] for one in (*unknowns_of(evidence), *NOT_KNOWN)]),
        open=True,
    )


def unknowns_of(evidence: Evidence) -> list[str]:
    """What the evidence at hand leaves open."""
    report, found = evidence.fidelity, []
    if evidence.tests is None:
        found.append("Whether the test suite passes with this code: no results were given.")
    if not evidence.same_code:
        found.append("Whether the two reports agree: they were made with different code.")
    if not report["worlds"]:
        found.append("How much of the agreement a world that knows nothing would reach: none was driven in.")
    elif best_trivial(report) is None:
        found.append("How trivial worlds rank the planners: all have the same score there.")
    if _crashes(evidence)["num_reference"] == 0:
        found.append("Whether the learned world finds crashes: the ranked planners had none in the reference world.")
    gaps = [
        f"{scenario}: {parameter['name']} {one['label']}"
        for scenario, parameters in evidence.validation["coverage"].items()
        for parameter in parameters
        for one in parameter["bins"]
        if one["num_valid"] == 0
    ]
    if gaps:
        found.append(f"How the policy does where no valid case lies: {'; '.join(gaps)}.")
    both = set(report["scenarios"]) & set(evidence.validation["coverage"])
    only = [name for name in evidence.validation["coverage"] if name not in both]
    if only:
        found.append(
            f"How far the learned world agrees with the reference world in {', '.join(only)}: validated, not compared."
        )
    return found


def _asked_for() -> Section:
    return Section(
        title="10 What is asked for, and where it stands",
        text="By the headings of the UNECE guidelines on the new assessment and test method (NATM, ECE/TRANS/WP.29/"
        "2022/58), of Commission Implementing Regulation (EU) 2022/1426, and of ISO 34502:2022. This is no assessment "
        "by these rules, which is an authority's.",
        table=Table(header=("asked for", "by", "section"), rows=[[Note(text=a), b, c] for a, b, c in ASKED_FOR]),
        open=True,
    )


def _statements(rows: Iterable[tuple[str, str]]) -> list[list[str | Note]]:
    return [[name, Note(text=text)] for name, text in rows]


def _coverage(parameters: Sequence[Mapping[str, Any]]) -> list[ParameterCoverage]:
    """Of a scenario, as the validation report has it."""
    return [
        ParameterCoverage(name=one["name"], unit=one["unit"], bins=tuple(BinCoverage(**each) for each in one["bins"]))
        for one in parameters
    ]


def _parameters(name: str) -> str:
    return "; ".join(f"{parameter.name}: {parameter.span}" for parameter in SCENARIOS[name].parameters)


def _crashes(evidence: Evidence) -> dict:
    return next(row for row in evidence.fidelity["failures"]["kinds"] if row["kind"] == "crash")


def _of_cases(results: Sequence[object]) -> str:
    return f"{len(results)} cases"


def _bound(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1%}"


def _rate(num_failed: int, num_valid: int) -> str:
    rate: Interval | None = clopper_pearson(num_failed, num_valid) if num_valid else None
    return UNKNOWN if rate is None else rate.text(".1%")
