"""Does trust tell where both worlds disagree about a planner? Trust in the learned world's pictures beside how far a
drive there is from the one in the reference world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.fidelity_drives import SIDES, Drive
from scenarios.plots import trust_figure
from scenarios.report import Figure, Section, Table
from scenarios.scenario import Case
from scenarios.statistics import Interval, clustered_spearman

NUM_RESAMPLES = 1000
TRUSTS = {"lowest_trust": "lowest trust", "mean_trust": "mean trust"}
DIFFERENCES = {"score": "PDM score", "path": "path", "outcome": "crash"}
"""What both worlds may say differently of a pair of drives, as in TrustComparison, and in words."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrustComparison:
    """Pairs of drives of one planner from one start, `n` in all.

    Args:
        trust: by name of TRUSTS, of the drive in the learned world, [n].
        differences: by name of DIFFERENCES, [n]: absolute difference of the scores; mean distance of the places at the
            same seconds [m], as long as both drives last; 1 where it crashed in one world alone, else 0.
        correlations: Spearman's, by names of both, between -1, which is what trust is for, and 1; the interval is by a
            bootstrap over starts.
        num_starts: how many there are.
    """

    trust: Mapping[str, np.ndarray]
    differences: Mapping[str, np.ndarray]
    correlations: Mapping[tuple[str, str], Interval]
    num_starts: int


def compare_trust(
    drives: Mapping[tuple, Drive], planners: Sequence[str], cases: Sequence[Case]
) -> TrustComparison | None:
    """Of all pairs that were driven in both worlds.

    Args:
        drives: by their keys.
        planners: names.
        cases: the starts.

    Returns:
        None where trust says nothing, since no pictures were made, or there are fewer than 2 starts.
    """
    pairs, starts = [], []
    for start, case in enumerate(cases):
        for planner in planners:
            road, learned = (drives[(world, planner, case.scenario, case.seed)] for world in SIDES)
            if road.valid and learned.valid and learned.lowest_trust is not None:
                pairs.append((road, learned))
                starts.append(start)
    num_starts = len(set(starts))
    if num_starts < 2:
        return None

    trust = {name: np.array([getattr(learned, name) for _, learned in pairs], np.float64) for name in TRUSTS}
    differences = {
        "score": np.array([abs(road.score - learned.score) for road, learned in pairs]),
        "path": np.array([path_distance(road, learned) for road, learned in pairs]),
        "outcome": np.array([float(road.crashed != learned.crashed) for road, learned in pairs]),
    }
    clusters = np.array(starts)
    correlations = {
        (one, other): clustered_spearman(
            trust[one], differences[other], clusters, np.random.default_rng(0), num_resamples=NUM_RESAMPLES
        )
        for one in TRUSTS
        for other in DIFFERENCES
    }
    return TrustComparison(trust=trust, differences=differences, correlations=correlations, num_starts=num_starts)


def path_distance(one: Drive, other: Drive) -> float:
    """Mean distance of two drives' places at the same seconds after the common start, as long as both last [m]; 0 where
    one ends within the first."""
    num = min(len(one.path), len(other.path))
    if num == 0:
        return 0.0
    a, b = (np.array(drive.path[:num], np.float64) for drive in (one, other))
    return float(np.linalg.norm(a - b, axis=-1).mean())


def trust_content(trust: TrustComparison) -> dict[str, Any]:
    """As JSON; None where a correlation is undefined."""

    def value(x: float) -> float | None:
        return float(x) if np.isfinite(x) else None

    return {
        "num_pairs": len(trust.differences["score"]),
        "num_starts": trust.num_starts,
        "spearman": {
            one: {
                other: {end: value(getattr(trust.correlations[one, other], end)) for end in ("estimate", "low", "high")}
                for other in DIFFERENCES
            }
            for one in TRUSTS
        },
    }


def trust_rows(trust: TrustComparison) -> list[list[str]]:
    """A row of text for each difference: its name, its mean, and its correlation with each of TRUSTS."""
    units = {"path": " m"}
    return [
        [
            title,
            f"{trust.differences[name].mean():.3g}{units.get(name, '')}",
            *(trust.correlations[one, name].text() for one in TRUSTS),
        ]
        for name, title in DIFFERENCES.items()
    ]


HEADER = ("difference of", "mean", *(f"Spearman with {title}" for title in TRUSTS.values()))


def trust_section(trust: TrustComparison) -> Section:
    """For the report."""
    return Section(
        title="Does trust tell where the worlds disagree?",
        text=f"{len(trust.differences['score'])} pairs of drives from {trust.num_starts} starts: how far the drive in "
        "the learned world is from the one in the reference world, beside the lowest and mean trust in its pictures. A "
        "trust that is low where the worlds disagree has a rank correlation of -1 with their difference, one that says "
        "nothing 0. Intervals: 95 %, by a bootstrap over starts.",
        table=Table(header=list(HEADER), rows=trust_rows(trust)),
        figures=[
            Figure(
                png=trust_figure(trust.trust["lowest_trust"], trust.differences["path"], trust.differences["score"]),
                alt="differences of paired drives over the lowest trust in the learned world's pictures",
            )
        ],
    )


def print_trust(trust: TrustComparison) -> None:
    """Print the table."""
    print(f"\ntrust, {len(trust.differences['score'])} pairs from {trust.num_starts} starts")
    rows = [list(HEADER), *trust_rows(trust)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
