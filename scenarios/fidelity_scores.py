"""Drives of `drivedit fidelity` scored, and what stands for those that were not driven to their end."""

from __future__ import annotations

from policies.drive import Rollout
from scenarios.case_results import CaseResult, measure
from scenarios.fidelity_drives import Drive
from scenarios.metrics.pdm import pdms
from scenarios.metrics.record_rollout import record_rollout
from scenarios.metrics.recovery import recovery_time
from scenarios.recovery import LONGEST
from scenarios.scenario import Case
from scenarios.supervised_drives import Job


def undriven_drive(job: Job, result: CaseResult) -> Drive:
    """What is kept of a case that was not driven to its end; one in which the planner broke scores 0."""
    return Drive(
        world=job.world,
        planner=job.planner,
        scenario=result.scenario,
        seed=result.seed,
        outcome=result.outcome,
        reason=result.reason,
    )


def score_drive(world: str, planner: str, case: Case, rollout: Rollout, reference: float | None) -> Drive:
    """What is kept of a drive.

    Args:
        world: name.
        planner: name.
        case: that was driven.
        rollout: of it.
        reference: the reference planner's progress in it [m]; None where it is not known: then the planner's own.
    """
    recovered = lowest_trust = mean_trust = None
    progress, result = float(rollout.progress.sum()), measure(case, rollout)
    outcome = result.outcome
    record = record_rollout(rollout, reference_progress=progress if reference is None else reference)
    pdm = pdms(record)
    if pdm.value is None:  # a drive without a score says nothing about the policy
        outcome = "invalid"
    if case.disturbance is not None:
        recovered = recovery_time(record, case.disturbance, LONGEST).value
    if world == "learned" and rollout.frames.size and rollout.num_steps:
        lowest_trust, mean_trust = float(rollout.trust_driven.min()), float(rollout.trust_driven.mean())
    return Drive(
        world=world,
        planner=planner,
        scenario=case.scenario,
        seed=case.seed,
        outcome=outcome,
        reason=result.reason,
        progress=progress,
        score=0.0 if pdm.value is None else pdm.value,
        recovery_time=recovered,
        lowest_trust=lowest_trust,
        mean_trust=mean_trust,
        path=_places_each_second(rollout),
    )


def _places_each_second(rollout: Rollout) -> list[list[float]]:
    """x, y at each full second after the start, to the centimetre [m]."""
    num = round(1 / rollout.dt)
    return rollout.vehicles[num::num, :2].astype(float).round(2).tolist()
