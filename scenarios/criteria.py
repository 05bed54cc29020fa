"""Criteria: what a value must not exceed, or reach, with the margin that is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policies.drive import Rollout
from scenarios.metrics.collision import THRESHOLD
from scenarios.scenario import Case

Bound = Literal["at most", "at least"]


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A value and what it must keep to.

    Args:
        name: what the value is.
        value: in `unit`.
        bound: whether the threshold is the most or the least that is good.
        threshold: in `unit`; a value of just that is good.
        unit: "" for a probability or a share.
    """

    name: str
    value: float
    bound: Bound
    threshold: float
    unit: str = ""

    @property
    def margin(self) -> float:
        """How far the value is on the good side, in `unit`; negative where it is not."""
        return self.threshold - self.value if self.bound == "at most" else self.value - self.threshold

    @property
    def met(self) -> bool:
        """Whether the value keeps to it."""
        return self.margin >= 0

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} {self.value:.3g}{unit}, {self.bound} {self.threshold:.3g}{unit} (margin {self.margin:.3g})"


def criteria_of_pass(case: Case, rollout: Rollout) -> tuple[Criterion, ...]:
    """What a drive must keep to for a pass, with what it did; the first that is not met is the reason of a failure."""
    return (
        Criterion(name="collision", value=float(rollout.collision.max()), bound="at most", threshold=THRESHOLD),
        Criterion(name="off_road", value=float(rollout.off_road.max()), bound="at most", threshold=THRESHOLD),
        Criterion(
            name="no_progress",
            value=float(rollout.progress.sum()),
            bound="at least",
            threshold=case.min_progress,
            unit="m",
        ),
    )
