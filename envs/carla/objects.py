"""Bodies: what around the ego can be touched, from CARLA's actors to our Objects. Part of the session's process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import carla
import numpy as np

from envs.carla.coordinates import pose_from_carla
from envs.ground_truth import Objects
from worldsim.actors.actors import BRAKE_LIGHTS, STANDING
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BOX_NAMES, FOOTPRINT_COLUMNS, BoxColumn
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

    def of(self, actor: Any) -> Body | None:
        """The body of an actor; None for those that cannot be touched."""
        if actor.id not in self._known:
            self._known[actor.id] = _measure(actor)
        return self._known[actor.id]

    def road_users(self, snapshot: carla.WorldSnapshot, ego_id: int, objects: Objects) -> KnownRoadUsers:
        """The same of whom `objects` are made, as a start clip tells of them. Brake lights follow from their motion; of
        who stands it is not known whether he is parked, but of props."""
        actors = [actor for actor in snapshot if actor.id != ego_id and self._known.get(actor.id) is not None]
        bodies = [body for actor in actors if (body := self._known[actor.id]) is not None]
        boxes = np.zeros((len(bodies), len(BOX_NAMES)))
        boxes[:, FOOTPRINT_COLUMNS] = objects.boxes
        for row, (actor, body) in enumerate(zip(actors, bodies, strict=True)):
            boxes[row, BoxColumn.Z] = actor.get_transform().location.z + body.bottom
            boxes[row, BoxColumn.HEIGHT] = body.height
        rates = [actor.get_acceleration().dot(actor.get_transform().get_forward_vector()) for actor in actors]
        slows = np.array(rates) < BRAKE_LIGHTS
        vehicle = (objects.kinds == ObjectKind.CAR) | (objects.kinds == ObjectKind.TRUCK)
        return KnownRoadUsers(
            kinds=objects.kinds,
            boxes=boxes,
            speeds=objects.speeds,
            colors=np.array([body.color for body in bodies]).reshape(-1, 3),
            braking=vehicle & (slows | (np.abs(objects.speeds) < STANDING)),
            phases=np.zeros(len(bodies)),
            parked=objects.kinds == ObjectKind.STATIC,
        )

    def objects(self, snapshot: carla.WorldSnapshot, ego_id: int, speeds: Mapping[int, float]) -> Objects:
        """Everyone of a snapshot but the ego, with these speeds [m/s] by id instead of measured ones."""
        new = [actor.id for actor in snapshot if actor.id not in self._known]
        if new:
            for actor in self._world.get_actors(new):
                self.of(actor)
        boxes, found, kinds = [], [], []
        for actor in snapshot:
            body = self._known.get(actor.id)
            if body is None or actor.id == ego_id:
                continue
            boxes.append((*body.middle(actor), body.length, body.width))
            measured = actor.get_velocity().dot(actor.get_transform().get_forward_vector())
            found.append(speeds.get(actor.id, measured))
            kinds.append(int(body.kind))
        return Objects(
            boxes=np.array(boxes, np.float64).reshape(-1, 5),
            speeds=np.array(found, np.float64),
            kinds=np.array(kinds, np.int64),
        )


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
