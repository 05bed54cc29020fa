"""The targets that a dossier holds its evidence against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scenarios.criteria import Bound
from scenarios.dossier_evidence import Evidence

LEAST_PLANNERS, LEAST_STARTS, LEAST_PLACES = 20, 100, 20
SPEARMAN, SPEARMAN_LOW = 0.95, 0.8
FOUND, MADE_UP = 0.95, 0.05
LEAD = 0.01
"""A learned world that ranks no better than one that knows nothing shows nothing by its ranking."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A value and what it should be.

    Args:
        name: what the value is.
        value: None where it is not known.
        bound: whether the threshold is the most or the least that is good.
        threshold: a value of just that is good.
        of: how many drives it rests on.
    """

    name: str
    value: float | None
    bound: Bound
    threshold: float
    of: str

    @property
    def met(self) -> bool:
        """Whether it is known, and good."""
        if self.value is None:
            return False
        return self.value <= self.threshold if self.bound == "at most" else self.value >= self.threshold


def targets_of(evidence: Evidence) -> list[Target]:
    """Those of the learned world's fidelity, and of the validation whether it counts."""
    report = evidence.fidelity
    num_planners, num_starts = len(report["planners"]), report["num_starts"]
    of = f"{num_planners} planners × {num_starts} starts"
    crashes = next(row for row in report["failures"]["kinds"] if row["kind"] == "crash")
    spearman, trivial = report["agreement"]["spearman"], best_trivial(report)
    learned = report["worlds"][0]["spearman"]["estimate"] if report["worlds"] else None
    lead = None if learned is None or trivial is None else learned - trivial
    num_cases = len(evidence.results)
    invalid = sum(not result.valid for result in evidence.results) / num_cases if num_cases else None
    allowed = evidence.validation["statistics"]["max_invalid_rate"]

    def least(name: str, value: float | None, threshold: float, of: str) -> Target:
        return Target(name=name, value=value, bound="at least", threshold=threshold, of=of)

    def most(name: str, value: float | None, threshold: float, of: str) -> Target:
        return Target(name=name, value=value, bound="at most", threshold=threshold, of=of)

    return [
        least("planners ranked", num_planners, LEAST_PLANNERS, of),
        least("paired starts", num_starts, LEAST_STARTS, of),
        least("places in which they lie", report["num_places"], LEAST_PLACES, of),
        least("Spearman's rank correlation", spearman["estimate"], SPEARMAN, of),
        least("its lower end (95 %)", spearman["low"], SPEARMAN_LOW, of),
        least("Spearman, minus that of the best trivial world", lead, LEAD, of),
        least("crashes found, share", _share(crashes["found"]), FOUND, f"{crashes['num_reference']} crashes"),
        most("crashes made up, share", _share(crashes["made_up"]), MADE_UP, f"{crashes['num_simulator']} crashes"),
        most("invalid cases of the validation, share", invalid, allowed, f"{num_cases} cases"),
    ]


def best_trivial(report: Mapping[str, Any]) -> float | None:
    """The highest rank correlation of a trivial world in a fidelity report; None where none is known."""
    others = [row["spearman"]["estimate"] for row in report["worlds"][1:]]
    return max((one for one in others if one is not None), default=None)


def _share(interval: Mapping[str, float] | None) -> float | None:
    return None if interval is None else interval["estimate"]
