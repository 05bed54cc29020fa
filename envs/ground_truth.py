"""What is true in a world that knows its map and objects: SceneState, collision, off-road, wrong way.

Works on arrays alone, so every world with ground truth (the embedded one, CARLA) fills its SceneState here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT
from worldsim.actors.route_frame import LEAD_MARGIN, LEAD_RANGE
from worldsim.datatypes.boxes import corners, overlap, wrap_angle
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.route import LANE_RANGE
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_RANGE, ROUTE_DISTANCES, SceneState
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route

OFF_ROAD_TOLERANCE = 0.3
"""How far a corner may lie outside the drivable area (nuPlan's drivable area compliance) [m]."""
WRONG_WAY_ANGLE = np.radians(120.0)
"""Heading difference to the lane beyond which the ego drives the wrong way (CARLA leaderboard) [rad]."""
SIDE_GRADE = 0.05
"""Objects beside the route may be higher or lower than it by this much a metre, and are on its level still [1]."""
_DISTANCES = np.asarray(ROUTE_DISTANCES)


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Everything around the ego that it could touch, one row each, in the ground frame.

    Args:
        boxes: x, y, yaw, length, width, float64 [n, 5] [m, m, rad, m, m].
        speeds: along the own heading, float64 [n] [m/s].
        kinds: ObjectKind, never EMPTY, int64 [n].
        z: height of the ground they stand on, float64 [n] [m]; None where heights are not known, and all are on one
            level.

    Raises:
        ValueError: the rows do not match.
    """

    boxes: np.ndarray
    speeds: np.ndarray
    kinds: np.ndarray
    z: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.z is not None and self.z.shape != (n,):
            raise ValueError(f"heights of {n} objects must be [{n}], got {self.z.shape}")
        if self.boxes.shape != (n, 5) or self.speeds.shape != (n,) or self.kinds.shape != (n,):
            raise ValueError(
                f"objects must be [n, 5], [n], [n], got {self.boxes.shape}, {self.speeds.shape}, {self.kinds.shape}"
            )

    @staticmethod
    def none() -> Objects:
        """An empty street."""
        return Objects(boxes=np.zeros((0, 5)), speeds=np.zeros(0), kinds=np.zeros(0, np.int64))

    @staticmethod
    def of(users: KnownRoadUsers) -> Objects:
        """Road users whose heights are known."""
        columns = [BoxColumn.X, BoxColumn.Y, BoxColumn.YAW, BoxColumn.LENGTH, BoxColumn.WIDTH]
        return Objects(
            boxes=users.boxes[:, columns], speeds=users.speeds, kinds=users.kinds, z=users.boxes[:, BoxColumn.Z]
        )


def scene_from_truth(
    *,
    vehicle: np.ndarray,
    model: VehicleModel,
    route: Route,
    objects: Objects,
    hint_s: float | None = None,
    z: float | None = None,
) -> SceneState:
    """The SceneState of one instant.

    Args:
        vehicle: the ego, VEHICLE_NAMES, float64 [6], ground frame.
        model: gives the ego's size and yaw rate.
        route: the lane the ego is to follow.
        objects: all others; those beyond OBJECT_RANGE and the excess over NUM_OBJECTS are left out, farthest first.
        hint_s: arc length near the ego, where the search for its place on the route begins [m]; None searches all.
        z: height of the road under the ego [m]; with it, and theirs, objects on other levels are left out.
    """
    from envs.maps.route_kernels import preview_route
    from envs.truth_kernels import find_lead

    s, lateral, lane_yaw = route.project(vehicle[:2], hint_s)
    scene = SceneState.empty()
    _, _, yaw, speed, acceleration, steer_angle = vehicle.tolist()
    scene.ego[:] = speed, acceleration, model.yaw_rate(vehicle), steer_angle
    scene.ego_valid[:] = True
    index = max(min(int(s + 0.5), len(route.points) - 1), 0)
    if abs(lateral) <= LANE_RANGE:
        scene.lane[:] = lateral, wrap_angle(yaw - lane_yaw), route.half_width[index], route.speed_limit[index]
        scene.lane_valid[:] = True
    preview_route(route.points, route.length, s, _DISTANCES, vehicle, scene.route, scene.route_valid)
    scene.command[...] = route.command[index]
    if z is not None:
        objects = _on_level(objects, route, s, z)
    boxes, speeds = np.ascontiguousarray(objects.boxes), np.ascontiguousarray(objects.speeds)
    size = (model.length, model.width)
    gap, speed, scene.lead_valid[...] = find_lead(
        route.points, route.yaw, s, boxes, speeds, size, LEAD_RANGE, LEAD_MARGIN
    )
    scene.lead[:] = gap, speed
    fill_objects(scene, vehicle, objects)
    return scene


def points_at(route: Route, s: np.ndarray) -> np.ndarray:
    """Points [n, 2] of the route's centreline at arc lengths `s` [n] [m]; it has one point a metre."""
    from envs.maps import route_kernels

    return route_kernels.points_at(route.points, np.asarray(s, np.float64))


def touched(vehicle: np.ndarray, model: VehicleModel, objects: Objects, z: float | None = None) -> np.ndarray:
    """Indices of the objects whose boxes overlap the ego's; with the height `z` under it [m], of those on its level."""
    rows = touching(ego_box(vehicle, model), objects.boxes)
    if len(rows) and z is not None and objects.z is not None:
        rows = rows[np.abs(objects.z[rows] - z) <= LEVEL_HEIGHT]
    return rows


def touching(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Indices of those of `boxes` [n, 5] that overlap `box` [5]."""
    from envs.truth_kernels import may_touch

    rows = may_touch(box, np.ascontiguousarray(boxes))
    return rows[overlap(box, boxes[rows])] if len(rows) else rows


def ego_box(vehicle: np.ndarray, model: VehicleModel) -> np.ndarray:
    """The box [5] of an ego [6]."""
    return np.array([*vehicle[: VehicleColumn.YAW + 1].tolist(), model.length, model.width])


def is_off_road(vehicle: np.ndarray, model: VehicleModel, road_map: RoadMap, z: float | None = None) -> bool:
    """Whether a corner of the ego lies more than OFF_ROAD_TOLERANCE outside the drivable area.

    Args:
        vehicle: the ego [6].
        model: its size.
        road_map: of the ground.
        z: height of the road under the ego [m]; with it only roads on that level count.
    """
    shrink = 2 * OFF_ROAD_TOLERANCE
    x, y, yaw, *_ = vehicle.tolist()
    box = np.array([x, y, yaw, model.length - shrink, model.width - shrink])
    return not bool(road_map.drivable(corners(box), z).all())


def is_wrong_way(scene: SceneState, vehicle: np.ndarray, road_map: RoadMap, z: float | None = None) -> bool:
    """Whether the ego, outside junctions, heads against the lane it is in. `scene` spares looking when all is well.

    Args:
        scene: of the ego.
        vehicle: the ego [6].
        road_map: of the ground.
        z: height of the road under the ego [m]; with it only lanes on that level count.
    """
    offset, error, half_width, _ = scene.lane.tolist()
    if all(scene.lane_valid.tolist()) and abs(offset) < half_width and abs(error) < WRONG_WAY_ANGLE:
        return False
    lane = road_map.lane_at(vehicle[:2], z)
    if lane is None or lane.in_junction or lane.distance > lane.half_width:
        return False
    return bool(abs(wrap_angle(vehicle[VehicleColumn.YAW] - lane.yaw)) > WRONG_WAY_ANGLE)


def _on_level(objects: Objects, route: Route, s: float, z: float) -> Objects:
    """Those that are not on a bridge over the road the ego is on, at height `z`, or on a road below it."""
    from envs.truth_kernels import on_level

    if objects.z is None or not len(objects.z) or np.abs(objects.z - z).max() <= LEVEL_HEIGHT:
        return objects
    boxes, reach = np.ascontiguousarray(objects.boxes), int(OBJECT_RANGE)
    rows = on_level(route.points, route.z, s, boxes, objects.z, reach, LEVEL_HEIGHT, SIDE_GRADE)
    return Objects(boxes=boxes[rows], speeds=objects.speeds[rows], kinds=objects.kinds[rows], z=objects.z[rows])


def fill_objects(scene: SceneState, vehicle: np.ndarray, objects: Objects) -> None:
    """Writes the nearest objects into the empty slots of `scene`."""
    from envs.truth_kernels import list_objects, nearest_objects

    boxes, speeds, kinds = (np.ascontiguousarray(part) for part in (objects.boxes, objects.speeds, objects.kinds))
    x, y, *_ = vehicle.tolist()
    rows = nearest_objects(x, y, boxes, OBJECT_RANGE, NUM_OBJECTS)
    list_objects(vehicle, boxes, speeds, kinds, rows, scene.objects, scene.object_kinds)
