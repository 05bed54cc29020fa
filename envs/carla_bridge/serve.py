"""`drivedit serve`: a world on CARLA's wire protocol, for the unmodified CARLA client."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from envs.carla.versions import DEFAULT_VERSION, layout_of
from envs.carla_bridge.bridge import Bridge
from envs.carla_bridge.faults import Fault
from envs.carla_bridge.methods import methods_of
from envs.carla_bridge.simulation import Simulation
from envs.worlds import WORLDS, LocalWorldName
from worldsim.datatypes.scene import CONTROL_NAMES
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.gbuffer.classes import SENSOR_NAMES
from worldsim.option_checks import check_options


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """What is served, and where.

    Args:
        world: "learned" drives in the world model, "road" in the reference world.
        host: address to bind; the default is reachable from this machine alone.
        port: of CARLA's RPC, 0 for any; the streams take the next one if it is free.
        carla_version: of the clients that are to come.
        maps: of the road world: OpenDRIVE files that clients can load; the first is there at the start. Without one it
            is the procedural town Town_000.
        seed: of traffic and weather, or of the learned world's noise; a client can choose another by the ego
            blueprint's attribute `seed`.
        frame_size: height and width of the road world's own camera [px].
        num_vehicles: of the road world's traffic.
        num_pedestrians: of the road world.
        checkpoint: of the learned world; None takes the one that ships with the package.
        device: torch device of the learned world.
        faults: what is to go wrong, each once, for tests of clients: KIND@FRAME, KIND@FRAME:SECONDS or
            rpc_error@FRAME:METHOD. Kinds: late_image, dropped_image, duplicated_image, late_frame, rpc_error, kill.

    Raises:
        ValueError: the port is no port, the version is not supported, or there is no such fault.
    """

    world: LocalWorldName = "learned"
    host: str = "127.0.0.1"
    port: int = 2000
    carla_version: str = DEFAULT_VERSION
    maps: tuple[Path, ...] = ()
    seed: int = 0
    frame_size: tuple[int, int] = (128, 128)
    num_vehicles: int = 12
    num_pedestrians: int = 8
    checkpoint: Path | None = None
    device: str = "cpu"
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_options(self)
        layout_of(self.carla_version)
        for fault in self.faults:
            Fault.parse(fault)


def serve(config: ServeConfig) -> None:
    """Serve until interrupted.

    Raises:
        OSError: the port is taken.
        ValueError: the world cannot be made.
    """
    faults = [Fault.parse(fault) for fault in config.faults]
    simulation = make_simulation(config)
    _warm_up(simulation)
    bridge = Bridge(simulation, layout_of(config.carla_version), faults)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(bridge.run(config.host, config.port, methods_of(bridge)))


def make_simulation(config: ServeConfig) -> Simulation:
    """The world that `config` names, ready to be served."""
    if config.world == "road":
        return _road(config)
    if config.world == "learned":
        return _learned(config)

    from envs.carla_bridge.world_simulation import WorldSimulation

    world = WORLDS[config.world].make().world
    return WorldSimulation(world, VehicleModel(), {"Start_000": {}}, config.seed)


def _warm_up(simulation: Simulation) -> None:
    """Drive a step and take every picture, for code that is compiled when it is first used keeps a client waiting
    longer than its timeout."""
    with contextlib.suppress(ValueError):  # no room there, or no such picture: a client will be told
        simulation.begin(tuple(simulation.spawn_poses[0]), simulation.seed, True)
        simulation.step(np.zeros(len(CONTROL_NAMES), np.float32))
        simulation.observe()
        for picture in ("rgb", *SENSOR_NAMES):
            simulation.check_camera(simulation.camera, picture)
            simulation.image(simulation.camera, picture)
    simulation.end()


def _learned(config: ServeConfig) -> Simulation:
    from envs.carla_bridge.world_simulation import WorldSimulation
    from envs.learned.config import LearnedWorldConfig
    from envs.learned.learned_world import LearnedWorld

    world = LearnedWorld(LearnedWorldConfig(checkpoint=config.checkpoint, device=config.device))
    starts = {f"Start_{index:03d}": {"start_index": index} for index in range(len(world.starts))}
    return WorldSimulation(world, world.model.config.vehicle, starts, config.seed)


def _road(config: ServeConfig) -> Simulation:
    from envs.carla_bridge.road_simulation import RoadSimulation
    from envs.road.config import RoadWorldConfig

    world = RoadWorldConfig(
        frame_size=config.frame_size, num_vehicles=config.num_vehicles, num_pedestrians=config.num_pedestrians
    )
    return RoadSimulation(world, config.maps, seed=config.seed)
