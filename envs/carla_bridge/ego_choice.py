"""Which of the vehicles that clients spawn is the ego, of which a served world has one.

A vehicle is spawned as the ego if its role_name is one of ROLE_NAMES, or an attribute is set that only an ego has. Else
that becomes the ego which is the first to carry a sensor, or the first that a client drives. One that was merely driven
gives way to one that is meant; so does any whose client has left.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import numpy as np

from envs.carla.coordinates import pose_from_carla, pose_to_carla
from envs.carla_bridge import blueprints
from envs.carla_bridge.bridge_actor import BridgeActor
from envs.carla_bridge.drive_commands import FULL_BRAKE
from envs.carla_bridge.rpc import RefusedError
from envs.carla_bridge.simulation import boxes_of
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import ObjectKind

if TYPE_CHECKING:
    from envs.carla_bridge.actor_registry import ActorRegistry

ROLE_NAMES = ("hero", "ego_vehicle")
"""role_name of an ego, as CARLA's own scripts, its scenario runner and its ROS bridge have it."""
EGO_HEIGHT = 1.6
"""Of its bounding box [m]."""
_VEHICLES = (ObjectKind.CAR, ObjectKind.TRUCK)


def why_meant_as_ego(actor: BridgeActor) -> str:
    """The attribute that says it is to be the ego, and its value; "" without one."""
    values = actor.values
    if actor.kind not in _VEHICLES:
        return ""
    if values.get("role_name") in ROLE_NAMES:
        return f"role_name {values['role_name']!r}"
    if int(values.get("seed", "-1")) >= 0:
        return f"seed {values['seed']}"
    return f"traffic {values['traffic']!r}" if values.get("traffic", "true").lower() != "true" else ""


class EgoChoice:
    """Makes an actor the ego, and an ego one of the others again.

    Args:
        registry: of all actors.
    """

    def __init__(self, registry: ActorRegistry) -> None:
        self._registry = registry
        self._why, self._meant = "", False
        self._unfit: set[int] = set()

    def claim(self, actor: BridgeActor, why: str) -> None:
        """Make it the ego, for it is meant to be.

        Raises:
            RefusedError: another one is, or it cannot be one where it is.
        """
        registry = self._registry
        actor.client = registry.client
        if actor is registry.ego:
            self._why, self._meant = self._why if self._meant else why, True
            return
        ego = registry.ego
        if ego is not None and self._meant and not ego.is_abandoned:
            raise RefusedError(
                f"Spawn failed: {_name(actor)} cannot be the ego by {why}: this world has one, which is {_name(ego)} "
                f"by {self._why}, and its client is still there; destroy it first, or attach to it"
            )
        self._replace(actor)
        self._why, self._meant = why, True

    def drive(self, actor: BridgeActor) -> None:
        """A client drives this vehicle: it is the ego if none is, or if the ego's client has left."""
        registry = self._registry
        actor.client = registry.client
        ego = registry.ego
        if actor is ego or (ego is not None and not ego.is_abandoned) or actor.id in self._unfit:
            return
        try:
            self._replace(actor)
        except RefusedError as error:
            self._unfit.add(actor.id)
            print(f"{_name(actor)} is driven, but not as the ego: {error}", file=sys.stderr, flush=True)
        else:
            self._why, self._meant = "being driven first", False

    def who_is_at(self, actor: BridgeActor) -> str:
        """Who of the clients' actors is in the way of a new one, as the rest of a sentence; "" where nobody is."""
        registry = self._registry
        others = [other for other in registry.road_users.values() if other is not actor]
        boxes = boxes_of([registry.as_spawned(other) for other in others])
        if registry.ego is not None:
            others.append(registry.ego)
            vehicle, model = registry.simulation.observe().vehicle, registry.simulation.model
            boxes = np.concatenate([boxes, [[*vehicle[:3], model.length, model.width]]])
        hit = np.flatnonzero(overlap(boxes_of([registry.as_spawned(actor)])[0], boxes))
        if not len(hit):
            return ""
        other = others[int(hit[0])]
        left = ", left by a client that is gone" if other.is_abandoned else ""
        return f": {_name(other)} is there{left}"

    def _replace(self, actor: BridgeActor) -> None:
        registry = self._registry
        before = registry.ego
        if before is not None:
            self._demote(before)
        try:
            self._begin(actor)
        except ValueError as error:
            text = str(error) if str(error).startswith("Spawn failed") else f"Spawn failed: {error}"
            refusal = RefusedError(f"{text}{self.who_is_at(actor)}")
            if before is not None and not before.is_abandoned:  # who was there does not lose the world by it
                with contextlib.suppress(RefusedError):
                    self._replace(before)
            raise refusal from error
        registry.remove_road_user(actor.id)
        registry.ego = actor
        registry.forget_own()
        model = registry.simulation.model
        actor.size, actor.kind = (model.length, model.width, EGO_HEIGHT), ObjectKind.CAR

    def _begin(self, actor: BridgeActor) -> None:
        """Begin an episode of the world around it, among what clients have spawned."""
        registry, simulation = self._registry, self._registry.simulation
        (x, y, _), (_, yaw, _) = actor.location, actor.rotation
        seed = int(actor.values.get("seed", "-1"))
        traffic = actor.values.get("traffic", "true").lower() == "true"
        others = [registry.as_spawned(other) for other in registry.road_users.values() if other is not actor]
        simulation.begin(pose_from_carla(x, y, yaw), simulation.seed if seed < 0 else seed, traffic, others)
        if actor.motion is not None and actor.speed != 0.0:
            simulation.set_speed(actor.speed)

    def _demote(self, ego: BridgeActor) -> None:
        """It is an ordinary vehicle where it is; one whose client has left stands."""
        registry = self._registry
        tick = registry.simulation.observe()
        x, y, yaw = pose_to_carla(*tick.vehicle[:3].tolist())
        ego.location, ego.rotation, ego.motion = (x, y, tick.z), (0.0, yaw, 0.0), tick.vehicle.copy()
        ego.size = blueprints.SPAWNED_SIZES[ego.blueprint.id]
        ego.kind = blueprints.SPAWNABLE_KINDS[ego.blueprint.id]
        if ego.is_abandoned:
            ego.hold(None)
            ego.obey(FULL_BRAKE)
        left = ", for its client has left" if ego.is_abandoned else ""
        print(f"{_name(ego)} is not the ego any more{left}", file=sys.stderr, flush=True)
        registry.simulation.end()
        registry.ego = None
        registry.forget_own()
        registry.add_road_user(ego)


def _name(actor: BridgeActor) -> str:
    return f"actor {actor.id} ({actor.blueprint.id})"
