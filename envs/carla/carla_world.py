"""CarlaWorld: a CARLA server, or what speaks its protocol, as a World."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box

from envs.carla.config import WEATHERS, CarlaWorldConfig
from envs.carla.leaderboard_routes import LeaderboardRoute, RouteError, route_on_map
from envs.carla.light_clock import LightClock
from envs.carla.messages import CarlaMoment, MapFacts, MapSignals, Opening, Placed
from envs.carla.route_lines import RouteSigns
from envs.carla.starts import SpawnPoints, Start
from envs.ego_route import LayoutAlong, keep_lane, keep_route, start_clip
from envs.ground_truth import Objects, is_off_road, is_wrong_way, scene_from_truth
from envs.history import Instant
from envs.maps.ground_layout import ground_layout, join_lines, lane_lines, with_ground
from envs.maps.opendrive.carla_text import carla_opendrive
from envs.maps.road_map import RoadMap, load_map, read_map_source
from envs.maps.route import Route
from envs.reset_options import read_reset_options
from envs.scripted_actors import USUAL_TRAFFIC, ScriptedActors, ScriptedPlay, begin_play
from envs.world import WorldLostError, WorldStep
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import EgoColumn
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel
from worldsim.gbuffer.camera_scene import CameraScene

if TYPE_CHECKING:
    from envs.carla.process import CarlaProcess

MAP_SECONDS = 180.0
"""A map change that takes longer has hung [s]."""
NUM_SPAWN_TRIES = 20
"""Starts tried before the server is said to have no room."""


@dataclass(kw_only=True, eq=False)
class _Episode:
    """What changes from step to step."""

    rng: np.random.Generator
    model: VehicleModel
    route: Route
    s: float
    weather: str
    play: ScriptedPlay | None
    keeps_route: bool
    signals: RouteSigns
    moment: CarlaMoment
    past: tuple[Instant, ...] = ()


class CarlaWorld:
    """CARLA in synchronous mode: one ego with a front camera, collision and lane invasion sensors, among traffic.

    Truth comes from the API and the server's OpenDRIVE map, through the same code as in the reference world. The client
    runs in a child process; the server gets its settings back when the world closes or its process ends.

    reset options:
        map: a map of the server, or path or text of an .xodr file for it to build; without it, it stays as it is.
        start_pose: (x, y, yaw) [m, m, rad]; without it the route's beginning, else the seed draws one of the spawn
            points.
        route: to follow from the start on. A Route is prolonged as one that the seed draws; a LeaderboardRoute ends
            where it ends, and names the map where none is asked for. Without it the seed draws the turns.
        scripted_actors: ScriptedActors. They are moved by their transforms, in sizes of CARLA's blueprints.

    info of a step: `weather` (place in WEATHERS), `frame_number` (the server's, from `first_frame` on),
    `collided_with` (ObjectKind of what the ego touches, EMPTY if nothing), `lane_invasions` (number of markings crossed
    in this step).

    Lights and signs are the API's: a light counts at its stop waypoints, stop and yield signs where their landmarks
    (types 206 and 205) stand. The lights' cycles are learned by watching them (`light_cycles`).

    Attributes:
        map_name: the server's name of the map, "" before the first reset.
        first_frame: the server's number of the first frame since the last reset.
        sensor_names: the pictures beside the front camera's, as the config asks for.

    Args:
        config: which server, and what is driven there.
    """

    def __init__(self, config: CarlaWorldConfig | None = None) -> None:
        self.config = CarlaWorldConfig() if config is None else config
        self.frame_size, self.dt = self.config.frame_size, self.config.dt
        self.sensor_names = self.config.sensors
        self.latent_space: Box | None = None
        self._process: CarlaProcess | None = None
        self._asked_map, self.map_name = "", ""
        self.first_frame = 0
        self._road_map: RoadMap | None = None
        self._spawn_points: SpawnPoints | None = None
        self._signals: MapSignals | None = None
        self._clock: LightClock | None = None
        self._episode: _Episode | None = None
        self._layout: Layout | None = None
        self._layout_along = LayoutAlong()

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """A new start. What the server draws by itself may differ from one reset to the next with the same seed.

        Raises:
            ValueError: an unknown option, a map the server does not have, a route that is not on it, a pose it has no
                room for, or scripted actors for which it has none, as those with a junction.
            ConnectionError: no server answers, or it is of another version than the client.
            WorldLostError: the server broke off.
        """
        options = read_reset_options(
            options,
            known=("map", "start_pose", "route", "scripted_actors"),
            world="CARLA",
            renamed={"start": "start_pose", "scenario": "scripted_actors"},
        )
        self._episode = None
        rng = np.random.default_rng(seed)
        route, scripted_actors = options.get("route"), options.get("scripted_actors")
        keeps_route = isinstance(route, LeaderboardRoute)
        if keeps_route:
            route = self._follow(route, str(options.get("map", route.town)))
        else:
            self._enter(str(options.get("map", self._asked_map)))
        weather = self.config.weather or WEATHERS[int(rng.integers(len(WEATHERS)))]
        straight = 0.0 if scripted_actors is None else scripted_actors.straight
        if scripted_actors is not None and scripted_actors.junction is not None:
            raise ValueError(
                f"in CARLA no start is looked for before a junction, and no light is scripted; asked for "
                f"{scripted_actors.junction}"
            )
        assert self._spawn_points is not None, "a map was entered"
        starts = self._spawn_points.starts(options.get("start_pose"), route, straight, rng)
        start, play, moment = self._begin(starts, scripted_actors, seed, weather)
        self.first_frame = moment.number
        length, width = moment.size
        assert self._signals is not None, "an episode has a map"
        s = float(start.route.project(moment.vehicle[:2], None)[0])
        moving = float(moment.vehicle[VehicleColumn.SPEED])
        self._episode = _Episode(
            rng=rng,
            model=replace(self.config.vehicle, length=length, width=width),
            route=start.route,
            s=s,
            weather=weather,
            play=play,
            keeps_route=keeps_route,
            signals=RouteSigns(self._signals, length, start.route, s, moving, moment.lights),
            moment=moment,
        )
        speed = float(rng.uniform(0.0, 1.0) * start.speed_limit) if rng.random() < 0.85 else 0.0
        if scripted_actors is not None and scripted_actors.ego_speed is not None:
            speed = scripted_actors.ego_speed
        step = self._answer(np.zeros(4, np.float32), moment, 0.0)
        for _ in range(self.config.num_context - 1):
            step = self.step(keep_lane(step.scene, self._episode.model, speed, mind_lead=scripted_actors is None))
            if step.collision > 0.5 or step.off_road > 0.5:
                break
        return replace(step, progress=0.0, red_light=False, stop_sign_missed=False)

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
        if episode.play is not None:
            episode.play = episode.play.stepped(episode.past[-1].vehicle, episode.model, self.dt)
        try:
            moment: CarlaMoment = self._process.call("step", control, _placed(episode.play), seconds=limit)
        except WorldLostError:
            self._episode = None
            raise
        s, lateral, _ = episode.route.project(moment.vehicle[:2], episode.s)
        progress, episode.s = float(s - episode.s), float(s)
        speed = float(moment.vehicle[VehicleColumn.SPEED])
        episode.signals.step(float(s), float(lateral), speed, moment.lights)
        episode.moment = moment
        if not episode.keeps_route:
            episode.route, episode.s = keep_route(
                episode.route, episode.s, float(lateral), moment.vehicle, self._map(), episode.rng, moment.z
            )
            episode.signals.follow(episode.route, episode.s, speed, moment.lights)
        return self._answer(control, moment, progress)

    def frame(self) -> np.ndarray:
        """The newest frame, RGB uint8 [h, w, 3]."""
        return self._running().past[-1].seen(None).copy()

    def sensor_frames(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """See SensorWorld; those of `sensor_names` alone."""
        sensors = self._running().moment.sensors
        missing = [name for name in names if name not in sensors]
        if missing:
            raise ValueError(f"this world has no cameras for {' and '.join(missing)}: CarlaWorldConfig(sensors=...)")
        return {name: sensors[name].copy() for name in names}

    def camera_scene(self) -> CameraScene:
        """What the newest frame shows beside `layout`; of the road users those within sight."""
        return self._running().moment.camera_scene()

    def light_cycles(self) -> np.ndarray | None:
        """LIGHT_CYCLE_NAMES of the server's lights, float64 [n, 4]; time 0 is now. None until all of them have been
        seen to turn red and green again, for the API does not tell when a light's turn comes."""
        self._running()
        assert self._clock is not None, "an episode has a map"
        return self._clock.cycles()

    def start_clip(self, *, pictures: bool = True) -> StartClip:
        """The last context frames with their controls, SceneState and route; without `pictures` a state-only clip."""
        episode = self._running()
        layout = self._layout_along.of(episode.route, self.layout())
        cycles = self.light_cycles()
        return start_clip(
            episode.past,
            None,
            episode.route,
            episode.s,
            self.dt,
            self._map(),
            layout,
            signals=episode.signals.lines.ahead(episode.s, cycles),
            light_cycles=cycles,
            road_users=episode.moment.road_users,
            ego_z=episode.moment.z,
            sun=episode.moment.sun_direction,
            pictures=pictures,
        )

    def layout(self) -> Layout:
        """What does not move on the server's map: objects as the API lists them, fetched when first asked for, and the
        ground as the OpenDRIVE text has it. Colours are unknown."""
        self._running()
        if self._layout is None:
            assert self._process is not None, "an episode has a session"
            boxes = self._process.call("environment_boxes", seconds=MAP_SECONDS)
            areas, paint = ground_layout(self._map().geometry)
            self._layout = with_ground(boxes, areas, join_lines([paint, lane_lines(self._map())]))
        return self._layout

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
        from envs.carla.process import CarlaProcess

        if self._process is None or not self._process.alive:
            self._process = CarlaProcess(self.config.session())
            self._know(self._process.map_facts)
            self._asked_map = self.map_name
        if asked and asked != self._asked_map:
            if "<" in asked or asked.endswith(".xodr"):
                xodr = carla_opendrive(read_map_source(asked).xodr)  # the server has the client's parser
                facts = self._process.call("load_opendrive", xodr, seconds=MAP_SECONDS)
            else:
                facts = self._process.call("load_map", asked, seconds=MAP_SECONDS)
            self._know(facts)
            self._asked_map = asked
        return self._map()

    def _know(self, facts: MapFacts) -> None:
        """The server's present map."""
        self._road_map, self.map_name = _server_map(facts.xodr), facts.name
        self._spawn_points = SpawnPoints(facts, self._road_map)
        self._signals, self._layout = facts.signals, None
        self._clock = LightClock(facts.signals.greens, facts.signals.yellows, self.dt)

    def _follow(self, route: LeaderboardRoute, map_name: str) -> Route:
        """The route on the map, which is entered for it."""
        try:
            road_map = self._enter(map_name)
        except ValueError as error:
            raise RouteError(f"{route.source}: {error}") from error
        return route_on_map(road_map, route)

    def _begin(
        self, starts: Iterator[Start], scripted_actors: ScriptedActors | None, seed: int, weather: str
    ) -> tuple[Start, ScriptedPlay | None, CarlaMoment]:
        """The first of the starts at which the server has room, what is played there, and its first moment."""
        assert self._process is not None, "connected before"
        frames = self.config.num_warmup + 3
        seconds = frames * self.config.tick_seconds + self.config.connect_seconds + self.config.hang_seconds
        refused: ValueError | None = None
        if scripted_actors is not None and scripted_actors.traffic != USUAL_TRAFFIC:
            raise ValueError(f"a CARLA server has its usual traffic or none, got {scripted_actors.traffic}")
        for start in islice(starts, NUM_SPAWN_TRIES):
            play = None if scripted_actors is None else self._play(scripted_actors, start)
            opening = Opening(
                pose=start.pose,
                z=start.z,
                speed=None if scripted_actors is None else scripted_actors.ego_speed,
                actors=_placed(play),
                traffic=scripted_actors is None or scripted_actors.ambient_traffic,
                seed=seed,
                weather=weather,
            )
            try:
                return start, play, self._process.call("begin", opening, seconds=seconds)
            except ValueError as error:
                refused = error
        assert refused is not None, "there is a start, or an error that says why not"
        raise refused

    def _play(self, scripted_actors: ScriptedActors, start: Start) -> ScriptedPlay:
        """The scripted actors at the first moment, by which the ego's given speed has taken it on by a frame."""
        ego_s = float(start.route.project(np.array(start.pose[:2]), None)[0])
        ego_s += (scripted_actors.ego_speed or 0.0) * self.dt
        return begin_play(scripted_actors, start.route, ego_s, -(self.config.num_context - 1) * self.dt)

    def _answer(self, control: np.ndarray, moment: CarlaMoment, progress: float) -> WorldStep:
        """The world as it is now, remembered for the start clip."""
        episode, road_map = self._running(), self._map()
        assert self._clock is not None, "an episode has a map"
        self._clock.watch(moment.number * self.dt, moment.lights)
        scene = scene_from_truth(
            vehicle=moment.vehicle,
            model=episode.model,
            route=episode.route,
            objects=Objects.of(moment.road_users),
            hint_s=episode.s,
            z=moment.z,
        )
        scene.ego[EgoColumn.YAW_RATE] = moment.yaw_rate
        episode.signals.fill(scene)
        instant = Instant(control=control, frame=moment.image, vehicle=moment.vehicle, scene=scene)
        episode.past = (*episode.past, instant)[-self.config.num_context :]
        return WorldStep(
            scene=scene.copy(),
            vehicle=moment.vehicle.copy(),
            collision=float(bool(moment.collided_with)),
            off_road=float(is_off_road(moment.vehicle, episode.model, road_map, moment.z)),
            wrong_way=is_wrong_way(scene, moment.vehicle, road_map, moment.z),
            red_light=episode.signals.now.red_light,
            stop_sign_missed=episode.signals.now.stop_sign_missed,
            progress=progress,
            info={
                "weather": WEATHERS.index(episode.weather),
                "frame_number": moment.number - self.first_frame,
                "collided_with": int(moment.collided_with),
                "lane_invasions": len(moment.lane_invasions),
            },
            route_done=episode.s >= episode.route.length,
        )


def _placed(play: ScriptedPlay | None) -> tuple[Placed, ...]:
    """Where the actors are now."""
    if play is None:
        return ()
    return tuple(
        Placed(
            kind=actor.kind,
            pose=(x, y, yaw),
            speed=actor.speed,
            braking=actor.braking,
        )
        for actor, (x, y, yaw, _, _) in zip(play.actors, play.boxes().tolist(), strict=True)
    )


@lru_cache(maxsize=2)
def _server_map(xodr: str) -> RoadMap:
    """A server's map; the last ones are kept over reconnections."""
    return load_map(xodr)
