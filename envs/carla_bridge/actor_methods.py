"""What clients may ask of actors: they are found, spawned, driven, walked and destroyed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from envs.carla.coordinates import control_from_carla, pose_from_carla
from envs.carla_bridge import blueprints
from envs.carla_bridge.arguments import place
from envs.carla_bridge.bridge_actor import BridgeActor
from envs.carla_bridge.drive_commands import MASS, AckermannTarget
from envs.carla_bridge.refused_methods import reason_of_command
from envs.carla_bridge.rpc import Method, RefusedError, check_finite, returning, returning_nothing
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

if TYPE_CHECKING:
    from envs.carla_bridge.bridge import Bridge

OWN_WAY = "the ego moves by its controls alone, the world's own road users by its traffic model"
"""Why only what a client has spawned besides the ego can be teleported."""
ALL_LIGHTS = 0xFFFFFFFF
"""Bits that CARLA's light state has on the wire."""
MOST_SLIP = 0.1
"""A velocity given to the ego may have this much across its heading [m/s]."""


class ActorMethods:
    """Actors: found, spawned, driven, destroyed."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge, self._registry = bridge, bridge.registry

    def methods(self) -> dict[str, Method]:
        """By name."""
        return {
            **returning(
                self.get_actor_definitions,
                self.get_spectator,
                self.get_actors_by_id,
                self.spawn_actor,
                self.spawn_actor_with_parent,
                self.destroy_actor,
                self.get_actor_bounding_box,
                self.get_physics_control,
                self.get_vehicle_light_state,
                self.get_vehicle_light_states,
                self.get_wheel_steer_angle,
            ),
            **returning_nothing(
                self.apply_control_to_vehicle,
                self.apply_ackermann_control_to_vehicle,
                self.apply_control_to_walker,
                self.enable_actor_constant_velocity,
                self.disable_actor_constant_velocity,
                self.add_actor_impulse,
                self.add_actor_force,
                self.set_actor_collisions,
                self.set_actor_transform,
                self.set_actor_location,
                self.set_actor_target_velocity,
                self.set_actor_simulate_physics,
                self.set_actor_enable_gravity,
                self.set_vehicle_light_state,
            ),
            "apply_batch": Method(call=self.apply_batch, returns="bare"),
        }

    def get_actor_definitions(self) -> list:
        """The blueprint library."""
        return [b.definition(blueprints.UIDS[b.id]) for b in blueprints.LIBRARY.values()]

    def get_spectator(self) -> list:
        """The spectator."""
        return self._registry.value(self._registry.spectator)

    def get_actors_by_id(self, ids: list[int]) -> list:
        """Those of them that there are."""
        found = (self._registry.find(i) for i in ids)
        return [self._registry.value(bridge_actor) for bridge_actor in found if bridge_actor is not None]

    def spawn_actor(self, description: list, transform: list) -> list:
        """The new actor."""
        return self._registry.value(self._registry.spawn(description, transform))

    def spawn_actor_with_parent(
        self, description: list, transform: list, parent: int, attachment: int = 0, socket: str = ""
    ) -> list:
        """The new sensor or controller."""
        return self._registry.value(self._registry.spawn(description, transform, parent))

    def destroy_actor(self, actor: int) -> bool:
        """Whether there was one that a client may take away."""
        return self._registry.destroy(actor)

    def get_actor_bounding_box(self, actor: int) -> list:
        """In the frame of the actor, which may be gone."""
        return self._registry.bounding_box(self._registry.find_or_remember(actor))

    def get_physics_control(self, actor: int) -> list:
        """The wheels are the model's; the engine's numbers are neutral, for the model has none."""
        model = self._model_of(self._registry.vehicle(actor))
        wheels = []
        for ahead in (0.5, -0.5):
            for right in (-0.5, 0.5):
                steer = math.degrees(model.max_steer_angle) if ahead > 0 else 0.0
                place = [100 * ahead * model.wheelbase, 100 * right * model.width, 0.0]
                wheels.append([3.5, 0.25, steer, 37.0, 1500.0, 3000.0, 3.0, 20.0, 3000.0, place])
        gears = [[1.0, 0.5, 0.65]]
        curve = [[0.0, 1.0], [1000.0, 1.0]]
        engine = [[[0.0, 500.0], [5000.0, 500.0]], 5000.0, 1.0, 0.15, 2.0, 0.35, True, 0.0, 10.0, 4.0, gears]
        return [*engine, MASS, 0.3, [0.0, 0.0, 0.0], curve, wheels, False]

    def get_vehicle_light_state(self, actor: int) -> list:
        """CARLA's flags."""
        return [self._registry.light_state(self._registry.get(actor))]

    def get_vehicle_light_states(self) -> list:
        """Of all vehicles."""
        return self._registry.light_states()

    def get_wheel_steer_angle(self, actor: int, wheel: int) -> float:
        """Of a front wheel, positive to the right [degrees]."""
        return -math.degrees(float(self._motion_of(self._registry.vehicle(actor))[VehicleColumn.STEER_ANGLE]))

    def _motion_of(self, actor: BridgeActor) -> np.ndarray:
        """VEHICLE_NAMES float64 [6] of a vehicle."""
        if actor is self._registry.ego:
            return self._bridge.simulation.observe().vehicle
        if actor.motion is not None:
            return actor.motion
        return np.array([*pose_from_carla(*actor.location[:2], actor.rotation[1]), 0.0, 0.0, 0.0])

    def _model_of(self, actor: BridgeActor) -> VehicleModel:
        return self._bridge.simulation.model.of_size(*actor.size[:2])

    def _in_own_frame(self, actor: BridgeActor, vector: list) -> tuple[float, float]:
        """Ahead of a vehicle and to its left, of a vector in CARLA's frame."""
        yaw = float(self._motion_of(actor)[VehicleColumn.YAW])
        c, s = math.cos(yaw), math.sin(yaw)
        return c * vector[0] - s * vector[1], -s * vector[0] - c * vector[1]

    def _set_speed(self, actor: BridgeActor, speed: float) -> None:
        if actor is self._registry.ego:
            self._bridge.simulation.set_speed(speed)
        else:
            actor.launch(speed)

    def apply_control_to_vehicle(self, actor: int, control: list) -> None:
        """Of the ego, and of vehicles that clients have spawned: all obey it by the ego's vehicle model."""
        throttle, steer, brake, hand_brake, reverse, *_ = control
        for name, value in (("throttle", throttle), ("steer", steer), ("brake", brake)):
            check_finite(f"actor {actor}", "VehicleControl", value, name)
        found = self._registry.vehicle(actor)
        found.obey(control_from_carla(throttle, steer, brake, hand_brake, reverse))
        self._registry.ego_choice.drive(found)

    def apply_ackermann_control_to_vehicle(self, actor: int, control: list) -> None:
        """Likewise, by the controls that lead there."""
        names = ("steer", "steer_speed", "speed", "acceleration")
        for name, value in zip(names, control, strict=False):
            check_finite(f"actor {actor}", "VehicleAckermannControl", value, name)
        steer, steer_speed, speed, acceleration = (float(value) for value in control[:4])
        found = self._registry.vehicle(actor)
        found.aim(AckermannTarget(steer=-steer, steer_speed=steer_speed, speed=speed, acceleration=acceleration))
        self._registry.ego_choice.drive(found)

    def enable_actor_constant_velocity(self, actor: int, velocity: list) -> None:
        """Of a vehicle, in its own frame, whatever its pedals; along its heading, for it does not slip."""
        check_finite(f"actor {actor}", "the constant velocity", velocity)
        found = self._registry.vehicle(actor)
        if abs(velocity[1]) > MOST_SLIP:
            raise RefusedError(
                f"actor {actor} cannot be given a velocity of {velocity[1]:.1f} m/s to its right: it does not slip"
            )
        found.hold(float(velocity[0]))
        self._registry.ego_choice.drive(found)

    def disable_actor_constant_velocity(self, actor: int) -> None:
        """Its pedals have their way again."""
        self._registry.vehicle(actor).hold(None)

    def add_actor_impulse(self, actor: int, impulse: list) -> None:
        """Of a vehicle of MASS, in CARLA's frame [kg m/s]; what of it is across the heading its tyres hold."""
        check_finite(f"actor {actor}", "the impulse", impulse)
        found = self._registry.vehicle(actor)
        self._registry.ego_choice.drive(found)
        ahead, _ = self._in_own_frame(found, impulse)
        self._set_speed(found, float(self._motion_of(found)[VehicleColumn.SPEED]) + ahead / MASS)

    def add_actor_force(self, actor: int, force: list) -> None:
        """Likewise, for the length of a step [N]."""
        check_finite(f"actor {actor}", "the force", force)
        self.add_actor_impulse(actor, [part * self._bridge.simulation.dt for part in force])

    def set_actor_transform(self, actor: int, transform: list) -> None:
        """Of the spectator and of what clients have spawned."""
        bridge_actor = self._registry.get(actor)
        if bridge_actor is not self._registry.spectator and self._registry.spawned(actor) is None:
            raise RefusedError(f"actor {actor} ({bridge_actor.blueprint.id}) cannot be moved: {OWN_WAY}")
        bridge_actor.put(*place(f"actor {actor}", transform))

    def set_actor_location(self, actor: int, location: list) -> None:
        """The same, turned as it was."""
        self.set_actor_transform(actor, [location, self._registry.get(actor).rotation])

    def apply_control_to_walker(self, actor: int, control: list) -> None:
        """Of walkers that clients have spawned; nobody jumps."""
        (x, y, z), speed, _ = control
        check_finite(f"actor {actor}", "WalkerControl", [x, y, z], "direction")
        check_finite(f"actor {actor}", "WalkerControl", speed, "speed")
        self._registry.walking(actor).walk = (float(x), float(y), max(0.0, float(speed)))

    def set_actor_target_velocity(self, actor: int, velocity: list) -> None:
        """Of the ego and of vehicles that clients have spawned, along the own heading."""
        check_finite(f"actor {actor}", "the velocity", velocity)
        found = self._registry.vehicle(actor)
        ahead, left = self._in_own_frame(found, velocity)
        if abs(left) > MOST_SLIP:
            raise RefusedError(
                f"actor {actor} cannot be given a velocity of {left:.1f} m/s to its left: it does not slip"
            )
        self._registry.ego_choice.drive(found)
        self._set_speed(found, ahead)

    def set_actor_collisions(self, actor: int, enabled: bool) -> None:
        """Everybody can be hit."""
        found = self._registry.get(actor)
        if enabled:
            return
        if any(one.parent == actor for one in self._registry.controllers.values()):
            raise RefusedError(
                f"the controller of actor {actor} cannot find ways: this world has no navigation mesh; "
                f"walk it by apply_control(carla.WalkerControl(...))"
            )
        raise RefusedError(f"actor {actor} ({found.blueprint.id}) cannot be made immaterial")

    def set_actor_simulate_physics(self, actor: int, enabled: bool) -> None:
        """Actors that a client moves never have physics, all others always."""
        if self._registry.spawned(actor) is None and not enabled:
            raise RefusedError(f"actor {self._registry.get(actor).id} cannot be taken out of physics: {OWN_WAY}")

    def set_actor_enable_gravity(self, actor: int, enabled: bool) -> None:
        """Everybody stays on the ground."""
        if not enabled:
            raise RefusedError(
                f"actor {self._registry.get(actor).id} cannot be freed of gravity: all stay on the ground"
            )

    def set_vehicle_light_state(self, actor: int, state: list) -> None:
        """Shown where it is the brakes'."""
        check_finite(f"actor {actor}", "the light state", state[0])
        self._registry.lights[self._registry.get(actor).id] = int(state[0]) & ALL_LIGHTS

    def apply_batch(self, commands: list, tick: bool) -> list:
        """The result of each command."""
        results = [self._command(*command[0]) for command in commands]
        if tick:
            self._bridge.cue()
        return results

    def _command(self, index: int, fields: list) -> list:
        """The result of one command: the actor's id, or why not."""
        name = self._bridge.layout.commands[index]
        try:
            return [[1, self._done(name, fields)]]
        except (RefusedError, ValueError) as error:
            self._bridge.refuse(f"apply_batch, {name}", error)
            return [[0, [str(error)]]]

    def _done(self, name: str, fields: list, spawned: int = 0) -> int:
        """Id of the actor that a command made, or was given to; that of an actor just spawned stands for 0."""
        if name == "SpawnActor":
            return self._spawn_command(fields)
        actor = fields[0] or spawned
        self._apply(name, actor, fields[1:])
        return actor

    def _spawn_command(self, fields: list) -> int:
        """Id of a new actor. Where what is to be done to it afterwards is refused, there is none: the client's answer
        has no room for an id beside an error, and an actor that it knows nothing of would stay for ever."""
        description, transform, parent, _, _, then = fields
        actor = self._registry.spawn(description, transform, parent[1] if parent[0] else 0).id
        made, name = [actor], ""
        try:
            for ((index, values),) in then:
                name = self._bridge.layout.commands[index]
                after = self._done(name, values, spawned=actor)
                made += [after] * (name == "SpawnActor")
        except Exception as error:
            for one in reversed(made):
                self.destroy_actor(one)
            if isinstance(error, (RefusedError, ValueError)):
                raise RefusedError(f"not spawned, since {name}, to be done then, is refused: {error}") from error
            raise
        return actor

    def _apply(self, name: str, actor: int, values: list) -> None:
        match name:
            case "DestroyActor":
                if not self.destroy_actor(actor):
                    raise RefusedError("unable to destroy actor: not found")
            case "ApplyVehicleControl":
                self.apply_control_to_vehicle(actor, *values)
            case "ApplyVehicleAckermannControl":
                self.apply_ackermann_control_to_vehicle(actor, *values)
            case "ApplyImpulse":
                self.add_actor_impulse(actor, *values)
            case "ApplyForce":
                self.add_actor_force(actor, *values)
            case "ApplyWalkerControl":
                self.apply_control_to_walker(actor, *values)
            case "ApplyTransform":
                self.set_actor_transform(actor, *values)
            case "ApplyLocation":
                self.set_actor_location(actor, *values)
            case "ApplyTargetVelocity":
                self.set_actor_target_velocity(actor, *values)
            case "SetSimulatePhysics":
                self.set_actor_simulate_physics(actor, *values)
            case "SetVehicleLightState":
                self.set_vehicle_light_state(actor, values)
            case "SetAutopilot" | "SetEnableGravity" | "ShowDebugTelemetry":
                self._registry.get(actor)  # a Traffic Manager is the client's own, and sends controls
            case _:
                raise RefusedError(f"{name}: {reason_of_command(name)}")
