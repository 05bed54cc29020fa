"""Simulation: what the bridge asks of the world it serves, in our frame and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from envs.external_actors import ExternalActors
from envs.ground_truth import Objects
from worldsim.datatypes.camera import PinholeCamera, camera_axes
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleModel

OPENDRIVE_MAP = "OpenDriveMap"
"""CARLA's name for a map that a client gives as text."""
NO_ROOM = "Spawn failed because of collision at spawn position"
"""What CARLA says where somebody else is."""
USUAL_LIMIT = 50 / 3.6
"""Speed limit where none is known [m/s]."""
SAME_BODY = 8.0
"""A road user that is farther than this from where it was a step ago is another one [m]."""


@dataclass(frozen=True, kw_only=True)
class CameraView:
    """A camera on the ego.

    Args:
        width: [px].
        height: [px].
        fov: horizontal field of view [rad].
        x: ahead of the ego's centre [m].
        y: to its left [m].
        z: above the ground [m].
        yaw: to the left [rad].
        pitch: downward [rad].
        roll: clockwise seen from behind [rad].
    """

    width: int
    height: int
    fov: float
    x: float
    y: float
    z: float
    yaw: float
    pitch: float
    roll: float

    @property
    def axes(self) -> np.ndarray:
        """The camera's right, down and forward axes in the vehicle frame, rows [3, 3]."""
        return camera_axes(self.pitch, self.yaw, self.roll)

    def near(self, other: CameraView) -> bool:
        """Whether both show the same picture, but for rounding on the way through CARLA's degrees and floats."""
        size = (self.width, self.height) == (other.width, other.height)
        own = (self.fov, self.x, self.y, self.z, self.yaw, self.pitch, self.roll)
        others = (other.fov, other.x, other.y, other.z, other.yaw, other.pitch, other.roll)
        return size and bool(np.allclose(own, others, rtol=0.0, atol=1e-4))


def view_of(camera: PinholeCamera) -> CameraView:
    """A front camera as a view; the learned world was trained on that of the reference world."""
    return CameraView(
        width=camera.width_px,
        height=camera.height_px,
        fov=camera.fov,
        x=camera.mount_x,
        y=0.0,
        z=camera.mount_height,
        yaw=0.0,
        pitch=camera.pitch,
        roll=0.0,
    )


@dataclass(frozen=True, kw_only=True)
class SpawnedActor:
    """A road user that a client has spawned, and that it moves.

    Args:
        key: its number among the keys of a tick, negative.
        kind: never EMPTY.
        pose: x, y, yaw of its middle [m, m, rad].
        z: height that the client gives it [m]; it says which of several roads above each other it is on.
        size: length, width, height [m].
        color: RGB.
        braking: shows brake lights.
    """

    key: int
    kind: ObjectKind
    pose: tuple[float, float, float]
    z: float
    size: tuple[float, float, float]
    color: tuple[int, int, int]
    braking: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedSignal:
    """A light or sign of the map, as clients see it.

    Args:
        kind: SignalKind, RED of every light.
        sign_id: of the map's signal.
        pose: x, y, z of its middle and the direction its face looks [m, m, m, rad].
        width: of its face [m].
        height: [m].
        stops: x, y, yaw of the lanes' centres at the stop lines it counts for, in their direction of travel, float64
            [k, 3] [m, m, rad].
        half_widths: of those lanes, float64 [k] [m].
        group: lights of one group switch together; -1 of a sign.
        times: green, yellow and red of its cycle [s]; 0 of a sign.
    """

    kind: SignalKind
    sign_id: str
    pose: tuple[float, float, float, float]
    width: float
    height: float
    stops: np.ndarray
    half_widths: np.ndarray
    group: int
    times: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class LightStates:
    """What the lights show at an instant, one for each ServedSignal; those of signs say nothing.

    Args:
        shown: SignalKind, int64 [n].
        elapsed: since it last changed, float64 [n] [s].
    """

    shown: np.ndarray
    elapsed: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownWeather:
    """The weather in a world's pictures.

    Args:
        sun_direction: unit vector towards the sun in the ground frame, float64 [3].
        cloudiness: share of the sky under clouds, [0, 1].
        visibility: distance at which fog hides all but 5 % [m].
        wetness: of the ground, [0, 1].
    """

    sun_direction: np.ndarray
    cloudiness: float
    visibility: float
    wetness: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Tick:
    """The state of the world after a step.

    Args:
        vehicle: the ego, VEHICLE_NAMES, float64 [6].
        z: height of the road under it [m].
        grade: how steeply that road rises in the ego's direction [rad].
        objects: all other road users, n of them.
        heights: theirs, float64 [n] [m].
        colors: of their paint, RGB [0, 255], float64 [n, 3]; NaN where this world does not tell.
        braking: who of them shows brake lights, bool [n].
        keys: a number for each, its own as long as it is there: a SpawnedActor's key, else from 0 on, int64 [n].
        collided: the ego touches something.
        collided_with: key of what it touches, -1 when that is not among the objects.
        speed_limit: where the ego is [m/s].
    """

    vehicle: np.ndarray
    z: float
    grade: float
    objects: Objects
    heights: np.ndarray
    colors: np.ndarray
    braking: np.ndarray
    keys: np.ndarray
    collided: bool
    collided_with: int
    speed_limit: float


class Simulation(Protocol):
    """A world with one ego. What it cannot do it refuses with a ValueError that says why.

    Attributes:
        dt: step [s].
        model: the ego's size and response.
        map_names: what `load_map` takes.
        map_name: the present one.
        xodr: its OpenDRIVE text.
        spawn_poses: where an ego may begin, x, y, yaw, float64 [n, 3] [m, m, rad].
        spawn_heights: of the road there, float64 [n] [m].
        seed: of the next `begin` when the client names none.
        camera: the world's own view, shown without resampling.
        signals: lights and signs of the present map.
        layout: what does not move on the present map.
    """

    dt: float
    model: VehicleModel
    map_names: tuple[str, ...]
    map_name: str
    xodr: str
    spawn_poses: np.ndarray
    spawn_heights: np.ndarray
    seed: int
    camera: CameraView
    signals: tuple[ServedSignal, ...]
    layout: Layout

    def load_map(self, name: str) -> None:
        """Change to another map, without an ego."""
        ...

    def add_opendrive(self, xodr: str) -> None:
        """Make a map given as text known as OPENDRIVE_MAP."""
        ...

    def set_dt(self, dt: float) -> None:
        """Change the step [s], from the next one on."""
        ...

    def check_camera(self, view: CameraView, picture: str) -> None:
        """Refuse a view that `image` cannot give, or a picture ("rgb", or one of SENSOR_NAMES) that it has not."""
        ...

    def begin(
        self, pose: tuple[float, float, float], seed: int, traffic: bool, others: Sequence[SpawnedActor] = ()
    ) -> None:
        """Put the ego at x, y, yaw [m, m, rad] among the `others` that clients have spawned, with this world's own
        traffic or without."""
        ...

    def set_speed(self, speed: float) -> None:
        """Give the ego another speed [m/s]."""
        ...

    def check_spawn(self, actor: SpawnedActor, others: Sequence[SpawnedActor]) -> None:
        """Refuse an actor for which there is no room now, among the `others` that clients have spawned; there may be no
        ego yet."""
        ...

    def place(self, actors: Sequence[SpawnedActor]) -> None:
        """From the next step on these checked actors are there, and no others that clients have spawned."""
        ...

    def ground_heights(self, actors: Sequence[SpawnedActor]) -> np.ndarray:
        """Height of the ground under each actor, on the level of its own, float64 [n] [m]; with or without ego."""
        ...

    def speed_limits(self, actors: Sequence[SpawnedActor]) -> np.ndarray:
        """Of the road under each actor, float64 [n] [m/s]; with or without ego. Traffic Managers want it above 0."""
        ...

    def step(self, control: np.ndarray) -> None:
        """Apply control float32 [4] (CONTROL_NAMES) over one step."""
        ...

    def end(self) -> None:
        """Take the ego away."""
        ...

    def observe(self) -> Tick:
        """The present state; there must be an ego."""
        ...

    def image(self, view: CameraView, picture: str) -> np.ndarray:
        """The picture of a checked view: "rgb" uint8 [height, width, 3], "depth" or "semantic" as in SensorWorld."""
        ...

    def light_states(self) -> LightStates:
        """What the lights show now, or without an ego when an episode would begin."""
        ...

    def weather(self) -> ShownWeather | None:
        """The weather of the pictures; None where it is not known, or there is no ego."""
        ...


def external_actors(
    actors: Sequence[SpawnedActor], before: Mapping[int, SpawnedActor], dt: float, z: np.ndarray | None = None
) -> ExternalActors:
    """Actors as a world takes them; their speeds follow from how far they have been moved.

    Args:
        actors: now.
        before: a step ago, by key.
        dt: step [s].
        z: height of the ground under each, [n] [m].
    """
    speeds = [_speed(before.get(actor.key, actor).pose, actor.pose, dt) for actor in actors]
    return ExternalActors(
        ids=np.array([actor.key for actor in actors], np.int64),
        objects=Objects(
            boxes=boxes_of(actors),
            speeds=np.array(speeds, np.float64),
            kinds=np.array([int(actor.kind) for actor in actors], np.int64),
            z=z,
        ),
        heights=np.array([actor.size[2] for actor in actors], np.float64),
        colors=np.array([actor.color for actor in actors], np.uint8).reshape(-1, 3),
        braking=np.array([actor.braking for actor in actors], bool),
    )


def boxes_of(actors: Sequence[SpawnedActor]) -> np.ndarray:
    """Their boxes [n, 5]."""
    return np.array([(*actor.pose, *actor.size[:2]) for actor in actors]).reshape(-1, 5)


def _speed(before: tuple[float, float, float], now: tuple[float, float, float], dt: float) -> float:
    """Along the own yaw [m/s]; 0 for one that was teleported."""
    dx, dy = now[0] - before[0], now[1] - before[1]
    return 0.0 if np.hypot(dx, dy) > SAME_BODY else float(dx * np.cos(now[2]) + dy * np.sin(now[2])) / dt


NO_LIGHTS = LightStates(shown=np.zeros(0, np.int64), elapsed=np.zeros(0))
"""Of a map without lights and signs."""


class Keys:
    """Numbers for road users that come in rows: a row keeps its number until someone else takes its place."""

    def __init__(self) -> None:
        self._last = np.zeros((0, 2))
        self._keys = np.zeros(0, np.int64)
        self._next = 0

    def of(self, xy: np.ndarray) -> np.ndarray:
        """Keys int64 [n] of those who are now at `xy` [n, 2]; n stays the same as long as the ego does."""
        if len(xy) != len(self._keys):
            self._keys = self._fresh(len(xy))
        else:
            gap = xy - self._last
            new = np.hypot(gap[:, 0], gap[:, 1]) > SAME_BODY
            self._keys = self._keys.copy()
            self._keys[new] = self._fresh(int(new.sum()))
        self._last = xy.copy()
        return self._keys

    def _fresh(self, n: int) -> np.ndarray:
        self._next += n
        return np.arange(self._next - n, self._next)
