"""What is true in a world that knows its map and objects: SceneState, collision, off-road, wrong way. numpy only.

Works on arrays alone, so every world with ground truth (the embedded one, CARLA) fills its SceneState here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from worldsim.actors.route_frame import LEAD_RANGE, nearest_ahead
from worldsim.datatypes.boxes import corners, overlap, wrap_angle
from worldsim.datatypes.route import LANE_RANGE, to_vehicle_frame
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_RANGE, ROUTE_DISTANCES, SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route

OFF_ROAD_TOLERANCE = 0.3
"""How far a corner may lie outside the drivable area (nuPlan's drivable area compliance) [m]."""
WRONG_WAY_ANGLE = np.radians(120.0)
"""Heading difference to the lane beyond which the ego drives the wrong way (CARLA leaderboard) [rad]."""
_DISTANCES = np.asarray(ROUTE_DISTANCES)


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Everything around the ego that it could touch, one row each, in the ground frame.

    Args:
        boxes: x, y, yaw, length, width, float64 [n, 5] [m, m, rad, m, m].
        speeds: along the own heading, float64 [n] [m/s].
        kinds: ObjectKind, never EMPTY, int64 [n].

    Raises:
        ValueError: the rows do not match.
    """

    boxes: np.ndarray
    speeds: np.ndarray
    kinds: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 5) or self.speeds.shape != (n,) or self.kinds.shape != (n,):
            raise ValueError(
                f"objects must be [n, 5], [n], [n], got {self.boxes.shape}, {self.speeds.shape}, {self.kinds.shape}"
            )

    @staticmethod
    def none() -> Objects:
        """An empty street."""
        return Objects(boxes=np.zeros((0, 5)), speeds=np.zeros(0), kinds=np.zeros(0, np.int64))


def scene_from_truth(
    *, vehicle: np.ndarray, model: VehicleModel, route: Route, objects: Objects, hint_s: float | None = None
) -> SceneState:
    """The SceneState of one instant.

    Args:
        vehicle: the ego, VEHICLE_NAMES, float64 [6], ground frame.
        model: gives the ego's size and yaw rate.
        route: the lane the ego is to follow.
        objects: all others; those beyond OBJECT_RANGE and the excess over NUM_OBJECTS are left out, farthest first.
        hint_s: arc length near the ego, where the search for its place on the route begins [m]; None searches all.
    """
    s, lateral, lane_yaw = route.project(vehicle[:2], hint_s)
    scene = SceneState.empty()
    scene.ego[:] = vehicle[3], vehicle[4], model.yaw_rate(vehicle), vehicle[5]
    scene.ego_valid[:] = True
    index = min(int(s + 0.5), len(route.points) - 1)
    if abs(lateral) <= LANE_RANGE:
        scene.lane[:] = lateral, wrap_angle(vehicle[2] - lane_yaw), route.half_width[index], route.speed_limit[index]
        scene.lane_valid[:] = True
    scene.route_valid[:] = s + _DISTANCES <= route.length
    preview = points_at(route, np.minimum(s + _DISTANCES, route.length))
    scene.route[:] = np.where(scene.route_valid[:, None], to_vehicle_frame(vehicle, preview), 0.0)
    scene.command[...] = route.command[index]
    lead = _lead(objects, route, s, model)
    if lead is not None:
        scene.lead[:] = lead
        scene.lead_valid[...] = True
    fill_objects(scene, vehicle, objects)
    return scene


def points_at(route: Route, s: np.ndarray) -> np.ndarray:
    """Points [n, 2] of the route's centreline at arc lengths `s` [n] [m]; it has one point a metre."""
    arc = np.arange(len(route.points))
    return np.stack([np.interp(s, arc, route.points[:, 0]), np.interp(s, arc, route.points[:, 1])], axis=-1)


def project_ahead(xy: np.ndarray, route: Route, s: float, distance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [n, 2] on the piece [s, s + distance] of the route: arc length [n], lateral offset [n], route yaw [n].

    A point beside no part of the piece gets the offset from its nearest end: at least its distance to it.
    """
    first = min(max(int(s), 0), len(route.points) - 1)  # the ego may be past the end of its route
    piece = route.points[first : int(s + distance) + 2]
    d = xy[:, None] - piece[None]
    squared = np.einsum("npk,npk->np", d, d)
    nearest = np.argmin(squared, axis=1)
    rows = np.arange(len(xy))
    yaw = route.yaw[first + nearest]
    c, sn = np.cos(yaw), np.sin(yaw)
    d = d[rows, nearest]
    along, across = c * d[:, 0] + sn * d[:, 1], c * d[:, 1] - sn * d[:, 0]
    beyond = np.abs(along) > 1.5
    across = np.where(beyond, np.copysign(np.sqrt(squared[rows, nearest]), across), across)
    return first + nearest + along, across, yaw


def touched(vehicle: np.ndarray, model: VehicleModel, objects: Objects) -> np.ndarray:
    """Indices of the objects whose boxes overlap the ego's."""
    ego = np.array([vehicle[0], vehicle[1], vehicle[2], model.length, model.width])
    return np.flatnonzero(overlap(ego, objects.boxes)) if len(objects.boxes) else np.zeros(0, np.int64)


def is_off_road(vehicle: np.ndarray, model: VehicleModel, road_map: RoadMap) -> bool:
    """Whether a corner of the ego lies more than OFF_ROAD_TOLERANCE outside the drivable area."""
    shrink = 2 * OFF_ROAD_TOLERANCE
    ego = np.array([vehicle[0], vehicle[1], vehicle[2], model.length - shrink, model.width - shrink])
    return not bool(np.all(road_map.drivable(corners(ego))))


def is_wrong_way(scene: SceneState, vehicle: np.ndarray, road_map: RoadMap) -> bool:
    """Whether the ego, outside junctions, heads against the lane it is in. `scene` spares looking when all is well."""
    in_lane = scene.lane_valid.all() and abs(scene.lateral_offset) < scene.half_width
    if in_lane and abs(scene.heading_error) < WRONG_WAY_ANGLE:
        return False
    lane = road_map.lane_at(vehicle[:2])
    if lane is None or lane.in_junction or lane.distance > lane.half_width:
        return False
    return bool(abs(wrap_angle(vehicle[2] - lane.yaw)) > WRONG_WAY_ANGLE)


def _lead(objects: Objects, route: Route, s: float, model: VehicleModel) -> tuple[float, float] | None:
    """Gap and speed of the nearest object in the ego's corridor on the route, if there is one."""
    here = route.points[min(int(s), len(route.points) - 1)]
    d = objects.boxes[:, :2] - here
    near = np.flatnonzero(np.hypot(d[:, 0], d[:, 1]) < LEAD_RANGE + 10.0)
    if len(near) == 0:
        return None
    boxes, speeds = objects.boxes[near], objects.speeds[near]
    at, across, yaw = project_ahead(boxes[:, :2], route, s, LEAD_RANGE + 10.0)
    sizes = boxes[:, 3], boxes[:, 4]
    everyone = np.ones(len(near), bool)
    gap, speed, present = nearest_ahead(
        at - s, across, boxes[:, 2] - yaw, *sizes, speeds, everyone, (model.length, model.width)
    )
    return (float(gap), float(speed)) if present else None


def fill_objects(scene: SceneState, vehicle: np.ndarray, objects: Objects) -> None:
    """Writes the nearest objects into the empty slots of `scene`."""
    boxes = objects.boxes
    distance = np.hypot(boxes[:, 0] - vehicle[0], boxes[:, 1] - vehicle[1])
    order = np.argsort(distance, kind="stable")[:NUM_OBJECTS]
    order = order[distance[order] <= OBJECT_RANGE]
    n = len(order)
    scene.objects[:n, :2] = to_vehicle_frame(vehicle, boxes[order, :2])
    scene.objects[:n, 2] = wrap_angle(boxes[order, 2] - vehicle[2])
    scene.objects[:n, 3] = objects.speeds[order]
    scene.objects[:n, 4:] = boxes[order, 3:]
    scene.object_kinds[:n] = objects.kinds[order]
