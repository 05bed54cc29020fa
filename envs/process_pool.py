"""Worlds at work in several processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from typing import TypeVar

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result],
    calls: Sequence[tuple],
    num_workers: int,
) -> Iterator[Result]:
    """What `function` returns for each of `calls`, in the order in which they are done.

    An error, Ctrl-C or SIGTERM ends all workers at once, and so does the end of this process, whatever ends it.

    Args:
        function: of a module; runs in processes that are started anew, one core each.
        calls: its arguments.
        num_workers: processes, at least 1.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(num_workers, get_context("spawn"), _begin)
    try:
        for future in as_completed([pool.submit(function, *arguments) for arguments in calls]):
            yield future.result()
    except BaseException:  # Ctrl-C included
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    pool.shutdown()


def _begin() -> None:
    """Leave Ctrl-C to the parent, one core to each worker, and no worker without a parent."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    cv2.setNumThreads(1)


def end_with_parent() -> None:
    """Have this process of `multiprocessing` end when its parent has ended, killed perhaps: the queue of calls would
    keep a worker waiting for ever, since the other workers hold its other end."""
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
