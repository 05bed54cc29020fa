"""Scores of many planners in both worlds: how well the two rankings agree, printed and as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.catalogue import SCENARIOS
from scenarios.fidelity_drives import SIDES, Drive, Side
from scenarios.fidelity_failures import FailureComparison, compare_failures, failure_sections, failures_content
from scenarios.fidelity_sim2val import Sim2Val, compare_sim2val, sim2val_content, sim2val_section
from scenarios.fidelity_trust import TrustComparison, print_trust, trust_content, trust_section
from scenarios.fidelity_worlds import WorldAgreement, compare_worlds, print_worlds, worlds_content, worlds_section
from scenarios.plots import agreement_figure
from scenarios.recovery import Recovery, print_recovery, recovery_content, recovery_section
from scenarios.report import Figure, Page, Section, Stat, Table, seed_ranges, write_json, write_page
from scenarios.scenario import Case
from scenarios.statistics import Agreement, Interval, agreement, bootstrap_mean, optimistic_bias

TARGET = 0.9
"""Rank correlation (Spearman) above which the learned world may be used to choose between planners."""
SCHEMA = "drivedit.fidelity/1"
"""Name and version of report.json; a change that its readers must know of counts up."""
NUM_NAMED = 5
"""Hidden and made-up failures that are printed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Planners' drives in both worlds, over the starts that both worlds can drive.

    Args:
        planners: names.
        cases: the starts.
        scores: PDM scores in each world, [planners, starts].
        crashed: whether a drive crashed, see LoggedDrive, bool [planners, starts] in each world.
        agreement: over all starts.
        by_scenario: over the starts of each scenario that has at least two.
        bias: mean score in the learned world minus that in the reference world; above 0 it flatters.
        bias_by_planner: likewise, in the order of `planners`.
        failures: found, hidden and made up, by name.
        worlds: the same for worlds that know nothing, if they were driven in; the learned one first.
        sim2val: the reference world's means from a part of its runs; None of too few starts.
        recovery: from pushes off the lane, if there were any.
        trust: beside what both worlds say differently, if pictures were made.
    """

    planners: Sequence[str]
    cases: Sequence[Case]
    scores: Mapping[Side, np.ndarray]
    crashed: Mapping[Side, np.ndarray]
    agreement: Agreement
    by_scenario: Mapping[str, Agreement]
    bias: Interval
    bias_by_planner: Sequence[Interval]
    failures: FailureComparison
    worlds: Sequence[WorldAgreement] = ()
    sim2val: Sim2Val | None = None
    recovery: Recovery | None = None
    trust: TrustComparison | None = None

    @property
    def rankings_agree(self) -> bool:
        """Whether the rank correlation over all starts reaches TARGET."""
        return self.agreement.spearman.estimate >= TARGET

    @property
    def verdict(self) -> str:
        """In words."""
        return "rankings agree" if self.rankings_agree else "rankings disagree"

    @property
    def num_places(self) -> int:
        """Towns, or maps, in which the starts lie."""
        return len({case.town if case.map is None else case.map.digest for case in self.cases})

    def num_starts(self, scenario: str) -> int:
        """That are of one scenario."""
        return sum(case.scenario == scenario for case in self.cases)

    @property
    def same_ends(self) -> float:
        """Share of the paired drives that crash in both worlds or in neither."""
        return float((self.crashed["road"] == self.crashed["learned"]).mean())

    @property
    def crashes_found(self) -> float | None:
        """Share of the reference world's crashes that are crashes in the learned world too; None if there are none."""
        road = self.crashed["road"]
        return float(self.crashed["learned"][road].mean()) if road.any() else None

    @property
    def crashes_made_up(self) -> float | None:
        """Share of the learned world's crashes that are none in the reference world; None if there are none."""
        learned = self.crashed["learned"]
        return float((~self.crashed["road"][learned]).mean()) if learned.any() else None


def compare(
    drives: Mapping[tuple, Drive],
    planners: Sequence[str],
    cases: Sequence[Case],
    recovery: Recovery | None = None,
    trust: TrustComparison | None = None,
    *,
    num_resamples: int = 2000,
) -> Comparison:
    """Compare the scores of both worlds.

    Args:
        drives: by their keys; every planner's from every case in both worlds.
        planners: names.
        cases: the starts.
        recovery: handed on.
        trust: handed on.
        num_resamples: of the bootstrap of the agreement over all starts; a fourth of it for parts and other worlds.

    Raises:
        ValueError: fewer than two starts can be driven in both worlds.
    """

    def drive_of(world: Side, planner: str, case: Case) -> Drive:
        return drives[(world, planner, case.scenario, case.seed)]

    kept = [c for c in cases if all(drive_of(world, p, c).valid for world in SIDES for p in planners)]
    if len(kept) < 2:
        raise ValueError(f"at least 2 starts must be drivable in both worlds, got {len(kept)} of {len(cases)}")

    scores, crashed = {}, {}
    for world in SIDES:
        table = [[drive_of(world, p, c) for c in kept] for p in planners]
        scores[world] = np.array([[drive.score for drive in row] for row in table])
        crashed[world] = np.array([[drive.crashed for drive in row] for row in table])

    def agreement_over(chosen: Sequence[int], num_resamples: int) -> Agreement:
        road, learned = (scores[world][:, list(chosen)] for world in SIDES)
        rng = np.random.default_rng(0)
        return agreement(reference=road, simulator=learned, rng=rng, num_resamples=num_resamples)

    differences = scores["learned"] - scores["road"]
    parts = {name: [k for k, case in enumerate(kept) if case.scenario == name] for name in SCENARIOS}
    return Comparison(
        planners=planners,
        cases=kept,
        scores=scores,
        crashed=crashed,
        agreement=agreement_over(range(len(kept)), num_resamples),
        by_scenario={
            name: agreement_over(chosen, num_resamples // 4) for name, chosen in parts.items() if len(chosen) >= 2
        },
        bias=optimistic_bias(reference=scores["road"], simulator=scores["learned"], rng=np.random.default_rng(0)),
        bias_by_planner=[bootstrap_mean(own, np.random.default_rng(0)) for own in differences],
        failures=compare_failures(drives, planners, kept),
        worlds=compare_worlds(drives, planners, kept, num_resamples // 4),
        sim2val=compare_sim2val(planners, scores["road"], scores["learned"]),
        recovery=recovery,
        trust=trust,
    )


def print_comparison(comparison: Comparison) -> None:
    """Print the scores, best planner first, and their agreement."""
    means = {world: comparison.scores[world].mean(axis=1) for world in SIDES}
    print(f"\n{'planner':<22}{'reference':>10}{'learned':>10}")
    for k in np.argsort(-means["road"], kind="stable"):
        print(f"{comparison.planners[k]:<22}{means['road'][k]:>10.3f}{means['learned'][k]:>10.3f}")
    a = comparison.agreement
    print(
        f"\n{len(comparison.planners)} planners, mean scores over {len(comparison.cases)} paired starts, seeds "
        f"{seed_ranges(sorted({case.seed for case in comparison.cases}))}: "
        f"Spearman {a.spearman.text()}, Kendall {a.kendall.text()}, Pearson {a.pearson.text()}, "
        f"MMRV {a.mmrv.text('.3f')}"
    )
    found, made_up = map(_share, (comparison.crashes_found, comparison.crashes_made_up))
    print(f"crashes found {found}, made up {made_up}; in both or neither {_share(comparison.same_ends)}")
    print(f"mean score, learned minus reference: {comparison.bias.text('+.3f')}")
    for name, named in (("hidden", comparison.failures.hidden), ("made up", comparison.failures.made_up)):
        for one in named[:NUM_NAMED]:
            seeds = ", ".join(map(str, one.seeds))
            print(f"{name}: {one.planner}, {one.scenario}, {one.kind.replace('_', ' ')} (seeds {seeds})")
        if len(named) > NUM_NAMED:
            print(f"{name}: {len(named) - NUM_NAMED} more in the report")
    if comparison.worlds:
        print_worlds(comparison.worlds)
    if comparison.recovery is not None:
        print_recovery(comparison.recovery)
    if comparison.trust is not None:
        print_trust(comparison.trust)


def write_comparison(
    out: Path,
    comparison: Comparison,
    config: Mapping[str, Any],
    conditions: Mapping[str, Any],
    provenance: Mapping[str, str],
) -> None:
    """Write report.json and report.html to `out`; every drive depends on the `conditions`."""
    means: dict[Side, np.ndarray] = {world: comparison.scores[world].mean(axis=1) for world in SIDES}
    by_planner = {
        p: {w: float(means[w][k]) for w in SIDES} | {"bias": asdict(comparison.bias_by_planner[k])}
        for k, p in enumerate(comparison.planners)
    }
    content = {
        "schema": SCHEMA,
        "config": config,
        "planners": by_planner,
        "num_starts": len(comparison.cases),
        "num_places": comparison.num_places,
        "scenarios": dict(Counter(case.scenario for case in comparison.cases)),
        "agreement": _finite(comparison.agreement),
        "by_scenario": {
            name: {"num_starts": comparison.num_starts(name), **_finite(part)}
            for name, part in comparison.by_scenario.items()
        },
        "bias": asdict(comparison.bias),
        "same_ends": comparison.same_ends,
        "crashes_found": comparison.crashes_found,
        "crashes_made_up": comparison.crashes_made_up,
        "failures": failures_content(comparison.failures),
        "worlds": worlds_content(comparison.worlds),
        "sim2val": None if comparison.sim2val is None else sim2val_content(comparison.sim2val),
        "recovery": None if comparison.recovery is None else recovery_content(comparison.recovery),
        "trust": None if comparison.trust is None else trust_content(comparison.trust),
        "conditions": conditions,
        "provenance": provenance,
    }
    write_json(out / "report.json", content)
    write_page(out / "report.html", _page(comparison, means, provenance))


def _page(comparison: Comparison, means: Mapping[Side, np.ndarray], provenance: Mapping[str, str]) -> Page:
    a = comparison.agreement
    names = [planner.replace("_", " ") for planner in comparison.planners]
    order = np.argsort(-means["road"], kind="stable").tolist()

    shares = (comparison.same_ends, comparison.crashes_found, comparison.crashes_made_up)
    same, found, made_up = map(_share, shares)

    return Page(
        title="Does the learned world rank planners as the reference world does?",
        subtitle=f"{len(names)} planners, {len(comparison.cases)} paired starts in {comparison.num_places} places",
        verdict=f"{comparison.verdict}: Spearman {a.spearman.text()}",
        good=comparison.rankings_agree,
        stats=[
            Stat(value=f"{a.spearman.estimate:.2f}", label=f"Spearman, target {TARGET}"),
            Stat(value=f"{a.mmrv.estimate:.3f}", label="mean maximum rank violation"),
            Stat(value=same, label="crash in both worlds or in neither"),
            Stat(value=found, label="of real crashes found"),
            Stat(value=made_up, label="of its crashes are false alarms"),
            Stat(value=f"{comparison.bias.estimate:+.3f}", label="mean score, learned minus reference"),
        ],
        summary=Table(
            header=[
                "planner",
                "starts",
                "mean score, reference world",
                "mean score, learned world",
                "learned minus reference",
            ],
            rows=[
                [
                    names[k],
                    str(len(comparison.cases)),
                    *(f"{means[world][k]:.3f}" for world in SIDES),
                    comparison.bias_by_planner[k].text("+.3f"),
                ]
                for k in order
            ],
        ),
        note="Scores: NAVSIM's PDM score, NC · DAC · (5 TTC + 5 EP + 2 C) / 12, in closed loop; progress relative to "
        "the lane follower's in the same world. Intervals: 95 %, by a bootstrap over planners and starts. Scores are "
        "computed from tracked states in both worlds; a planner that uses camera frames sees generated ones in the "
        "learned world. A crash is a collision, the ego off the road or a planner that broke; a real one is one in the "
        "reference world. Learned minus reference: the optimistic bias, by planner with a bootstrap over starts; "
        f"of all {comparison.bias.text('+.3f')}.",
        sections=[
            _scores_section(comparison, names),
            _scenario_section(comparison),
            *([worlds_section(worlds_content(comparison.worlds))] if comparison.worlds else []),
            *failure_sections(failures_content(comparison.failures)),
            *([] if comparison.sim2val is None else [sim2val_section(sim2val_content(comparison.sim2val))]),
            *([] if comparison.recovery is None else [recovery_section(comparison.recovery)]),
            *([] if comparison.trust is None else [trust_section(comparison.trust)]),
        ],
        provenance=provenance,
    )


def _scores_section(comparison: Comparison, names: Sequence[str]) -> Section:
    a = comparison.agreement
    figure = agreement_figure(names, comparison.scores["road"], comparison.scores["learned"])
    return Section(
        title="Scores in both worlds",
        text="Each point is one planner, with the 95 % intervals of its mean scores. "
        f"Spearman {a.spearman.text()}, Kendall {a.kendall.text()}, Pearson {a.pearson.text()}.",
        figures=[Figure(png=figure, alt="mean scores in the learned world over those in the reference world")],
    )


def _scenario_section(comparison: Comparison) -> Section:
    rows = [
        [
            SCENARIOS[name].title,
            str(comparison.num_starts(name)),
            part.spearman.text(),
            part.pearson.text(),
            f"{part.mmrv.estimate:.3f}",
        ]
        for name, part in comparison.by_scenario.items()
    ]
    return Section(
        title="By scenario",
        text="Agreement over the starts of one scenario. Fewer starts, so wider intervals.",
        table=Table(header=["scenario", "starts", "Spearman", "Pearson", "MMRV"], rows=rows),
    )


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _finite(result: Agreement) -> dict[str, Any]:
    """The intervals as JSON: None where a measure is undefined."""

    def value(x: float) -> float | None:
        return float(x) if np.isfinite(x) else None

    measures = {
        name: {end: value(getattr(interval, end)) for end in ("estimate", "low", "high")}
        for name, interval in vars(result).items()
        if isinstance(interval, Interval)
    }
    return measures
