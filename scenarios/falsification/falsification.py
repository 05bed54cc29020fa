"""A search for failures that is done: its numbers, as report.json has them, and the table that is printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scenarios.falsification.counterexamples import (
    Avoidable,
    Confirmation,
    Counterexample,
    count_avoidable,
    count_confirmed,
)
from scenarios.falsification.falsify_config import FalsifyConfig
from scenarios.falsification.runs import SearchRun
from scenarios.verdict import BROKEN_EXIT

SCHEMA = "drivedit.falsification/1"
"""Name and version of report.json; a change that its readers must know of counts up."""


@dataclass(frozen=True, kw_only=True)
class Falsification:
    """A search for failures.

    Args:
        config: of the command.
        runs: in their order.
        counterexamples: that were driven again, the worst first.
        num_more: distinct failures beyond those.
        provenance: what is needed to reproduce the numbers.
        conditions: what the runs depend on.
    """

    config: FalsifyConfig
    runs: Sequence[SearchRun]
    counterexamples: Sequence[Counterexample]
    num_more: int
    provenance: Mapping[str, str]
    conditions: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether all runs were driven."""
        return len(self.runs) == self.config.num_runs

    @cached_property
    def outcomes(self) -> Mapping[str, int]:
        """How many runs there are of each outcome, the most frequent first."""
        return dict(Counter(run.outcome for run in self.runs).most_common())

    @property
    def num_valid(self) -> int:
        """Runs that say something about the policy."""
        return sum(run.valid for run in self.runs)

    @property
    def num_failed(self) -> int:
        """Of them."""
        return sum(run.failed for run in self.runs)

    @property
    def first_failure(self) -> int | None:
        """Index of the first run that failed."""
        return next((run.index for run in self.runs if run.failed), None)

    @cached_property
    def confirmation(self) -> Confirmation:
        """In the reference world."""
        return count_confirmed(self.counterexamples)

    @cached_property
    def avoidable(self) -> Mapping[Avoidable, int]:
        """Counterexamples of each kind."""
        return count_avoidable(self.counterexamples)

    @property
    def exit_code(self) -> int:
        """Of the command."""
        if any(run.broken for run in self.runs):
            return BROKEN_EXIT
        if self.num_failed:
            return 1
        return 0 if self.num_valid and self.complete else 4

    @property
    def verdict(self) -> str:
        """The outcome in a few words."""
        if self.num_failed:
            return f"{len(self.counterexamples) + self.num_more} COUNTEREXAMPLES"
        return "NO FAILURE FOUND" if self.exit_code == 0 else "INCONCLUSIVE"


def print_falsification(found: Falsification, out: Path) -> None:
    """Print what was found, and where the report is."""
    print(f"\nseed {found.config.seed}\n{'outcome':<16}{'runs':>6}")
    for outcome, count in found.outcomes.items():
        print(f"{outcome:<16}{count:>6}")
    if not found.complete:
        print(f"\nthe budget is spent, {found.config.num_runs - len(found.runs)} runs are left")
    if found.counterexamples:
        print(f"\n{'counterexample':<16}{'outcome':<14}{'robustness':>10}  {'avoidable by':<27}reference world")
    for one in found.counterexamples:
        avoided = ", ".join(one.avoided_by) or one.avoidable
        there = "-" if one.reference is None else one.reference.outcome
        print(f"{one.name:<16}{one.run.outcome:<14}{one.run.robustness:>10.2f}  {avoided:<27}{there}")
    for line in describe(found):
        print(line)
    print(f"{found.verdict}: {out / 'report.html'}")


def describe(found: Falsification) -> list[str]:
    """What the counterexamples are worth, a sentence each."""
    lines = []
    if found.num_more:
        lines.append(f"{found.num_more} more distinct failures were not driven again")
    if found.counterexamples:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found.avoidable.items() if count)
        lines.append(f"by the reference drivers: {kinds}")
        different = sum(one.repeated is False for one in found.counterexamples)
        if different:
            lines.append(f"{different} went another way when they were driven again: policy or world is not repeatable")
    c = found.confirmation
    if c.rate is not None:
        lines.append(
            f"confirmation rate: the reference world confirms {c.num_confirmed} of {c.num_replayed}, "
            f"{c.rate.estimate:.0%} ({c.rate.low:.0%} to {c.rate.high:.0%}), {c.num_same} of them in the same way; "
            f"{c.num_invalid} not realised there"
        )
    return lines


def report_content(found: Falsification) -> dict[str, Any]:
    """What report.json says; its fields are in docs/falsification.md."""
    return {
        "schema": SCHEMA,
        "verdict": found.verdict,
        "exit_code": found.exit_code,
        "num_runs": len(found.runs),
        "num_valid": found.num_valid,
        "num_failed": found.num_failed,
        "first_failure": found.first_failure,
        "outcomes": found.outcomes,
        "confirmation": found.confirmation,
        "avoidable": found.avoidable,
        "num_more": found.num_more,
        "parameters": [asdict(parameter) for parameter in found.config.space().parameters],
        "counterexamples": [one.to_json() for one in found.counterexamples],
        "runs": [asdict(run) for run in found.runs],
        "config": asdict(found.config),
        "conditions": found.conditions,
        "provenance": found.provenance,
    }
