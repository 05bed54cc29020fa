"""Faults to inject: a disk that takes no more, a process that is killed."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

DEAD_PID = 4_000_000
"""No process has this number: it is above Linux's highest."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the fault is injected by Linux's means")


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """Within, writing beyond so many bytes of a file fails as it does on a full disk, in other words."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def in_a_child(function: Callable[[], object]) -> multiprocessing.process.BaseProcess:
    """A copy of this process, started, that calls `function` and ends."""
    process = multiprocessing.get_context("fork").Process(target=function)
    process.start()
    return process


def kill_myself(*_: object) -> None:
    """What never returns."""
    os.kill(os.getpid(), 9)
