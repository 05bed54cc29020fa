"""What `drivedit bench-planners` keeps of a drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.drive import Rollout
from policies.effort import TimedPolicy
from scenarios.case_results import CaseResult, measure
from scenarios.drive_log import LoggedDrive
from scenarios.metrics.carla_driving_score import measure_carla
from scenarios.metrics.pdm import pdms
from scenarios.metrics.record_rollout import record_rollout
from scenarios.scenario import Case


@dataclass(frozen=True, kw_only=True)
class PlannerDrive(LoggedDrive):
    """A planner's drive from one start in one world.

    Args:
        world, planner, scenario, seed, outcome, reason: see LoggedDrive.
        seconds: driven [s].
        progress: along the route [m].
        pdms: NAVSIM's, in [0, 1]; None where it is not known.
        driving_score: CARLA leaderboard 2.1, in [0, 1]; of a route as long as the reference planner came from the same
            start. None where it is not known.
        reward: the env's, of the whole drive.
        num_decisions: calls of `act` that were timed: all but the planner's first one in its process.
        wall_seconds: of these [s].
        cpu_seconds: of these [s].
        model_steps: of a world model, in these.
    """

    seconds: float = 0.0
    progress: float = 0.0
    pdms: float | None = None
    driving_score: float | None = None
    reward: float = 0.0
    num_decisions: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    model_steps: int = 0


def undriven_drive(world: str, planner: str, result: CaseResult) -> PlannerDrive:
    """What is kept of a case that was not driven to its end; one in which the planner broke scores 0."""
    score = 0.0 if result.broken else None
    return PlannerDrive(
        world=world,
        planner=planner,
        scenario=result.scenario,
        seed=result.seed,
        outcome=result.outcome,
        reason=result.reason,
        pdms=score,
        driving_score=score,
    )


def summarise_drive(
    world: str, planner: str, case: Case, rollout: Rollout, policy: TimedPolicy, reference: float | None
) -> PlannerDrive:
    """What is kept of a drive.

    Args:
        world: name of the world.
        planner: name of the policy.
        case: that was driven.
        rollout: of it.
        policy: that drove, and was timed.
        reference: the reference planner's progress from the same start [m]; None: this is the reference planner's.
    """
    progress = float(rollout.progress.sum())
    yardstick = progress if reference is None else reference
    record = record_rollout(rollout, reference_progress=yardstick, route_length=max(yardstick, 0.0))
    result = measure(case, rollout)
    carla = {value.name: value.value for value in measure_carla(record)}
    return PlannerDrive(
        world=world,
        planner=planner,
        scenario=case.scenario,
        seed=case.seed,
        outcome=result.outcome,
        reason=result.reason,
        seconds=rollout.seconds,
        progress=progress,
        pdms=pdms(record).value,
        driving_score=carla["carla_driving_score_2_1"],
        reward=float(rollout.rewards.sum()),
        num_decisions=len(policy.wall_seconds),
        wall_seconds=float(np.sum(policy.wall_seconds)),
        cpu_seconds=float(np.sum(policy.cpu_seconds)),
        model_steps=policy.model_steps,
    )
