"""Many planners' drives in processes: whoever ends one is named, and the rest is driven by another."""

import os
from collections.abc import Iterator

import pytest

from policies.policy_error import PolicyError, blaming_policy
from scenarios.case_results import BROKEN, WORLD_BROKE
from scenarios.catalogue import SCENARIOS
from scenarios.supervised_drives import Job, check_planners, drive_supervised
from scenarios.workers import LocalWorkers

CASES = [SCENARIOS["cut_in"].draw(seed) for seed in range(3)]
JOBS = [Job("road", planner, CASES, [None] * len(CASES)) for planner in ("a", "b", "c", "d")]
Drive = tuple[str, int, str]
"""Planner, seed and outcome."""


def drive_cases(job: Job) -> Iterator[Drive]:
    for case in job.cases:
        if job.planner == "b" and case.seed > 0:
            with blaming_policy("in act", 4):
                os._exit(7)
        if job.planner == "c" and case.seed == 2:
            os.abort()
        yield job.planner, case.seed, "passed"


def refuse(job: Job) -> Iterator[Drive]:
    if job.planner == "b":
        raise ValueError("b is refused")
    yield from drive_cases(job._replace(planner="a"))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_whoever_ends_the_process_is_named_and_the_rest_is_driven(num_workers: int) -> None:
    drives, reasons = [], {}

    def on_death(job, result) -> Drive:
        reasons[job.planner, result.seed] = result.reason
        return job.planner, result.seed, result.outcome

    drive_supervised(drive_cases, JOBS, LocalWorkers(num_workers), on_drive=drives.append, on_death=on_death)
    broken = {("b", 1): BROKEN, ("b", 2): BROKEN, ("c", 2): WORLD_BROKE}
    expected = [(p, seed, broken.get((p, seed), "passed")) for p in "abcd" for seed in range(3)]
    assert sorted(drives) == expected
    assert reasons["b", 1] == "step 4: the policy ended the process in act, exit code 7"
    assert "the world broke: it ended the process, killed by SIGABRT" in reasons["c", 2]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_error_ends_all(num_workers: int) -> None:
    with pytest.raises(ValueError, match="b is refused"):
        drive_supervised(
            refuse, JOBS, LocalWorkers(num_workers), on_drive=lambda _: None, on_death=lambda *_: ("", 0, "")
        )


def test_a_planner_that_cannot_be_made_is_refused_first() -> None:
    def make(name: str) -> None:
        if name == "gone":
            with blaming_policy("while gone.py was imported"):
                os._exit(0)
        if name == "unknown":
            raise ValueError("no planner is named unknown")

    check_planners(make, ["good"])
    with pytest.raises(PolicyError, match=r"ended the process while gone.py was imported, exit code 0"):
        check_planners(make, ["good", "gone"])
    with pytest.raises(ValueError, match="no planner is named unknown"):
        check_planners(make, ["unknown"])
