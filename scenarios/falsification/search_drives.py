"""Drives the cases of a search in processes of their own, each result on disk as soon as it is there."""

from __future__ import annotations

import io
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from envs.worlds import WORLDS, WorldName
from policies.drive import Rollout
from policies.own import own_policy_files
from policies.policy import Policy
from policies.policy_error import PolicyError
from policies.registry import files_of_policy, find_entry, make_policy, uses_pictures
from policies.rule_based import LaneFollower
from policies.search.sampling_planner import SamplingPlannerConfig
from scenarios.case_results import CaseResult, dead_result, num_together, run_cases
from scenarios.case_runner import NUM_TOGETHER, CaseRunner, shared_case_runner
from scenarios.driving_process import Death, Whereabouts, run_in_process
from scenarios.falsification import robustness
from scenarios.falsification.runs import RunLog, SearchRun
from scenarios.falsification.search_space import SearchSpace
from scenarios.report import checkpoint_digest, code_digest, files_digest, planners_digest
from scenarios.reproduction import keep_failure
from scenarios.scenario import Case
from scenarios.supervised_drives import drive_supervised
from scenarios.validate import checkpoint_used
from scenarios.validity import ValidityConfig
from scenarios.workers import LocalWorkers, Workers

JOBS_PER_WORKER = 4
"""Parts of what a sampler proposes, for each process, if it proposes many: whoever is done takes the next one."""
MOST_PLACES = 3
"""Places that a world keeps in memory, and so hands on to the processes that are forked."""


@dataclass(frozen=True, kw_only=True)
class DriveSetup:
    """Who drives, and where.

    Args:
        policy: name in the registry, or one of your own.
        world: name of the world.
        checkpoint: of the world model; None takes the one that ships with the package.
        planner: how planners that search do so.
        allow_pickle: policy `sb3` may load its file.
        min_trust: least trust in a picture of a policy that drives by pictures.
        pictures: the policy drives by pictures.
        policy_files: SHA-256 of what the policy is made from.
    """

    policy: str
    world: WorldName
    checkpoint: Path | None = None
    planner: SamplingPlannerConfig = field(default_factory=SamplingPlannerConfig)
    allow_pickle: bool = False
    min_trust: float = 0.5
    pictures: bool = False
    policy_files: str = ""

    def make_policy(self) -> Policy:
        """The policy."""
        return make_policy(
            self.policy, checkpoint=self.checkpoint, planner=self.planner, allow_pickle=self.allow_pickle
        )

    def runner(self) -> CaseRunner:
        """The world, one for all calls in this process and in those that are forked from it."""
        return shared_case_runner(self.world, self.checkpoint, pixels=self.pictures, keep_clips=False)

    def conditions(self) -> dict[str, Any]:
        """What a drive depends on beside its case."""
        checkpoint, entry = checkpoint_used(self), find_entry(self.policy)
        return {
            "policy": self.policy,
            "policy_files": self.policy_files,
            "weights": planners_digest(),
            "planner": asdict(self.planner) if entry and entry.uses_world_model else None,
            "world": self.world,
            "checkpoint": None if checkpoint is None else checkpoint_digest(checkpoint),
            "min_trust": self.min_trust,
            "code": code_digest(),
        }

    def validity(self) -> ValidityConfig:
        """What a drive must keep to in order to count."""
        truth = WORLDS[self.world].reference
        return ValidityConfig(truth=truth, pictures=self.pictures, min_trust=self.min_trust)


class Task(NamedTuple):
    """A case to drive, for the run of an index."""

    index: int
    point: np.ndarray
    values: Mapping[str, float]
    case: Case


class SearchJob(NamedTuple):
    """Tasks that a process drives.

    Args:
        tasks: in this order.
        together: several at once, where that can be.
        seconds: none begins so long after the first one could [s]; None sets no limit.
    """

    tasks: Sequence[Task]
    together: bool = True
    seconds: float | None = None

    @property
    def cases(self) -> Sequence[Case]:
        """Of the tasks."""
        return [task.case for task in self.tasks]

    def after(self, num: int) -> SearchJob:
        """What is left of it when so many are done."""
        return self._replace(tasks=self.tasks[num:])

    def one_by_one(self) -> SearchJob:
        """The same, one task after the other."""
        return self._replace(together=False)


class OutOfTimeError(RuntimeError):
    """The budget of a search is spent."""


class SearchDrives:
    """Drives points of a search space, as many processes at once as it is told to.

    Args:
        space: whose points these are.
        setup: who drives, and where.
        log: gets the runs; those that it holds are not driven again.
        workers: processes that drive; None drives in one of this machine.
        deadline: no case begins after this moment of the monotonic clock; None sets none.
        on_run: called with each run that is new.
    """

    def __init__(
        self,
        space: SearchSpace,
        setup: DriveSetup,
        log: RunLog,
        *,
        workers: Workers | None = None,
        deadline: float | None = None,
        on_run: Callable[[SearchRun], object] = lambda run: None,
    ) -> None:
        self.space, self.setup, self.log = space, setup, log
        self.workers, self.deadline, self.on_run = workers or LocalWorkers(1), deadline, on_run
        self.num_asked = 0
        self._warm: set[int] = set()

    def drive(self, points: np.ndarray) -> list[SearchRun]:
        """The runs of points [n, d], which are the next ones in the order of indices.

        Raises:
            OutOfTimeError: the budget is spent before all are driven; what was driven is in the log.
            PolicyError: the policy cannot be made.
        """
        indices = range(self.num_asked, self.num_asked + len(points))
        self.num_asked += len(points)
        tasks = []
        for index, point in zip(indices, points, strict=True):
            if self.log.find(index, point) is None:
                if index in self.log.runs:
                    self.log.forget_from(index)
                values = self.space.values(point)
                tasks.append(Task(index, point, values, self.space.case_of(values)))
        if tasks and len(self._warm) < MOST_PLACES:
            cold = _first_of_each_place([task.case for task in tasks if task.case.seed not in self._warm])
            self.workers.prepare(partial(warm_up, self.setup, cold))
            self._warm |= {case.seed for case in cold}
        if tasks:
            drive_supervised(
                partial(_drive_tasks, self.setup),
                self._in_time(_divide(tasks, self.workers.num)),
                self.workers,
                on_drive=self._keep,
                on_death=_run_of_death,
            )
        if any(index not in self.log.runs for index in indices):
            raise OutOfTimeError("the budget is spent")
        return [self.log.runs[index] for index in indices]

    def _in_time(self, jobs: Iterable[SearchJob]) -> Iterator[SearchJob]:
        """The jobs, each with the time that is left when it is taken, which a clock elsewhere can tell too."""
        for job in jobs:
            seconds = None if self.deadline is None else self.deadline - time.monotonic()
            if seconds is not None and seconds < 0:
                return
            yield job._replace(seconds=seconds)

    def _keep(self, run: SearchRun) -> None:
        self.log.add(run)
        self.on_run(run)


def _divide(tasks: Sequence[Task], num_workers: int) -> list[SearchJob]:
    """Jobs for so many processes, of one place after the other."""
    ordered = sorted(tasks, key=lambda task: (task.case.seed, task.index))  # a world keeps few places in memory
    share = math.ceil(len(ordered) / num_workers)
    size = max(math.ceil(share / JOBS_PER_WORKER), min(share, NUM_TOGETHER))  # what is driven at once is cheaper
    return [SearchJob(ordered[k : k + size]) for k in range(0, len(ordered), size)]


def look_at_policy(setup: DriveSetup) -> DriveSetup:
    """The setup with what is known of its policy once it is made, in a process of its own, which it may take with it.

    Raises:
        PolicyError: the policy cannot be made, or ended its process.
    """
    found = run_in_process(_look_at_policy, setup)
    if isinstance(found, Death):
        raise PolicyError(f"ended the process {found.doing or 'while it was made'}, {found.how}")
    return found


def _look_at_policy(whereabouts: Whereabouts, setup: DriveSetup) -> DriveSetup:
    name, policy = setup.policy, setup.make_policy()
    # of one of your own they are known once it is imported
    files = files_of_policy(name) if find_entry(name) else own_policy_files(name)
    return replace(setup, pictures=uses_pictures(name, policy), policy_files=files_digest(files))


def warm_up(setup: DriveSetup, cases: Sequence[Case]) -> None:
    """Make the world, and let our own driver drive one of the cases at each of the first places: what is loaded here is
    not loaded again in each process that is forked from this one."""
    first = _first_of_each_place(cases)
    if first:
        with redirect_stderr(io.StringIO()):  # what is wrong with a case is told when it is driven
            run_cases(setup.runner(), LaneFollower(), first, families=robustness.FAMILIES)


def _first_of_each_place(cases: Sequence[Case]) -> list[Case]:
    """A case at each place, as many as a world keeps in memory."""
    return list({case.seed: case for case in cases}.values())[:MOST_PLACES]


def drive_case(setup: DriveSetup, case: Case, folder: Path | None = None, command: str = "") -> CaseResult:
    """Drive a case in a process of its own, and measure all of it.

    Args:
        setup: who drives, and where.
        case: that is driven.
        folder: gets what a failure leaves (`scenarios.reproduction.keep_failure`); None keeps nothing.
        command: that drives it again.
    """
    end = run_in_process(_drive_case, setup, case, folder, command)
    if not isinstance(end, Death):
        return end
    result = dead_result(case, end)
    if folder is not None:
        keep_failure(folder, result, None, command, film=False)
    return result


def _drive_case(
    whereabouts: Whereabouts, setup: DriveSetup, case: Case, folder: Path | None, command: str
) -> CaseResult:
    def keep(result: CaseResult, rollout: Rollout | None) -> None:
        if folder is not None:
            keep_failure(folder, result, rollout, command, film=False)

    policy, whereabouts.case = setup.make_policy(), 0
    return run_cases(setup.runner(), policy, [case], keep, setup.validity())[0]


def _drive_tasks(setup: DriveSetup, job: SearchJob) -> Iterator[SearchRun]:
    """The runs of a job, until the budget is spent."""
    begun = time.monotonic()
    policy, runner, validity = setup.make_policy(), setup.runner(), setup.validity()
    most = num_together(runner, policy) if job.together else 1
    for first in range(0, len(job.tasks), most):
        if job.seconds is not None and time.monotonic() - begun > job.seconds:
            return
        tasks = job.tasks[first : first + most]
        driven: list[tuple[CaseResult, Rollout | None]] = []
        run_cases(
            runner,
            policy,
            [task.case for task in tasks],
            lambda result, rollout, driven=driven: driven.append((result, rollout)),
            validity,
            robustness.FAMILIES,
        )
        yield from (_run_of(task, *each) for task, each in zip(tasks, driven, strict=True))


def _run_of(task: Task, result: CaseResult, rollout: Rollout | None) -> SearchRun:
    found = robustness.measure_robustness(result, rollout)
    return SearchRun(
        index=task.index,
        point=task.point.tolist(),
        values=dict(task.values),
        seed=task.case.seed,
        outcome=result.outcome,
        robustness=found.value,
        criterion=found.criterion,
        reason=result.reason,
        step=result.step,
        digest=result.digest,
    )


def _run_of_death(job: SearchJob, result: CaseResult) -> SearchRun:
    """The run of a job's first task, which ended the process."""
    task = job.tasks[0]
    print(f"\n{result.outcome.replace('_', ' ')}: run {task.index}: {result.reason}", file=sys.stderr)
    return _run_of(task, result, None)
