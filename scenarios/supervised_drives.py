"""Drives of many planners in processes of their own, which a planner may take with it: the rest is driven by others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import active_children, get_context
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from policies.policy_error import PolicyError
from scenarios.case_results import CaseResult, dead_result
from scenarios.driving_process import Death, Whereabouts, run_in_process
from scenarios.scenario import Case

if TYPE_CHECKING:
    from typing_extensions import Self

DriveType = TypeVar("DriveType")


class Work(Protocol):
    """Cases, and whatever it takes to drive them; picklable."""

    @property
    def cases(self) -> Sequence[Case]:
        """In this order."""
        ...

    @property
    def together(self) -> bool:
        """Several are driven at once, so that it is not known which of them ends a process."""
        ...

    def after(self, num: int) -> Self:
        """What is left of it when so many cases are done."""
        ...

    def one_by_one(self) -> Self:
        """The same, one case after the other."""
        ...


WorkType = TypeVar("WorkType", bound=Work)


class Job(NamedTuple):
    """Cases that a planner drives in a world.

    Args:
        world: name.
        planner: name.
        cases: in this order.
        references: the reference planner's progress in each [m]; None where it is not known.
        together: see Work.
    """

    world: str
    planner: str
    cases: Sequence[Case]
    references: Sequence[float | None]
    together: bool = False

    def after(self, num: int) -> Job:
        """What is left of it when so many cases are done."""
        return self._replace(cases=self.cases[num:], references=self.references[num:])

    def one_by_one(self) -> Job:
        """The same, one case after the other."""
        return self._replace(together=False)


def drive_supervised(
    drive_cases: Callable[[WorkType], Iterator[DriveType]],
    jobs: Sequence[WorkType],
    num_workers: int,
    *,
    on_drive: Callable[[DriveType], None],
    on_death: Callable[[WorkType, CaseResult], DriveType],
) -> None:
    """Drive all jobs. A case that ends the process that drives it counts as broken; another process goes on after it.

    An error, Ctrl-C or SIGTERM ends all processes at once, and so does the end of this one, whatever ends it.

    Args:
        drive_cases: the drives of a job as they are done, one for each of its cases; picklable.
        jobs: whoever has nothing to do takes the next one.
        num_workers: processes, at least 1.
        on_drive: is called, here, with each drive.
        on_death: what stands for the drive of a case, the first of a job, that ended the process; where several were
            driven at once, they are driven again one by one.

    Raises:
        Exception: what `drive_cases` raised.
    """
    jobs = list(jobs)
    others, lock, errors = set(active_children()), threading.Lock(), list[BaseException]()
    next_job: Any = get_context("spawn").Value("q", 0)  # of a context whose locks pass to any process

    def work() -> None:
        begun: tuple[int, int] | None = None
        num_done = dict[int, int]()

        def keep(item: tuple[int, DriveType]) -> None:
            k, drive = item
            num_done[k] = num_done.get(k, 0) + 1
            with lock:
                on_drive(drive)

        while isinstance(ended := run_in_process(_drive_jobs, drive_cases, jobs, next_job, begun, on_item=keep), Death):
            if errors:
                return
            if ended.case is None:
                raise RuntimeError(f"a driving process was ended while it drove nothing: {ended.how}")
            k = ended.case
            job = jobs[k].after(num_done.get(k, 0))
            if job.together and len(job.cases) > 1:
                jobs[k] = jobs[k].one_by_one()  # which then tells who it was
            elif job.cases:
                keep((k, on_death(job, dead_result(job.cases[0], ended))))
            begun = k, num_done.get(k, 0)

    def work_beside() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    if num_workers == 1:
        work()
        return
    threads = [threading.Thread(target=work_beside, name="supervisor", daemon=True) for _ in range(num_workers)]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not errors:
            for thread in threads:
                thread.join(0.1)
    except BaseException as error:  # Ctrl-C included
        errors.append(error)
    if errors:
        for process in set(active_children()) - others:
            process.terminate()
        for thread in threads:
            thread.join()
        raise errors[0]


def check_planners(make_planner: Callable[[str], object], names: Sequence[str]) -> None:
    """Make each planner once, in a process of its own: what cannot be made fails here, not after hours of driving.

    Raises:
        PolicyError: a planner ends the process, or breaks, while it is made.
        Exception: what `make_planner` raises.
    """
    ended = run_in_process(_make_all, make_planner, names)
    if isinstance(ended, Death):
        raise PolicyError(f"ended the process {ended.doing or 'while planners were made'}, {ended.how}")


def _make_all(whereabouts: Whereabouts, make_planner: Callable[[str], object], names: Sequence[str]) -> None:
    for name in names:
        make_planner(name)


def _drive_jobs(
    whereabouts: Whereabouts,
    drive_cases: Callable[[WorkType], Iterator[DriveType]],
    jobs: Sequence[WorkType],
    next_job: Any,
    begun: tuple[int, int] | None,
) -> Iterator[tuple[int, DriveType]]:
    """The side of a process: what is left of a job that another one has begun, then whichever is next."""
    k, num_done = begun or (_take(next_job), 0)
    while k < len(jobs):
        whereabouts.case = k
        for drive in drive_cases(jobs[k].after(num_done)):
            yield k, drive
        k, num_done = _take(next_job), 0


def _take(next_job: Any) -> int:
    with next_job.get_lock():
        next_job.value += 1
        return next_job.value - 1
