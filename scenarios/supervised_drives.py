"""Drives of many planners in processes of their own, which a planner may take with it: the rest is driven by others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from envs.ray_cluster import MOST_LOSSES, WorkerLostError
from policies.policy_error import PolicyError
from scenarios.case_results import CaseResult, dead_result
from scenarios.driving_process import Death, Request, Whereabouts, run_in_process
from scenarios.scenario import Case
from scenarios.workers import Workers

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
    jobs: Iterable[WorkType],
    workers: Workers,
    *,
    on_drive: Callable[[DriveType], None],
    on_death: Callable[[WorkType, CaseResult], DriveType],
) -> None:
    """Drive all jobs. A case that ends the process that drives it counts as broken; another process goes on after it.

    A process that is lost with its machine is no fault of its case, which is driven again elsewhere, until it has lost
    two. An error, Ctrl-C or SIGTERM ends all processes at once, and so does the end of this one, whatever ends it.

    Args:
        drive_cases: the drives of a job as they are done, one for each of its cases; picklable.
        jobs: whoever has nothing to do takes the next one, which need not be known before.
        workers: the processes.
        on_drive: is called, here, with each drive.
        on_death: what stands for the drive of a case, the first of a job, that ended the process; where several were
            driven at once, they are driven again one by one.

    Raises:
        ClusterError: the cluster of the workers is gone.
        Exception: what `drive_cases` raised.
    """
    queue, lock, errors = _JobQueue(jobs), threading.Lock(), list[BaseException]()

    def work() -> None:
        job: WorkType | None = None
        num_done = num_losses = num_failed_starts = 0

        def answer(item: DriveType | Request) -> WorkType | None:
            nonlocal job, num_done, num_losses
            if isinstance(item, Request):
                (job, num_losses), num_done = queue.take(), 0
                return job
            num_done, num_losses = num_done + 1, 0
            with lock:
                on_drive(item)
            return None

        while True:
            lost = False
            try:
                ended = workers.run(_drive_jobs, drive_cases, on_item=answer)
            except WorkerLostError as error:
                lost, ended = True, Death(how=str(error), case=0, filming=False, step=None, doing="")
                num_failed_starts = 0 if job else num_failed_starts + 1
                if num_failed_starts > MOST_LOSSES:
                    raise
            if errors or not isinstance(ended, Death):
                return
            if ended.case is None:
                raise RuntimeError(f"a driving process was ended while it drove nothing: {ended.how}")

            left, job = None if job is None else job.after(num_done), None
            if left is None or not left.cases:
                continue
            num_losses += lost
            if lost and num_losses < MOST_LOSSES:
                queue.put_back(left, num_losses)
            elif left.together and len(left.cases) > 1:
                queue.put_back(left.one_by_one())  # which then tells who it was
            else:
                with lock:
                    on_drive(on_death(left, dead_result(left.cases[0], ended)))
                queue.put_back(left.after(1))

    def work_beside() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work_beside, name="supervisor", daemon=True) for _ in range(workers.num)]
    try:
        if workers.num == 1:
            work()
            return
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not errors:
            for thread in threads:
                thread.join(0.1)
    except BaseException as error:  # Ctrl-C included
        errors.append(error)
    if errors:
        workers.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        raise errors[0]


class _JobQueue(Generic[WorkType]):
    """Jobs, each with the number of processes that were lost at its first case; for several threads.

    Args:
        jobs: in this order.
    """

    def __init__(self, jobs: Iterable[WorkType]) -> None:
        self._jobs, self._begun = iter(jobs), deque[tuple[WorkType, int]]()
        self._lock = threading.Lock()

    def take(self) -> tuple[WorkType | None, int]:
        """The next one, None if there is none; what was begun first."""
        with self._lock:
            return self._begun.popleft() if self._begun else (next(self._jobs, None), 0)

    def put_back(self, job: WorkType, num_losses: int = 0) -> None:
        """What is left of one."""
        if job.cases:
            with self._lock:
                self._begun.append((job, num_losses))


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
    whereabouts: Whereabouts, drive_cases: Callable[[WorkType], Iterator[DriveType]]
) -> Generator[DriveType | Request, WorkType | None, None]:
    """The side of a process: one job after the other, until there is none."""
    while (job := (yield Request.NEXT)) is not None:
        whereabouts.case = 0
        yield from drive_cases(job)
