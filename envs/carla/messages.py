"""What CarlaWorld and its session, in another process, tell each other; in our frame and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import UNKNOWN_COLOR, RoadUsers
from worldsim.gbuffer.view import View

VIEW_RANGE = 150.0
"""Road users farther than this are not told to be in a picture [m]."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a scripted actor is to be.

    Args:
        kind: never EMPTY.
        pose: x, y, yaw of its middle [m, m, rad].
        speed: along its yaw; CARLA itself measures none of an actor that is moved by its transform [m/s].
        braking: shows brake lights.
    """

    kind: ObjectKind
    pose: tuple[float, float, float]
    speed: float
    braking: bool


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """How a session is held.

    Args:
        host: of the server.
        port: of its RPC.
        frame_size: height and width of the front camera's frames [px].
        sensors: of SENSOR_NAMES: what cameras beside it are to give.
        dt: step [s].
        carla_version: of the server and the client.
        blueprint: of the ego; "" leaves the choice to the session.
        num_vehicles: of the Traffic Manager, where the server has no traffic of its own.
        traffic_port: of the Traffic Manager, in this process.
        num_warmup: frames under the brake before an episode, in which the car settles and the sensors start.
        connect_seconds: longest wait for a server [s].
        tick_seconds: longest wait for a frame [s].
        image_seconds: longest wait for a frame's image, counted from the frame [s].
    """

    host: str
    port: int
    frame_size: tuple[int, int]
    sensors: tuple[str, ...]
    dt: float
    carla_version: str
    blueprint: str
    num_vehicles: int
    traffic_port: int
    num_warmup: int
    connect_seconds: float
    tick_seconds: float
    image_seconds: float


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How an episode begins.

    Args:
        pose: of the ego, x, y, yaw [m, m, rad].
        z: height of the road there [m]; None takes that of the nearest lane.
        speed: that it is given when it has settled, which takes one more frame; None leaves it standing [m/s].
        actors: scripted ones, where they are until the first `step`.
        traffic: whether there is any other.
        seed: of that traffic.
        weather: name of one of CARLA's presets.
    """

    pose: tuple[float, float, float]
    z: float | None
    speed: float | None
    actors: tuple[Placed, ...]
    traffic: bool
    seed: int
    weather: str


@dataclass(frozen=True, kw_only=True, eq=False)
class MapSignals:
    """Where lights and signs count: `k` places on lanes, at their stop lines.

    Args:
        poses: x, y, yaw of the lane's centre there, in its direction of travel, float64 [k, 3] [m, m, rad].
        kinds: SignalKind, RED of a light whatever it shows, int64 [k].
        lights: index of the light in CarlaMoment.lights, -1 of a sign, int64 [k].
        greens: how long each of the lights is green, float64 [n] [s].
        yellows: and yellow.
    """

    poses: np.ndarray
    kinds: np.ndarray
    lights: np.ndarray
    greens: np.ndarray
    yellows: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class MapFacts:
    """The server's map.

    Args:
        name: the server's.
        xodr: OpenDRIVE text.
        spawns: spawn points x, y, yaw, float64 [n, 3] [m, m, rad].
        spawn_heights: theirs, above the road by as much as CARLA has them, float64 [n] [m].
        signals: its lights and signs.
    """

    name: str
    xodr: str
    spawns: np.ndarray
    spawn_heights: np.ndarray
    signals: MapSignals


@dataclass(frozen=True, kw_only=True, eq=False)
class CarlaMoment:
    """What the API tells of one frame.

    Args:
        number: CARLA's number of the frame.
        image: RGB, uint8 [h, w, 3].
        sensors: the pictures of SessionConfig.sensors, by name.
        vehicle: the ego, VEHICLE_NAMES, float64 [6].
        yaw_rate: measured [rad/s].
        size: the ego's length and width [m].
        road_users: all other vehicles, walkers and props; braking are those whose brake lights are on.
        user_ids: CARLA's ids of the same, int64 [n].
        z: height of the ground under the ego [m].
        pitch: of the ego, and with it of its camera, nose up positive [rad].
        sun_direction: unit vector towards the sun, float64 [3].
        collided_with: what the collision sensor reported for this frame, EMPTY for nothing.
        lane_invasions: kinds of the markings crossed, since the last frame.
        lights: what each of the server's lights shows, SignalKind, NONE of one that is off, int64 [n].
    """

    number: int
    image: np.ndarray
    sensors: Mapping[str, np.ndarray]
    vehicle: np.ndarray
    yaw_rate: float
    size: tuple[float, float]
    road_users: KnownRoadUsers
    user_ids: np.ndarray
    z: float
    pitch: float
    sun_direction: np.ndarray
    collided_with: ObjectKind
    lane_invasions: tuple[str, ...]
    lights: np.ndarray

    def camera_scene(self) -> CameraScene:
        """What the image shows beside the layout; of the road users those within sight."""
        x, y, yaw = self.vehicle[: VehicleColumn.YAW + 1].tolist()
        view, users = View(x=x, y=y, yaw=yaw, z=self.z, grade=self.pitch), self.road_users
        near = view.rows_in_sight(users.boxes[:, :2], users.boxes[:, BoxColumn.LENGTH], VIEW_RANGE)
        shown = users[near]
        return CameraScene(
            view=view,
            users=RoadUsers(
                kinds=shown.kinds,
                boxes=shown.boxes,
                colors=np.where(np.isnan(shown.colors), UNKNOWN_COLOR, shown.colors),
                braking=shown.braking,
                phases=shown.phases,
            ),
            user_ids=self.user_ids[near],
            lights=self.lights,
            sun=self.sun_direction,
        )
