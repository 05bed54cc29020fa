"""Cases in, measured results out, by the same code in every world."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from policies.drive import Rollout
from policies.policy import Policy
from scenarios.case_runner import CaseRunner, InvalidStartError
from scenarios.metrics.collision import first_event, measure_collisions
from scenarios.metrics.comfort import broken_comfort_bounds
from scenarios.metrics.gap import measure_gap
from scenarios.metrics.record_rollout import record_rollout
from scenarios.metrics.signal_violations import SignalViolations
from scenarios.metrics.time_to_collision import time_to_collision
from scenarios.scenario import Case


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The outcome of a case and its metrics.

    Args:
        scenario: name.
        seed: of the case.
        parameters: the sampled values.
        outcome: "passed", the reason for failure ("collision", "off_road", "no_progress"), or "invalid" if the case had
            no usable start; invalid cases count neither as passed nor as failed.
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

    @property
    def valid(self) -> bool:
        """Whether the case says something about the policy."""
        return self.outcome != "invalid"

    @property
    def failed(self) -> bool:
        """Whether the policy failed."""
        return self.outcome not in ("passed", "invalid")


OnCase = Callable[[CaseResult, Rollout | None], None]


def run_cases(
    runner: CaseRunner, policy: Policy, cases: Iterable[Case], on_case: OnCase | None = None
) -> list[CaseResult]:
    """Drive every case and measure it.

    Args:
        runner: drives the cases in its world.
        policy: drives the ego.
        cases: in this order.
        on_case: called with each result and its rollout (None for an invalid case).
    """
    results = []
    for case in cases:
        try:
            rollout = runner.run(case, policy)
        except InvalidStartError as error:
            print(f"invalid: {error}", file=sys.stderr)
            rollout = None

        result = invalid_result(case) if rollout is None else measure(case, rollout)
        results.append(result)
        if on_case is not None:
            on_case(result, rollout)
    return results


def invalid_result(case: Case) -> CaseResult:
    """The result of a case that the policy never drove."""
    return CaseResult(
        scenario=case.scenario,
        seed=case.seed,
        parameters=case.parameters,
        outcome="invalid",
        min_progress=case.min_progress,
        map=case.map.name if case.map else "",
        comfort_violations={},
    )


def measure(case: Case, rollout: Rollout) -> CaseResult:
    """What a report says of a drive, computed from its SceneStates, events and progress alone."""
    record = record_rollout(rollout, reference_speed=case.ego_speed)
    values = {value.name: value.value for value in [*measure_collisions(record), *measure_gap(record)]}
    progress = float(rollout.progress.sum())
    ttc = float(time_to_collision(record).min())

    return CaseResult(
        scenario=case.scenario,
        seed=case.seed,
        parameters=case.parameters,
        outcome=_outcome(case, rollout, progress),
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
    )


def severity(result: CaseResult) -> tuple[bool, float, float]:
    """Sort key of results: the greater, the worse the drive."""
    ttc = 9.0 if result.min_ttc is None else result.min_ttc
    return result.failed, -result.collision_score, -ttc


def _outcome(case: Case, rollout: Rollout, progress: float) -> str:
    if first_event(rollout.collision) is not None:
        return "collision"
    if first_event(rollout.off_road) is not None:
        return "off_road"
    return "passed" if progress >= case.min_progress else "no_progress"
