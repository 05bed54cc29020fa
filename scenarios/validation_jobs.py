"""The cases of a validation, driven by several processes at once, of this machine or of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from policies.drive import Rollout
from policies.policy import Policy, is_memoryless
from policies.registry import make_policy
from scenarios.case_results import CaseResult, OnCase, describe_trouble, run_cases
from scenarios.case_runner import NUM_TOGETHER, shared_case_runner
from scenarios.scenario import Case
from scenarios.supervised_drives import Job, drive_supervised
from scenarios.validation_config import ValidateConfig
from scenarios.validity import ValidityConfig
from scenarios.workers import Workers

JOBS_PER_WORKER = 4
"""Parts of the cases, for each process, where several are driven together: whoever is done takes the next one."""
Driven = tuple[CaseResult, Rollout | None]


def make_configured_policy(config: ValidateConfig) -> Policy:
    """The policy that is validated.

    Raises:
        PolicyError: it cannot be made.
    """
    return make_policy(
        config.policy,
        checkpoint=config.checkpoint,
        device=config.device,
        planner=config.planner,
        allow_pickle=config.allow_pickle,
    )


def drive_on_workers(
    config: ValidateConfig,
    workers: Workers,
    policy: Policy,
    validity: ValidityConfig,
    pictures: bool,
    cases: Sequence[Case],
    out_of_time: Callable[[], bool],
    on_case: OnCase,
) -> None:
    """Drive cases, until the time is up.

    Args:
        config: of the validation.
        workers: that drive, each with a world and a policy of its own.
        policy: like theirs.
        validity: what a drive must keep to in order to count.
        pictures: the drives have them.
        cases: begun in this order.
        out_of_time: whether no other job may begin.
        on_case: as in `run_cases`; called here, in the order in which the drives are done.
    """
    together = config.world == "learned" and not pictures and is_memoryless(policy)
    size = min(NUM_TOGETHER, math.ceil(len(cases) / workers.num / JOBS_PER_WORKER)) if together else 1

    def jobs() -> Iterator[Job]:
        for k in range(0, len(cases), size):
            if out_of_time():
                return
            some = cases[k : k + size]
            yield Job(config.world, config.policy, some, [None] * len(some), together)

    def keep(driven: Driven) -> None:
        on_case(*driven)

    drive_supervised(
        partial(_drive_job, config, validity, pictures), jobs(), workers, on_drive=keep, on_death=_undriven
    )


def _drive_job(config: ValidateConfig, validity: ValidityConfig, pictures: bool, job: Job) -> Iterator[Driven]:
    """The side of a process."""
    policy = make_configured_policy(config)
    runner = shared_case_runner(config.world, config.checkpoint, config.device, pixels=pictures)
    driven: list[Driven] = []
    for batch in [job.cases] if job.together else [[case] for case in job.cases]:
        run_cases(runner, policy, batch, lambda result, rollout: driven.append((result, rollout)), validity)
        yield from driven
        driven.clear()


def _undriven(job: Job, result: CaseResult) -> Driven:
    print(f"\n{describe_trouble(result)}")
    return result, None
