"""What a driver is told at each step, as messages of the contract: motion, route, picture, and what else is known."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from carla_driver_interface import protocol
from carla_driver_interface._proto import carla_driver_pb2  # whose enums `protocol` leaves out
from carla_driver_interface.geometry import Pose, body_to_optical, waypoints_to_proto

from policies.alpasim.rig import ground_poses, nose, rear_axle, rig_poses, rig_velocity
from worldsim.actors.route_frame import ROUTE_FRAME_ARCS, RouteFrame
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.scene import (
    ROUTE_DISTANCES,
    LaneColumn,
    ObjectColumn,
    ObjectKind,
    SceneState,
)
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

LIGHTS = {
    SignalKind.RED: carla_driver_pb2.TRAFFIC_LIGHT_STATE_RED,
    SignalKind.YELLOW: carla_driver_pb2.TRAFFIC_LIGHT_STATE_YELLOW,
    SignalKind.GREEN: carla_driver_pb2.TRAFFIC_LIGHT_STATE_GREEN,
}
"""The contract's lights; signs have no word in it."""
TYPE_IDS = {
    ObjectKind.CAR: "vehicle.car",
    ObjectKind.TRUCK: "vehicle.truck",
    ObjectKind.PEDESTRIAN: "walker.pedestrian",
    ObjectKind.STATIC: "static.prop",
}
"""Of road users, after CARLA's blueprints."""


def available_camera(name: str, frame_size: tuple[int, int], model: VehicleModel) -> protocol.AvailableCamera:
    """The front camera of all worlds as contract revision 2 declares it: its optical frame in the rig.

    Args:
        name: by which pictures are sent.
        frame_size: height and width [px].
        model: where its rear axle is.
    """
    camera = CameraGeometry().with_frame_size(frame_size)
    pitched = Pose.from_axis_angle(1, camera.pitch)
    mount = camera.mount + np.array([rear_axle(model), 0.0, 0.0])
    lens = protocol.OpenCVPinholeCameraParam(
        principal_point_x=camera.width_px / 2,
        principal_point_y=camera.height_px / 2,
        focal_length_x=camera.focal,
        focal_length_y=camera.focal,
    )
    spec = protocol.CameraSpec(
        opencv_pinhole_param=lens,
        logical_id=name,
        resolution_w=camera.width_px,
        resolution_h=camera.height_px,
        shutter_type=protocol.ShutterType.GLOBAL,
    )
    optical = body_to_optical(Pose(mount, pitched.quat_xyzw)).to_proto()
    return protocol.AvailableCamera(intrinsics=spec, rig_to_camera=optical, logical_id=name)


def picture_message(session: str, name: str, frame: np.ndarray, tick: int) -> protocol.RolloutCameraImage:
    """A frame uint8 [h, w, 3] of the camera `name` at `tick` [µs], without loss."""
    done, encoded = cv2.imencode(".png", frame[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    message = protocol.RolloutCameraImage(session_uuid=session)
    message.camera_image.logical_id = name
    message.camera_image.frame_start_us = message.camera_image.frame_end_us = tick
    message.camera_image.image_bytes = encoded.tobytes()
    return message


def motion_message(
    session: str, vehicles: np.ndarray, ticks: Sequence[int], model: VehicleModel
) -> protocol.RolloutEgoTrajectory:
    """The ego's motion, VEHICLE_NAMES [k, 6], at `ticks` [µs]; the world's ground frame is the contract's local one."""
    message = protocol.RolloutEgoTrajectory(session_uuid=session)
    for vehicle, rig, tick in zip(vehicles, rig_poses(vehicles, model), ticks, strict=True):
        pose = Pose.from_xyz_yaw(rig[0], rig[1], 0.0, rig[2])
        message.trajectory.poses.append(pose.to_proto_at_time(tick))
        speed, rate = float(vehicle[VehicleColumn.SPEED]), float(model.yaw_rate(vehicle))
        ahead, left = rig_velocity(speed, rate, model)
        message.dynamic_states.append(
            protocol.DynamicState(
                linear_velocity=protocol.Vec3(x=ahead, y=left),
                angular_velocity=protocol.Vec3(z=rate),
                linear_acceleration=protocol.Vec3(x=float(vehicle[VehicleColumn.ACCELERATION]), y=speed * rate),
            )
        )
    return message


def route_message(session: str, scene: SceneState, tick: int, model: VehicleModel) -> protocol.RouteRequest:
    """The route ahead in the rig frame, from beside the rear axle on: a smooth curve through the scene's points; empty
    where there is none."""
    message = protocol.RouteRequest(session_uuid=session)
    message.route.timestamp_us = tick
    frame = RouteFrame.from_scenes(scene[None])
    if bool(frame.known[0]):
        # a step beyond the last point: a receiver may end its route on a whole metre
        reach = ROUTE_DISTANCES[int(np.flatnonzero(scene.route_valid)[-1])] + ROUTE_FRAME_ARCS[1]
        ahead = frame.points[0, reach >= ROUTE_FRAME_ARCS]
        points = np.concatenate([_before(ahead, rear_axle(model))[None], ahead])
        in_rig = points + np.array([rear_axle(model), 0.0])
        message.route.waypoints.extend(waypoints_to_proto(np.column_stack([in_rig, np.zeros(len(in_rig))])))
    return message


def _before(points: np.ndarray, distance: float) -> np.ndarray:
    """The point [2] `distance` before the first of points [p, 2] at ROUTE_FRAME_ARCS [m], on the parabola through the
    first three."""
    t = -distance / ROUTE_FRAME_ARCS[1]
    weights = np.array([(t - 1) * (t - 2) / 2, t * (2 - t), t * (t - 1) / 2])
    return weights @ points[:3]


def truth_payload(scene: SceneState, vehicle: np.ndarray, tick: int, model: VehicleModel) -> bytes:
    """What the contract has no field for, in the CARLA extension that rides in `renderer_data`: speed limit, the next
    light, road users. AlpaSim's own drivers pass over it.

    A light's distance is that of its stop line from the rig's origin; a stop or yield sign cannot be told.
    """
    data = protocol.CarlaRendererData(snapshot_timestamp_us=tick)
    if scene.lane_valid[LaneColumn.SPEED_LIMIT]:
        data.speed_limit_mps = float(scene.speed_limit)
    if scene.signal_valid:
        kind = SignalKind(int(scene.signal))
        data.ego_traffic_light = LIGHTS.get(kind, carla_driver_pb2.TRAFFIC_LIGHT_STATE_NONE)
        if kind in LIGHTS:
            data.ego_traffic_light_distance_m = float(scene.signal_distance) + nose(model)

    for slot in np.flatnonzero(scene.object_valid).tolist():
        row = scene.objects[slot].astype(np.float64)
        x, y, yaw = ground_poses(row[: ObjectColumn.YAW + 1], vehicle[: VehicleColumn.YAW + 1])
        pose = Pose.from_xyz_yaw(x, y, 0.0, yaw)
        data.actors.append(
            protocol.CarlaActorState(
                track_id=str(slot),
                type_id=TYPE_IDS[ObjectKind(int(scene.object_kinds[slot]))],
                pose_local_to_aabb=pose.to_proto(),
                aabb=protocol.AABB(size_x=row[ObjectColumn.LENGTH], size_y=row[ObjectColumn.WIDTH]),
                dynamic_state=protocol.DynamicState(linear_velocity=protocol.Vec3(x=row[ObjectColumn.SPEED])),
            )
        )
    return protocol.pack_renderer_data(data)
