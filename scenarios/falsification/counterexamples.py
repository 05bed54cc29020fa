"""Counterexamples: the distinct failures of a search, whether they could be avoided, and whether the reference world
confirms them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from scenarios.case_results import CaseResult
from scenarios.falsification.runs import SearchRun
from scenarios.falsification.search_space import SearchSpace
from scenarios.statistics import Interval, clopper_pearson

Avoidable = Literal["avoidable", "not avoidable", "not asked", "not known"]
REFERENCE_DRIVERS = ("avoidable_by_careful_driver", "avoidable_by_fsm", "avoidable_by_rss")
"""The metrics that say whether a reference driver would have run into nobody."""
REALISED_ALIKE = 0.02
"""Parameters that came about alike in both worlds differ by no more, as a share of their value, or in their unit."""


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """A failure that a search found.

    Args:
        run: that found it.
        result: of the same case driven again, with all metrics.
        reference: of the case in the reference world; None where the search was in that world, or it was not replayed.
    """

    run: SearchRun
    result: CaseResult
    reference: CaseResult | None

    @staticmethod
    def folder_of(run: SearchRun) -> str:
        """The name of a run's folder."""
        return f"run_{run.index:05d}"

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder_of(self.run)

    @property
    def repeated(self) -> bool | None:
        """Whether the case, driven again, went the same way, bit for bit; None without a drive either time."""
        return self.result.digest == self.run.digest if self.result.digest or self.run.digest else None

    @property
    def confirmed(self) -> bool:
        """Whether the reference world shows a failure too, of whatever kind."""
        return self.reference is not None and self.reference.failed

    @property
    def avoided_by(self) -> tuple[str, ...]:
        """The reference drivers that would not have had the collision, if it is one."""
        if self.result.outcome != "collision":
            return ()
        return tuple(name.removeprefix("avoidable_by_") for name in REFERENCE_DRIVERS if self.result.metric(name))

    @property
    def avoidable(self) -> Avoidable:
        """Whether one of the reference drivers would have avoided a collision; of other failures that is not asked,
        for nobody forces them."""
        if self.result.outcome != "collision":
            return "not asked"
        if self.avoided_by:
            return "avoidable"
        known = any(self.result.metric(name) is not None for name in REFERENCE_DRIVERS)
        return "not avoidable" if known else "not known"

    def why_unconfirmed(self) -> str:
        """What the reference world did otherwise; "" where it confirms, or was not asked."""
        if self.reference is None or self.confirmed:
            return ""
        theirs = {one.name: one.realised for one in self.reference.realised}
        otherwise = [
            f"{ours.name} {ours.realised:.3g} here, {theirs[ours.name]:.3g} there {ours.unit}".rstrip()
            for ours in self.result.realised
            if abs(ours.realised - theirs.get(ours.name, ours.realised)) > REALISED_ALIKE * max(abs(ours.realised), 1.0)
        ]
        why = [str(criterion) for criterion in self.reference.criteria if criterion.name == self.run.criterion]
        if self.reference.reason:
            why = [self.reference.reason]
        return "; ".join([self.reference.outcome, *why, *otherwise])

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "id": self.name,
            "run": asdict(self.run),
            "avoidable": self.avoidable,
            "avoided_by": self.avoided_by,
            "repeated": self.repeated,
            "confirmed": None if self.reference is None else self.confirmed,
            "why_unconfirmed": self.why_unconfirmed(),
            "result": self.result.to_json(),
            "reference": None if self.reference is None else self.reference.to_json(),
        }


def choose_distinct(
    runs: Sequence[SearchRun], space: SearchSpace, min_distance: float, most: int
) -> tuple[list[SearchRun], int]:
    """The failures that are not like a worse one, the worst first, and how many of those that there are more than
    `most`.

    Two are alike if they are of the same kind, by the outcome, and their points are nearer than `min_distance`.

    Args:
        runs: of a search.
        space: of their points.
        min_distance: see `SearchSpace.distances`.
        most: as many are returned at most.
    """
    chosen: list[SearchRun] = []
    for run in sorted((run for run in runs if run.failed), key=lambda run: (run.robustness, run.index)):
        others = np.array([other.point for other in chosen if other.outcome == run.outcome])
        if not len(others) or (space.distances(others, np.array(run.point)) >= min_distance).all():
            chosen.append(run)
    return chosen[:most], max(len(chosen) - most, 0)


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """How many counterexamples the reference world confirms.

    Args:
        num_replayed: there.
        num_confirmed: that fail there too.
        num_same: that fail there in the same way.
        num_invalid: whose drive there says nothing; they count as not confirmed.
        rate: of the replayed, with its two-sided 95 % Clopper–Pearson interval; None without any.
    """

    num_replayed: int
    num_confirmed: int
    num_same: int
    num_invalid: int
    rate: Interval | None


def count_confirmed(found: Sequence[Counterexample]) -> Confirmation:
    """The confirmation rate of counterexamples."""
    replayed = [(one, one.reference) for one in found if one.reference is not None]
    num = sum(one.confirmed for one, _ in replayed)
    return Confirmation(
        num_replayed=len(replayed),
        num_confirmed=num,
        num_same=sum(one.confirmed and one.result.outcome == theirs.outcome for one, theirs in replayed),
        num_invalid=sum(not theirs.valid for _, theirs in replayed),
        rate=clopper_pearson(num, len(replayed)) if replayed else None,
    )


def count_avoidable(found: Sequence[Counterexample]) -> Mapping[Avoidable, int]:
    """How many counterexamples there are of each kind."""
    kinds: tuple[Avoidable, ...] = ("avoidable", "not avoidable", "not asked", "not known")
    return {kind: sum(one.avoidable == kind for one in found) for kind in kinds}
