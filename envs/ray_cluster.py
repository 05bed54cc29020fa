"""Processes on the machines of a Ray cluster (extra `ray`), each of which takes calls; its loss is told."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")

MOST_LOSSES = 2
"""A call whose process, or its machine, is lost so often is not made again."""
CHECK_EVERY = 2.0
"""How often it is asked whether the cluster is still there, while a call takes its time [s]."""
ANSWER_TIMEOUT = 5.0
"""Longest that a cluster may take to accept a connection [s]."""
START_TIMEOUT = 120.0
"""Longest that a cluster may be without a CPU [s]."""


class ClusterError(ConnectionError):
    """The cluster is not there, or is so no longer."""


class WorkerLostError(ConnectionError):
    """A process of the cluster has ended, or its machine has."""


class _Answer(NamedTuple):
    """What a call came to: a value, of which a generator may have more, or an error."""

    value: Any = None
    more: bool = False
    error: Exception | None = None


class _Worker:
    """The side of a process of the cluster. All that passes is pickled here, since what Ray unpickles is read-only.

    Args:
        folder: of whoever calls, where relative paths begin.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._items: Any = None

    def call(self, message: bytes) -> bytes:
        """What a function returns; of a generator, its first value."""
        try:
            os.chdir(self._folder)
            function, arguments, generates = pickle.loads(message)
            value = function(*arguments)
            if not generates:
                return pickle.dumps(_Answer(value))
            self._items = value
        except Exception as error:
            return _dump_error(error)
        return self.send(pickle.dumps(None))

    def send(self, message: bytes) -> bytes:
        """The generator's next value."""
        try:
            return pickle.dumps(_Answer(self._items.send(pickle.loads(message)), more=True))
        except StopIteration as end:
            return pickle.dumps(_Answer(end.value))
        except Exception as error:
            return _dump_error(error)


def _dump_error(error: Exception) -> bytes:
    """The error, or its words where it cannot pass from machine to machine."""
    try:
        message = pickle.dumps(_Answer(error=error))
        pickle.loads(message)
    except Exception:
        return pickle.dumps(_Answer(error=RuntimeError(f"{type(error).__name__}: {error}")))
    return message


class ClusterProcess:
    """A process on a machine of the cluster, as it is seen from here.

    Args:
        cluster: to which it belongs.
        actor: Ray's handle.
    """

    def __init__(self, cluster: RayCluster, actor: Any) -> None:
        self.actor = actor
        self.num_prepared = 0
        self._cluster = cluster

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What a function of a module returns there.

        Raises:
            WorkerLostError: the process was lost meanwhile.
            ClusterError: the cluster was.
            Exception: what the function raised.
        """
        return self._value(self.actor.call.remote(pickle.dumps((function, arguments, False)))).value

    def follow(self, function: Callable[..., Any], *arguments: Any, on_item: Callable[[Any], Any]) -> Any:
        """What a generator returns in the end; `on_item` is called, here, with each value, and its answer sent back.

        Raises:
            WorkerLostError, ClusterError, Exception: as `call`.
        """
        answer = self._value(self.actor.call.remote(pickle.dumps((function, arguments, True))))
        while answer.more:
            answer = self._value(self.actor.send.remote(pickle.dumps(on_item(answer.value))))
        return answer.value

    def _value(self, reference: Any) -> _Answer:
        answer: _Answer = pickle.loads(self._cluster.wait_for(reference))
        if answer.error is not None:
            raise answer.error
        return answer


class RayCluster:
    """A Ray cluster that runs already, of as many processes as it has CPUs.

    Args:
        address: HOST:PORT of its head, or "auto", the cluster of this machine or of the variable RAY_ADDRESS.

    Raises:
        ModuleNotFoundError: the package "ray" is missing.
        ClusterError: there is no cluster.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
            import ray.exceptions
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("--ray needs the extra: pip install 'drivedit[ray]'", name="ray") from error
        self._ray = ray
        self._address = address
        if address != "auto":
            _check_answers(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
            raise ClusterError(f"no Ray cluster at --ray {address}: {' '.join(str(error).split())}") from error
        self._head = ray.get_runtime_context().gcs_address
        self.num_workers = int(ray.cluster_resources().get("CPU", 0))
        if self.num_workers < 1:
            raise ClusterError(f"the Ray cluster at --ray {address} has no CPU")
        self._make_actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker).remote
        self._lock = threading.Lock()
        self._idle: list[ClusterProcess] = []
        self._all: list[ClusterProcess] = []
        self._preparations: list[Callable[[], object]] = []

    def prepare(self, function: Callable[[], object]) -> None:
        """Call a function in each process before it takes its next call."""
        self._preparations.append(function)

    @contextmanager
    def borrow(self) -> Iterator[ClusterProcess]:
        """A process for this thread alone, an idle one if there is; kept for the next one unless something is raised.

        Raises:
            WorkerLostError: it was lost before it could be used.
            ClusterError: the cluster was.
        """
        process = self._take()
        try:
            while process.num_prepared < len(self._preparations):
                process.call(self._preparations[process.num_prepared])
                process.num_prepared += 1
            yield process
        except BaseException:
            self._end(process)
            raise
        with self._lock:
            self._idle.append(process)

    def stop(self) -> None:
        """End all processes at once."""
        for process in list(self._all):
            self._end(process)
        with self._lock:
            self._idle.clear()

    def wait_for(self, reference: Any) -> bytes:
        """What Ray's reference stands for.

        Raises:
            WorkerLostError: the process that was to make it is lost.
            ClusterError: the cluster is.
        """
        try:
            while not self._ray.wait([reference], timeout=CHECK_EVERY)[0]:
                self._check_there()
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._check_there()
            raise WorkerLostError(f"a process of the cluster was lost: {str(error).splitlines()[0]}") from error

    def _take(self) -> ClusterProcess:
        """An idle process, or a new one as soon as there is a CPU for it."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        process = ClusterProcess(self, self._make_actor(str(Path.cwd())))
        self._all.append(process)
        begun, ready = time.monotonic(), process.actor.call.remote(pickle.dumps((os.getpid, (), False)))
        while not self._ray.wait([ready], timeout=CHECK_EVERY / 4)[0]:
            self._check_there()
            with self._lock:  # whoever is done keeps a CPU
                idle = self._idle.pop() if self._idle else None
            if idle is not None:
                self._end(process)
                return idle
            if self._ray.cluster_resources().get("CPU", 0) >= 1:
                begun = time.monotonic()
            elif time.monotonic() - begun > START_TIMEOUT:
                raise ClusterError(f"the Ray cluster at --ray {self._address} has had no CPU for {START_TIMEOUT:g} s")
        try:
            self.wait_for(ready)
        except WorkerLostError:
            self._end(process)
            raise
        return process

    def _end(self, process: ClusterProcess) -> None:
        with self._lock:
            if process in self._all:
                self._all.remove(process)
        self._ray.kill(process.actor)

    def _check_there(self) -> None:
        """Raises ClusterError before Ray notices: it ends this process when its head has not answered for a minute."""
        try:
            _check_answers(self._head)
        except ClusterError as error:
            raise ClusterError(f"the Ray cluster is gone, the same command goes on from here: {error}") from error


def in_cluster(function: Callable[..., Result], calls: Sequence[tuple], cluster: RayCluster) -> Iterator[Result]:
    """What `function` returns for each of `calls`, in the order in which they are done, as `in_processes` does it.

    A call whose process is lost is made again by another one.

    Args:
        function: of a module; a call that was begun once may be made again.
        calls: its arguments.
        cluster: whose processes are called.

    Raises:
        WorkerLostError: a call lost its process again and again.
        ClusterError: the cluster is gone.
        Exception: what the function raised; nothing more is begun then.
    """

    def call(arguments: tuple) -> Result:
        for losses_left in reversed(range(MOST_LOSSES)):
            try:
                with cluster.borrow() as process:
                    return process.call(function, *arguments)
            except WorkerLostError:
                if losses_left == 0:
                    raise
        raise AssertionError("the last call returns or raises")

    threads = ThreadPoolExecutor(cluster.num_workers, "cluster")
    try:
        for future in as_completed([threads.submit(call, arguments) for arguments in calls]):
            yield future.result()
    except BaseException:  # Ctrl-C included
        threads.shutdown(wait=False, cancel_futures=True)
        cluster.stop()
        raise
    threads.shutdown()


def _check_answers(address: str) -> None:
    """Raises ClusterError where nothing listens: Ray itself would try for minutes, then end the process."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ClusterError(f"--ray must be auto or HOST:PORT of the cluster's head, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(f"no Ray cluster at --ray {address}: {error}") from error
