"""Worlds at work in several processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from typing import TypeVar

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result],
    calls: Sequence[tuple],
    num_workers: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """What `function` returns for each of `calls`, in the order in which they are done.

    An error or Ctrl-C ends all workers at once: what was handed out before is done, nothing else is.

    Args:
        function: of a module; runs in processes that are started anew, one core each.
        calls: its arguments.
        num_workers: processes, at least 1.
        prepare: runs first in each of them.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(num_workers, get_context("spawn"), _begin, (prepare,))
    try:
        for future in as_completed([pool.submit(function, *arguments) for arguments in calls]):
            yield future.result()
    except BaseException:  # Ctrl-C included
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    pool.shutdown()


def _begin(prepare: Callable[[], None] | None) -> None:
    """Leave Ctrl-C to the parent and one core to each worker."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    if prepare is not None:
        prepare()
