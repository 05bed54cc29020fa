"""Whom a SceneState lists: the nearest of the actors and of those who are parked. Compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldsim.actors.actors import ActorColumn, Actors, ParkedColumn, TraitColumn
from worldsim.compiled import compiled
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_NAMES, OBJECT_RANGE
from worldsim.datatypes.vehicle import VehicleColumn

LEVEL_HEIGHT = 2.5
"""Who is this much higher or lower than the ego is on another level of the road [m]."""
# of egos, actors and objects alike; the last three of actors and objects
_X, _Y, _YAW = int(VehicleColumn.X), int(VehicleColumn.Y), int(VehicleColumn.YAW)
_SPEED, _LENGTH, _WIDTH = int(ActorColumn.SPEED), int(ActorColumn.LENGTH), int(ActorColumn.WIDTH)
_Z = int(TraitColumn.Z)
_PARKED_X, _PARKED_Y, _PARKED_YAW = int(ParkedColumn.X), int(ParkedColumn.Y), int(ParkedColumn.YAW)
_PARKED_LENGTH, _PARKED_WIDTH = int(ParkedColumn.LENGTH), int(ParkedColumn.WIDTH)
_PARKED_Z, _PARKED_KIND = int(ParkedColumn.Z), int(ParkedColumn.KIND)


def nearby_objects(
    actors: Actors, vehicles: np.ndarray, parked: Sequence[np.ndarray], ego_z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """SceneState's objects, float64 [b, NUM_OBJECTS, 6], and kinds [b, NUM_OBJECTS]: nearest first, within
    OBJECT_RANGE and on the ego's level.

    Args:
        actors: around `b` egos.
        vehicles: the egos, [b, 6].
        parked: beside the lanes around each, PARKED_NAMES [p, 7].
        ego_z: heights of the ground under the egos, [b] [m].
    """
    objects = np.zeros((len(vehicles), NUM_OBJECTS, len(OBJECT_NAMES)))
    kinds = np.zeros((len(vehicles), NUM_OBJECTS), np.int64)
    rows = parked[0] if len(parked) == 1 else np.concatenate(parked)
    ends = np.cumsum(np.array([len(own) for own in parked]))
    _list(actors.states, actors.kinds, actors.traits, rows, ends, vehicles, ego_z, objects, kinds)
    return objects, kinds


def with_standing(
    in_ego_frame: np.ndarray, kinds: np.ndarray, standing: Sequence[np.ndarray], vehicles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Actors [b, s, 10] in the vehicle frame and their kinds [b, s], and after them those who stand on the road.

    Args:
        in_ego_frame: the actors.
        kinds: theirs.
        standing: on the road of each of `b` egos, PARKED_NAMES [w, 7].
        vehicles: the egos, [b, 6].
    """
    most = max(len(rows) for rows in standing)
    if most == 0:
        return in_ego_frame, kinds
    added = np.zeros((len(kinds), most, in_ego_frame.shape[-1]))
    added_kinds = np.zeros((len(kinds), most), np.int64)
    for own, own_kinds, rows, vehicle in zip(added, added_kinds, standing, vehicles, strict=True):
        n = len(rows)
        own[:n, [ActorColumn.X, ActorColumn.Y]] = to_vehicle_frame(vehicle, rows[:, :2])
        own[:n, ActorColumn.YAW] = wrap_angle(rows[:, ParkedColumn.YAW] - vehicle[VehicleColumn.YAW])
        own[:n, [ActorColumn.LENGTH, ActorColumn.WIDTH]] = rows[:, [ParkedColumn.LENGTH, ParkedColumn.WIDTH]]
        own_kinds[:n] = rows[:, ParkedColumn.KIND]
    return np.concatenate([in_ego_frame, added], axis=1), np.concatenate([kinds, added_kinds], axis=1)


@compiled
def _list(states, actor_kinds, traits, parked, ends, vehicles, ego_z, objects, kinds):
    num = states.shape[1]
    distances = np.empty(NUM_OBJECTS)
    begin = 0
    for b in range(len(vehicles)):
        x, y, yaw, z = vehicles[b, _X], vehicles[b, _Y], vehicles[b, _YAW], ego_z[b]
        cos, sin = np.cos(yaw), np.sin(yaw)
        count = 0
        for k in range(num + ends[b] - begin):
            is_actor = k < num
            row = begin + k - num
            kind = actor_kinds[b, k] if is_actor else int(parked[row, _PARKED_KIND])
            dx = (states[b, k, _X] if is_actor else parked[row, _PARKED_X]) - x
            dy = (states[b, k, _Y] if is_actor else parked[row, _PARKED_Y]) - y
            distance = np.hypot(dx, dy)
            above = (traits[b, k, _Z] if is_actor else parked[row, _PARKED_Z]) - z
            # a height that is not known is that of the ego
            if kind == 0 or distance > OBJECT_RANGE or abs(above) > LEVEL_HEIGHT:
                continue
            at = min(count, NUM_OBJECTS)
            while at > 0 and distances[at - 1] > distance:
                at -= 1
            if at == NUM_OBJECTS:
                continue
            for j in range(min(count, NUM_OBJECTS - 1), at, -1):
                distances[j] = distances[j - 1]
                objects[b, j] = objects[b, j - 1]
                kinds[b, j] = kinds[b, j - 1]
            count = min(count + 1, NUM_OBJECTS)
            distances[at], kinds[b, at] = distance, kind
            objects[b, at, _X] = cos * dx + sin * dy
            objects[b, at, _Y] = cos * dy - sin * dx
            turn = (states[b, k, _YAW] if is_actor else parked[row, _PARKED_YAW]) - yaw
            objects[b, at, _YAW] = (turn + np.pi) % (2 * np.pi) - np.pi
            objects[b, at, _SPEED] = states[b, k, _SPEED] if is_actor else 0.0
            objects[b, at, _LENGTH] = states[b, k, _LENGTH] if is_actor else parked[row, _PARKED_LENGTH]
            objects[b, at, _WIDTH] = states[b, k, _WIDTH] if is_actor else parked[row, _PARKED_WIDTH]
        begin = ends[b]
