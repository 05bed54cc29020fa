"""Actor registry: every actor a client sees, by CARLA's id: spectator, ego, its sensors, other road users."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from envs.carla.coordinates import pose_from_carla
from envs.carla.versions import WireLayout
from envs.carla_bridge import blueprints, map_signals
from envs.carla_bridge.arguments import Place, attribute, place
from envs.carla_bridge.blueprints import Blueprint
from envs.carla_bridge.bridge_actor import BridgeActor, Client
from envs.carla_bridge.ego_choice import EgoChoice, why_meant_as_ego
from envs.carla_bridge.rpc import RefusedError
from envs.carla_bridge.simulation import CameraView, Simulation, SpawnedActor, Tick
from envs.carla_bridge.streams import EPISODE_STREAM
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind

_TAGS = {ObjectKind.CAR: b"\x0e", ObjectKind.TRUCK: b"\x0f", ObjectKind.PEDESTRIAN: b"\x0c", ObjectKind.STATIC: b"\x14"}
"""CARLA's semantic tags."""
_TCP, _SAME_HOST = 1, 0
BRAKE_LIGHT = 8
"""Bit of CARLA's light state."""
MOST_PIXELS = 4096
"""Of a side of a camera's picture, which all clients wait for."""
_DEFAULT_COLOR = "120,80,60"
MOST_GONE = 1000
"""So many of those that are gone are remembered: a Traffic Manager that asks the size of one which has just vanished,
and gets an error, ends its process."""


class ActorRegistry:
    """All actors.

    Args:
        simulation: where the ego and the road users live.
        layout: of the wire.
    """

    def __init__(self, simulation: Simulation, layout: WireLayout) -> None:
        self.simulation, self.layout = simulation, layout
        self.stream_port = 0
        self._next_id = EPISODE_STREAM + 1
        self.spectator = BridgeActor(id=self._new_id(), blueprint=blueprints.SPECTATOR)
        self.ego: BridgeActor | None = None
        self.client: Client | None = None
        self.ego_choice = EgoChoice(self)
        self.sensors: dict[int, BridgeActor] = {}
        self.controllers: dict[int, BridgeActor] = {}
        self.bodies: dict[int, BridgeActor] = {}
        self._gone: dict[int, BridgeActor] = {}
        self.road_users: dict[int, BridgeActor] = {}
        self.ids_of_keys: dict[int, int] = {}
        self.lights: dict[int, int] = {}
        self._braking: set[int] = set()
        self.signals: dict[int, BridgeActor] = {}
        self.enter_map()

    def enter_map(self) -> None:
        """Lights and signs of the present map become actors, in the simulation's order."""
        self.signals = {}
        for signal in self.simulation.signals:
            location, rotation = map_signals.actor_place(signal)
            actor = BridgeActor(
                id=self._new_id(), blueprint=blueprints.SIGNALS[signal.kind], location=location, rotation=rotation
            )
            actor.box = map_signals.trigger_volume(signal, actor.id)
            self.signals[actor.id] = actor

    def signal_number(self, actor_id: int) -> int:
        """Which of the simulation's signals the traffic light with that id is.

        Raises:
            RefusedError: there is no such light.
        """
        found = self.signals.get(actor_id)
        if found is None or found.blueprint != blueprints.SIGNALS[SignalKind.RED]:
            raise RefusedError(f"unable to find traffic light {actor_id}: actor not found")
        return list(self.signals).index(actor_id)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _remember(self, actors: Iterable[BridgeActor]) -> None:
        self._gone.update((actor.id, actor) for actor in actors)
        for actor_id in list(self._gone)[: max(0, len(self._gone) - MOST_GONE)]:
            del self._gone[actor_id]

    def find_or_remember(self, actor_id: int) -> BridgeActor:
        """The actor with that id, or one that is gone.

        Raises:
            RefusedError: there was none lately.
        """
        return self._gone[actor_id] if self.find(actor_id) is None and actor_id in self._gone else self.get(actor_id)

    def find(self, actor_id: int) -> BridgeActor | None:
        """The actor with that id."""
        if actor_id == self.spectator.id:
            return self.spectator
        if self.ego is not None and actor_id == self.ego.id:
            return self.ego
        attached = self.sensors.get(actor_id) or self.controllers.get(actor_id)
        return attached or self.bodies.get(actor_id) or self.signals.get(actor_id)

    def get(self, actor_id: int) -> BridgeActor:
        """The actor with that id.

        Raises:
            RefusedError: there is none.
        """
        found = self.find(actor_id)
        if found is None:
            raise RefusedError(f"unable to find actor {actor_id}: actor not found")
        return found

    def spawned(self, actor_id: int) -> BridgeActor | None:
        """The road user with that id if a client has spawned it, and so may move it; not the ego."""
        return self.road_users.get(actor_id)

    def vehicle(self, actor_id: int) -> BridgeActor:
        """The vehicle with that id that obeys clients: the ego, or another one that a client has spawned.

        Raises:
            RefusedError: it is none.
        """
        found = self.get(actor_id)
        if found is not self.ego and not self.is_driven(found):
            raise RefusedError(
                f"actor {actor_id} ({found.blueprint.id}) is this world's own or is no vehicle, and obeys no client"
            )
        return found

    def is_driven(self, actor: BridgeActor) -> bool:
        """Whether it is a vehicle that a client has spawned, and not the ego."""
        return actor.id in self.road_users and actor.kind in (ObjectKind.CAR, ObjectKind.TRUCK)

    def walking(self, actor_id: int) -> BridgeActor:
        """The walker with that id that a client has spawned, and so may walk.

        Raises:
            RefusedError: it is none.
        """
        found = self.road_users.get(actor_id)
        if found is None or found.kind != ObjectKind.PEDESTRIAN:
            name = self.get(actor_id).blueprint.id
            raise RefusedError(f"actor {actor_id} ({name}) is this world's own or is no walker, and obeys no client")
        return found

    def move_spawned(self) -> None:
        """A step of all that clients drive or walk besides the ego."""
        for actor in self.road_users.values():
            actor.move(self.simulation.model, self.simulation.dt)

    def spawned_actors(self) -> list[SpawnedActor]:
        """All road users that clients have spawned, as they are to be placed in the simulation."""
        return [self.as_spawned(actor) for actor in self.road_users.values()]

    def as_spawned(self, actor: BridgeActor) -> SpawnedActor:
        """A road user as it is placed in the simulation."""
        (x, y, z), (_, yaw, _) = actor.location, actor.rotation
        red, green, blue = _color(actor)
        return SpawnedActor(
            key=-actor.id,
            kind=actor.kind,
            pose=pose_from_carla(x, y, yaw),
            z=z,
            size=actor.size,
            color=(red, green, blue),
            braking=bool(self.lights.get(actor.id, 0) & BRAKE_LIGHT),
        )

    def spawn(self, description: list, transform: list, parent: int = 0) -> BridgeActor:
        """A new actor for a client.

        Raises:
            RefusedError: this world has no such actor, or no room for it.
        """
        _, name, attributes = description
        values = {str(key): str(value) for key, _, value in attributes}
        blueprint = blueprints.LIBRARY.get(name)
        if blueprint in blueprints.SENSORS:
            return self._attach(blueprint, values, transform, parent)
        if blueprint is blueprints.WALKER_CONTROLLER:
            return self._attach_controller(values, parent)
        if blueprint in blueprints.REFUSED:
            raise RefusedError(f"Spawn failed: {name} {blueprints.REFUSED[blueprint]}")
        if blueprint is None or blueprint.id not in blueprints.SPAWNABLE_KINDS:
            raise RefusedError(f"Spawn failed: this world has no {name}")
        location, rotation = place(name, transform, "Spawn failed: the transform")
        actor = BridgeActor(
            id=self._new_id(),
            blueprint=blueprint,
            values=values,
            size=blueprints.SPAWNED_SIZES[blueprint.id],
            kind=blueprints.SPAWNABLE_KINDS[blueprint.id],
            location=location,
            rotation=rotation,
            client=self.client,
        )
        if why := why_meant_as_ego(actor):
            self.ego_choice.claim(actor, why)
        else:
            self._place_road_user(actor)
        return actor

    def _place_road_user(self, actor: BridgeActor) -> None:
        """A road user besides the ego, which stands until a client moves it."""
        try:
            self.simulation.check_spawn(self.as_spawned(actor), self.spawned_actors())
        except ValueError as error:
            raise RefusedError(f"{error}{self.ego_choice.who_is_at(actor)}") from error
        self.add_road_user(actor)

    def add_road_user(self, actor: BridgeActor) -> None:
        """From now on it is one of those that clients move, besides the ego."""
        self.road_users[actor.id] = self.bodies[actor.id] = actor
        self.ids_of_keys[-actor.id] = actor.id

    def remove_road_user(self, actor_id: int) -> BridgeActor | None:
        """Take out one of those; None if there is none of that id."""
        actor = self.road_users.pop(actor_id, None)
        if actor is not None:
            self._remember([actor])
            del self.bodies[actor_id], self.ids_of_keys[-actor_id]
            self.lights.pop(actor_id, None)
        return actor

    def forget_own(self) -> None:
        """The world's own road users are others from now on, or none; so are the sensors of an ego."""
        self._remember(self.bodies.values())
        self.sensors, self._braking = {}, set()
        self.bodies = dict(self.road_users)
        self.ids_of_keys = {-actor_id: actor_id for actor_id in self.road_users}

    def _attach_controller(self, values: dict[str, str], parent: int) -> BridgeActor:
        self.walking(parent)
        controller = BridgeActor(
            id=self._new_id(), blueprint=blueprints.WALKER_CONTROLLER, values=values, parent=parent
        )
        self.controllers[controller.id] = controller
        return controller

    def _attach(self, blueprint: Blueprint, values: dict[str, str], transform: list, parent: int) -> BridgeActor:
        carrier = self.find(parent)
        if carrier is None or (carrier is not self.ego and not self.is_driven(carrier)):
            raise RefusedError(
                f"Spawn failed: {blueprint.id} must be attached to the ego vehicle, or to one that becomes it"
            )
        location, rotation = place(blueprint.id, transform, "Spawn failed: the transform")
        attribute(blueprint.id, "sensor_tick", values.get("sensor_tick", "0.0"))
        view = None
        if blueprint.id in blueprints.CAMERA_PICTURES:
            view = _view(blueprint, values, location, rotation)
            self.simulation.check_camera(view, blueprints.CAMERA_PICTURES[blueprint.id])
        self.ego_choice.claim(carrier, "its sensors")
        sensor = BridgeActor(
            id=self._new_id(),
            blueprint=blueprint,
            values=values,
            parent=parent,
            location=location,
            rotation=rotation,
            view=view,
        )
        self.sensors[sensor.id] = sensor
        return sensor

    def destroy(self, actor_id: int) -> bool:
        """Take away what a client spawned; whether there was such an actor. With the ego go its sensors and the world's
        own road users."""
        if (self.sensors.pop(actor_id, None) or self.controllers.pop(actor_id, None)) is not None:
            return True
        if self.remove_road_user(actor_id) is not None:
            return True
        if self.ego is None or actor_id != self.ego.id:
            return False
        self.simulation.end()
        self.ego = None
        self.forget_own()
        return True

    def clear(self) -> None:
        """Take away everything that clients spawned."""
        if self.ego is not None:
            self.destroy(self.ego.id)
        self.road_users, self.controllers, self.lights = {}, {}, {}
        self.forget_own()

    def value(self, actor: BridgeActor) -> list:
        """Actor on the wire."""
        uid = blueprints.UIDS[actor.blueprint.id]
        return [
            actor.id,
            actor.parent,
            actor.blueprint.description(uid, actor.values),
            self.bounding_box(actor),
            _TAGS.get(actor.kind, b""),
            self.token(actor.id) if actor.has_stream else b"",
        ]

    def bounding_box(self, actor: BridgeActor) -> list:
        """BoundingBox on the wire: half sizes around a centre above the actor's origin."""
        if actor.box is not None:
            return actor.box
        length, width, height = actor.size
        return [[0.0, 0.0, height / 2], [length / 2, width / 2, height / 2], [0.0, 0.0, 0.0], actor.id]

    def token(self, stream: int) -> bytes:
        """Where to subscribe to a stream."""
        return self.layout.token.pack(stream, self.stream_port, _TCP, _SAME_HOST, bytes(16))

    def collided_with(self, tick: Tick) -> list:
        """Actor on the wire that the ego touches: a road user, or the scenery."""
        if tick.collided_with in self.ids_of_keys:
            return self.value(self.bodies[self.ids_of_keys[tick.collided_with]])
        return self.value(BridgeActor(id=0, blueprint=blueprints.SCENERY))

    def body_ids(self, tick: Tick) -> list[int]:
        """Ids of the road users of a new frame; those that appear get new ones."""
        ids = []
        for key, kind, box, height, color in zip(
            tick.keys.tolist(), tick.objects.kinds.tolist(), tick.objects.boxes, tick.heights, tick.colors, strict=True
        ):
            if key not in self.ids_of_keys:
                body = BridgeActor(
                    id=self._new_id(),
                    blueprint=blueprints.OF_KIND[ObjectKind(kind)],
                    values={"color": ",".join(f"{part:.0f}" for part in color)} if np.isfinite(color).all() else {},
                    size=(float(box[3]), float(box[4]), float(height)),
                    kind=ObjectKind(kind),
                )
                self.ids_of_keys[key], self.bodies[body.id] = body.id, body
            ids.append(self.ids_of_keys[key])
        self._braking = {i for i, brakes in zip(ids, tick.braking.tolist(), strict=True) if brakes}
        return ids

    def light_states(self) -> list:
        """Vehicle light states on the wire."""
        vehicles = [b.id for b in self.bodies.values() if b.blueprint.id.startswith("vehicle.")]
        ids = vehicles if self.ego is None else [self.ego.id, *vehicles]
        return [[i, self._light_state(i)] for i in ids]

    def light_state(self, actor: BridgeActor) -> int:
        """CARLA's flags of a vehicle's lights: those that a client has set, and the brakes of this world's own."""
        return self._light_state(actor.id)

    def _light_state(self, actor_id: int) -> int:
        return self.lights.get(actor_id, 0) | (BRAKE_LIGHT if actor_id in self._braking else 0)


def _color(actor: BridgeActor) -> tuple[int, int, int]:
    text = actor.values.get("color", _DEFAULT_COLOR)
    parts = [int(part) if part.strip().isdecimal() else -1 for part in text.split(",")]
    if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
        raise RefusedError(f"Spawn failed: color of {actor.blueprint.id} is {text!r:.40}; right would be as 120,80,60")
    red, green, blue = parts
    return red, green, blue


def _view(blueprint: Blueprint, values: dict[str, str], location: Place, rotation: Place) -> CameraView:
    names = ("image_size_x", "image_size_y", "fov")
    given = {a.name: a.value for a in blueprint.attributes} | values
    width, height, fov = (attribute(blueprint.id, name, given[name]) for name in names)
    if not (1 <= width <= MOST_PIXELS and 1 <= height <= MOST_PIXELS and 0 < fov < 180):
        raise RefusedError(
            f"Spawn failed: {blueprint.id} of {width:g} x {height:g} px and {fov:g} degrees; right would be 1 to "
            f"{MOST_PIXELS} px a side and a fov between 0 and 180 degrees"
        )
    pitch, yaw, roll = (math.radians(angle) for angle in rotation)
    x, y, z = location
    return CameraView(
        width=int(width), height=int(height), fov=math.radians(fov), x=x, y=-y, z=z, yaw=-yaw, pitch=-pitch, roll=roll
    )
