"""CarlaWorld: a CARLA server, or what speaks its protocol, as a World."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box

from envs.reference import ROUTE_LENGTH, Instant, keep_lane, kept_route, start_clip
from envs.roads import RoadMap, load_map
from envs.routes import Route
from envs.truth import is_off_road, is_wrong_way, scene_from_truth
from envs.world import WorldLostError, WorldStep
from worldsim.start_clip import StartClip
from worldsim.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.carla_process import CarlaProcess
    from envs.carla_session import CarlaMoment, SessionConfig

WEATHERS = (
    "ClearNoon",
    "CloudyNoon",
    "WetNoon",
    "WetCloudyNoon",
    "SoftRainNoon",
    "MidRainyNoon",
    "HardRainNoon",
    "ClearSunset",
    "CloudySunset",
    "WetSunset",
    "WetCloudySunset",
    "SoftRainSunset",
    "MidRainSunset",
    "HardRainSunset",
)
"""CARLA's presets, of which the seed draws one."""
MAP_SECONDS = 180.0
"""A map change that takes longer has hung [s]."""
NUM_SPAWN_TRIES = 20
"""Starts tried before the server is said to have no room."""


@dataclass(frozen=True, kw_only=True)
class CarlaWorldConfig:
    """Which server, and what is driven there.

    Args:
        host: of the server.
        port: of its RPC.
        frame_size: height and width of frames [px].
        dt: step length [s].
        num_context: frames in a start clip; the world drives that many minus one before an episode begins.
        num_warmup: frames under the brake before that, in which the car settles and the sensors start.
        num_vehicles: of CARLA's Traffic Manager around the ego; servers with traffic of their own refuse them.
        traffic_port: of the Traffic Manager, which listens on all interfaces of this machine.
        blueprint: of the ego.
        weather: one of WEATHERS; "" lets the seed draw one.
        vehicle: response of the ego, by which the context is driven; its size is read from the server.
        connect_seconds: longest wait for a server [s].
        tick_seconds: longest wait for a frame [s].
        image_seconds: longest wait for a frame's image [s].
        hang_seconds: a client that is this much later than its own limits has hung and is ended [s].

    Raises:
        ValueError: a port, size, count or time is out of range, or the weather is unknown.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    frame_size: tuple[int, int] = (128, 128)
    dt: float = 0.1
    num_context: int = 8
    num_warmup: int = 10
    num_vehicles: int = 12
    traffic_port: int = 8000
    blueprint: str = "vehicle.nissan.patrol"
    weather: str = ""
    vehicle: VehicleModel = field(default_factory=VehicleModel)
    connect_seconds: float = 10.0
    tick_seconds: float = 10.0
    image_seconds: float = 2.0
    hang_seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in ("port", "traffic_port"):
            if not 1 <= getattr(self, name) <= 65535:
                raise ValueError(f"{name} must be in [1, 65535], got {getattr(self, name)}")
        for name in ("connect_seconds", "tick_seconds", "image_seconds", "hang_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("num_context", "num_warmup"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_vehicles < 0:
            raise ValueError(f"num_vehicles must be at least 0, got {self.num_vehicles}")
        if min(self.frame_size) < 16:
            raise ValueError(f"frame_size must be at least 16 x 16, got {self.frame_size}")
        if not 0.001 < self.dt <= 0.5:
            raise ValueError(f"dt must be in (0.001, 0.5] s, got {self.dt}")
        if self.weather and self.weather not in WEATHERS:
            raise ValueError(f"no weather {self.weather!r}; there are {', '.join(WEATHERS)}")

    def session(self) -> SessionConfig:
        """What the session needs to know."""
        from envs.carla_session import SessionConfig

        return SessionConfig(
            host=self.host,
            port=self.port,
            frame_size=self.frame_size,
            dt=self.dt,
            blueprint=self.blueprint,
            num_vehicles=self.num_vehicles,
            traffic_port=self.traffic_port,
            num_warmup=self.num_warmup,
            connect_seconds=self.connect_seconds,
            tick_seconds=self.tick_seconds,
            image_seconds=self.image_seconds,
        )


@dataclass(kw_only=True, eq=False)
class _Episode:
    """What changes from step to step."""

    rng: np.random.Generator
    model: VehicleModel
    route: Route
    s: float
    weather: str
    past: tuple[Instant, ...] = ()


class CarlaWorld:
    """CARLA in synchronous mode: one ego with a front camera, collision and lane invasion sensors, among traffic.

    Truth comes from the API and the server's OpenDRIVE map, through the same code as in the embedded world. The client
    runs in a child process; the server gets its settings back when the world closes or its process ends.

    reset options:
        map: a map of the server, or path or text of an .xodr file for it to build; without it, it stays as it is.
        start: (x, y, yaw) [m, m, rad]; without it the seed draws one of the map's spawn points.
        route: a Route to follow from the start on; without it the seed draws the turns.

    info of a step: `weather` (place in WEATHERS), `frame_number` of the server, `collided_with` (ObjectKind of what the
    ego touches, EMPTY if nothing), `lane_invasions` (number of markings crossed in this step).

    Attributes:
        map_name: the server's name of the map, "" before the first reset.

    Args:
        config: which server, and what is driven there.
    """

    def __init__(self, config: CarlaWorldConfig | None = None) -> None:
        self.config = CarlaWorldConfig() if config is None else config
        self.frame_size, self.dt = self.config.frame_size, self.config.dt
        self.latent_space: Box | None = None
        self._process: CarlaProcess | None = None
        self._asked_map, self.map_name = "", ""
        self._road_map: RoadMap | None = None
        self._spawns = np.zeros((0, 3))
        self._episode: _Episode | None = None

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """A new start. What the server draws by itself may differ from one reset to the next with the same seed.

        Raises:
            ValueError: an unknown option, a map the server does not have, or a start it has no room for.
            ConnectionError: no server answers, or it is of another version than the client.
            WorldLostError: the server broke off.
        """
        unknown = set(options) - {"map", "start", "route"}
        if unknown:
            raise ValueError(f"unknown reset options {sorted(unknown)}; CARLA knows map, start and route")
        self._episode = None
        rng = np.random.default_rng(seed)
        road_map = self._enter(str(options.get("map", self._asked_map)))
        weather = self.config.weather or WEATHERS[int(rng.integers(len(WEATHERS)))]
        moment = self._begin(options.get("start"), seed, weather, rng)
        pose = moment.vehicle[:2]
        lane = road_map.lane_at(pose)
        if lane is None:
            raise ValueError(f"the start {tuple(pose)} is not within 30 m of a driving lane")
        drawn = road_map.route_from(lane, ROUTE_LENGTH, rng)
        route = options.get("route", drawn)
        length, width = moment.size
        self._episode = _Episode(
            rng=rng,
            model=replace(self.config.vehicle, length=length, width=width),
            route=route,
            s=float(route.project(pose, None)[0]),
            weather=weather,
        )
        speed = float(rng.uniform(0.0, 1.0) * lane.speed_limit) if rng.random() < 0.85 else 0.0
        step = self._answer(np.zeros(4, np.float32), moment, 0.0)
        for _ in range(self.config.num_context - 1):
            step = self.step(keep_lane(step.scene, self._episode.model, speed, mind_lead=True))
            if step.collision > 0.5 or step.off_road > 0.5:
                break
        return replace(step, progress=0.0)

    def step(self, control: np.ndarray) -> WorldStep:
        """Apply control float32 [4] (CONTROL_NAMES) over one step.

        Raises:
            ValueError: the control has another shape or is not finite, or reset was not called.
            WorldLostError: the server or the client broke off, hung, or lost the frame or its image.
        """
        control = np.array(control, np.float32)
        if control.shape != (4,) or not np.isfinite(control).all():
            raise ValueError(f"a control is 4 finite numbers, got {control}")
        episode, config = self._running(), self.config
        assert self._process is not None, "an episode has a session"
        limit = config.tick_seconds + config.image_seconds + config.connect_seconds + config.hang_seconds
        try:
            moment: CarlaMoment = self._process.call("step", control, seconds=limit)
        except WorldLostError:
            self._episode = None
            raise
        s, lateral, _ = episode.route.project(moment.vehicle[:2], episode.s)
        progress, episode.s = float(s - episode.s), float(s)
        episode.route, episode.s = kept_route(
            episode.route, episode.s, float(lateral), moment.vehicle, self._map(), episode.rng
        )
        return self._answer(control, moment, progress)

    def snapshot(self) -> Any:
        """Refused: CARLA cannot be set back.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("CARLA cannot be set back to an earlier moment; start_clip() goes on elsewhere")

    def restore(self, snapshot: Any) -> None:
        """Refused: CARLA cannot be set back.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("CARLA cannot be set back to an earlier moment")

    def get_state(self) -> bytes:
        """Refused: CARLA's state stays in the server.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("CARLA's state cannot be read; start_clip() goes on elsewhere")

    def set_state(self, state: bytes) -> None:
        """Refused: CARLA cannot be set back.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("CARLA cannot be set back to an earlier moment")

    def branch(self) -> CarlaWorld:
        """Refused: a server has one present.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a CARLA server has one present; start_clip() goes on elsewhere")

    def start_clip(self) -> StartClip:
        """The last context frames with their controls, SceneState and route."""
        episode = self._running()
        return start_clip(episode.past, episode.route, episode.s, self.dt)

    def close(self) -> None:
        """Take the ego and its sensors out of the server and give it back its settings."""
        self._episode = None
        if self._process is not None:
            self._process.close()
            self._process = None

    def _running(self) -> _Episode:
        if self._episode is None:
            raise ValueError("the world has no state yet: call reset first")
        return self._episode

    def _map(self) -> RoadMap:
        assert self._road_map is not None, "an episode has a map"
        return self._road_map

    def _enter(self, asked: str) -> RoadMap:
        """Connect where that is needed, and change to the map asked for ("" for none)."""
        from envs.carla_process import CarlaProcess

        facts = None
        if self._process is None or not self._process.alive:
            self._process = CarlaProcess(self.config.session())
            facts = self._process.map_facts
        if asked and (asked != self._asked_map or (facts is not None and asked != facts.name)):
            text = asked.lstrip().startswith("<")
            if text or asked.endswith(".xodr"):
                xodr = asked if text else Path(asked).read_text(errors="replace")
                facts = self._process.call("load_opendrive", xodr, seconds=MAP_SECONDS)
            else:
                facts = self._process.call("load_map", asked, seconds=MAP_SECONDS)
        self._asked_map = asked
        if facts is not None:
            self._spawns, self._road_map, self.map_name = facts.spawns, _server_map(facts.xodr), facts.name
        return self._map()

    def _begin(
        self, start: tuple[float, float, float] | None, seed: int, weather: str, rng: np.random.Generator
    ) -> CarlaMoment:
        """The first moment, at the start asked for or one of the map's that has room."""
        assert self._process is not None, "connected before"
        frames = self.config.num_warmup + 2
        seconds = frames * self.config.tick_seconds + self.config.connect_seconds + self.config.hang_seconds
        starts = [tuple(start)] if start is not None else self._spawns[rng.permutation(len(self._spawns))].tolist()
        if not starts:
            raise ValueError(f"map {self.map_name} has no spawn points: pass options={{'start': (x, y, yaw)}}")
        for number, pose in enumerate(starts[:NUM_SPAWN_TRIES], start=1):
            try:
                return self._process.call("begin", tuple(pose), seed, weather, seconds=seconds)
            except ValueError:
                if number == min(len(starts), NUM_SPAWN_TRIES):
                    raise
        raise AssertionError("the last try returns or raises")

    def _answer(self, control: np.ndarray, moment: CarlaMoment, progress: float) -> WorldStep:
        """The world as it is now, remembered for the start clip."""
        episode, road_map = self._running(), self._map()
        scene = scene_from_truth(
            vehicle=moment.vehicle, model=episode.model, route=episode.route, objects=moment.objects, hint_s=episode.s
        )
        scene.ego[2] = moment.yaw_rate
        instant = Instant(control=control, frame=moment.image, vehicle=moment.vehicle, scene=scene)
        episode.past = (*episode.past, instant)[-self.config.num_context :]
        return WorldStep(
            frame=moment.image.copy(),
            scene=scene.copy(),
            vehicle=moment.vehicle.copy(),
            collision=float(bool(moment.collided_with)),
            off_road=float(is_off_road(moment.vehicle, episode.model, road_map)),
            wrong_way=is_wrong_way(scene, moment.vehicle, road_map),
            progress=progress,
            info={
                "weather": WEATHERS.index(episode.weather),
                "frame_number": moment.number,
                "collided_with": int(moment.collided_with),
                "lane_invasions": len(moment.lane_invasions),
            },
            route_done=episode.s >= episode.route.length,
        )


@lru_cache(maxsize=2)
def _server_map(xodr: str) -> RoadMap:
    """A server's map; the last ones are kept over reconnections."""
    return load_map(xodr)
