"""Failures of the reference world that a simulator hides, and those that it makes up: how many, and by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenarios.drive_log import CRASHES
from scenarios.fidelity_drives import Drive
from scenarios.report import Note, Section, Table
from scenarios.scenario import Case
from scenarios.statistics import Interval, clustered_share

GROUPS = {"crash": "all crashes", "any": "all failures"}
"""Rows of the table of kinds beside the outcomes themselves, and in words."""


@dataclass(frozen=True, kw_only=True)
class KindOfFailure:
    """Failures of one kind in both worlds.

    Args:
        kind: outcome of a drive; "crash" for all that crashed, "any" for all.
        num_reference: drives that fail so in the reference world.
        num_found: of these, those found in the simulator: a crash by any crash, another failure by any failure.
        num_same_kind: of these, those that fail there by the same.
        num_simulator: drives that fail so in the simulator.
        num_made_up: of these, those that are not found in the reference world.
        found: share, with an interval by a bootstrap over starts; NaN without such failures.
        made_up: likewise.
    """

    kind: str
    num_reference: int
    num_found: int
    num_same_kind: int
    num_simulator: int
    num_made_up: int
    found: Interval
    made_up: Interval


@dataclass(frozen=True, kw_only=True)
class NamedFailures:
    """Drives of a planner in a scenario that fail in one world by the same kind, which is not found in the other.

    Args:
        planner: name.
        scenario: name.
        kind: outcome in the world in which they fail.
        seeds: of the starts.
    """

    planner: str
    scenario: str
    kind: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FailureComparison:
    """Failures in a simulator beside those in the reference world.

    Args:
        num_drives: pairs of drives that were compared.
        kinds: a row for each outcome that came about, then one for each of GROUPS.
        hidden: failures of the reference world that are not found in the simulator; most drives first.
        made_up: failures of the simulator that are not found in the reference world.
    """

    num_drives: int
    kinds: Sequence[KindOfFailure]
    hidden: Sequence[NamedFailures]
    made_up: Sequence[NamedFailures]

    def of_kind(self, kind: str) -> KindOfFailure:
        """The row of a kind; "crash" and "any" are always there."""
        return next(row for row in self.kinds if row.kind == kind)


def compare_failures(
    drives: Mapping[tuple, Drive], planners: Sequence[str], cases: Sequence[Case], simulator: str = "learned"
) -> FailureComparison:
    """What both worlds say of each planner's drive from each start.

    Args:
        drives: by their keys; all are valid.
        planners: names.
        cases: the starts.
        simulator: name of the world that is compared with the reference world.
    """
    pairs = [
        [[drives[(world, p, c.scenario, c.seed)] for world in ("road", simulator)] for c in cases] for p in planners
    ]
    shape = len(planners), len(cases), 2
    outcomes = np.array(
        [[[d.outcome if d.failed else "" for d in pair] for pair in row] for row in pairs], dtype=object
    )
    found = np.array([[[_is_found(a, b), _is_found(b, a)] for a, b in row] for row in pairs], bool)
    outcomes, found = outcomes.reshape(shape), found.reshape(shape)
    kinds = sorted({kind for kind in outcomes.ravel().tolist() if kind})
    members = {kind: (kind,) for kind in kinds} | {"crash": CRASHES, "any": tuple(kinds)}
    return FailureComparison(
        num_drives=len(planners) * len(cases),
        kinds=[
            _count(kind, np.isin(outcomes, own), found, outcomes[..., 0] == outcomes[..., 1])
            for kind, own in members.items()
        ],
        hidden=_name([drive for row in pairs for drive, other in row if drive.failed and not _is_found(drive, other)]),
        made_up=_name([drive for row in pairs for other, drive in row if drive.failed and not _is_found(drive, other)]),
    )


def _is_found(failure: Drive, other: Drive) -> bool:
    """Whether the same drive in the other world fails too: a crash is found by a crash alone."""
    return other.crashed if failure.crashed else other.failed


def _count(kind: str, so: np.ndarray, found: np.ndarray, same: np.ndarray) -> KindOfFailure:
    """A row of the table.

    Args:
        kind: its name.
        so: drives that fail so in the reference world and in the simulator, bool [planners, starts, 2].
        found: whether a failure in each is found in the other, likewise.
        same: whether both outcomes are the same, bool [planners, starts].
    """
    hits, made_up = so[..., 0] & found[..., 0], so[..., 1] & ~found[..., 1]
    rng = np.random.default_rng(0)
    return KindOfFailure(
        kind=kind,
        num_reference=int(so[..., 0].sum()),
        num_found=int(hits.sum()),
        num_same_kind=int((so[..., 0] & same).sum()),
        num_simulator=int(so[..., 1].sum()),
        num_made_up=int(made_up.sum()),
        found=clustered_share(hits.sum(axis=0), so[..., 0].sum(axis=0), rng),
        made_up=clustered_share(made_up.sum(axis=0), so[..., 1].sum(axis=0), rng),
    )


def _name(drives: Sequence[Drive]) -> list[NamedFailures]:
    """Drives grouped, the largest group first."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for drive in drives:
        groups.setdefault((drive.planner, drive.scenario, drive.outcome), []).append(drive.seed)
    named = [
        NamedFailures(planner=planner, scenario=scenario, kind=kind, seeds=tuple(sorted(seeds)))
        for (planner, scenario, kind), seeds in groups.items()
    ]
    return sorted(named, key=lambda one: (-len(one.seeds), one.planner, one.scenario, one.kind))


def failures_content(failures: FailureComparison) -> dict[str, Any]:
    """As JSON; None where a share is undefined."""

    def interval(value: Interval) -> dict[str, float] | None:
        return asdict(value) if np.isfinite(value.estimate) else None

    return {
        "num_drives": failures.num_drives,
        "kinds": [
            asdict(row) | {"found": interval(row.found), "made_up": interval(row.made_up)} for row in failures.kinds
        ],
        "hidden": [asdict(one) for one in failures.hidden],
        "made_up": [asdict(one) for one in failures.made_up],
    }


KIND_HEADER = ("failure", "reference world", "found", "by the same kind", "learned world", "made up")
NAME_HEADER = ("planner", "scenario", "fails by", "drives", "seeds")


def kind_rows(kinds: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Rows below KIND_HEADER, of `failures_content`'s kinds."""
    return [
        [
            GROUPS[row["kind"]] if row["kind"] in GROUPS else row["kind"].replace("_", " "),
            str(row["num_reference"]),
            _share(row["num_found"], row["found"]),
            str(row["num_same_kind"]),
            str(row["num_simulator"]),
            _share(row["num_made_up"], row["made_up"]),
        ]
        for row in kinds
    ]


def name_rows(named: Sequence[Mapping[str, Any]]) -> list[list[str | Note]]:
    """Rows below NAME_HEADER, of `failures_content`'s hidden or made-up ones."""
    return [
        [
            one["planner"].replace("_", " "),
            one["scenario"],
            one["kind"].replace("_", " "),
            str(len(one["seeds"])),
            Note(text=", ".join(map(str, one["seeds"]))),
        ]
        for one in named
    ]


def failure_sections(content: Mapping[str, Any]) -> list[Section]:
    """For reports: the counts by kind, and by name what is hidden and what is made up.

    Args:
        content: of `failures_content`.
    """
    sections = [
        Section(
            title="Failures found, hidden and made up",
            text=f"Of {content['num_drives']} paired drives. A drive fails by the first criterion of its scenario that "
            "it does not meet, or since the planner broke. A failure is found if the same drive fails in the learned "
            "world too, and a crash only if it crashes there. 95 % intervals by a bootstrap over starts; where all or "
            "none are found, Clopper–Pearson's, of as many trials as there are starts with such a failure.",
            table=Table(header=KIND_HEADER, rows=kind_rows(content["kinds"])),
            open=True,
        )
    ]
    titles = {
        "hidden": ("Hidden failures", "They fail in the reference world, and the learned one does not show it."),
        "made_up": ("Made-up failures", "They fail in the learned world, and the reference world does not show it."),
    }
    for name, (title, text) in titles.items():
        rows = name_rows(content[name])
        num = sum(len(one["seeds"]) for one in content[name])
        text = f"{num} of {content['num_drives']} paired drives. {text}" if rows else "There is none."
        table = Table(header=NAME_HEADER, rows=rows) if rows else None
        sections.append(Section(title=title, text=text, table=table, open=True))
    return sections


def _share(num: int, share: Mapping[str, float] | None) -> str:
    return "–" if share is None else f"{num}: {Interval(**share).text('.0%')}"
