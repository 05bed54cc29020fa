"""Runs a function in a process of its own, which a policy may take with it: what it did last is known all the same."""

from __future__ import annotations

import ctypes
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from envs.process_pool import end_with_parent
from policies.policy_error import watch_policies

END_TIMEOUT = 5.0
"""Longest that a process may take to end when it is told to [s]."""
POLL = 0.2
"""How often a process is asked whether it is alive, where its pipe does not say [s]."""
_LONGEST_WORDS = 200


class Whereabouts(ctypes.Structure):
    """What a driving process is doing, in memory that outlives it.

    It is told when a policy is at work: see `policies.policy_error.PolicyWatcher`.
    """

    _fields_ = (
        ("case", ctypes.c_int64),
        ("together", ctypes.c_int64),
        ("filming", ctypes.c_bool),
        ("step", ctypes.c_int64),
        ("words", ctypes.c_char * (_LONGEST_WORDS + 1)),
    )

    case: int
    """Index of the case that is driven, the first of those that are driven together; -1 for none."""
    together: int
    """How many cases are driven at once."""
    filming: bool
    """Whether it is driven again, for its film."""
    step: int
    """Steps driven before; -1 where that is no matter."""
    words: bytes
    """When the policy is at work, as in "in act"; empty while it is not."""

    def enter(self, doing: str, step: int | None) -> None:
        """The policy begins."""
        self.step = -1 if step is None else step
        self.words = doing.encode()[:_LONGEST_WORDS]

    def leave(self) -> None:
        """It is done."""
        self.words = b""


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a driving process ended that did not return.

    Args:
        how: in words: "exit code 7", "killed by SIGKILL, which is how Linux ends what takes too much memory".
        case: index of the case that was driven, the first of those that were together; None for none.
        filming: it was driven again, for its film.
        step: steps driven before; None outside a drive.
        doing: when the policy was at work; "" where it was not.
        together: how many cases were driven at once; which of several it was is not known.
    """

    how: str
    case: int | None
    filming: bool
    step: int | None
    doing: str
    together: int = 1


class Request(Enum):
    """What a generator in a driving process yields in order to be sent something."""

    NEXT = "next"
    """Whatever is to be done next."""


class _Answer(NamedTuple):
    """What the process sends: a value, of which more may come, or an error and its traceback."""

    value: Any = None
    more: bool = False
    error: Exception | None = None
    traceback: str = ""


def run_in_process(
    function: Callable[..., Any], *arguments: Any, on_item: Callable[[Any], Any] = lambda item: None
) -> Any | Death:
    """What `function(whereabouts, *arguments)` returns, or how its process ended.

    The process is forked where that can be done, which takes milliseconds; else it is started anew, and function and
    arguments must be picklable. Ctrl-C and SIGTERM end it, and so does the end of this process, whatever ends that.

    Args:
        function: gets the Whereabouts that it keeps up to date, and the arguments; its value must be picklable, or
            it is a generator of such values.
        arguments: of it.
        on_item: is called, here, with each of the values of a generator as soon as there is one; what it returns is
            sent to the generator if the value is a Request.

    Raises:
        Exception: what the function raised.
    """
    with closing(iterate_process(function, *arguments)) as items:
        reply = None
        while True:
            try:
                item = items.send(reply)
            except StopIteration as end:
                return end.value
            reply = on_item(item)


def iterate_process(function: Callable[..., Any], *arguments: Any) -> Generator[Any, Any, Any | Death]:
    """`run_in_process` step by step: yields what goes to `on_item`, is sent what that answers, and returns the end."""
    context = get_context("fork") if _can_fork() else get_context("spawn")
    whereabouts = context.RawValue(Whereabouts, -1, 1, False, -1, b"")
    answers, far_end = context.Pipe()
    process = context.Process(target=_work, args=(far_end, whereabouts, function, arguments), name="drive")
    process.start()
    far_end.close()
    try:
        # a process that the policy left may hold the other end of the pipe, so that its end may not be seen there
        while True:
            while not wait([answers], POLL) and process.is_alive():
                pass
            answer = _receive(answers)
            if answer is None or not answer.more:
                break
            reply = yield answer.value
            if isinstance(answer.value, Request):
                with suppress(OSError):  # it has ended, which is found out above
                    answers.send_bytes(pickle.dumps(reply))
        process.join(END_TIMEOUT)
    finally:
        if process.is_alive():  # Ctrl-C here, or threads of a policy that do not end
            process.terminate()
            process.join(END_TIMEOUT)
        if process.is_alive():
            process.kill()
            process.join()
        answers.close()

    if answer is None:
        step = whereabouts.step
        return Death(
            how=_describe(process.exitcode),
            case=None if whereabouts.case < 0 else whereabouts.case,
            filming=whereabouts.filming,
            step=None if step < 0 else step,
            doing=whereabouts.words.decode(errors="replace"),
            together=whereabouts.together,
        )
    if answer.error is not None:
        raise answer.error from RuntimeError(f"in the driving process:\n{answer.traceback}")
    return answer.value


def _can_fork() -> bool:
    """Whether a fork of this process can do all that is asked of it: CUDA, once begun, works in no fork."""
    torch = sys.modules.get("torch")
    return sys.platform == "linux" and not (torch is not None and torch.cuda.is_initialized())


def _work(
    connection: Connection, whereabouts: Whereabouts, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """The side of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who waits
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)  # the threads of the process that was forked are not in this one
    watch_policies(whereabouts)
    try:
        value = function(whereabouts, *arguments)
        if isinstance(value, Generator):
            value = _send_items(connection, value)
        message = pickle.dumps(_Answer(value))
    except BaseException as error:
        message = _dump_error(error)
    connection.send_bytes(message)
    connection.close()
    sys.stdout.flush()
    sys.stderr.flush()


def _send_items(connection: Connection, items: Generator[Any, Any, Any]) -> Any:
    """Send what a generator yields, hand it what it asks for; returns what it does."""
    reply = None
    while True:
        try:
            item = items.send(reply)
        except StopIteration as end:
            return end.value
        connection.send_bytes(pickle.dumps(_Answer(item, more=True)))
        reply = pickle.loads(connection.recv_bytes()) if isinstance(item, Request) else None


def _receive(answers: Connection) -> _Answer | None:
    try:
        return pickle.loads(answers.recv_bytes()) if answers.poll() else None
    except (EOFError, OSError):  # the latter where it ended while it sent
        return None


def _dump_error(error: BaseException) -> bytes:
    """An answer that holds the error, or its words where it cannot be sent."""
    text = "".join(traceback.format_exception(error))
    try:
        if not isinstance(error, Exception):
            raise TypeError("SystemExit would end the one who waits")
        message = pickle.dumps(_Answer(error=error, traceback=text))
        pickle.loads(message)
    except Exception:
        message = pickle.dumps(_Answer(error=RuntimeError(f"{type(error).__name__}: {error}"), traceback=text))
    return message


def _describe(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code or 0}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    hint = ", which is how Linux ends what takes too much memory" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"
