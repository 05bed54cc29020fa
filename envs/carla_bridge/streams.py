"""Streams: one TCP connection per subscription, to which the server pushes the messages of one sensor."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import defaultdict

EPISODE_STREAM = 1
"""Stream id of the episode state; sensors have their actor's id, which is greater."""
_LENGTH = struct.Struct("<I")


class Streams:
    """Subscribers of every stream. Connections are never closed from this side: a client would storm back."""

    def __init__(self) -> None:
        self._writers: dict[int, set[asyncio.StreamWriter]] = defaultdict(set)
        self._stalled: set[asyncio.StreamWriter] = set()
        self._expected: dict[int, int] = defaultdict(int)
        self._arrived = asyncio.Event()

    def expect(self, stream: int) -> None:
        """A client has asked for the token of `stream` and is about to subscribe."""
        self._expected[stream] += 1

    async def wait_for_expected(self, timeout: float) -> None:
        """Wait until everyone expected has subscribed, at most `timeout` [s]."""
        deadline = asyncio.get_running_loop().time() + timeout
        while self._expected:
            self._arrived.clear()
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._arrived.wait(), max(left, 0.0))
            except asyncio.TimeoutError:
                self._expected.clear()

    def has_subscribers(self, stream: int) -> bool:
        """Whether anyone listens."""
        return bool(self._writers.get(stream))

    def send(self, stream: int, payload: bytes, *, may_drop: bool) -> None:
        """Push a message to all subscribers, but not to those that stall; with `may_drop` neither to those still busy
        with the previous one."""
        for writer in self._writers.get(stream, ()):
            is_busy = writer.transport.get_write_buffer_size() > 0
            if not is_busy:
                self._stalled.discard(writer)
            if writer.is_closing() or (is_busy and (may_drop or writer in self._stalled)):
                continue
            writer.write(_LENGTH.pack(len(payload)))
            writer.write(payload)

    async def drain(self, timeout: float) -> None:
        """Wait until nobody is far behind, at most `timeout` [s]. Who still is then stalls, and misses what is sent
        until it has read all that it was sent before: nobody else waits for it again, and memory stays bounded."""
        behind = {
            asyncio.ensure_future(writer.drain()): writer
            for writers in self._writers.values()
            for writer in writers
            if writer not in self._stalled and writer.transport.get_write_buffer_size() > 0
        }
        if not behind:
            return
        done, late = await asyncio.wait(behind, timeout=timeout)
        for future in done:
            future.exception()  # of one that has left: `serve` takes it off the list
        for future in late:
            future.cancel()
            self._stalled.add(behind[future])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a subscription and keep it until the client leaves."""
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = None
        try:
            (stream,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            self._writers[stream].add(writer)
            self._expected[stream] -= 1
            if self._expected[stream] <= 0:
                del self._expected[stream]
            self._arrived.set()
            while await reader.read(2**16):  # until the client closes; it has nothing more to say
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._stalled.discard(writer)
            if stream is not None:
                self._writers[stream].discard(writer)
                if not self._writers[stream]:
                    del self._writers[stream]
            writer.close()
