"""WorldSimulation: any World behind the bridge, above all the learned one; it uses what envs.world says alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from envs.carla.coordinates import poses_to_carla
from envs.carla_bridge.one_road_map import route_xodr
from envs.carla_bridge.simulation import (
    NO_LIGHTS,
    NO_ROOM,
    USUAL_LIMIT,
    CameraView,
    LightStates,
    ServedSignal,
    ShownWeather,
    SpawnedActor,
    Tick,
    boxes_of,
    external_actors,
    view_of,
)
from envs.external_actors import ExternalActors
from envs.ground_truth import Objects, ego_box, touched
from envs.learned.start_pose import MOST_ASIDE, MOST_TURNED
from envs.maps.route import route_through
from envs.road.traffic.traffic import SCRIPTED_HEIGHTS
from envs.world import HostWorld, SensorWorld, World, WorldStep
from worldsim.datatypes.boxes import overlap, wrap_angle
from worldsim.datatypes.camera import CameraGeometry, focal_length
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import ObjectColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel
from worldsim.gbuffer.classes import DEPTH_OF_SKY, SemanticClass

START_TOLERANCE = 2.0
"""An ego that is spawned this near to the world's start begins there, moving as it was recorded [m]."""
MOUNT_TOLERANCE = 2.0
"""A camera may be mounted this far from the world's own, whose picture it gets [m]."""
LEAST_KNOWN = 0.5
"""Share of a view that the world's picture must cover."""
SAME_PLACE = 0.05
"""What the world tells of somebody whom a client has spawned is this near to where the client has it [m]."""
SPAWN_STEP = 20.0
"""Between spawn points along the route, and from the last one to its end at least [m]."""
SAME_OBJECT = 4.0
"""An object of a kind this near to where one was a step ago is that one [m]."""


class WorldSimulation:
    """A World behind the bridge: it begins along the routes of its own starts, and shows what its own camera sees.

    Args:
        world: any; the simulation resets and steps it.
        model: its ego's size and response.
        starts: reset options by name; each is a map to the client, a road along the start's route.
        seed: of episodes for which the client names none.

    Raises:
        ValueError: there is no start.
    """

    def __init__(
        self, world: World, model: VehicleModel, starts: Mapping[str, Mapping[str, Any]], seed: int = 0
    ) -> None:
        if not starts:
            raise ValueError("a world to be served needs at least one start, got none")
        self.model, self.dt, self.seed = model, world.dt, seed
        self.map_names = tuple(starts)
        self._world, self._starts = world, starts
        self.signals: tuple[ServedSignal, ...] = ()
        self.camera = view_of(CameraGeometry().with_frame_size(world.frame_size))
        self._step: WorldStep | None = None
        self._spawned: dict[int, SpawnedActor] = {}
        self._external = ExternalActors.none()
        self.load_map(self.map_names[0])

    def load_map(self, name: str) -> None:
        """See Simulation."""
        if name not in self._starts:
            raise ValueError(f"map {name!r} not found; there are {', '.join(self.map_names[:8])}, ...")
        self.end()
        self.map_name = name
        step, clip = self._world.reset(self.seed, self._starts[name]), self._world.start_clip()
        route = to_ground_frame(step.vehicle, clip.route.astype(np.float64))
        half_width = float(step.scene.half_width) if step.scene.lane_valid[2] else 1.75
        self.xodr = route_xodr(route, half_width, name)
        self._route = route_through(route)
        along = np.arange(SPAWN_STEP, self._route.length - SPAWN_STEP, SPAWN_STEP)
        further = [self._route.pose_at(s, 0.0, 0.0) for s in along.tolist()]
        self.spawn_poses = np.array([step.vehicle[:3].tolist(), *further])
        self.spawn_heights = np.zeros(len(self.spawn_poses))
        self.layout = self._world.layout()

    def add_opendrive(self, xodr: str) -> None:
        """See Simulation: refused."""
        raise ValueError("this world cannot be put on another map: it knows its own starts only")

    def set_dt(self, dt: float) -> None:
        """See Simulation: refused, a World has one step."""
        raise ValueError(f"fixed_delta_seconds must be {self.dt:g} in this world, got {dt:g}")

    def check_camera(self, view: CameraView, picture: str) -> None:
        """See Simulation: near the world's own camera, and mostly within its picture."""
        if picture != "rgb" and picture not in self._sensor_names:
            raise ValueError(f"Spawn failed: this world has no {picture} camera")
        own = self.camera
        if picture == "depth" and not np.allclose(view.axes, own.axes, atol=1e-3):
            raise ValueError(
                "Spawn failed: this world's depth camera looks as its own camera does, it cannot be turned"
            )
        away = float(np.hypot(np.hypot(view.x - own.x, view.y - own.y), view.z - own.z))
        if away > MOUNT_TOLERANCE:
            raise ValueError(
                f"Spawn failed: this world shows what one front camera sees, at x={own.x:g} z={own.z:g}; "
                f"one {away:.1f} m from it would see what this world cannot show"
            )
        known = cv2.warpPerspective(np.ones((own.height, own.width), np.uint8), self._turn(view), _size(view))
        if known.mean() < LEAST_KNOWN:
            raise ValueError(f"Spawn failed: only {known.mean():.0%} of this view is within what the world shows")

    def begin(
        self, pose: tuple[float, float, float], seed: int, traffic: bool, others: Sequence[SpawnedActor] = ()
    ) -> None:
        """See Simulation: at the world's start, moving as it begins, or standing elsewhere along its route."""
        if not traffic:
            raise ValueError("Spawn failed: this world's traffic cannot be left out, it is in the start's pictures")
        options = self._starts[self.map_name]
        x, y, yaw = self.spawn_poses[0]
        at_start = np.hypot(pose[0] - x, pose[1] - y) <= START_TOLERANCE and abs(wrap_angle(pose[2] - yaw)) <= 0.5
        if not at_start:
            self._check_on_route(pose)
            options = {**options, "start_pose": pose}
        step = self._world.reset(seed, options)
        ego, own = ego_box(step.vehicle, self.model), _objects(step).boxes
        there = np.concatenate([boxes_of(others)] if at_start else [own, boxes_of(others)])
        if overlap(ego, there).any():
            self._world.close()
            raise ValueError(NO_ROOM)
        if overlap(own[:, None], boxes_of(others)[None]).any():
            self._world.close()
            raise ValueError("Spawn failed: a road user of this world's own is where a client's vehicle stands")
        self._step, self._spawned, self._external = step, {}, ExternalActors.none()
        self._xy, self._kinds, self._keys = np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._num_keys = 0
        self._update_keys(self._step)
        try:
            self.place(others)
        except ValueError as error:
            self.end()
            raise ValueError(f"Spawn failed: {error}") from error

    def set_speed(self, speed: float) -> None:
        """See Simulation."""
        self._step = self._host().set_speed(speed)

    def check_spawn(self, actor: SpawnedActor, others: Sequence[SpawnedActor]) -> None:
        """See Simulation; who passes is there, for the world may have no place for another one."""
        if self._step is None:
            if overlap(boxes_of([actor])[0], boxes_of(others)).any():
                raise ValueError(NO_ROOM)
            return
        self._host()
        step = self._step
        clip = self._world.start_clip(pictures=False)
        own = _objects(step) if clip.road_users is None else Objects.of(clip.road_users)
        own = _without(own, self._external.objects)
        taken = np.concatenate([ego_box(step.vehicle, self.model)[None], own.boxes, boxes_of(others)])
        if overlap(boxes_of([actor])[0], taken).any():
            raise ValueError(NO_ROOM)
        # where the others have been moved to since the last step is for the next one
        there = [*(self._spawned[one.key] for one in others), actor]
        try:
            self._put(there)
        except ValueError as error:
            raise ValueError(f"Spawn failed: {error}") from error

    def place(self, actors: Sequence[SpawnedActor]) -> None:
        """See Simulation."""
        if actors or self._spawned:
            self._put(actors)

    def _put(self, actors: Sequence[SpawnedActor]) -> None:
        external = external_actors(actors, self._spawned, self.dt)
        self._host().place(external)
        self._external, self._spawned = external, {actor.key: actor for actor in actors}

    def ground_heights(self, actors: Sequence[SpawnedActor]) -> np.ndarray:
        """See Simulation: what a World shows is flat."""
        return np.zeros(len(actors))

    def speed_limits(self, actors: Sequence[SpawnedActor]) -> np.ndarray:
        """See Simulation: that where the ego is."""
        return np.full(len(actors), USUAL_LIMIT if self._step is None else _speed_limit(self._step))

    def step(self, control: np.ndarray) -> None:
        """See Simulation."""
        self._step = self._world.step(control)
        self._update_keys(self._step)

    def end(self) -> None:
        """See Simulation."""
        self._step, self._spawned, self._external = None, {}, ExternalActors.none()

    def observe(self) -> Tick:
        """See Simulation."""
        step, external = self._running(), self._external
        own = _without(_objects(step), external.objects)
        objects = Objects(
            boxes=np.concatenate([own.boxes, external.objects.boxes]),
            speeds=np.concatenate([own.speeds, external.objects.speeds]),
            kinds=np.concatenate([own.kinds, external.objects.kinds]),
        )
        own_heights = np.array([SCRIPTED_HEIGHTS[ObjectKind(kind)] for kind in own.kinds.tolist()])
        keys = np.concatenate([self._keys, external.ids])
        hit = touched(step.vehicle, self.model, objects)
        return Tick(
            vehicle=step.vehicle,
            z=0.0,
            grade=0.0,
            objects=objects,
            heights=np.concatenate([own_heights, external.heights]),
            colors=np.concatenate([np.full((len(own.kinds), 3), np.nan), external.colors]),
            braking=np.concatenate([np.zeros(len(own.kinds), bool), external.braking]),
            keys=keys,
            collided=step.collision > 0.5,
            collided_with=int(keys[hit[0]]) if len(hit) else -1,
            speed_limit=_speed_limit(step),
        )

    def image(self, view: CameraView, picture: str) -> np.ndarray:
        """See Simulation: the world's picture, turned and scaled to the view; black beyond it, or unseen."""
        self._running()
        if picture == "rgb":
            frame, flags, beyond = self._world.frame(), cv2.INTER_LINEAR, 0.0
        else:  # of these two values have no value between them
            assert isinstance(self._world, SensorWorld), "check_camera has seen to it"
            frame = self._world.sensor_frames([picture])[picture]
            flags, beyond = cv2.INTER_NEAREST, DEPTH_OF_SKY if picture == "depth" else float(SemanticClass.SKY)
        if view.near(self.camera):
            return frame
        # cv2 knows no float16
        known = frame.astype(np.float32) if picture == "depth" else frame
        turned = cv2.warpPerspective(known, self._turn(view), _size(view), flags=flags, borderValue=beyond)
        return turned.astype(frame.dtype)

    def light_states(self) -> LightStates:
        """See Simulation: of a map with nothing but a road there are none."""
        return NO_LIGHTS

    def weather(self) -> ShownWeather | None:
        """See Simulation: a World does not tell."""
        return None

    @property
    def _sensor_names(self) -> tuple[str, ...]:
        return self._world.sensor_names if isinstance(self._world, SensorWorld) else ()

    def _running(self) -> WorldStep:
        assert self._step is not None, "there is no ego"
        return self._step

    def _host(self) -> HostWorld:
        """The world, which lets others in.

        Raises:
            ValueError: it does not.
        """
        if not isinstance(self._world, HostWorld):
            raise ValueError("this world has one ego and traffic of its own: a client spawns that ego and its sensors")
        return self._world

    def _check_on_route(self, pose: tuple[float, float, float]) -> None:
        """Refuse a place that is not on the route, or heads another way."""
        s, aside, yaw = self._route.project(np.array(pose[:2]))
        if abs(aside) <= MOST_ASIDE and abs(wrap_angle(pose[2] - yaw)) <= MOST_TURNED:
            return
        nearest, *points = poses_to_carla(
            np.array([self._route.pose_at(s, 0.0, 0.0), *self.spawn_poses.tolist()])
        ).tolist()
        first, last = (f"x={x:.1f} y={y:.1f}" for x, y, _ in (points[0], points[-1]))
        spawns = f"{len(points)} spawn points, every {SPAWN_STEP:g} m, run from {first} to {last}"
        if len(points) == 1:
            spawns = f"only spawn point is at {first}"
        raise ValueError(
            f"Spawn failed: {abs(aside):.1f} m beside the route along which this world can be entered, nearest to it "
            f"at x={nearest[0]:.1f} y={nearest[1]:.1f} yaw={nearest[2]:.0f}; its {spawns} "
            f"(world.get_map().get_spawn_points())"
        )

    def _turn(self, view: CameraView) -> np.ndarray:
        """The homography [3, 3] from the world's pixels to the view's: exact for cameras in one place."""
        return _pixels(view) @ view.axes @ self.camera.axes.T @ np.linalg.inv(_pixels(self.camera))

    def _update_keys(self, step: WorldStep) -> None:
        """Give each object the key of the nearest one of its kind a step ago, or a new one."""
        objects = _without(_objects(step), self._external.objects)
        keys = np.full(len(objects.kinds), -1, np.int64)
        distance = np.hypot(*(objects.boxes[:, None, :2] - self._xy[None]).transpose(2, 0, 1))
        distance[objects.kinds[:, None] != self._kinds[None]] = np.inf
        while distance.size and distance.min() < SAME_OBJECT:
            i, j = np.unravel_index(np.argmin(distance), distance.shape)
            keys[i] = self._keys[j]
            distance[i], distance[:, j] = np.inf, np.inf
        new = np.flatnonzero(keys < 0)
        keys[new] = self._num_keys + np.arange(len(new))
        self._num_keys += len(new)
        self._xy, self._kinds, self._keys = objects.boxes[:, :2], objects.kinds, keys


def _speed_limit(step: WorldStep) -> float:
    return float(step.scene.speed_limit) if step.scene.lane_valid[3] else USUAL_LIMIT


def _objects(step: WorldStep) -> Objects:
    """The objects of the SceneState in the ground frame."""
    scene = step.scene
    listed = scene.objects[scene.object_valid].astype(np.float64)
    xy = to_ground_frame(step.vehicle, listed[:, [ObjectColumn.X, ObjectColumn.Y]])
    yaw = listed[:, ObjectColumn.YAW] + step.vehicle[VehicleColumn.YAW]
    return Objects(
        boxes=np.column_stack([xy, yaw, listed[:, [ObjectColumn.LENGTH, ObjectColumn.WIDTH]]]),
        speeds=listed[:, ObjectColumn.SPEED],
        kinds=scene.object_kinds[scene.object_valid].astype(np.int64),
    )


def _without(objects: Objects, others: Objects) -> Objects:
    """The objects but for those that are where one of the others of their kind is."""
    away = np.hypot(*(objects.boxes[:, None, :2] - others.boxes[None, :, :2]).transpose(2, 0, 1))
    same = (away < SAME_PLACE) & (objects.kinds[:, None] == others.kinds[None])
    rows = ~same.any(axis=1)
    return Objects(boxes=objects.boxes[rows], speeds=objects.speeds[rows], kinds=objects.kinds[rows])


def _size(view: CameraView) -> tuple[int, int]:
    return view.width, view.height


def _pixels(view: CameraView) -> np.ndarray:
    """Camera matrix [3, 3]; whole numbers are pixel centres."""
    focal = focal_length(view.fov, view.width)
    return np.array([[focal, 0.0, 0.5 * view.width - 0.5], [0.0, focal, 0.5 * view.height - 0.5], [0.0, 0.0, 1.0]])
