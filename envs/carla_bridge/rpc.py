"""msgpack-rpc as CARLA's client speaks it: requests of all connections in the order they arrive, answers, errors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack

REQUEST, RESPONSE = 0, 1
MOST_BYTES = 2**26
"""Of one client's requests that wait, of one request that is arriving, and of answers that the client has not read;
the largest that CARLA's client sends is an OpenDRIVE text."""

MOST_REQUESTS = 1000
"""Of one client that wait."""
LARGEST = 1e9
"""Largest number that means anything [m, m/s, degrees]; on the wire they are float32."""


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
        RefusedError: a number in it is none, is not finite or absurdly large.
    """
    if isinstance(value, (list, tuple)):
        names = "xyz" if len(value) == 3 else ""
        for index, part in enumerate(value):
            check_finite(who, what, part, f"{name}.{names[index]}" if names else f"{name}[{index}]")
        return
    part = f"{what} of {who}: {name.lstrip('.') or 'it'}"
    if not isinstance(value, (int, float)):
        raise RefusedError(f"{part} is {value!r:.40}; right would be a number")
    if not -LARGEST <= value <= LARGEST:
        raise RefusedError(f"{part} is {value}; right would be a finite number, of at most {LARGEST:g}")


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


@dataclass(kw_only=True, eq=False)
class Client:
    """One connection: who asks, and how much of what it asked waits for an answer.

    Args:
        writer: to it.
        num_requests: of it that wait.
        num_bytes: of these.
        thrown_out: it did not read its answers, and gets no more.
        taken: set whenever one of them is taken up.
    """

    writer: asyncio.StreamWriter
    num_requests: int = 0
    num_bytes: int = 0
    thrown_out: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_room(self) -> None:
        """Wait until no more of its requests wait than may, and it has read most of its answers."""
        while self.num_bytes > MOST_BYTES or self.num_requests > MOST_REQUESTS:
            self.taken.clear()
            await self.taken.wait()
        await self.writer.drain()

    def send(self, message: bytes) -> None:
        """Send an answer; a client that has left does not mind, one that reads none of its answers has to leave."""
        if self.writer.is_closing():
            return
        self.writer.write(message)
        if self.writer.transport.get_write_buffer_size() > MOST_BYTES:
            self.thrown_out = True
            self.writer.transport.abort()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of one client; `num_bytes` of it came over the wire."""

    number: int
    method: Any
    args: list[Any]
    client: Client
    num_bytes: int

    def answer(self, result: Any) -> None:
        """Send the result.

        Raises:
            TypeError, ValueError, OverflowError: it cannot be sent; nothing is.
        """
        self._send(None, result)

    def fail(self, message: str) -> None:
        """Send an error of the RPC layer itself: what an unknown method gets."""
        self._send(message, None)

    def _send(self, error: str | None, result: Any) -> None:
        self.client.send(msgpack.Packer().pack([RESPONSE, self.number, error, result]))


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
        if self._queue.empty():
            try:
                request = await asyncio.wait_for(self._queue.get(), timeout)
            except asyncio.TimeoutError:
                return None
        else:
            request = self._queue.get_nowait()
        client = request.client
        client.num_requests, client.num_bytes = client.num_requests - 1, client.num_bytes - request.num_bytes
        client.taken.set()
        return request

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queue what a connection sends until it ends, or sends what is no request."""
        client = Client(writer=writer)
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=MOST_BYTES)
        begin = 0
        try:
            while data := await reader.read(2**16):
                unpacker.feed(data)
                for message in unpacker:
                    request = _request_of(message, client, unpacker.tell() - begin)
                    begin = unpacker.tell()
                    client.num_requests, client.num_bytes = (
                        client.num_requests + 1,
                        client.num_bytes + request.num_bytes,
                    )
                    self._queue.put_nowait(request)
                await client.wait_for_room()
        except ConnectionError:
            pass
        except (ValueError, msgpack.exceptions.UnpackException) as error:
            print(f"closed a connection: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            writer.close()


def _request_of(message: Any, client: Client, num_bytes: int) -> Request:
    """The request that a message is.

    Raises:
        ValueError: it is none.
    """
    if not (isinstance(message, list) and len(message) == 4):
        raise ValueError(f"{str(message)[:80]} is no request: that is [0, number, method, arguments]")
    kind, number, method, args = message
    if not (kind == REQUEST and isinstance(number, int) and isinstance(args, list)):
        raise ValueError(
            f"[{kind!s:.20}, {number!s:.20}, {method!s:.20}, ...] is no request: that is [0, number, method, [...]]"
        )
    return Request(number=number, method=method, args=args, client=client, num_bytes=num_bytes)
