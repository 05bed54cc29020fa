"""What the results of a dossier depend on, as far as it was varied; and how its facts are told."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.dossier_evidence import BENCH, FIDELITY, Evidence
from scenarios.fidelity_worlds import TITLES, interval_text
from scenarios.planner_bench_report import exploit_size
from scenarios.recovery import LONGEST
from scenarios.report import Note, Section, Table

FACT_HEADER = ("what", "value", "of", "from")
UNKNOWN = "not known"


def fact_table(rows: Sequence[Sequence[str]]) -> Table:
    """A table of facts: what it is, its value, how many drives it rests on, and the source."""
    return Table(
        header=FACT_HEADER, rows=[[Note(text=what), value, Note(text=of), src] for what, value, of, src in rows]
    )


def pairs_text(evidence: Evidence) -> str:
    """How many pairs of drives the fidelity report rests on."""
    return f"{len(evidence.fidelity['planners'])} planners × {evidence.fidelity['num_starts']} starts"


def sensitivity_section(evidence: Evidence) -> Section:
    """What the results depend on, as far as it was varied."""
    rows = [*_without_road_users(evidence), *_exploit(evidence), *_recovery(evidence), *_trust(evidence)]
    return Section(
        title="8 Sensitivity",
        text="What was varied, and what became of the results.",
        table=fact_table(rows),
        open=True,
    )


def _without_road_users(evidence: Evidence) -> list[list[str]]:
    """The trivial worlds are the learned one without its model of road users and without scripts."""
    worlds, of = evidence.fidelity["worlds"], pairs_text(evidence)
    if not worlds:
        return [["without the learned road users", UNKNOWN, "no trivial world was driven in", FIDELITY]]
    return [
        [f"Spearman: {TITLES[row['world']].lower()}", interval_text(row["spearman"]), of, FIDELITY] for row in worlds
    ]


def _exploit(evidence: Evidence) -> list[list[str]]:
    """Reward over the size of a search that maximises what the learned world pays."""
    what = "reward of a search for the learned world's faults"
    if evidence.bench is None:
        return [[what, UNKNOWN, "no report of bench-planners --exploit was given (--bench)", "–"]]
    rows = [row for row in evidence.bench["rows"] if exploit_size(row["planner"]) is not None]
    if not rows:
        return [[what, UNKNOWN, "exploit did not drive", BENCH]]
    return [
        [
            f"reward of {row['planner']}, {row['world']} world",
            f"{row['reward_rate']:.2f} a second",
            f"{row['num_drives']} drives",
            BENCH,
        ]
        for row in sorted(rows, key=lambda row: (exploit_size(row["planner"]) or 0, row["world"]))
    ]


def _recovery(evidence: Evidence) -> list[list[str]]:
    recovery = evidence.fidelity["recovery"]
    if recovery is None:
        what = "recovery from a push off the lane"
        return [[what, UNKNOWN, "measured of planners that see pictures alone (fidelity --observe pixels)", "–"]]
    return [
        [
            f"{name.replace('_', ' ')}: time to recover from a push, reference and learned",
            f"{one['time']['road']:.2f} s, {one['time']['learned']:.2f} s (at most {LONGEST:g})",
            f"{recovery['num_starts']} starts",
            FIDELITY,
        ]
        for name, one in recovery["planners"].items()
    ]


def _trust(evidence: Evidence) -> list[list[str]]:
    trust = evidence.fidelity["trust"]
    if trust is None:
        return [["trust beside how far drives are apart", UNKNOWN, "no pictures were made", FIDELITY]]
    return [
        [
            "Spearman of the lowest trust and the distance of the paths",
            interval_text(trust["spearman"]["lowest_trust"]["path"]),
            f"{trust['num_pairs']} pairs, {trust['num_starts']} starts",
            FIDELITY,
        ]
    ]
