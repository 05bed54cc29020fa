"""ProcessVectorEnv: many DrivingEnvs in several processes, as a Gymnasium vector env."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Dict
from gymnasium.vector import AutoresetMode

from envs.driving_env import DrivingEnv
from envs.env_group import EnvGroup, Outcome, join_infos
from envs.vector_env import VectorEnvBase, step_singly

END_TIMEOUT = 5.0
"""Longest that a worker may take to end when its connection is closed [s]."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_WORKER_CODE = "import sys; sys.path[:] = {path!r}; from envs.process_vector_env import work; work()"


class ProcessVectorEnv(VectorEnvBase):
    """`n` DrivingEnvs in worker processes of one core each; all else is as in VectorEnvBase.

    Observations come by shared memory. The workers are Python processes of their own that never run the main module,
    so that a script needs no `if __name__ == "__main__"`; the classes of what is handed to them, such as scripted
    actors, must be of a module that can be imported. They end when this process ends, however it ends.

    Args:
        make_env: makes an env; must be picklable, as a partial of a module's function is.
        num_envs: how many, at least 1.
        num_workers: processes, at least 1; no more than `num_envs` are started.
        autoreset_mode: a gymnasium.vector.AutoresetMode or its value.

    Raises:
        ValueError: a count below 1, or an unknown mode.
        RuntimeError: a worker ended before it had begun.
    """

    def __init__(
        self,
        make_env: Callable[[], DrivingEnv],
        num_envs: int,
        num_workers: int,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        if min(num_envs, num_workers) < 1:
            raise ValueError(f"num_envs and num_workers must be at least 1, got {num_envs} and {num_workers}")
        first = make_env()
        super().__init__(first, num_envs, autoreset_mode)
        first.close()

        bounds = np.linspace(0, num_envs, min(num_workers, num_envs) + 1).round().astype(int).tolist()
        self._slices = [slice(*pair) for pair in pairwise(bounds)]
        self._alive = np.zeros(num_envs, np.bool_)
        self._workers: list[_Worker] = []
        with _shared_file() as path:
            self._shared = _SharedObservations(path, self.single_observation_space, num_envs)
            try:
                for part in self._slices:
                    self._workers.append(_Worker(part))
                same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
                self._ask(*((make_env, path, num_envs, part, same_step) for part in self._slices))
            except BaseException:
                self.close()
                raise

    @property
    def num_workers(self) -> int:
        """How many processes the envs run in."""
        return len(self._slices)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What method `name` of each env returns for these arguments; of an attribute, its value. All are copies."""
        answers = self._ask(*[("call", name, args, kwargs)] * self.num_workers)
        return tuple(value for values in answers for value in values)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the envs and end the workers."""
        self._end_workers()

    def _reset_envs(self, slots: list[int], seeds: Sequence[int | None], options: dict[str, Any]) -> dict[str, Any]:
        requests = []
        for part in self._slices:
            own = [k - part.start for k in slots if part.start <= k < part.stop]
            requests.append(("reset", own, list(seeds[part]), options))
        return join_infos(self._ask(*requests), self._sizes)

    def _step_envs(self, actions: np.ndarray, waiting: np.ndarray) -> Outcome:
        outcomes: list[Outcome] = self._ask(*(("step", actions[part], waiting[part]) for part in self._slices))
        return Outcome(
            rewards=np.concatenate([outcome.rewards for outcome in outcomes]),
            terminations=np.concatenate([outcome.terminations for outcome in outcomes]),
            truncations=np.concatenate([outcome.truncations for outcome in outcomes]),
            infos=join_infos([outcome.infos for outcome in outcomes], self._sizes),
        )

    def _set_attr(self, name: str, values: Sequence[Any]) -> None:
        self._ask(*(("set_attr", name, list(values[part])) for part in self._slices))

    def _in_episode(self) -> np.ndarray:
        return self._alive

    def _observations(self) -> Any:
        return self._shared.read()

    @property
    def _sizes(self) -> list[int]:
        return [part.stop - part.start for part in self._slices]

    def _ask(self, *requests: tuple) -> list[Any]:
        """Ask all workers at once, each for its own envs; their answers.

        Raises:
            ValueError: the vector env is closed.
            RuntimeError: a worker is lost; the others are ended too.
            Exception: what the first worker raised that did; its traceback is the cause.
        """
        if not self._workers:
            raise ValueError("the vector env is closed")
        messages = [pickle.dumps(request) for request in requests]  # what cannot be sent fails before anything is
        try:
            for worker, message in zip(self._workers, messages, strict=True):
                worker.ask(message)
            replies = [worker.receive() for worker in self._workers]
        except BaseException:  # Ctrl-C included: later on its answers would be taken for those to other requests
            self._end_workers(at_once=True)
            raise
        for part, reply in zip(self._slices, replies, strict=True):
            self._alive[part] = reply.alive
        for reply in replies:
            if reply.error is not None:
                raise reply.error from RuntimeError(f"in a worker process:\n{reply.traceback}")
        return [reply.value for reply in replies]

    def _end_workers(self, *, at_once: bool = False) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.let_go(at_once=at_once)
        for worker in workers:
            worker.wait()


class _Reply(NamedTuple):
    """What a worker answers: which of its envs are in an episode, and a value or an error."""

    alive: list[bool]
    value: Any = None
    error: Exception | None = None
    traceback: str = ""


class _Worker:
    """A process with the envs of a slice, seen from the one that asks. They talk by its standard input and output."""

    def __init__(self, part: slice) -> None:
        self.part = part
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER_CODE.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def ask(self, message: bytes) -> None:
        """Send a pickled request: the first one is the arguments of `_begin`, others a method of EnvGroup and its."""
        with contextlib.suppress(OSError):  # one that is lost says so when it does not answer
            self._requests.write(message)
            self._requests.flush()

    def receive(self) -> _Reply:
        """What it answers.

        Raises:
            RuntimeError: it is lost.
        """
        try:
            return pickle.load(self._answers)
        except (EOFError, pickle.UnpicklingError):
            status = self._process.wait(END_TIMEOUT)
            raise RuntimeError(
                f"the worker process of envs {self.part.start} to {self.part.stop - 1} ended with exit status {status}"
            ) from None

    def let_go(self, *, at_once: bool) -> None:
        """Close the connection, on which it ends by itself, or end it `at_once`."""
        if at_once:
            self._process.terminate()
        with contextlib.suppress(OSError):  # a request that it did not read any more
            self._requests.close()

    def wait(self) -> None:
        """Wait for its end, which is brought about where it does not come by itself."""
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


class _SharedObservations:
    """The newest observations of `num` envs of one space, in a file that processes share.

    Args:
        path: of the file.
        space: of one observation: a Box or a Dict of these.
        num: of envs.
    """

    def __init__(self, path: Path, space: Space[Any], num: int) -> None:
        self._boxes = dict(space.spaces) if isinstance(space, Dict) else {"": space}
        self._arrays = {}
        offset = 0
        for name, box in self._boxes.items():
            assert box.shape is not None
            assert box.dtype is not None
            shape = (num, *box.shape)
            size = int(np.prod(shape)) * box.dtype.itemsize
            if path.stat().st_size < offset + size:
                os.truncate(path, offset + size)
            self._arrays[name] = np.memmap(path, box.dtype, "r+", offset, shape)
            offset += size

    def write(self, k: int, observation: Any) -> None:
        """The newest observation of env `k`."""
        for name, array in self._arrays.items():
            array[k] = observation[name] if name else observation

    def read(self) -> Any:
        """All of them [num, ...], in memory of their own."""
        copies = {name: np.array(array) for name, array in self._arrays.items()}
        return copies.get("", copies)


@contextlib.contextmanager
def _shared_file() -> Iterator[Path]:
    """An empty file, in memory where the system has such files; it loses its name at the end."""
    memory = Path("/dev/shm")
    number, name = tempfile.mkstemp(prefix="drivedit-", dir=memory if os.access(memory, os.W_OK) else None)
    os.close(number)
    try:
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):  # Windows: a file that is open keeps its name
            Path(name).unlink()


def work() -> None:
    """The worker's side: answer requests until there are no more."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    cv2.setNumThreads(1)
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed here is no answer

    envs = None
    while (request := _next(requests)) is not None:
        try:
            if envs is None:
                envs, value = _WorkerEnvs(*request), None
            else:
                value = envs.answer(*request)
            message = pickle.dumps(_Reply(envs.alive(), value))
        except Exception as error:
            message = _dump_error([] if envs is None else envs.alive(), error)
        answers.write(message)
        answers.flush()
    if envs is not None:
        envs.close()


class _WorkerEnvs:
    """The envs of a worker; each request is answered, and the observations are shared."""

    def __init__(
        self, make_env: Callable[[], DrivingEnv], path: Path, num_envs: int, part: slice, same_step: bool
    ) -> None:
        self._first = part.start
        self._group = EnvGroup([make_env() for _ in range(part.start, part.stop)], step_singly, same_step=same_step)
        self._shared = _SharedObservations(path, self._group.envs[0].observation_space, num_envs)

    def answer(self, method: str, *arguments: Any) -> Any:
        """What a method of the group returns."""
        if method == "call":
            name, args, kwargs = arguments
            return self._group.call(name, *args, **kwargs)
        value = getattr(self._group, method)(*arguments)
        for k, observation in enumerate(self._group.shown):
            if observation is not None:
                self._shared.write(self._first + k, observation)
        return value

    def alive(self) -> list[bool]:
        """Which envs are in an episode."""
        return [env.in_episode for env in self._group.envs]

    def close(self) -> None:
        """Close the envs."""
        for env in self._group.envs:
            env.close()


def _next(requests: IO[bytes]) -> tuple | None:
    try:
        return pickle.load(requests)
    except EOFError:
        return None


def _dump_error(alive: list[bool], error: Exception) -> bytes:
    """A reply that holds the error, or its words where it cannot be sent."""
    text = "".join(traceback.format_exception(error))
    try:
        message = pickle.dumps(_Reply(alive, None, error, text))
        pickle.loads(message)
    except Exception:
        message = pickle.dumps(_Reply(alive, None, RuntimeError(f"{type(error).__name__}: {error}"), text))
    return message
