"""`drivedit serve-driver`: a policy of ours behind AlpaSim's egodriver contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policies.alpasim.address import INSTALL
from policies.registry import find_entry, make_policy, uses_pictures
from worldsim.option_checks import check_options


@dataclass(frozen=True, kw_only=True)
class ServeDriverConfig:
    """What is served, and where.

    Args:
        policy: its name, as `drivedit validate --policy` takes it, but for those that plan with a world model: the
            contract has no start clip for it.
        port: of the gRPC service, 0 for any.
        host: address to bind; the default is reachable from this machine alone. The contract has no authentication.
        runtime: who will ask. "alpasim" sends nothing of road users, lights and speed limits; "carla" does, in the
            CARLA extension of the contract, as `--policy alpasim:HOST:PORT` and autoware_carla_scenario.
        camera: name of the front camera, for policies that look at pictures; None takes the session's only one.
        allow_pickle: the policy's file may be one that can run any code when it is loaded.

    Raises:
        ValueError: the port is no port, or the policy plans with a world model.
    """

    policy: str = "lane_follower"
    port: int = 50051
    host: str = "127.0.0.1"
    runtime: Literal["alpasim", "carla"] = "alpasim"
    camera: str | None = None
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be in [0, 65535], got {self.port}")
        entry = find_entry(self.policy)
        if entry is not None and entry.uses_world_model:
            raise ValueError(f"{self.policy} plans with a world model, for which AlpaSim's contract has no start clip")


def serve_driver(config: ServeDriverConfig) -> None:
    """Serve until interrupted.

    Raises:
        ValueError: the extra is not installed, or the policy cannot be made.
        OSError: the port is taken.
        PolicyError: the policy breaks while it is made.
    """
    try:
        from carla_driver_interface.server import build_server
    except ModuleNotFoundError as error:
        raise ValueError(f"serve-driver needs the extra alpasim: {INSTALL}") from error
    from policies.alpasim.service import DriverService

    def make():
        return make_policy(config.policy, allow_pickle=config.allow_pickle)

    pictures = uses_pictures(config.policy, make())  # what cannot be made is told before anyone asks for it
    service = DriverService(config.policy, make, pictures=pictures, camera=config.camera)
    try:
        server, port = build_server(service, port=config.port, host=config.host, mode=config.runtime)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {config.host}:{config.port}: the port is taken, or no such address") from error
    server.start()
    try:
        print(f"serving {config.policy} for AlpaSim on {config.host}:{port}", flush=True)
        server.wait_for_termination()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop(grace=1.0).wait()
