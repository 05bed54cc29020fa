"""What a validation is when it is done: its numbers, as report.json has them, and the table that is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenarios.baseline import SCHEMA, Comparison, describe_comparison
from scenarios.case_results import CaseResult
from scenarios.catalogue import SCENARIOS
from scenarios.coverage import measure_coverage
from scenarios.metric_summaries import summarise_metrics
from scenarios.metrics.measure_drive import define_metrics
from scenarios.metrics.signal_violations import SignalViolations, violations_text
from scenarios.statistics import Interval, clopper_pearson
from scenarios.verdict import Decision, VerdictConfig


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts and failure rate of one scenario, or of all.

    Args:
        name: of the scenario, or "all".
        num_valid: cases that count.
        num_failed: valid cases that failed.
        num_invalid: cases that say nothing about the policy.
        failure_rate: with its two-sided 95 % Clopper–Pearson interval; None if no case is valid.
        violations: red lights run and stop signs missed in all; None where lights and signs are not known.
    """

    name: str
    num_valid: int
    num_failed: int
    num_invalid: int
    failure_rate: Interval | None
    violations: SignalViolations | None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A validation that is done.

    Args:
        config: of the command.
        policy: its name.
        world: title.
        results: of each scenario, by seed.
        undriven: ids of cases that were planned and not driven.
        decision: the verdict.
        verdict_config: what a PASS needs.
        comparison: with the baseline; None without one.
        conditions: what results depend on.
        provenance: what is needed to reproduce the numbers.
    """

    config: Mapping[str, Any]
    policy: str
    world: str
    results: Mapping[str, Sequence[CaseResult]]
    undriven: Sequence[str]
    decision: Decision
    verdict_config: VerdictConfig
    comparison: Comparison | None
    conditions: Mapping[str, Any]
    provenance: Mapping[str, str]

    @property
    def everything(self) -> list[CaseResult]:
        """All results."""
        return [result for of_one in self.results.values() for result in of_one]

    @property
    def summaries(self) -> list[Summary]:
        """Of each scenario, and of all."""
        return [*(summarise(name, of_one) for name, of_one in self.results.items()), summarise("all", self.everything)]


def summarise(name: str, results: Sequence[CaseResult]) -> Summary:
    """Counts and failure rate of some results."""
    num_valid, num_failed = sum(r.valid for r in results), sum(r.failed for r in results)
    return Summary(
        name=name,
        num_valid=num_valid,
        num_failed=num_failed,
        num_invalid=len(results) - num_valid,
        failure_rate=clopper_pearson(num_failed, num_valid) if num_valid else None,
        violations=SignalViolations.total(r.violations for r in results),
    )


def print_validation(validation: Validation, out: Path) -> None:
    """Print the table, the verdict, what it rests on, and where the report is."""
    print(f"\n{validation.policy} in {validation.world.lower()}, seeds {validation.provenance['seeds']}")
    head = f"{'scenario':<22}{'valid':>6}{'failed':>8}{'rate':>8}   {'95 % interval':<18}"
    print(f"{head}red lights run, stop signs missed")
    for s in validation.summaries:
        rate = s.failure_rate
        estimate, span = ("-", "") if rate is None else (f"{rate.estimate:.1%}", f"{rate.low:.1%} to {rate.high:.1%}")
        missed = "not known" if s.violations is None else ", ".join(violations_text(s.violations))
        invalid = f"   ({s.num_invalid} invalid)" if s.num_invalid else ""
        print(f"{s.name:<22}{s.num_valid:>6}{s.num_failed:>8}{estimate:>8}   {span:<18}{missed}{invalid}")
    print()
    for criterion in validation.decision.criteria:
        print(f"{'met    ' if criterion.met else 'NOT MET'}  {criterion}")
    if (comparison := validation.comparison) is not None:
        print(f"baseline: {describe_comparison(comparison)}")
    decision = validation.decision
    print(f"{decision.verdict}: {'; '.join(decision.reasons)}\n{out / 'report.html'}")


def report_content(validation: Validation) -> dict[str, Any]:
    """What report.json says; its schema is `scenarios.baseline.SCHEMA`, its fields are in docs/validation.md."""
    decision = validation.decision
    return {
        "schema": SCHEMA,
        "verdict": decision.verdict,
        "exit_code": decision.exit_code,
        "reasons": decision.reasons,
        "criteria": [asdict(c) | {"margin": c.margin, "met": c.met} for c in decision.criteria],
        "statistics": {
            **asdict(validation.verdict_config),
            **{name: getattr(decision, name) for name in ("num_valid", "num_failed", "lower", "upper")},
            "upper_with_invalid": decision.upper_with_invalid,
            "num_to_pass": decision.num_to_pass,
        },
        "summaries": validation.summaries,
        "coverage": {name: measure_coverage(SCENARIOS[name], of) for name, of in validation.results.items()},
        "metrics": define_metrics(),
        "metric_summaries": {name: summarise_metrics(of) for name, of in validation.results.items()},
        "results": [result.to_json() for result in validation.everything],
        "undriven": validation.undriven,
        "baseline": validation.comparison,
        "config": validation.config,
        "conditions": validation.conditions,
        "provenance": validation.provenance,
    }
