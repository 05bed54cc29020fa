"""What a driver of ours knows at an instant, read from what its session was told: SceneState, vehicle, past frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from carla_driver_interface import protocol
from carla_driver_interface._proto import carla_driver_pb2  # whose enums `protocol` leaves out
from carla_driver_interface.driver import CameraFrame, DriveContext, SessionState
from carla_driver_interface.geometry import Pose

from envs.ground_truth import Objects, fill_objects, scene_from_truth
from envs.maps.route import Route, route_through
from policies.alpasim.rig import centre_poses, ground_poses, nose, rear_axle, relative_poses
from worldsim.datatypes.scene import LaneColumn, ObjectKind, RouteCommand, SceneState
from worldsim.datatypes.signals import SIGNAL_BEHIND, SIGNAL_RANGE, SignalKind
from worldsim.datatypes.vehicle import VehicleModel

TURN_ANGLE, TURN_LENGTH = np.radians(35.0), 12
"""A route that turns by more than this [rad] within this [m] turns off at a junction; roads bend less."""
COMMAND_RANGE = 30
"""How far ahead a RouteCommand tells of the route [m]."""
TRUCK_LENGTH = 6.5
"""Vehicles longer than this count as trucks [m]."""
STILL = 0.5
"""Below this speed the front wheels' angle cannot be told from the yaw rate [m/s]."""
SIGNALS = {
    carla_driver_pb2.TRAFFIC_LIGHT_STATE_NONE: SignalKind.NONE,
    carla_driver_pb2.TRAFFIC_LIGHT_STATE_OFF: SignalKind.NONE,
    carla_driver_pb2.TRAFFIC_LIGHT_STATE_RED: SignalKind.RED,
    carla_driver_pb2.TRAFFIC_LIGHT_STATE_YELLOW: SignalKind.YELLOW,
    carla_driver_pb2.TRAFFIC_LIGHT_STATE_GREEN: SignalKind.GREEN,
}
"""Of the CARLA extension's words; any other is a light that is not known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal:
    """The next light, as far as it was told.

    Args:
        kind: what it shows; None where that is not known.
        distance: from the ego's front bumper to its stop line [m].
    """

    kind: SignalKind | None = None
    distance: float = 0.0

    def after(self, driven: float) -> Signal:
        """The same once the ego has driven on [m]."""
        return Signal(kind=self.kind, distance=self.distance - driven)


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """All that is known at an instant, in the contract's local frame, which is the ground frame here.

    Args:
        vehicle: VEHICLE_NAMES of the ego, float64 [6].
        route: of the ego; None without one.
        objects: the other road users, none of them where nothing was told of them.
        signal: the next light.
        speed_limit: [m/s]; None where it was not told.
        model: the ego's.
        driven: since the observation before [m].
    """

    vehicle: np.ndarray
    route: Route | None
    objects: Objects
    signal: Signal
    speed_limit: float | None
    model: VehicleModel
    driven: float = 0.0

    @staticmethod
    def read(context: DriveContext, model: VehicleModel) -> Observation:
        """Of what a session was told until now.

        Raises:
            ValueError: it was told no motion, or a value is not finite.
        """
        vehicle = read_vehicle(context.session, model)
        objects, signal, limit = _read_truth(context.renderer_data, model)
        route = _read_route(context.session, vehicle, model)
        return Observation(vehicle=vehicle, route=route, objects=objects, signal=signal, speed_limit=limit, model=model)

    def route_ahead(self) -> np.ndarray:
        """Points [r, 2] of the route from beside the ego on, in the vehicle frame [m]; [0, 2] without a route."""
        if self.route is None:
            return np.zeros((0, 2))
        ahead = self.route.points[max(round(self.route.project(self.vehicle[:2])[0]), 0) :]
        headed = np.column_stack([ahead, np.zeros(len(ahead))])
        return relative_poses(headed, self.vehicle[:3])[:, :2]

    def scene(self) -> SceneState:
        """As a SceneState; what was not told is not valid."""
        if self.route is None:
            scene = SceneState.empty()
            scene.ego[:], scene.ego_valid[:] = self._ego(), True
            fill_objects(scene, self.vehicle, self.objects)
        else:
            scene = scene_from_truth(vehicle=self.vehicle, model=self.model, route=self.route, objects=self.objects)
            scene.command[...] = _command(self.route, self.vehicle)
            # a route through points says nothing of the lane's width and limit
            scene.lane[LaneColumn.HALF_WIDTH :], scene.lane_valid[LaneColumn.HALF_WIDTH :] = 0.0, False

        if self.speed_limit is not None:
            scene.lane[LaneColumn.SPEED_LIMIT], scene.lane_valid[LaneColumn.SPEED_LIMIT] = self.speed_limit, True
        if self.signal.kind is not None:
            near = self.signal.kind != SignalKind.NONE and -SIGNAL_BEHIND <= self.signal.distance <= SIGNAL_RANGE
            scene.signal_valid[...] = True
            scene.signal[...] = self.signal.kind if near else SignalKind.NONE
            scene.signal_distance[...] = self.signal.distance if near else 0.0
        return scene

    def _ego(self) -> list[float]:
        """EGO_NAMES."""
        _, _, _, speed, acceleration, steer_angle = self.vehicle.tolist()
        return [speed, acceleration, float(self.model.yaw_rate(self.vehicle)), steer_angle]


def read_vehicle(session: SessionState, model: VehicleModel) -> np.ndarray:
    """VEHICLE_NAMES float64 [6] of the newest motion of a session.

    Raises:
        ValueError: there is none, or a value is not finite.
    """
    pose, state = session.latest_pose(), session.latest_dynamic_state()
    if pose is None or state is None:
        raise ValueError("the session was told no egomotion")
    centre = centre_poses(np.array([*pose.position[:2], pose.yaw]), model)
    speed, rate = state.linear_velocity.x, state.angular_velocity.z
    steer = np.arctan(model.wheelbase * rate / speed) if abs(speed) > STILL else 0.0
    vehicle = np.array([*centre, speed, state.linear_acceleration.x, steer])
    if not np.isfinite(vehicle).all():
        raise ValueError(f"the session was told an egomotion that is not finite: {vehicle.tolist()}")
    return vehicle


def past_frames(session: SessionState, camera: str) -> np.ndarray:
    """The frames of a session's camera, uint8 [n, h, w, 3], newest last.

    Raises:
        ValueError: there are none.
    """
    frames = [frame.as_array() for frame in session.frame_history[camera] if isinstance(frame, CameraFrame)]
    if not frames:
        raise ValueError(f"the session was sent no picture of {camera!r}")
    return np.stack(frames)


def _read_route(session: SessionState, vehicle: np.ndarray, model: VehicleModel) -> Route | None:
    """The route that the session was told, in the ground frame."""
    in_rig = session.route_waypoints_in_rig
    if len(in_rig) < 2 or np.hypot(*np.diff(in_rig[:, :2], axis=0).T).sum() < 2.0:
        return None
    if not np.isfinite(in_rig).all():
        raise ValueError("the session was told a route that is not finite")
    centred = np.column_stack([in_rig[:, 0] - rear_axle(model), in_rig[:, 1], np.zeros(len(in_rig))])
    return route_through(ground_poses(centred, vehicle[:3])[:, :2])


def _read_truth(data: protocol.CarlaRendererData | None, model: VehicleModel) -> tuple[Objects, Signal, float | None]:
    """Road users, light and speed limit of the CARLA extension; None of it where a runtime sends none."""
    if data is None:
        return Objects.none(), Signal(), None
    poses = [Pose.from_proto(actor.pose_local_to_aabb) for actor in data.actors]
    boxes = [
        [pose.position[0], pose.position[1], pose.yaw, actor.aabb.size_x, actor.aabb.size_y]
        for pose, actor in zip(poses, data.actors, strict=True)
    ]
    velocities = [actor.dynamic_state.linear_velocity for actor in data.actors]
    objects = Objects(
        boxes=np.array(boxes, np.float64).reshape(-1, 5),
        speeds=np.array([np.hypot(v.x, v.y) for v in velocities], np.float64),
        kinds=np.array([_kind(actor) for actor in data.actors], np.int64),
    )
    kind = SIGNALS.get(data.ego_traffic_light)
    signal = Signal(kind=kind, distance=data.ego_traffic_light_distance_m - nose(model))
    return objects, signal, data.speed_limit_mps if data.speed_limit_mps > 0 else None


def _kind(actor: protocol.CarlaActorState) -> ObjectKind:
    if actor.type_id.startswith("walker."):
        return ObjectKind.PEDESTRIAN
    if not actor.type_id.startswith("vehicle."):
        return ObjectKind.STATIC
    return ObjectKind.TRUCK if actor.aabb.size_x > TRUCK_LENGTH else ObjectKind.CAR


def _command(route: Route, vehicle: np.ndarray) -> RouteCommand:
    """What the route does ahead of the ego, which the contract does not say, told by how sharply it turns; whether it
    goes straight on over a junction is not known."""
    s = max(int(route.project(vehicle[:2])[0]), 0)
    yaws = np.unwrap(route.yaw[s : s + COMMAND_RANGE + TURN_LENGTH])
    length = min(TURN_LENGTH, len(yaws) - 1)
    turns = yaws[length:] - yaws[: len(yaws) - length]
    turn = float(turns[np.abs(turns).argmax()])
    if abs(turn) <= TURN_ANGLE:
        return RouteCommand.FOLLOW
    return RouteCommand.LEFT if turn > 0 else RouteCommand.RIGHT
