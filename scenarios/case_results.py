"""Cases in, measured results out, by the same code in every world."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from envs.carla.leaderboard_routes import RouteError
from policies.drive import Rollout
from policies.policy import Policy
from policies.policy_error import PolicyError
from scenarios.case_runner import CaseRunner
from scenarios.criteria import Criterion, criteria_of_pass
from scenarios.metrics.collision import first_event, measure_collisions
from scenarios.metrics.comfort import broken_comfort_bounds
from scenarios.metrics.gap import measure_gap
from scenarios.metrics.record_rollout import record_rollout
from scenarios.metrics.signal_violations import SignalViolations
from scenarios.metrics.time_to_collision import time_to_collision
from scenarios.rollout_files import digest_rollout
from scenarios.scenario import Case
from scenarios.start_clips import InvalidStartError
from scenarios.validity import Realised, ValidityConfig, realised_parameters, why_invalid

CaseVerdict = Literal["PASS", "FAIL", "INVALID"]
BROKEN = "policy_error"
"""Outcome of a case in which the policy broke."""
WORLD_BROKE = "world_error"
"""Outcome of a case in which the world broke."""


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The outcome of a case and its metrics.

    Args:
        scenario: name.
        seed: of the case.
        parameters: the sampled values.
        outcome: "passed", the reason for failure ("collision", "off_road", "no_progress", "policy_error"), or
            "invalid" or "world_error", which count neither as passed nor as failed.
        reason: why it is invalid, or how the policy or the world broke; "" otherwise.
        step: at which the drive ended by a collision, off the road or by a broken policy; None otherwise.
        seconds: driven by the policy [s].
        progress: distance covered along the route [m].
        min_progress: what a pass needs [m].
        min_ttc: least time to collision [s]; None above the metric's horizon.
        min_gap: least distance to a lead [m]; None without one.
        impact_speed: relative to what was hit [m/s]; None without a collision.
        collision_score: NeuroNCAP's, 0 to 5.
        comfort_violations: name of each broken nuPlan bound to the worst value.
        map: name of the map it took place on, "" in a procedural town.
        max_collision_probability: over the drive.
        mean_reward: per step.
        violations: red lights run and stop signs missed; None where lights and signs are not known.
        criteria: of a pass, with value and margin; none of a case that was not driven to its end.
        realised: parameters as they were asked for and as they came about.
        min_trust: least trust in a frame of the drive.
        digest: SHA-256 of the drive, equal where a drive is repeated bit for bit; "" without one.
        details: the traceback of what broke.
    """

    scenario: str
    seed: int
    parameters: Mapping[str, float]
    outcome: str
    seconds: float = 0.0
    progress: float = 0.0
    min_progress: float = 0.0
    min_ttc: float | None = None
    min_gap: float | None = None
    impact_speed: float | None = None
    collision_score: float = 0.0
    comfort_violations: Mapping[str, float]
    map: str = ""
    max_collision_probability: float = 0.0
    mean_reward: float = 0.0
    violations: SignalViolations | None = None
    reason: str = ""
    step: int | None = None
    criteria: tuple[Criterion, ...] = ()
    realised: tuple[Realised, ...] = ()
    min_trust: float = 1.0
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
    def valid(self) -> bool:
        """Whether the case says something about the policy."""
        return self.outcome not in ("invalid", WORLD_BROKE)

    @property
    def failed(self) -> bool:
        """Whether the policy failed."""
        return self.verdict == "FAIL"

    def to_json(self) -> dict[str, Any]:
        """As plain values; margins and verdicts are told too, for readers that do not know the rules."""
        plain = asdict(self) | {"id": self.id, "verdict": self.verdict}
        plain["criteria"] = [asdict(c) | {"margin": c.margin, "met": c.met} for c in self.criteria]
        return plain

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> CaseResult:
        """The result of `to_json`.

        Raises:
            KeyError, TypeError: something else.
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
) -> list[CaseResult]:
    """Drive every case and measure it. A policy that breaks fails the case, a world that breaks makes it invalid; the
    rest is driven.

    Args:
        runner: drives the cases in its world.
        policy: drives the ego.
        cases: in this order.
        on_case: called with each result and its rollout (None for a case that was not driven to its end).
        validity: what a drive must keep to in order to count; None takes that of a world of truth.

    Raises:
        OSError: the disk is full, or a server is gone for good: nothing more can be driven.
        RouteError: the route cannot be driven on this map, so no case can.
    """
    results = []
    for case in cases:
        rollout = None
        try:
            rollout = runner.run(case, policy)
            result = measure(case, rollout, ValidityConfig() if validity is None else validity)
        except InvalidStartError as error:
            result = undriven_result(case, "invalid", f"no start: {error}")
        except PolicyError as error:
            result = undriven_result(case, BROKEN, str(error), error.step, error.details)
        except (OSError, RouteError):
            raise
        except Exception as error:  # whatever a world breaks by, the other cases can still be driven
            reason = f"the world broke: {type(error).__name__}: {error}"
            result = undriven_result(case, WORLD_BROKE, reason, details=traceback.format_exc())

        if result.reason:
            print(
                f"{result.outcome.replace('_', ' ')}: {case.scenario} seed {case.seed}: {result.reason}",
                file=sys.stderr,
            )
        results.append(result)
        if on_case is not None:
            on_case(result, rollout)
    return results


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
        min_progress=case.min_progress,
        map=case.map.name if case.map else "",
        comfort_violations={},
    )


def measure(case: Case, rollout: Rollout, validity: ValidityConfig | None = None) -> CaseResult:
    """What a report says of a drive, computed from its SceneStates, events and progress alone.

    Args:
        case: that was driven.
        rollout: of it.
        validity: what it must keep to in order to count; None does not ask.
    """
    record = record_rollout(rollout, reference_speed=case.ego_speed)
    values = {value.name: value.value for value in [*measure_collisions(record), *measure_gap(record)]}
    progress = float(rollout.progress.sum())
    ttc = float(time_to_collision(record).min())
    criteria = criteria_of_pass(case, rollout)
    broken = [criterion.name for criterion in criteria if not criterion.met]
    reason = "" if validity is None else why_invalid(case, rollout, validity)
    event = first_event(np.maximum(rollout.collision, rollout.off_road))

    return CaseResult(
        scenario=case.scenario,
        seed=case.seed,
        parameters=case.parameters,
        outcome="invalid" if reason else broken[0] if broken else "passed",
        reason=reason,
        step=event,
        seconds=rollout.seconds,
        progress=progress,
        min_progress=case.min_progress,
        min_ttc=ttc if np.isfinite(ttc) else None,
        min_gap=values["min_gap"],
        impact_speed=values["impact_speed"],
        collision_score=values["neuroncap_score"] or 0.0,
        comfort_violations=broken_comfort_bounds(record),
        map=case.map.name if case.map else "",
        max_collision_probability=float(rollout.collision.max()),
        mean_reward=float(rollout.rewards.mean()) if rollout.num_steps else 0.0,
        violations=SignalViolations.of(record),
        criteria=criteria,
        realised=realised_parameters(case, rollout),
        min_trust=float(rollout.trust.min()),
        digest=digest_rollout(rollout),
    )


def severity(result: CaseResult) -> tuple[bool, float, float]:
    """Sort key of results: the greater, the worse the drive."""
    ttc = 9.0 if result.min_ttc is None else result.min_ttc
    return result.failed, -result.collision_score, -ttc
