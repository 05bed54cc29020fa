"""msgpack-rpc as CARLA's client speaks it: requests of all connections in the order they arrive, answers, errors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

REQUEST, RESPONSE = 0, 1


class RefusedError(Exception):
    """A request that cannot be honoured; the client raises a RuntimeError with this message."""


def check_finite(who: object, what: str, value: Any, name: str = "") -> None:
    """Refuse what would put an actor nowhere for ever.

    Args:
        who: of whom the value is asked.
        what: the value's name.
        value: a number, or vectors of numbers as they come over the wire.
        name: of the part that `value` is.

    Raises:
        RefusedError: a number in it is not finite.
    """
    if isinstance(value, (list, tuple)):
        names = "xyz" if len(value) == 3 else ""
        for index, part in enumerate(value):
            check_finite(who, what, part, f"{name}.{names[index]}" if names else f"{name}[{index}]")
    elif not math.isfinite(value):
        raise RefusedError(f"{what} of {who}: {name.lstrip('.') or 'it'} is {value}; right would be a finite number")


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of the server.

    Args:
        call: takes the arguments after the metadata.
        returns: "value", "none", or "bare" for the one method whose result has no wrapper.
    """

    call: Callable[..., Any]
    returns: str = "value"

    def wrap(self, result: Any) -> Any:
        """CARLA's form of a result."""
        if self.returns == "value":
            return [[1, result]]
        return [[False]] if self.returns == "none" else result

    def wrap_error(self, message: str) -> Any:
        """CARLA's form of an error."""
        return [[0 if self.returns == "value" else True, [message]]]


def returning(*calls: Callable[..., Any]) -> dict[str, Method]:
    """Methods that answer with a value, by name."""
    return {call.__name__: Method(call=call) for call in calls}


def returning_nothing(*calls: Callable[..., Any]) -> dict[str, Method]:
    """Methods that answer that all is well, by name."""
    return {call.__name__: Method(call=call, returns="none") for call in calls}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of one client."""

    number: int
    method: str
    args: list[Any]
    writer: asyncio.StreamWriter

    def answer(self, result: Any) -> None:
        """Send the result; a client that has left does not mind."""
        self._send(None, result)

    def fail(self, message: str) -> None:
        """Send an error of the RPC layer itself: what an unknown method gets."""
        self._send(message, None)

    def _send(self, error: str | None, result: Any) -> None:
        if not self.writer.is_closing():
            self.writer.write(msgpack.Packer().pack([RESPONSE, self.number, error, result]))


class Requests:
    """The queue of requests of all connections."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Request] = asyncio.Queue()

    @property
    def num_waiting(self) -> int:
        """Requests that are there now."""
        return self._queue.qsize()

    async def next(self, timeout: float | None) -> Request | None:
        """The next request; None when there is none within `timeout` [s]."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        try:
            return await asyncio.wait_for(self._queue.get(), timeout)
        except asyncio.TimeoutError:
            return None

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queue what a connection sends until it ends."""
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=2**28)
        try:
            while data := await reader.read(2**16):
                unpacker.feed(data)
                for kind, number, method, args in unpacker:
                    assert kind == REQUEST, f"message type {kind} of {method} is not a request"
                    self._queue.put_nowait(Request(number=number, method=method, args=args, writer=writer))
        except ConnectionError:
            pass
        finally:
            writer.close()
