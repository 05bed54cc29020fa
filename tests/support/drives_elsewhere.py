"""Functions that processes of a cluster import: drives that take their time, and what ends them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from policies.policy_error import blaming_policy
from scenarios.supervised_drives import Job

Drive = tuple[str, int, str]
"""Planner, seed and outcome."""


def drive_slowly(job: Job) -> Iterator[Drive]:
    """Planner b ends its process in seed 1, planner c the process that serves the cluster in seed 2."""
    for case in job.cases:
        time.sleep(0.3)
        if (job.planner, case.seed) == ("b", 1):
            with blaming_policy("in act", 4):
                os._exit(7)
        if (job.planner, case.seed) == ("c", 2):
            os.kill(os.getppid(), 9)
            time.sleep(60)
        yield job.planner, case.seed, "passed"


def note(folder: Path, name: str) -> str:
    """Leaves a file for each call."""
    time.sleep(0.5)
    with (folder / name).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return name
