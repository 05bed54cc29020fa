"""CarlaSession: one ego in a CARLA server, through the official client; runs in a process of its own.

What leaves is in our frame and units. The client can hang or crash in C++, which is why `envs.carla.process` runs this
module as a child that it can end.
"""

from __future__ import annotations

import contextlib
import math
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import carla
import numpy as np

from envs.carla.blueprint_choice import choose_blueprint
from envs.carla.cameras import DECODERS, SENSOR_BLUEPRINTS, rgb_of
from envs.carla.coordinates import control_to_carla, pose_to_carla
from envs.carla.environment import environment_boxes
from envs.carla.messages import CarlaMoment, MapFacts, Opening, Placed, SessionConfig
from envs.carla.objects import Bodies, kind_of, pose_of
from envs.carla.scripted_actors import CarlaActors
from envs.carla.signals import ServerSignals
from envs.carla.traffic import CarlaTraffic
from envs.carla.versions import layout_of
from envs.carla.weather import sun_direction
from envs.world import WorldLostError
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import ObjectKind

ROLE = "drivedit"
"""role_name of everything spawned here, by which leftovers of a session that was killed are found."""
COLLISION_GRACE = 0.001
"""How long a frame's collision may come after its image [s]."""
MAP_SECONDS = 120.0
"""Longest wait for another map [s]."""
CLOSING_SECONDS = 2.0
"""Longest wait for each answer of the server while closing [s]."""
SPAWN_HEIGHT = 0.3
"""An ego is let down from this far above a start given without a height [m]."""


class CarlaSession:
    """Holds the client, the settings of the server, and what was spawned; leaves the server as it was found.

    Args:
        config: how.

    Raises:
        ConnectionError: no server answers, or it is of another version than the client.
    """

    def __init__(self, config: SessionConfig) -> None:
        self.config = config
        self._client = carla.Client(config.host, config.port)
        self._client.set_timeout(config.connect_seconds)
        self._check_version()
        self._client.set_timeout(self._patience)
        self._world = self._client.get_world()
        self._found_settings = self._world.get_settings()
        self._ego: Any = None
        self._sensors: list[Any] = []
        self._traffic: CarlaTraffic | None = None
        self._actors: CarlaActors | None = None
        self._bodies = Bodies(self._world)
        self._sun = np.zeros(3)
        self._images: queue.Queue[Any] = queue.Queue()
        self._sensor_images: dict[str, queue.Queue[Any]] = {name: queue.Queue() for name in config.sensors}
        self._collisions: deque[ObjectKind] = deque()
        self._invasions: deque[str] = deque()
        self._synchronise()
        self._destroy_leftovers()
        self._signals = ServerSignals(self._world)

    @property
    def _patience(self) -> float:
        """Longest wait for an answer of the server but during a change of map [s]."""
        return max(self.config.tick_seconds, self.config.connect_seconds)

    def _check_version(self) -> None:
        where = f"{self.config.host}:{self.config.port}"
        try:
            server = self._client.get_server_version()
        except RuntimeError as error:
            raise ConnectionError(f"no CARLA server answers at {where}: {error}") from error
        own = self._client.get_client_version()
        if server != own:
            raise ConnectionError(
                f"the server at {where} is CARLA {server}, the installed client is {own}; install carla=={server}"
            )
        if own != self.config.carla_version:
            raise ConnectionError(
                f"the server at {where} and the installed client are CARLA {own}, but carla_version is "
                f"{self.config.carla_version}"
            )

    def _synchronise(self) -> None:
        settings = self._world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, self.config.dt
        self._world.apply_settings(settings)

    def _destroy_leftovers(self) -> None:
        """Of an earlier session that was killed: its sensors, then its vehicles."""
        left = [actor for actor in self._world.get_actors() if actor.attributes.get("role_name") == ROLE]
        for actor in sorted(left, key=lambda actor: not actor.type_id.startswith("sensor.")):
            actor.destroy()
        if left:
            self._world.tick(self.config.tick_seconds)

    def map_facts(self) -> MapFacts:
        """The present map."""
        world_map = self._world.get_map()
        transforms = world_map.get_spawn_points()
        spawns = [pose_of(transform) for transform in transforms]
        return MapFacts(
            name=world_map.name.rsplit("/", 1)[-1],
            xodr=world_map.to_opendrive(),
            spawns=np.array(spawns, np.float64).reshape(-1, 3),
            spawn_heights=np.array([transform.location.z for transform in transforms], np.float64),
            signals=self._signals.places(),
        )

    def environment_boxes(self) -> Layout:
        """What stands on the present map."""
        return environment_boxes(self._world, self._signals.lights)

    def load_map(self, name: str) -> MapFacts:
        """Change to a map of the server.

        Raises:
            ValueError: the server has no such map.
        """
        self.end(self.config.tick_seconds)
        known = [path.rsplit("/", 1)[-1] for path in self._client.get_available_maps()]
        if name not in known:
            raise ValueError(f"the server has no map {name!r}; it has {', '.join(sorted(known))}")
        return self._enter(lambda: self._client.load_world(name))

    def load_opendrive(self, xodr: str) -> MapFacts:
        """Change to a map given as OpenDRIVE text."""
        self.end(self.config.tick_seconds)
        return self._enter(lambda: self._client.generate_opendrive_world(xodr))

    def _enter(self, load: Callable[[], carla.World]) -> MapFacts:
        """Change the map, for which the server may take long."""
        self._client.set_timeout(MAP_SECONDS)
        self._world = load()
        self._synchronise()
        self._client.set_timeout(self._patience)
        self._signals = ServerSignals(self._world)
        return self.map_facts()

    def begin(self, opening: Opening) -> CarlaMoment:
        """Spawn the ego with its sensors and the actors, let traffic appear, wait until all has settled.

        Raises:
            ValueError: the server has no room there, no such blueprint or no such weather.
            WorldLostError: the server broke off.
        """
        self.end(self.config.tick_seconds)
        self._bodies = Bodies(self._world)
        self._world.set_weather(getattr(carla.WeatherParameters, opening.weather))
        has_own_traffic = self._spawn_ego(opening)
        self._attach_sensors()
        self._actors = CarlaActors(
            self._client, self._world, self._bodies, ROLE, layout_of(self.config.carla_version).blueprints
        )
        self._actors.begin(opening.actors)
        self._traffic = CarlaTraffic(self._client, self._world, self.config.traffic_port, ROLE)
        if opening.traffic and not has_own_traffic:
            x, y, _ = pose_to_carla(*opening.pose)
            self._traffic.begin(self.config.num_vehicles, carla.Location(x=x, y=y), opening.seed)
        self._ego.apply_control(carla.VehicleControl(brake=1.0))
        number = self._tick()
        self._sun = sun_direction(self._world.get_weather())
        for _ in range(self.config.num_warmup - 1):
            number = self._tick()
        if opening.speed is not None:
            self._ego.apply_control(carla.VehicleControl())
            forward = self._ego.get_transform().get_forward_vector()
            self._ego.set_target_velocity(carla.Vector3D(forward * opening.speed))
            number = self._tick()
        return self._moment(number)

    def step(self, control: np.ndarray, actors: Sequence[Placed]) -> CarlaMoment:
        """Apply control float32 [4] (CONTROL_NAMES) over one frame, in which the scripted actors are moved.

        Raises:
            WorldLostError: the frame or its image did not come, or a frame was skipped.
        """
        throttle, steer, brake, reverse = control_to_carla(control)
        self._ego.apply_control(carla.VehicleControl(throttle=throttle, steer=steer, brake=brake, reverse=reverse))
        assert self._actors is not None, "an episode has begun"
        self._actors.place(actors)
        return self._moment(self._tick())

    def end(self, tick_seconds: float) -> None:
        """Take away everything that was spawned: sensors stopped first, then traffic, then actors, then the ego.

        Args:
            tick_seconds: longest wait for the frame in which they are gone. A frame that comes later lacks what is
                spawned meanwhile, which the client then takes for dead.
        """
        for sensor in self._sensors:
            with contextlib.suppress(RuntimeError):
                sensor.stop()
                sensor.destroy()
        self._sensors = []
        if self._traffic is not None:
            self._traffic.end()
            self._traffic = None
        if self._actors is not None:
            with contextlib.suppress(RuntimeError):
                self._actors.end()
            self._actors = None
        if self._ego is not None:
            with contextlib.suppress(RuntimeError):
                self._ego.destroy()
                self._world.tick(tick_seconds)
            self._ego = None
        self._images, self._collisions, self._invasions = queue.Queue(), deque(), deque()
        self._sensor_images = {name: queue.Queue() for name in self.config.sensors}

    def close(self) -> None:
        """End, and give the server back the settings it had; without synchronous mode nobody can freeze it."""
        self._client.set_timeout(CLOSING_SECONDS)  # a dead server must not hold up the end
        self.end(CLOSING_SECONDS)
        settings = self._found_settings
        settings.synchronous_mode, settings.fixed_delta_seconds = False, None
        with contextlib.suppress(RuntimeError):
            self._world.apply_settings(settings)

    def _spawn_ego(self, opening: Opening) -> bool:
        """Whether the server has traffic of its own, which the ego's blueprint then can leave out."""
        blueprint = self._ego_blueprint()
        blueprint.set_attribute("role_name", ROLE)
        has_own_traffic = blueprint.has_attribute("traffic")
        if has_own_traffic:
            blueprint.set_attribute("seed", str(opening.seed))
            blueprint.set_attribute("traffic", str(opening.traffic).lower())
        x, y, yaw = pose_to_carla(*opening.pose)
        z = self._road_height(x, y) if opening.z is None else opening.z
        transform = carla.Transform(carla.Location(x=x, y=y, z=z + SPAWN_HEIGHT), carla.Rotation(yaw=yaw))
        try:
            self._ego = self._world.spawn_actor(blueprint, transform)
        except RuntimeError as error:
            raise ValueError(f"no ego at {tuple(round(v, 2) for v in opening.pose)}: {error}") from error
        return has_own_traffic

    def _ego_blueprint(self) -> Any:
        library = self._world.get_blueprint_library()
        if not self.config.blueprint:
            return choose_blueprint(library, ObjectKind.CAR, layout_of(self.config.carla_version).ego_blueprint)
        try:
            return library.find(self.config.blueprint)
        except IndexError as error:
            raise ValueError(f"the server has no blueprint {self.config.blueprint!r}") from error

    def _road_height(self, x: float, y: float) -> float:
        """Height of the lane nearest to a place in CARLA's frame [m]."""
        ground = self._world.get_map().get_waypoint(carla.Location(x=x, y=y))
        return ground.transform.location.z if ground is not None else 0.0

    def _attach_sensors(self) -> None:
        """The camera comes last: its image is sent after the events of its frame.

        Cameras are mounted by the ego's middle and the ground under it, as its poses are told.
        """
        images, collisions, invasions = self._images, self._collisions, self._invasions

        def collided(event: Any) -> None:
            collisions.append(kind_of(event.other_actor) or ObjectKind.STATIC)

        def invaded(event: Any) -> None:
            invasions.extend(str(marking.type) for marking in event.crossed_lane_markings)

        self._attach("sensor.other.collision", {}, carla.Transform(), collided)
        self._attach("sensor.other.lane_invasion", {}, carla.Transform(), invaded)
        height, width = self.config.frame_size
        camera, body = CameraGeometry(), self._bodies.of(self._ego)
        assert body is not None, "the ego is a vehicle"
        attributes = {
            "image_size_x": str(width),
            "image_size_y": str(height),
            "fov": str(math.degrees(camera.fov)),
        }
        mount = carla.Transform(
            carla.Location(x=camera.mount_x + body.ahead, z=camera.mount_height + body.bottom),
            carla.Rotation(pitch=-math.degrees(camera.pitch)),
        )
        for name, sensor_images in self._sensor_images.items():
            self._attach(SENSOR_BLUEPRINTS[name], attributes, mount, sensor_images.put)
        self._attach("sensor.camera.rgb", attributes, mount, images.put)

    def _attach(self, name: str, attributes: dict[str, str], mount: carla.Transform, listener: Any) -> None:
        blueprint = self._world.get_blueprint_library().find(name)
        for key, value in ({"role_name": ROLE} | attributes).items():
            blueprint.set_attribute(key, value)
        sensor: Any = self._world.spawn_actor(blueprint, mount, attach_to=self._ego)
        self._sensors.append(sensor)
        sensor.listen(listener)

    def _tick(self) -> int:
        """Compute one frame; its number."""
        before = self._world.get_snapshot().frame
        try:
            number = self._world.tick(self.config.tick_seconds)
        except RuntimeError as error:
            raise WorldLostError(f"CARLA gave no frame after {before}: {error}") from error
        if number != before + 1:
            raise WorldLostError(f"CARLA skipped a frame: {number} came after {before}; does another client tick?")
        return number

    def _image(self, images: queue.Queue[Any], number: int, what: str) -> np.ndarray:
        """The pixels of a frame, B, G, R, A uint8 [h, w, 4]; older ones, left over or duplicated, are passed over."""
        deadline = time.monotonic() + self.config.image_seconds
        while True:
            try:
                image = images.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise WorldLostError(
                    f"the {what} of frame {number} did not come within {self.config.image_seconds:g} s"
                ) from None
            if image.frame > number:
                raise WorldLostError(f"the {what} of frame {number} is missing: that of {image.frame} came instead")
            if image.frame == number:
                return np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)

    def _moment(self, number: int) -> CarlaMoment:
        snapshot = self._world.get_snapshot()
        if snapshot.frame != number:
            raise WorldLostError(f"the state of frame {number} is gone: the newest is of {snapshot.frame}")
        image = rgb_of(self._image(self._images, number, "image"))
        sensors = {
            name: DECODERS[name](self._image(images, number, f"{name} image"))
            for name, images in self._sensor_images.items()
        }
        try:
            angle = self._ego.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel)
            body, ego = self._bodies.of(self._ego), snapshot.find(self._ego.id)
            others = self._bodies.others(snapshot, self._ego.id)
            speeds = self._actors.speeds if self._actors else {}
            road_users = self._bodies.road_users(others, speeds, self.config.dt)
        except RuntimeError as error:
            raise WorldLostError(f"CARLA broke off in frame {number}: {error}") from error
        assert body is not None, "the ego is a vehicle"
        pose, velocity, acceleration = body.middle(ego), ego.get_velocity(), ego.get_acceleration()
        forward = ego.get_transform().get_forward_vector()
        vehicle = [*pose, velocity.dot(forward), acceleration.dot(forward), -math.radians(angle)]
        invasions = tuple(self._invasions)
        self._invasions.clear()
        return CarlaMoment(
            number=number,
            image=image,
            sensors=sensors,
            vehicle=np.array(vehicle, np.float64),
            yaw_rate=-math.radians(ego.get_angular_velocity().z),
            size=(body.length, body.width),
            road_users=road_users,
            user_ids=np.array([actor.id for actor, _ in others], np.int64),
            z=ego.get_transform().location.z + body.bottom,
            pitch=math.radians(ego.get_transform().rotation.pitch),
            sun_direction=self._sun,
            collided_with=self._collided_with(),
            lane_invasions=invasions,
            lights=self._signals.states(),
        )

    def _collided_with(self) -> ObjectKind:
        """What was touched since the last frame."""
        time.sleep(COLLISION_GRACE)
        touched = list(self._collisions)
        self._collisions.clear()
        return touched[-1] if touched else ObjectKind.EMPTY
