"""DriverAddress: where a foreign driver listens, and how it is asked, as `--policy alpasim:...` says it. No gRPC."""

from __future__ import annotations

import importlib.util
import math
import socket
from dataclasses import dataclass, replace

from policies.policy_error import PolicyError

USAGE = "alpasim:HOST:PORT[,deadline=SECONDS][,camera=NAME|none]"
CONNECT_SECONDS = 5.0
"""A port that does not take a connection for this long is taken for dead [s]."""
INSTALL = "pip install 'drivedit[alpasim]'"


@dataclass(frozen=True, kw_only=True)
class DriverAddress:
    """Where a driver listens, and how it is asked.

    Args:
        host: name or address.
        port: of its gRPC service.
        deadline: longest that it may take for an answer, its first included [s].
        camera: what the front camera is called in the contract, as the driver expects it; None sends no pictures.

    Raises:
        ValueError: there is no such port, or the deadline is not positive.
    """

    host: str
    port: int
    deadline: float = 30.0
    camera: str | None = "camera_front_wide_120fov"

    def __post_init__(self) -> None:
        if not self.host or not 1 <= self.port <= 65535:
            raise ValueError(f"a driver's address is HOST:PORT with a port in [1, 65535], got {self}")
        if not 0 < self.deadline < math.inf:
            raise ValueError(f"a driver's deadline must be positive and finite, got {self.deadline} s")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @staticmethod
    def parse(argument: str) -> DriverAddress:
        """Of what follows `alpasim:`.

        Raises:
            ValueError: it is no address, or what follows is no option.
        """
        place, *options = argument.split(",")
        host, _, port = place.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"the policy is given as {USAGE}, got {f'alpasim:{argument}'!r}")
        address = DriverAddress(host=host.strip("[]"), port=int(port))
        for option in options:
            address = _set_option(address, option)
        return address

    def check(self) -> None:
        """See that the library is there and that something takes connections, by nothing that gRPC keeps: the process
        may still be forked.

        Raises:
            ValueError: the library is missing.
            PolicyError: nothing listens there.
        """
        if importlib.util.find_spec("carla_driver_interface") is None:
            raise ValueError(f"alpasim:{self} needs the extra alpasim: {INSTALL}")
        try:
            socket.create_connection((self.host, self.port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise PolicyError(
                f"found no driver at {self}: asked for a connection for {CONNECT_SECONDS:g} s at most: {why}"
            ) from error


def _set_option(address: DriverAddress, option: str) -> DriverAddress:
    name, _, value = option.partition("=")
    if name == "camera" and value:
        return replace(address, camera=None if value == "none" else value)
    if name == "deadline":
        try:
            deadline = float(value)
        except ValueError:
            raise ValueError(f"a driver's deadline is a number of seconds, got {value!r}") from None
        return replace(address, deadline=deadline)
    raise ValueError(f"the policy is given as {USAGE}, got the option {option!r}")
