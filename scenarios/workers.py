"""Where drives are driven: in processes of this machine, or of the machines of a Ray cluster."""

from __future__ import annotations

import platform
from collections.abc import Callable
from multiprocessing import active_children
from typing import Any, Protocol

from envs.ray_cluster import ClusterError, RayCluster
from scenarios.driving_process import Death, iterate_process, run_in_process
from scenarios.report import code_digest


class Workers(Protocol):
    """Processes that can be taken down by what they drive."""

    @property
    def num(self) -> int:
        """How many there are at once, at least 1."""
        ...

    def run(self, function: Callable[..., Any], *arguments: Any, on_item: Callable[[Any], Any]) -> Any | Death:
        """As `run_in_process`.

        Raises:
            WorkerLostError: neither the value nor a death is known, since the machine it ran on is gone.
            ClusterError: all machines are.
        """
        ...

    def prepare(self, function: Callable[[], object]) -> None:
        """Call a function where the processes are forked, so that they have what it loads."""
        ...

    def stop(self) -> None:
        """End all processes at once."""
        ...


class LocalWorkers:
    """Processes of this machine.

    Args:
        num: how many at once.
    """

    def __init__(self, num: int) -> None:
        self.num = num
        self._others = set(active_children())

    def run(self, function: Callable[..., Any], *arguments: Any, on_item: Callable[[Any], Any]) -> Any | Death:
        """See Workers."""
        return run_in_process(function, *arguments, on_item=on_item)

    def prepare(self, function: Callable[[], object]) -> None:
        """See Workers."""
        function()

    def stop(self) -> None:
        """See Workers."""
        for process in set(active_children()) - self._others:
            process.terminate()


class ClusterWorkers:
    """Processes of a Ray cluster, one for each of its CPUs. What is driven is driven in a fork of each, as on this
    machine, so that a death has the same words.

    Args:
        address: see RayCluster.

    Raises:
        ClusterError: there is no cluster.
    """

    def __init__(self, address: str) -> None:
        self._cluster = RayCluster(address)
        self.num = self._cluster.num_workers
        self._cluster.prepare(_CheckCode(code_digest()))

    def run(self, function: Callable[..., Any], *arguments: Any, on_item: Callable[[Any], Any]) -> Any | Death:
        """See Workers."""
        with self._cluster.borrow() as process:
            return process.follow(iterate_process, function, *arguments, on_item=on_item)

    def prepare(self, function: Callable[[], object]) -> None:
        """See Workers."""
        self._cluster.prepare(function)

    def stop(self) -> None:
        """See Workers."""
        self._cluster.stop()


def make_workers(ray: str | None, num_workers: int) -> Workers:
    """Processes of the Ray cluster at an address, or so many of this machine where it is None."""
    return LocalWorkers(num_workers) if ray is None else ClusterWorkers(ray)


class _CheckCode:
    """Refuses a machine with other code, whose drives would be other ones.

    Args:
        digest: of the code here.
    """

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def __call__(self) -> None:
        if code_digest() != self.digest:
            raise ClusterError(f"{platform.node()} of the Ray cluster has another version of DriveDiT")
