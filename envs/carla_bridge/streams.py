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
        """Push a message to all subscribers; with `may_drop` not to those still busy with the previous one."""
        for writer in self._writers.get(stream, ()):
            if writer.is_closing() or (may_drop and writer.transport.get_write_buffer_size() > 0):
                continue
            writer.write(_LENGTH.pack(len(payload)))
            writer.write(payload)

    async def drain(self) -> None:
        """Wait until nobody is far behind: memory stays bounded when a client is slower than the world."""
        for writers in list(self._writers.values()):
            for writer in list(writers):
                try:
                    await writer.drain()
                except ConnectionError:
                    writers.discard(writer)

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
            await reader.read()  # until the client closes
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            if stream is not None:
                self._writers[stream].discard(writer)
            writer.close()
