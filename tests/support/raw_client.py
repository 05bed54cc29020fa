"""A client of the bridge that sends whatever it is told to, as no unmodified client can."""

import contextlib
import itertools
import socket
import struct
from typing import Any

import msgpack

NEVER_MIND = [False, ""]
"""Metadata that precede the arguments of each call."""


def refusal(result: Any) -> str | None:
    """What a result in CARLA's form says was wrong; None of one that says that all is well."""
    good, *rest = result[0]
    refused = good if isinstance(good, bool) else not good
    return rest[0][0] if refused else None


def read_message(stream: socket.socket, timeout: float = 20.0) -> bytes:
    """The next message of a stream.

    Raises:
        TimeoutError: it did not come in so many seconds.
    """
    stream.settimeout(timeout)
    (size,) = struct.unpack("<I", _read(stream, 4))
    return _read(stream, size)


def _read(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        assert more, "the server has closed the stream"
        data += more
    return data


class RawClient:
    """One connection.

    Args:
        port: the bridge's.
        timeout: of each answer [s].
    """

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._unpacker = msgpack.Unpacker(raw=False)
        self._numbers = itertools.count(1)

    def send(self, message: Any) -> None:
        """Send a message, whatever it is; who has been thrown out sends nothing."""
        data = message if isinstance(message, bytes) else msgpack.packb(message)
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def ask(self, method: Any, *args: Any) -> tuple[Any, Any]:
        """Error and result of a call."""
        number = next(self._numbers)
        self.send([0, number, method, [[NEVER_MIND], *args]])
        while True:
            for _, of, error, result in self._unpacker:
                if of == number:
                    return error, result
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"the server has closed the connection before it answered {method}")
            self._unpacker.feed(data)

    def call(self, method: str, *args: Any) -> Any:
        """The result of a call that must not fail."""
        error, result = self.ask(method, *args)
        assert error is None, f"{method}: {error}"
        assert refusal(result) is None, f"{method}: {refusal(result)}"
        return result[0][1] if len(result[0]) > 1 else None

    def spawn(self, name: str, transform: list, parent: int | None = None, **attributes: str) -> int:
        """Id of a new actor."""
        description = [1, name, [[key, 0, value] for key, value in attributes.items()]]
        if parent is None:
            return self.call("spawn_actor", description, transform)[0]
        return self.call("spawn_actor_with_parent", description, transform, parent)[0]

    def spawn_ego(self) -> int:
        """Id of the ego at the map's first spawn point."""
        return self.spawn("vehicle.nissan.patrol", self.call("get_map_info")[1][0], role_name="hero")

    def subscribe(self, stream: int) -> socket.socket:
        """A connection to which a stream is pushed."""
        (token,) = self.call("get_sensor_token", stream)
        to = socket.create_connection(("127.0.0.1", struct.unpack_from("<H", token, 4)[0]), timeout=20.0)
        to.sendall(struct.pack("<I", stream))
        return to

    def settings(self, *, synchronous: bool) -> None:
        """Switch synchronous mode."""
        now = self.call("get_episode_settings")
        self.call("set_episode_settings", [synchronous, *now[1:]])
