"""What stands on a CARLA server's map, as boxes of a Layout. Part of the session's process."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import carla
import numpy as np

from envs.carla.coordinates import pose_from_carla
from worldsim.datatypes.layout import BOX_NAMES, NO_SIGNAL, BoxColumn, Layout, LayoutKind, SignFace

_LABELS = carla.CityObjectLabel
KIND_OF_LABEL = {
    _LABELS.Buildings: LayoutKind.BUILDING,
    _LABELS.Vegetation: LayoutKind.TREE,
    _LABELS.Poles: LayoutKind.POLE,
    _LABELS.TrafficSigns: LayoutKind.SIGN,
    _LABELS.Walls: LayoutKind.WALL,
    _LABELS.Fences: LayoutKind.WALL,
    _LABELS.GuardRail: LayoutKind.WALL,
    _LABELS.Static: LayoutKind.OTHER,
    _LABELS.Dynamic: LayoutKind.OTHER,
    _LABELS.Other: LayoutKind.OTHER,
    _LABELS.Car: LayoutKind.OTHER,
    _LABELS.Truck: LayoutKind.OTHER,
    _LABELS.Bus: LayoutKind.OTHER,
    _LABELS.Train: LayoutKind.OTHER,
    _LABELS.Motorcycle: LayoutKind.OTHER,
    _LABELS.Bicycle: LayoutKind.OTHER,
}
"""Labels of objects that stand beside the road. The others are ground, or as large as a bridge, or, for traffic lights,
one box around post, arm and heads: of these the heads alone are told, as `get_light_boxes` has them."""


FACES = {"206": SignFace.STOP, "205": SignFace.YIELD, "274": SignFace.SPEED_LIMIT}
"""What signs show, by the OpenDRIVE types of their landmarks."""
SAME_SIGN = 3.0
"""A landmark nearer to a sign's post than this is that sign's; CARLA moves landmarks aside that stand on a lane [m]."""


def environment_boxes(world: carla.World, lights: Iterable[Any]) -> Layout:
    """The boxes of a Layout whose ground is unknown; colours are unknown too.

    Args:
        world: the server's.
        lights: its traffic light actors; `box_signals` counts them in this order.
    """
    boxes, kinds, seeds, signals = [], [], [], []
    for item in world.get_environment_objects(carla.CityObjectLabel.Any):
        kind = KIND_OF_LABEL.get(item.type)
        if kind is not None:
            boxes.append(_row(item.bounding_box))
            kinds.append(int(kind))
            seeds.append(item.id % 2**32)
            signals.append(NO_SIGNAL)
    for index, light in enumerate(lights):
        for head in light.get_light_boxes():
            boxes.append(_row(head))
            kinds.append(int(LayoutKind.LIGHT))
            seeds.append(light.id)
            signals.append(index)
    n = len(boxes)
    table, all_kinds = np.array(boxes, np.float64).reshape(n, len(BOX_NAMES)), np.array(kinds, np.int64)
    signs = np.full(n, int(SignFace.NONE))
    is_sign = all_kinds == LayoutKind.SIGN
    signs[is_sign] = _sign_faces(world.get_map(), table[is_sign][:, [BoxColumn.X, BoxColumn.Y]])
    return Layout(
        boxes=table,
        box_kinds=all_kinds,
        box_colors=np.zeros((n, 3), np.uint8),
        box_color_valid=np.zeros(n, bool),
        box_seeds=np.array(seeds, np.uint32),
        box_signals=np.array(signals, np.int64),
        box_signs=signs,
        ground_known=False,
    )


def _sign_faces(world_map: carla.Map, xy: np.ndarray) -> np.ndarray:
    """SignFace of the signs at `xy` [n, 2] [m], by the landmarks nearest to them, int64 [n]."""
    marks = [(mark, face) for kind, face in FACES.items() for mark in world_map.get_all_landmarks_of_type(kind)]
    if not marks or not len(xy):
        return np.full(len(xy), int(SignFace.OTHER))
    places = [mark.transform.location for mark, _ in marks]
    gap = xy[:, None] - np.array([pose_from_carla(place.x, place.y, 0.0)[:2] for place in places])
    away = np.hypot(gap[..., 0], gap[..., 1])
    nearest = away.argmin(axis=-1)
    faces = np.array([int(face) for _, face in marks])[nearest]
    return np.where(away[np.arange(len(xy)), nearest] < SAME_SIGN, faces, int(SignFace.OTHER))


def _row(box: carla.BoundingBox) -> list[float]:
    """BOX_NAMES of a box whose place is given in the world."""
    x, y, yaw = pose_from_carla(box.location.x, box.location.y, box.rotation.yaw)
    row = [0.0] * len(BOX_NAMES)
    row[BoxColumn.X], row[BoxColumn.Y], row[BoxColumn.Z] = x, y, box.location.z - box.extent.z
    row[BoxColumn.YAW] = math.remainder(yaw, math.tau)
    row[BoxColumn.LENGTH], row[BoxColumn.WIDTH] = 2 * box.extent.x, 2 * box.extent.y
    row[BoxColumn.HEIGHT] = 2 * box.extent.z
    return row
