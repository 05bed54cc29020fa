"""RoadSimulation: the reference world behind the bridge, with cameras anywhere on the ego."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from envs.carla_bridge.road_signals import light_states, served_signals
from envs.carla_bridge.simulation import (
    NO_ROOM,
    OPENDRIVE_MAP,
    USUAL_LIMIT,
    CameraView,
    Keys,
    LightStates,
    ServedSignal,
    ShownWeather,
    SpawnedActor,
    Tick,
    boxes_of,
    external_actors,
    view_of,
)
from envs.ground_truth import Objects, touched
from envs.maps.geometry import LEVEL_HEIGHT
from envs.maps.opendrive.carla_text import carla_opendrive, check_with_carla
from envs.road.config import RoadWorldConfig
from envs.road.episode import RoadView
from envs.road.rendering.camera import CameraConfig, load_camera
from envs.road.road_world import RoadWorld
from envs.road.static_scene import StaticScene, load_map_scene, load_town_scene
from envs.road.traffic.lights import LightPrograms
from envs.road.traffic.paths import NOWHERE
from envs.road.traffic.room import make_room
from envs.scripted_actors import ScriptedActors
from envs.world import WorldStep
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.gbuffer.road_users import RoadUsers

STANDING_START = ScriptedActors(scripts=(), ego_speed=0.0, ambient_traffic=True)
"""A spawned ego stands still, in full traffic."""
NUM_SPAWNS = 100
"""Most spawn points of a map."""
EGO_HEIGHT, EGO_COLOR = 1.6, (40, 60, 120)
"""What the ego looks like to a camera that sees it [m], RGB."""


class RoadSimulation:
    """RoadWorld behind the bridge.

    Maps are the procedural towns `Town_000`, `Town_001`, ... and the OpenDRIVE files given.

    Args:
        config: what the world is like; its episodes begin without a context.
        files: OpenDRIVE files, each a map named after the file.
        first_map: the map to begin with; the first file, else Town_000, without one.
        seed: of episodes for which the client names none.

    Raises:
        ValueError: the map cannot be used.
        FileNotFoundError: no such file.
    """

    def __init__(
        self,
        config: RoadWorldConfig | None = None,
        files: tuple[Path, ...] = (),
        first_map: str | None = None,
        seed: int = 0,
    ) -> None:
        self.config = replace(config or RoadWorldConfig(), num_context=1)
        self._files = {path.stem: path for path in files}
        self._towns = {f"Town_{seed:03d}": seed for seed in range(self.config.num_towns)}
        self.map_names = (*self._files, *self._towns)
        self.model, self.seed = self.config.vehicle, seed
        self._world: RoadWorld = RoadWorld(self.config)
        self.dt = self._world.dt
        self.camera = view_of(CameraGeometry().with_frame_size(self.config.frame_size))
        self._step: WorldStep | None = None
        self._spawned: dict[int, SpawnedActor] = {}
        self._opendrive = ""
        self.load_map(self.map_names[0] if first_map is None else first_map)

    def load_map(self, name: str) -> None:
        """See Simulation."""
        if name in self._files:
            static_scene = load_map_scene(str(self._files[name]))
            check_with_carla(name, carla_opendrive(static_scene.road_map.xodr))
            self._enter(name, {"map": str(self._files[name])}, static_scene)
        elif name == OPENDRIVE_MAP and self._opendrive:
            self._enter(name, {"map": self._opendrive}, load_map_scene(self._opendrive))
        elif name in self._towns:
            self._enter(name, {"town": self._towns[name]}, load_town_scene(self._towns[name]))
        else:
            raise ValueError(f"map {name!r} not found; there are {', '.join(self.map_names[:8])}, ...")

    def add_opendrive(self, xodr: str) -> None:
        """See Simulation; a map that cannot be used is refused here."""
        load_map_scene(xodr)
        check_with_carla("given as text", carla_opendrive(xodr))
        self._opendrive = xodr

    def _enter(self, name: str, options: dict, static_scene: StaticScene) -> None:
        self.map_name, self._options, self._static_scene = name, options, static_scene
        self.xodr = carla_opendrive(static_scene.road_map.xodr)
        self.layout = static_scene.layout
        self.signals: tuple[ServedSignal, ...] = served_signals(static_scene.road_map)
        lanes = static_scene.spawn_points.lanes[:NUM_SPAWNS]
        self.spawn_poses = np.array([[lane.x, lane.y, lane.yaw] for lane in lanes])
        self.spawn_heights = np.array([lane.z for lane in lanes])
        self.end()

    def set_dt(self, dt: float) -> None:
        """See Simulation; an episode goes on in steps of the new length."""
        world = RoadWorld(replace(self.config, dt=dt))
        if self._step is not None:
            world.restore(self._world.snapshot())
        self._world, self.dt = world, dt

    def check_camera(self, view: CameraView, picture: str) -> None:
        """See Simulation: any place on the ego, without roll and not steeper than the renderer can."""
        if abs(view.roll) > 1e-3:
            raise ValueError(f"this world's cameras do not roll, got {np.degrees(view.roll):.1f} degrees")
        load_camera(_config_of(view))

    def begin(
        self, pose: tuple[float, float, float], seed: int, traffic: bool, others: Sequence[SpawnedActor] = ()
    ) -> None:
        """See Simulation; those of its own who would be where the others are, come later and elsewhere."""
        if others:
            on_level = np.abs(self.ground_heights(others) - self._static_scene.lane_under(pose).z) <= LEVEL_HEIGHT
            if (overlap(np.array([*pose, self.model.length, self.model.width]), boxes_of(others)) & on_level).any():
                raise ValueError(NO_ROOM)
        actors = replace(STANDING_START, ambient_traffic=traffic)
        step = self._world.reset(seed, {**self._options, "start_pose": pose, "scripted_actors": actors})
        if step.collision > 0.5:
            raise ValueError(NO_ROOM)
        self._step, self._keys, self._spawned = step, Keys(), {}
        if others:
            episode = self._world.snapshot()
            make_room(episode.traffic, boxes_of(others), self.ground_heights(others))
            self._world.restore(episode)
            self.place(others)

    def set_speed(self, speed: float) -> None:
        """See Simulation."""
        episode = self._world.snapshot()
        episode.vehicle = np.array([*episode.vehicle[:3], speed, 0.0, episode.vehicle[VehicleColumn.STEER_ANGLE]])
        self._world.restore(episode)

    def check_spawn(self, actor: SpawnedActor, others: Sequence[SpawnedActor]) -> None:
        """See Simulation."""
        taken, ground = boxes_of(others), self.ground_heights(others)
        if self._step is not None:
            episode = self._world.snapshot()
            traffic, rows = episode.traffic, episode.traffic.external_rows
            ego = np.array([*episode.vehicle[:3], self.model.length, self.model.width])
            taken = np.concatenate([ego[None], np.delete(traffic.objects.boxes, rows, axis=0), taken])
            ground = np.concatenate([[episode.z], np.delete(traffic.heights_of_ground, rows), ground])
        on_level = np.abs(ground - self.ground_heights([actor])) <= LEVEL_HEIGHT
        if (overlap(boxes_of([actor])[0], taken) & on_level).any():
            raise ValueError(NO_ROOM)

    def place(self, actors: Sequence[SpawnedActor]) -> None:
        """See Simulation."""
        if not actors and not self._spawned:
            return
        episode = self._world.snapshot()
        episode.traffic.place(external_actors(actors, self._spawned, self.dt, self.ground_heights(actors)))
        self._world.restore(episode)
        self._spawned = {actor.key: actor for actor in actors}

    def ground_heights(self, actors: Sequence[SpawnedActor]) -> np.ndarray:
        """See Simulation."""
        places = np.array([actor.pose[:2] for actor in actors]).reshape(-1, 2)
        return self._static_scene.road_map.height_at(places, np.array([actor.z for actor in actors], np.float64))

    def speed_limits(self, actors: Sequence[SpawnedActor]) -> np.ndarray:
        """See Simulation."""
        lanes = [self._static_scene.road_map.lane_at(np.array(actor.pose[:2])) for actor in actors]
        return np.array([USUAL_LIMIT if lane is None else lane.speed_limit for lane in lanes])

    def step(self, control: np.ndarray) -> None:
        """See Simulation."""
        self._step = self._world.step(control)

    def end(self) -> None:
        """See Simulation."""
        self._step, self._spawned = None, {}

    def observe(self) -> Tick:
        """See Simulation."""
        assert self._step is not None, "there is no ego"
        episode = self._world.snapshot()
        objects, vehicle = episode.traffic.objects, episode.vehicle

        # what clients have spawned keeps the client's keys; the rest is tracked row by row
        rows = episode.traffic.external_rows
        own = self._keys.of(np.delete(objects.boxes[:, :2], rows, axis=0))
        keys = np.concatenate([own[: rows.start], episode.traffic.external.ids, own[rows.start :]])
        keys = keys.astype(np.int64)

        there = np.abs(objects.boxes[:, 0]) < NOWHERE / 2
        hit = touched(vehicle, self.model, objects, episode.z)
        limits = episode.route.speed_limit
        return Tick(
            vehicle=vehicle,
            z=episode.z,
            grade=episode.past[-1].view.grade,
            objects=Objects(
                boxes=objects.boxes[there],
                speeds=objects.speeds[there],
                kinds=objects.kinds[there],
                z=episode.traffic.heights_of_ground[there],
            ),
            heights=episode.traffic.heights[there],
            colors=episode.traffic.colors[there].astype(np.float64),
            braking=episode.traffic.braking()[there],
            keys=keys[there],
            collided=self._step.collision > 0.5,
            collided_with=int(keys[hit[0]]) if len(hit) else -1,
            speed_limit=float(limits[min(int(episode.s), len(limits) - 1)]),
        )

    def light_states(self) -> LightStates:
        """See Simulation."""
        road_map = self._static_scene.road_map
        if self._step is None:
            return light_states(road_map, LightPrograms.of(road_map, self.seed), 0.0)
        traffic = self._world.snapshot().traffic
        return light_states(road_map, traffic.lights, traffic.time)

    def weather(self) -> ShownWeather | None:
        """See Simulation."""
        if self._step is None:
            return None
        look = self._world.snapshot().look
        return ShownWeather(
            sun_direction=look.sun_direction,
            cloudiness=look.cloudiness,
            visibility=look.visibility,
            wetness=look.wetness,
        )

    def image(self, view: CameraView, picture: str) -> np.ndarray:
        """See Simulation."""
        assert self._step is not None, "there is no ego"
        if view.near(self.camera):
            return self._world.frame() if picture == "rgb" else self._world.sensor_frames([picture])[picture]
        episode = self._world.snapshot()
        x, y, yaw = episode.vehicle[:3].tolist()
        c, s = np.cos(yaw), np.sin(yaw)
        at = np.array([x + c * view.x - s * view.y, y + s * view.x + c * view.y, yaw + view.yaw, 0.0, 0.0, 0.0])
        own: RoadView = episode.past[-1].view
        shown = RoadView.of(episode.traffic, at, episode.z, own.grade * np.cos(view.yaw))
        users = shown.users()
        if np.hypot(view.x, view.y) > self.model.length / 2:  # from inside its own body it is not seen
            ego = RoadUsers(
                kinds=np.array([ObjectKind.CAR]),
                boxes=np.array([[x, y, episode.z, yaw, self.model.length, self.model.width, EGO_HEIGHT]]),
                colors=np.array([EGO_COLOR]),
                braking=np.zeros(1, bool),
                phases=np.zeros(1),
            )
            users = RoadUsers.concatenate([users, ego])
        camera, scenery = load_camera(_config_of(view)), episode.stage.scenery
        if picture == "rgb":
            return camera.render(scenery, episode.look, shown.view(), users, shown.lights())
        return camera.sense([picture], scenery, shown.view(), users, shown.lights())[picture]


def _config_of(view: CameraView) -> CameraConfig:
    """A camera at the view's height and pitch, standing where it is rendered from."""
    return CameraConfig(
        height_px=view.height, width_px=view.width, fov=view.fov, mount_height=view.z, mount_x=0.0, pitch=view.pitch
    )
