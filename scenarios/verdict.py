"""The verdict of a validation: what its cases show about the failure rate, and what they leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scenarios.case_results import MEASURING_BROKE, WORLD_BROKE, CaseResult
from scenarios.criteria import Criterion
from scenarios.statistics import evidence, lower_bound, trials_to_show, upper_bound

Verdict = Literal["PASS", "FAIL", "INVALID", "INCONCLUSIVE"]
Method = Literal["bound", "sequential", "point estimate"]
BROKEN_EXIT = 3
"""Exit code where the policy or the world broke, or a drive was not reproduced."""
EXIT_CODES: dict[Verdict, int] = {"PASS": 0, "FAIL": 1, "INVALID": 4, "INCONCLUSIVE": 4}


@dataclass(frozen=True, kw_only=True)
class VerdictConfig:
    """What a PASS needs.

    Args:
        max_failure_rate: of all cases together.
        max_invalid_rate: share of invalid cases above which nothing passes: they might all have failed.
        confidence: one-sided, with which the failure rate is shown to be at most, or above, `max_failure_rate`.
        method: "bound" compares the Clopper–Pearson bound of a number of cases that was fixed before; "sequential" may
            be asked after every case; "point estimate" compares failures by cases and shows nothing.
        max_regressions: against a baseline; None only counts them.

    Raises:
        ValueError: a rate is not in [0, 1], or can be shown by no number of cases.
    """

    max_failure_rate: float = 0.1
    max_invalid_rate: float = 0.1
    confidence: float = 0.95
    method: Method = "bound"
    max_regressions: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_failure_rate", "max_invalid_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must be in (0, 1), got {self.confidence}")
        if self.max_failure_rate == 0 and self.method != "point estimate":
            raise ValueError(
                "no number of cases shows a max_failure_rate of 0: give a rate above 0, or --point-estimate, which "
                "asks for no failure among the cases at hand"
            )
        if self.max_failure_rate == 1 and self.method == "sequential":
            raise ValueError("max_failure_rate of a sequential test must be below 1, got 1")
        if self.max_regressions is not None and self.max_regressions < 0:
            raise ValueError(f"max_regressions must not be negative, got {self.max_regressions}")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A verdict and what it rests on.

    Args:
        verdict: PASS, FAIL, INVALID if no case is valid, or INCONCLUSIVE.
        reasons: a sentence each; of a PASS too.
        criteria: of a PASS, with value and margin.
        num_valid: cases that count.
        num_failed: of them.
        lower: one-sided lower bound of the failure rate; None without a valid case.
        upper: one-sided upper bound; likewise.
        upper_with_invalid: that if all invalid cases had failed; None without a case.
        num_to_pass: valid cases that would show `max_failure_rate` with as many failures as there are; None where no
            number does, or the method asks for none.
        broken: the policy, the world or a metric broke in one case at least.
        exit_code: of the command.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    num_valid: int
    num_failed: int
    lower: float | None
    upper: float | None
    upper_with_invalid: float | None
    num_to_pass: int | None
    broken: bool
    exit_code: int


def decide(
    results: Sequence[CaseResult], config: VerdictConfig, *, num_undriven: int = 0, num_regressions: int | None = None
) -> Decision:
    """The verdict of some results.

    Args:
        results: of the cases that were driven.
        config: what a PASS needs.
        num_undriven: cases that were planned and not driven; a fixed number of cases says nothing before all are.
        num_regressions: against a baseline; None without one.
    """
    valid = [r for r in results if r.valid]
    n, k, num_invalid = len(valid), sum(r.failed for r in valid), len(results) - len(valid)
    broken = [r for r in results if r.broken]
    we_broke = [r for r in results if r.outcome in (WORLD_BROKE, MEASURING_BROKE)]
    rate = _judge_rate(k, n, config) if n else None
    criteria = [] if rate is None else [rate.criterion]
    fails, opens = [], []

    if rate is not None:
        (fails if rate.verdict == "FAIL" else opens if rate.verdict == "INCONCLUSIVE" else []).append(rate.reason)
    if results:
        share = num_invalid / len(results)
        invalid = Criterion(name="invalid cases", value=share, bound="at most", threshold=config.max_invalid_rate)
        criteria.append(invalid)
        if not invalid.met:
            opens.append(f"{num_invalid} of {len(results)} cases are invalid, more than {config.max_invalid_rate:.0%}")
    if num_undriven and config.method != "sequential":
        opens.append(f"{num_undriven} cases were not driven")
    if we_broke:
        opens.append(
            f"{len(we_broke)} of {len(results)} cases broke by no fault of the policy, first {we_broke[0].id}: "
            f"{we_broke[0].reason}"
        )
    if num_regressions is not None and config.max_regressions is not None:
        limit = config.max_regressions
        criteria.append(Criterion(name="regressions", value=num_regressions, bound="at most", threshold=limit))
        if num_regressions > limit:
            fails.append(f"{num_regressions} cases that passed before fail now, more than {limit}")
    if broken:
        criteria.append(
            Criterion(name="cases in which the policy broke", value=len(broken), bound="at most", threshold=0)
        )
        fails.append(
            f"the policy broke in {len(broken)} of {len(results)} cases, first in {broken[0].id}: {broken[0].reason}"
        )

    if fails:
        verdict, reasons = "FAIL", [*fails, *opens]
    elif not n:
        verdict, reasons = "INVALID", ["no case is valid", *opens]
    elif opens or rate is None:
        verdict, reasons = "INCONCLUSIVE", opens
    else:
        verdict, reasons = "PASS", [rate.reason]
    return Decision(
        verdict=verdict,
        reasons=tuple(reasons),
        criteria=tuple(criteria),
        num_valid=n,
        num_failed=k,
        lower=lower_bound(k, n, config.confidence) if n else None,
        upper=upper_bound(k, n, config.confidence) if n else None,
        upper_with_invalid=upper_bound(k + num_invalid, len(results), config.confidence) if results else None,
        num_to_pass=_num_to_pass(k, config),
        broken=bool(broken or we_broke),
        exit_code=BROKEN_EXIT if broken or we_broke else EXIT_CODES[verdict],
    )


def decided(results: Sequence[CaseResult], config: VerdictConfig) -> bool:
    """Whether a sequential test needs no further case."""
    valid = [r for r in results if r.valid]
    return bool(valid) and _judge_rate(sum(r.failed for r in valid), len(valid), config).verdict != "INCONCLUSIVE"


@dataclass(frozen=True, kw_only=True)
class _RateVerdict:
    verdict: Verdict
    criterion: Criterion
    reason: str


def _judge_rate(k: int, n: int, config: VerdictConfig) -> _RateVerdict:
    """What k failures of n say about the limit."""
    limit, sure = config.max_failure_rate, f"{config.confidence:.0%}"
    counts = f"{k} of {n} valid cases failed"
    if config.method == "point estimate":
        criterion = Criterion(name="failure rate", value=k / n, bound="at most", threshold=limit)
        return _RateVerdict(
            verdict="PASS" if criterion.met else "FAIL",
            criterion=criterion,
            reason=f"{counts}, {k / n:.1%} against {limit:.1%}; a point estimate shows nothing about other cases",
        )

    low, high = lower_bound(k, n, config.confidence), upper_bound(k, n, config.confidence)
    if config.method == "bound":
        criterion = Criterion(name=f"failure rate, {sure} upper bound", value=high, bound="at most", threshold=limit)
        below, above = criterion.met, low > limit
    else:
        needed = 1 / (1 - config.confidence)
        for_pass, for_fail = evidence(k, n, limit)
        criterion = Criterion(
            name="evidence for a failure rate below the limit", value=for_pass, bound="at least", threshold=needed
        )
        below, above = for_pass >= needed, for_fail >= needed
    if below:
        return _RateVerdict(
            verdict="PASS",
            criterion=criterion,
            reason=f"{counts}: with {sure} confidence at most {limit:.1%} do",
        )
    if above:
        reason = f"{counts}: with {sure} confidence more than {limit:.1%} do"
        if config.method == "bound":  # the upper bound says nothing of this verdict
            name = f"failure rate, {sure} lower bound"
            criterion = Criterion(name=name, value=low, bound="at most", threshold=limit)
        return _RateVerdict(verdict="FAIL", criterion=criterion, reason=reason)
    return _RateVerdict(
        verdict="INCONCLUSIVE",
        criterion=criterion,
        reason=f"{counts}: one-sided {sure} bounds of {low:.1%} and {high:.1%}, the limit of {limit:.1%} is between; "
        f"{_num_to_pass(k, config)} valid cases with {k} {'failure' if k == 1 else 'failures'} would pass",
    )


def _num_to_pass(k: int, config: VerdictConfig) -> int | None:
    if config.method == "point estimate" or not 0 < config.max_failure_rate < 1:
        return None
    bound = trials_to_show(config.max_failure_rate, k, config.confidence)
    if config.method == "bound":
        return bound
    n, needed = bound, 1 / (1 - config.confidence)  # a test that may be looked at more often needs more
    while evidence(k, n, config.max_failure_rate)[0] < needed:
        n += 1
    return n
