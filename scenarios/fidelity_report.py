"""What many planners' drives in two worlds say of the learned one: scores, agreement, the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scenarios.catalogue import SCENARIOS
from scenarios.plots import agreement_figure
from scenarios.report import Figure, Page, Section, Stat, Table, write_json, write_page
from scenarios.scenario import Case
from scenarios.statistics import Agreement, Interval, agreement

Side = Literal["road", "learned"]
SIDES: tuple[Side, ...] = ("road", "learned")
"""The reference world, and the one that is held against it."""
TARGET = 0.9
"""Rank correlation from which the learned world may choose between planners."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """What came of one planner in one world from one start.

    Args:
        world: "road" or "learned".
        planner: who drove.
        scenario: of the start.
        seed: of the start.
        outcome: as in CaseResult; "invalid" where the start is none.
        progress: along the route [m].
        score: NAVSIM's PDM score, in [0, 1].
    """

    world: Side
    planner: str
    scenario: str
    seed: int
    outcome: str
    progress: float
    score: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Which of all drives it is."""
        return self.world, self.planner, self.scenario, self.seed


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Planners' drives in both worlds, from the starts that are one in both.

    Args:
        planners: names.
        cases: the starts.
        scores: of each world, [planners, starts].
        failed: collisions and roads left, bool, likewise.
        agreement: over all starts.
        by_scenario: the same over the starts of each scenario that has two at least.
    """

    planners: Sequence[str]
    cases: Sequence[Case]
    scores: Mapping[Side, np.ndarray]
    failed: Mapping[Side, np.ndarray]
    agreement: Agreement
    by_scenario: Mapping[str, Agreement]

    @property
    def ranked_alike(self) -> bool:
        """Whether the rank correlation reaches TARGET."""
        return self.agreement.spearman.estimate >= TARGET

    @property
    def same_verdict(self) -> float:
        """Share of the pairs of drives that fail or pass alike."""
        return float((self.failed["road"] == self.failed["learned"]).mean())

    @property
    def failures_found(self) -> float | None:
        """Share of the reference world's failures that are failures in the learned one too; None without any."""
        road = self.failed["road"]
        return float(self.failed["learned"][road].mean()) if road.any() else None

    @property
    def failures_made_up(self) -> float | None:
        """Share of the learned world's failures that are none in the reference world; None without any."""
        learned = self.failed["learned"]
        return float((~self.failed["road"][learned]).mean()) if learned.any() else None


def compare(drives: Mapping[tuple, Drive], planners: Sequence[str], cases: Sequence[Case]) -> Comparison:
    """All drives of these planners from these cases, by their keys.

    Raises:
        ValueError: fewer than two starts can be driven in both worlds.
    """

    def of(world: Side, planner: str, case: Case) -> Drive:
        return drives[(world, planner, case.scenario, case.seed)]

    kept = [c for c in cases if all(of(world, p, c).outcome != "invalid" for world in SIDES for p in planners)]
    if len(kept) < 2:
        raise ValueError(f"of {len(cases)} starts {len(kept)} can be driven in both worlds, and 2 are needed")
    scores, failed = {}, {}
    for world in SIDES:
        table = [[of(world, p, c) for c in kept] for p in planners]
        scores[world] = np.array([[drive.score for drive in row] for row in table])
        failed[world] = np.array([[drive.outcome in ("collision", "off_road") for drive in row] for row in table])

    def agreed(chosen: Sequence[int], num_resamples: int) -> Agreement:
        road, learned = (scores[world][:, list(chosen)] for world in SIDES)
        rng = np.random.default_rng(0)
        return agreement(reference=road, simulator=learned, rng=rng, num_resamples=num_resamples)

    parts = {name: [k for k, case in enumerate(kept) if case.scenario == name] for name in SCENARIOS}
    return Comparison(
        planners=planners,
        cases=kept,
        scores=scores,
        failed=failed,
        agreement=agreed(range(len(kept)), 2000),
        by_scenario={name: agreed(chosen, 500) for name, chosen in parts.items() if len(chosen) >= 2},
    )


def print_comparison(comparison: Comparison) -> None:
    """The scores, best first, and how they agree."""
    means = {world: comparison.scores[world].mean(axis=1) for world in SIDES}
    print(f"\n{'planner':<22}{'reference':>10}{'learned':>10}")
    for k in np.argsort(-means["road"], kind="stable"):
        print(f"{comparison.planners[k]:<22}{means['road'][k]:>10.3f}{means['learned'][k]:>10.3f}")
    a = comparison.agreement
    print(
        f"\n{len(comparison.planners)} planners, {len(comparison.cases)} paired starts: Spearman {_said(a.spearman)}, "
        f"Kendall {_said(a.kendall)}, Pearson {_said(a.pearson)}, MMRV {_said(a.mmrv, 3)}"
    )


def write_comparison(
    out: Path, comparison: Comparison, config: Mapping[str, Any], provenance: Mapping[str, str]
) -> None:
    """report.json and report.html in `out`."""
    means: dict[Side, np.ndarray] = {world: comparison.scores[world].mean(axis=1) for world in SIDES}
    by_planner = {p: {w: float(means[w][k]) for w in SIDES} for k, p in enumerate(comparison.planners)}
    content = {
        "config": config,
        "planners": by_planner,
        "num_starts": len(comparison.cases),
        "agreement": _finite(comparison.agreement),
        "by_scenario": {name: _finite(part) for name, part in comparison.by_scenario.items()},
        "same_verdict": comparison.same_verdict,
        "failures_found": comparison.failures_found,
        "failures_made_up": comparison.failures_made_up,
        "provenance": provenance,
    }
    write_json(out / "report.json", content)
    write_page(out / "report.html", _page(comparison, means, provenance))


def _page(comparison: Comparison, means: Mapping[Side, np.ndarray], provenance: Mapping[str, str]) -> Page:
    a, alike = comparison.agreement, comparison.ranked_alike
    names = [planner.replace("_", " ") for planner in comparison.planners]
    order = np.argsort(-means["road"], kind="stable").tolist()
    shares = (comparison.same_verdict, comparison.failures_found, comparison.failures_made_up)
    same, found, made_up = ("-" if share is None else f"{share:.0%}" for share in shares)
    figure = agreement_figure(names, comparison.scores["road"], comparison.scores["learned"])
    parts = [
        [SCENARIOS[name].title, _said(part.spearman), _said(part.pearson), f"{part.mmrv.estimate:.3f}"]
        for name, part in comparison.by_scenario.items()
    ]
    return Page(
        title="Does the learned world rank planners as the reference world does?",
        subtitle=f"{len(names)} planners, {len(comparison.cases)} paired starts",
        verdict=f"{'ranked alike' if alike else 'ranked differently'}: Spearman {_said(a.spearman)}",
        good=alike,
        stats=[
            Stat(value=f"{a.spearman.estimate:.2f}", label=f"Spearman, target {TARGET}"),
            Stat(value=f"{a.mmrv.estimate:.3f}", label="mean maximum rank violation"),
            Stat(value=same, label="of the drives have the same verdict"),
            Stat(value=found, label="of the failures are found"),
            Stat(value=made_up, label="of its own failures are made up"),
        ],
        summary=Table(
            header=["planner", "reference world", "learned world"],
            rows=[[names[k], f"{means['road'][k]:.3f}", f"{means['learned'][k]:.3f}"] for k in order],
        ),
        note="Scores are NAVSIM's PDM score, NC · DAC · (5 TTC + 5 EP + 2 C) / 12, of closed-loop drives; progress is "
        "measured against the lane follower's in the same world. Intervals: 95 %, planners and starts drawn anew. "
        "What is compared is what both worlds tell of a drive; planners that look at pixels see generated ones there.",
        sections=[
            Section(
                title="Scores in both worlds",
                text=f"Each point is a planner with the 95 % interval of its mean. Spearman {_said(a.spearman)}, "
                f"Kendall {_said(a.kendall)}, Pearson {_said(a.pearson)}.",
                figures=[Figure(png=figure, alt="mean scores, learned against reference world")],
            ),
            Section(
                title="By kind of start",
                text="Fewer starts each, so wider intervals.",
                table=Table(header=["starts", "Spearman", "Pearson", "MMRV"], rows=parts),
            ),
        ],
        provenance=provenance,
    )


def _said(interval: Interval, digits: int = 2) -> str:
    return f"{interval.estimate:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _finite(result: Agreement) -> dict[str, Any]:
    """As JSON has it: None for what cannot be told."""

    def value(x: float) -> float | None:
        return float(x) if np.isfinite(x) else None

    measures = {
        name: {end: value(getattr(interval, end)) for end in ("estimate", "low", "high")}
        for name, interval in vars(result).items()
        if isinstance(interval, Interval)
    }
    return measures
