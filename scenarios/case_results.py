"""Cases in, measured results out, by the same code in every world."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, Literal

import numpy as np

from envs.carla.leaderboard_routes import RouteError
from policies.drive import Rollout
from policies.fair_start import why_no_start
from policies.policy import Policy, is_memoryless
from policies.policy_error import PolicyError
from scenarios.case_runner import CaseRunner
from scenarios.criteria import Criterion
from scenarios.driving_process import Death
from scenarios.metrics.collision import first_event
from scenarios.metrics.measure_drive import FAMILIES, measure_drive
from scenarios.metrics.metric_value import Validity
from scenarios.metrics.record_rollout import record_rollout
from scenarios.metrics.signal_violations import SignalViolations
from scenarios.rollout_files import digest_rollout
from scenarios.scenario import Case
from scenarios.start_clips import InvalidStartError
from scenarios.validity import Realised, ValidityConfig, realised_parameters, why_invalid, why_unusable

CaseVerdict = Literal["PASS", "FAIL", "INVALID"]
BROKEN = "policy_error"
"""Outcome of a case in which the policy broke."""
WORLD_BROKE = "world_error"
"""Outcome of a case in which the world broke."""
MEASURING_BROKE = "metric_error"
"""Outcome of a case that was driven and could not be measured, which is a fault of DriveDiT."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A metric of a drive: the part of a MetricValue that is not the same for all drives.

    Args:
        value: None exactly where it is not valid.
        validity: see MetricValue.
        reason: why there is no value; "" of a valid one.
        note: what was used of the drive where there is a choice.
    """

    value: float | None
    validity: Validity
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The outcome of a case and its metrics.

    Args:
        scenario: name.
        seed: of the case.
        parameters: the sampled values by the names of the scenario's parameters.
        outcome: "passed", the reason for failure ("collision", "off_road", "red_light", "stop_sign", "left_route",
            "no_progress", "policy_error"), or "invalid", "world_error" or "metric_error", which count neither way.
        reason: why it is invalid, or how the policy, the world or a metric broke; "" otherwise.
        step: at which the drive ended by a collision, off the road or by a broken policy; None otherwise.
        seconds: driven by the policy [s].
        progress: distance covered along the route [m].
        min_progress: what a pass needs [m].
        map: name of the map it took place on, "" in a procedural town.
        mean_reward: per step.
        violations: red lights run and stop signs missed; None where lights and signs are not known.
        criteria: of a pass, with value and margin; none of a case that was not driven to its end.
        realised: parameters as they were asked for and as they came about.
        min_trust: least trust in a frame of the drive; 1 if there is none but the start clip's.
        metrics: by name, of `scenarios.metrics.measure_drive`; none of a case that was not driven to its end.
        digest: SHA-256 of the drive, as far as it goes, equal where a drive is repeated bit for bit; "" without one.
        details: the traceback of what broke.
    """

    scenario: str
    seed: int
    parameters: Mapping[str, float]
    outcome: str
    seconds: float = 0.0
    progress: float = 0.0
    min_progress: float = 0.0
    map: str = ""
    mean_reward: float = 0.0
    violations: SignalViolations | None = None
    reason: str = ""
    step: int | None = None
    criteria: tuple[Criterion, ...] = ()
    realised: tuple[Realised, ...] = ()
    min_trust: float = 1.0
    metrics: Mapping[str, Measurement] = field(default_factory=dict, repr=False)
    digest: str = ""
    details: str = field(default="", repr=False)

    @property
    def id(self) -> str:
        """Names the case among all of a validation, and its files."""
        return f"{self.scenario}_{self.seed}"

    @property
    def verdict(self) -> CaseVerdict:
        """PASS, FAIL or INVALID."""
        return "PASS" if self.outcome == "passed" else "FAIL" if self.valid else "INVALID"

    @property
    def broken(self) -> bool:
        """Whether the policy broke."""
        return self.outcome == BROKEN

    @property
    def broke(self) -> bool:
        """Whether the policy, the world or a metric broke."""
        return self.outcome in (BROKEN, WORLD_BROKE, MEASURING_BROKE)

    @property
    def lasts(self) -> bool:
        """Whether it would come out the same again: what broke the world may be gone."""
        return self.outcome != WORLD_BROKE

    @property
    def valid(self) -> bool:
        """Whether the case says something about the policy."""
        return self.outcome not in ("invalid", WORLD_BROKE, MEASURING_BROKE)

    @property
    def failed(self) -> bool:
        """Whether the policy failed."""
        return self.verdict == "FAIL"

    def metric(self, name: str) -> float | None:
        """The value of a metric; None where it has none, or the case was not driven."""
        return self.metrics[name].value if name in self.metrics else None

    @property
    def min_ttc(self) -> float | None:
        """Least time to collision [s]; None above the metric's horizon, and where it is not known."""
        return self.metric("min_time_to_collision")

    @property
    def min_ttc_known(self) -> bool:
        """Whether the least time to collision is known, be it above the horizon."""
        measured = self.metrics.get("min_time_to_collision")
        return measured is not None and measured.validity != Validity.UNKNOWN

    @property
    def impact_speed(self) -> float | None:
        """Relative to what was hit [m/s]; None without a collision, and where it is not known."""
        return self.metric("impact_speed")

    def to_json(self) -> dict[str, Any]:
        """As plain values; margins and verdicts are told too, for readers that do not know the rules."""
        plain = asdict(replace(self, metrics={}, criteria=())) | {"id": self.id, "verdict": self.verdict}
        plain["metrics"] = {name: vars(m) | {"validity": m.validity.value} for name, m in self.metrics.items()}
        plain["criteria"] = [vars(c) | {"margin": c.margin, "met": c.met} for c in self.criteria]
        return plain

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> CaseResult:
        """The result of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: something else.
        """
        values = {name: value for name, value in plain.items() if name not in ("id", "verdict")}
        criteria = [
            {name: value for name, value in c.items() if name not in ("margin", "met")} for c in plain["criteria"]
        ]
        violations = plain["violations"]
        return CaseResult(
            **values
            | {
                "criteria": tuple(Criterion(**c) for c in criteria),
                "realised": tuple(Realised(**r) for r in plain["realised"]),
                "metrics": {
                    name: Measurement(**m | {"validity": Validity(m["validity"])})
                    for name, m in plain["metrics"].items()
                },
                "violations": None if violations is None else SignalViolations(**violations),
            }
        )


OnCase = Callable[[CaseResult, Rollout | None], None]


def run_cases(
    runner: CaseRunner,
    policy: Policy,
    cases: Iterable[Case],
    on_case: OnCase | None = None,
    validity: ValidityConfig | None = None,
    families: Collection[str] = FAMILIES.keys(),
) -> list[CaseResult]:
    """Drive every case and measure it. A policy that breaks fails the case, a world that breaks makes it invalid; the
    rest is driven.

    Args:
        runner: drives the cases in its world.
        policy: drives the ego.
        cases: in this order; as many at once as can be driven together.
        on_case: called with each result and its rollout: up to where the policy broke, None for a case that was not
            driven otherwise.
        validity: what a drive must keep to in order to count; None takes that of a world of truth.
        families: of metrics that are measured.

    Raises:
        OSError: the disk is full, or a server is gone for good: nothing more can be driven.
        RouteError: the route cannot be driven on this map, so no case can.
    """
    validity = ValidityConfig() if validity is None else validity
    results = []
    left = iter(cases)
    while batch := list(islice(left, num_together(runner, policy))):
        outcomes = runner.run_together([(case, policy) for case in batch])
        for case, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                result = failed_result(case, outcome)
                rollout = outcome.rollout if isinstance(outcome, PolicyError) else None
            else:
                result, rollout = _measured(case, outcome, validity, families), outcome
            if result.reason:
                print(describe_trouble(result), file=sys.stderr)
            results.append(result)
            if on_case is not None:
                on_case(result, rollout)
    return results


def num_together(runner: CaseRunner, policy: Policy) -> int:
    """How many cases are driven at once: one by one where the policy keeps something in mind."""
    return runner.num_together if is_memoryless(policy) else 1


def _measured(case: Case, rollout: Rollout, validity: ValidityConfig, families: Collection[str]) -> CaseResult:
    """The result of a drive; that it could not be measured is one too."""
    try:
        return measure(case, rollout, validity, families)
    except Exception as error:  # the other cases can still be driven
        return _broken_result(case, MEASURING_BROKE, "the drive could not be measured", error)


def describe_trouble(result: CaseResult) -> str:
    """A line on a case that was not driven as it should be."""
    return f"{result.outcome.replace('_', ' ')}: {result.scenario} seed {result.seed}: {result.reason}"


def _broken_result(case: Case, outcome: str, what: str, error: Exception) -> CaseResult:
    details = "".join(traceback.format_exception(error))
    return undriven_result(case, outcome, f"{what}: {type(error).__name__}: {error}", details=details)


def failed_result(case: Case, error: Exception) -> CaseResult:
    """The result of a case in which something was raised instead of a drive returned.

    Raises:
        OSError, RouteError: as `run_cases`.
    """
    if isinstance(error, InvalidStartError):
        return undriven_result(case, "invalid", f"no start: {error}")
    if isinstance(error, (OSError, RouteError)):
        raise error
    if not isinstance(error, PolicyError):  # whatever a world breaks by, the other cases can still be driven
        return _broken_result(case, WORLD_BROKE, "the world broke", error)

    result, drive = undriven_result(case, BROKEN, str(error), error.step, error.details), error.rollout
    if drive is None:
        return result
    return replace(
        result,
        seconds=drive.seconds,
        progress=float(drive.progress.sum()),
        min_trust=float(drive.trust_driven.min(initial=1.0)),
        digest=digest_rollout(drive),
    )


def dead_result(case: Case, death: Death) -> CaseResult:
    """The result of a case that ended the driving process."""
    if death.doing:
        error = PolicyError(f"ended the process {death.doing}, {death.how}", death.step)
        return undriven_result(case, BROKEN, str(error), death.step)
    return undriven_result(case, WORLD_BROKE, f"the world broke: it ended the process, {death.how}", death.step)


def undriven_result(case: Case, outcome: str, reason: str, step: int | None = None, details: str = "") -> CaseResult:
    """The result of a case that the policy did not drive to its end."""
    return CaseResult(
        scenario=case.scenario,
        seed=case.seed,
        parameters=case.parameters,
        outcome=outcome,
        reason=reason,
        step=step,
        details=details,
        min_progress=case.criteria.min_progress,
        map=case.map.name if case.map else "",
    )


def measure(
    case: Case,
    rollout: Rollout,
    validity: ValidityConfig | None = None,
    families: Collection[str] = FAMILIES.keys(),
) -> CaseResult:
    """What a report says of a drive, computed from its SceneStates, events and progress alone.

    Args:
        case: that was driven.
        rollout: of it.
        validity: what it must keep to in order to count; None asks for no more than that it does not begin in contact
            or off the road.
        families: of metrics that are measured.
    """
    unusable = why_unusable(rollout)
    if unusable:
        return replace(undriven_result(case, "invalid", unusable), digest=digest_rollout(rollout))
    record = record_rollout(rollout, approach=rollout.clip, reference_speed=case.ego_speed)
    criteria = case.criteria.judge(rollout)
    broken = [criterion.name for criterion in criteria if not criterion.met]
    realised = realised_parameters(case, rollout)
    reason = why_no_start(rollout.collision[0], rollout.off_road[0])
    if validity is not None and not reason:
        reason = why_invalid(realised, rollout, validity)
    event = first_event(np.maximum(rollout.collision, rollout.off_road))

    return CaseResult(
        scenario=case.scenario,
        seed=case.seed,
        parameters=case.parameters,
        outcome="invalid" if reason else broken[0] if broken else "passed",
        reason=reason,
        step=event,
        seconds=rollout.seconds,
        progress=float(rollout.progress.sum()),
        min_progress=case.criteria.min_progress,
        map=case.map.name if case.map else "",
        mean_reward=float(rollout.rewards.mean()) if rollout.num_steps else 0.0,
        violations=SignalViolations.of(record),
        criteria=criteria,
        realised=realised,
        min_trust=float(rollout.trust_driven.min(initial=1.0)),
        metrics={
            name: Measurement(value=m.value, validity=m.validity, reason=m.reason, note=m.note)
            for name, m in measure_drive(record, families).items()
        },
        digest=digest_rollout(rollout),
    )


def severity(result: CaseResult) -> tuple[bool, float, float]:
    """Sort key of results: the greater, the worse the drive. A collision whose severity is not known, and a case that
    was not driven, come with the worst."""
    score, ttc = result.metric("neuroncap_score"), result.min_ttc
    return result.failed, 0.0 if score is None else -score, -9.0 if ttc is None else -ttc
