"""Bodies: what around the ego can be touched, from CARLA's actors to our Objects. Part of the session's process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import carla
import numpy as np

from envs.carla.coordinates import pose_from_carla
from worldsim.actors.actors import STRIDE_LENGTH
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BOX_NAMES
from worldsim.datatypes.scene import ObjectKind

_HEAVY = ("truck", "bus")


@dataclass(frozen=True, kw_only=True)
class Body:
    """What never changes of a road user.

    Args:
        kind: never EMPTY.
        length: [m].
        width: [m].
        ahead: its middle ahead of its origin [m].
        bottom: its underside above its origin [m].
        height: [m].
        color: of its paint, RGB [0, 255], NaN where the server does not tell.
    """

    kind: ObjectKind
    length: float
    width: float
    ahead: float
    bottom: float
    height: float
    color: tuple[float, float, float]

    def middle(self, actor: Any) -> tuple[float, float, float]:
        """x, y [m] and yaw [rad] of the middle of the body, of an actor or its snapshot."""
        x, y, yaw = pose_of(actor.get_transform())
        return x + self.ahead * math.cos(yaw), y + self.ahead * math.sin(yaw), yaw


class Bodies:
    """The bodies of a server's actors; each costs one RPC, once.

    Args:
        world: the server's.
    """

    def __init__(self, world: carla.World) -> None:
        self._world = world
        self._known: dict[int, Body | None] = {}
        self._walked: dict[int, float] = {}

    def of(self, actor: Any) -> Body | None:
        """The body of an actor; None for those that cannot be touched."""
        if actor.id not in self._known:
            self._known[actor.id] = _measure(actor)
        return self._known[actor.id]

    def others(self, snapshot: carla.WorldSnapshot, ego_id: int) -> list[tuple[Any, Body]]:
        """Snapshots and bodies of everyone in a snapshot but the ego."""
        new = [actor.id for actor in snapshot if actor.id not in self._known]
        if new:
            for actor in self._world.get_actors(new):
                self.of(actor)
        found = ((actor, self._known.get(actor.id)) for actor in snapshot if actor.id != ego_id)
        return [(actor, body) for actor, body in found if body is not None]

    def road_users(
        self, others: Sequence[tuple[Any, Body]], speeds: Mapping[int, float], seconds: float
    ) -> KnownRoadUsers:
        """The others as a start clip tells of them. Of who stands it is not known whether he is parked, but of props.

        CARLA does not tell of strides: pedestrians take theirs from where they are first seen.

        Args:
            others: as the method of that name gives them.
            speeds: by id instead of measured ones [m/s].
            seconds: since the last call.
        """
        n = len(others)
        kinds = np.array([int(body.kind) for _, body in others], np.int64)
        boxes, found = np.zeros((n, len(BOX_NAMES))), np.zeros(n)
        for row, (actor, body) in enumerate(others):
            place = actor.get_transform()
            z = place.location.z + body.bottom
            boxes[row] = [*body.middle(actor)[:2], z, body.middle(actor)[2], body.length, body.width, body.height]
            found[row] = speeds.get(actor.id, actor.get_velocity().dot(place.get_forward_vector()))
        states = self._world.get_vehicles_light_states()
        shown = [int(states.get(actor.id, carla.VehicleLightState.NONE)) for actor, _ in others]
        return KnownRoadUsers(
            kinds=kinds,
            boxes=boxes,
            speeds=found,
            colors=np.array([body.color for _, body in others]).reshape(-1, 3),
            braking=(np.array(shown, np.int64) & int(carla.VehicleLightState.Brake)) != 0,
            phases=self._strides([actor.id for actor, _ in others], kinds, found * seconds),
            parked=kinds == ObjectKind.STATIC,
        )

    def _strides(self, ids: list[int], kinds: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Phases of the strides [n] [rad] of those who have moved by `steps` [n] [m]; 0 of all who do not walk."""
        for actor, kind, step in zip(ids, kinds.tolist(), steps.tolist(), strict=True):
            if kind == ObjectKind.PEDESTRIAN:
                self._walked[actor] = self._walked.get(actor, 0.0) + step
        return 2 * np.pi / STRIDE_LENGTH * np.array([self._walked.get(actor, 0.0) for actor in ids])


def pose_of(transform: carla.Transform) -> tuple[float, float, float]:
    """x, y [m] and yaw [rad] of a transform."""
    return pose_from_carla(transform.location.x, transform.location.y, transform.rotation.yaw)


def _measure(actor: Any) -> Body | None:
    kind = kind_of(actor)
    if kind == ObjectKind.EMPTY:
        return None
    box = actor.bounding_box
    return Body(
        kind=kind,
        length=2 * box.extent.x,
        width=2 * box.extent.y,
        ahead=box.location.x,
        bottom=box.location.z - box.extent.z,
        height=2 * box.extent.z,
        color=_color_of(actor),
    )


def _color_of(actor: Any) -> tuple[float, float, float]:
    """RGB [0, 255] of an actor's paint; NaN where the server does not tell."""
    parts = actor.attributes.get("color", "").split(",")
    if len(parts) != 3:
        return np.nan, np.nan, np.nan
    red, green, blue = (float(part) for part in parts)
    return red, green, blue


def kind_of(actor: Any) -> ObjectKind:
    """What a CARLA actor is; EMPTY for sensors, lights and the like."""
    if actor.type_id.startswith("vehicle."):
        return ObjectKind.TRUCK if actor.attributes.get("base_type", "").lower() in _HEAVY else ObjectKind.CAR
    if actor.type_id.startswith("walker."):
        return ObjectKind.PEDESTRIAN
    return ObjectKind.STATIC if actor.type_id.startswith("static.prop") else ObjectKind.EMPTY
