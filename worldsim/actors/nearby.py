"""Whom a SceneState lists: the nearest of the actors and of those who are parked. Compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldsim.actors.actors import Actors, TraitColumn
from worldsim.compiled import compiled
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_NAMES, OBJECT_RANGE

LEVEL_HEIGHT = 2.5
"""Who is this much higher or lower than the ego is on another level of the road [m]."""
_Z = int(TraitColumn.Z)


def nearby_objects(
    actors: Actors, vehicles: np.ndarray, parked: Sequence[np.ndarray], ego_z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """SceneState's objects, float64 [b, NUM_OBJECTS, 6], and kinds [b, NUM_OBJECTS]: nearest first, within
    OBJECT_RANGE and on the ego's level.

    Args:
        actors: around `b` egos.
        vehicles: the egos, [b, 6].
        parked: `Surroundings.parked_rows` of each, [p, 7].
        ego_z: heights of the ground under the egos, [b] [m].
    """
    objects = np.zeros((len(vehicles), NUM_OBJECTS, len(OBJECT_NAMES)))
    kinds = np.zeros((len(vehicles), NUM_OBJECTS), np.int64)
    rows = parked[0] if len(parked) == 1 else np.concatenate(parked)
    ends = np.cumsum(np.array([len(own) for own in parked]))
    _list(actors.states, actors.kinds, actors.traits, rows, ends, vehicles, ego_z, objects, kinds)
    return objects, kinds


@compiled
def _list(states, actor_kinds, traits, parked, ends, vehicles, ego_z, objects, kinds):
    num = states.shape[1]
    distances = np.empty(NUM_OBJECTS)
    begin = 0
    for b in range(len(vehicles)):
        x, y, yaw, z = vehicles[b, 0], vehicles[b, 1], vehicles[b, 2], ego_z[b]
        cos, sin = np.cos(yaw), np.sin(yaw)
        count = 0
        for k in range(num + ends[b] - begin):
            is_actor = k < num
            row = begin + k - num
            kind = actor_kinds[b, k] if is_actor else int(parked[row, 6])
            dx = (states[b, k, 0] if is_actor else parked[row, 0]) - x
            dy = (states[b, k, 1] if is_actor else parked[row, 1]) - y
            distance = np.hypot(dx, dy)
            above = (traits[b, k, _Z] if is_actor else parked[row, 5]) - z
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
            objects[b, at, 0] = cos * dx + sin * dy
            objects[b, at, 1] = cos * dy - sin * dx
            turn = (states[b, k, 2] if is_actor else parked[row, 2]) - yaw
            objects[b, at, 2] = (turn + np.pi) % (2 * np.pi) - np.pi
            objects[b, at, 3] = states[b, k, 3] if is_actor else 0.0
            objects[b, at, 4] = states[b, k, 4] if is_actor else parked[row, 3]
            objects[b, at, 5] = states[b, k, 5] if is_actor else parked[row, 4]
        begin = ends[b]
