"""Scripted actors in a CARLA server: spawned, moved by their transforms, taken away. Part of the session's process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import carla

from envs.carla.blueprint_choice import choose_blueprint
from envs.carla.coordinates import pose_to_carla
from envs.carla.messages import Placed
from envs.carla.objects import Bodies
from envs.world import WorldLostError
from worldsim.datatypes.scene import ObjectKind

SPAWN_HEIGHT = 1.0
"""Actors appear this far above the ground, so that they do not touch it, and are put down in the same frame [m]."""


class CarlaActors:
    """The scripted actors of an episode; each keeps its place in the order in which they were spawned.

    Args:
        client: connected.
        world: in synchronous mode.
        bodies: of the same world.
        role: role_name of the actors.
        blueprints: what each kind is in this version of CARLA; its size is the blueprint's, not the script's.
    """

    def __init__(
        self,
        client: carla.Client,
        world: carla.World,
        bodies: Bodies,
        role: str,
        blueprints: Mapping[ObjectKind, str],
    ) -> None:
        self._client, self._world, self._bodies, self._role = client, world, bodies, role
        self._blueprints = blueprints
        self._map = world.get_map()
        self._actors: list[Any] = []
        self._braking: list[bool] = []
        self.speeds: dict[int, float] = {}

    def begin(self, placed: Sequence[Placed]) -> None:
        """Spawn the actors.

        Raises:
            ValueError: the server has no room for one of them, or no such blueprint.
        """
        library, command = self._world.get_blueprint_library(), carla.command
        batch = []
        for actor in placed:
            blueprint = choose_blueprint(library, actor.kind, self._blueprints[actor.kind])
            if blueprint.has_attribute("role_name"):
                blueprint.set_attribute("role_name", self._role)
            spawn = command.SpawnActor(blueprint, self._transform(actor.pose, 0.0, -SPAWN_HEIGHT))
            batch.append(spawn.then(command.SetSimulatePhysics(command.FutureActor, False)))
        responses = self._client.apply_batch_sync(batch, False)
        self._actors = [self._world.get_actor(r.actor_id) for r in responses if not r.error]
        for number, (response, actor) in enumerate(zip(responses, placed, strict=True)):
            if response.error:
                at = tuple(round(value, 2) for value in actor.pose)
                raise ValueError(f"no room for scripted actor {number}, a {actor.kind.name}, at {at}: {response.error}")
        self._braking = [False] * len(placed)
        self.place(placed)

    def place(self, placed: Sequence[Placed]) -> None:
        """Put the actors elsewhere, to be seen there in the next frame.

        Raises:
            WorldLostError: one of them is gone.
        """
        command = carla.command
        batch = []
        for number, (actor, to) in enumerate(zip(self._actors, placed, strict=True)):
            body = self._bodies.of(actor)
            assert body is not None, "scripted actors can be touched"
            batch.append(command.ApplyTransform(actor.id, self._transform(to.pose, body.ahead, body.bottom)))
            self.speeds[actor.id] = to.speed
            if to.braking != self._braking[number] and actor.type_id.startswith("vehicle."):
                lights = carla.VehicleLightState.Brake if to.braking else carla.VehicleLightState.NONE
                batch.append(command.SetVehicleLightState(actor.id, carla.VehicleLightState(lights)))
            self._braking[number] = to.braking
        for response in self._client.apply_batch_sync(batch, False) if batch else ():
            if response.error:
                raise WorldLostError(f"scripted actor {response.actor_id} could not be moved: {response.error}")

    def end(self) -> None:
        """Take the actors away."""
        if self._actors:
            self._client.apply_batch_sync([carla.command.DestroyActor(actor.id) for actor in self._actors], False)
        self._actors, self._braking, self.speeds = [], [], {}

    def _transform(self, pose: tuple[float, float, float], ahead: float, bottom: float) -> carla.Transform:
        """Where the origin is of a body whose middle is at the pose and whose underside is on the ground."""
        x, y, yaw = pose
        x, y, degrees = pose_to_carla(x - ahead * math.cos(yaw), y - ahead * math.sin(yaw), yaw)
        ground = self._map.get_waypoint(carla.Location(x=x, y=y))
        height = ground.transform.location.z if ground is not None else 0.0
        return carla.Transform(carla.Location(x=x, y=y, z=height - bottom), carla.Rotation(yaw=degrees))
