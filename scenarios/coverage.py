"""Which parts of the ranges of a scenario's parameters were driven, and where the failures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.case_results import CaseResult
from scenarios.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class BinCoverage:
    """The cases in one bin of a parameter.

    Args:
        label: the values in the bin, with unit.
        low: its lower edge, in the parameter's unit.
        high: its upper edge.
        num_valid: cases that count.
        num_failed: of them.
        num_invalid: cases that say nothing about the policy.
    """

    label: str
    low: float
    high: float
    num_valid: int
    num_failed: int
    num_invalid: int


@dataclass(frozen=True, kw_only=True)
class ParameterCoverage:
    """The cases over the range of a parameter.

    Args:
        name: of the parameter.
        unit: of its values.
        bins: of its range, ascending.
    """

    name: str
    unit: str
    bins: tuple[BinCoverage, ...]

    @property
    def num_covered(self) -> int:
        """Bins with a case that counts."""
        return sum(one.num_valid > 0 for one in self.bins)


def measure_coverage(scenario: Scenario, results: Sequence[CaseResult]) -> tuple[ParameterCoverage, ...]:
    """The coverage of each of the scenario's parameters by some results of it."""
    found = []
    for parameter in scenario.parameters:
        bins = parameter.bins()
        inside: list[list[CaseResult]] = [[] for _ in bins.labels]
        for result in results:
            inside[bins.find(result.parameters[parameter.name])].append(result)
        covered = tuple(
            BinCoverage(
                label=label,
                low=low,
                high=high,
                num_valid=sum(r.valid for r in those),
                num_failed=sum(r.failed for r in those),
                num_invalid=sum(not r.valid for r in those),
            )
            for label, low, high, those in zip(bins.labels, bins.edges, bins.edges[1:], inside, strict=False)
        )
        found.append(ParameterCoverage(name=parameter.name, unit=parameter.unit, bins=covered))
    return tuple(found)


def describe_gaps(coverage: Sequence[ParameterCoverage]) -> str:
    """The bins without a case that counts, in a sentence; "" where there is none."""
    empty = [f"{p.name} {one.label}" for p in coverage for one in p.bins if one.num_valid == 0]
    return f"No valid case has {', '.join(empty)}." if empty else ""
