"""The methods a client may call, by CARLA's names. What is not here is answered as an unknown method."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from envs.carla.coordinates import control_from_carla, poses_to_carla
from envs.carla_bridge import blueprints, messages
from envs.carla_bridge.bridge import Bridge
from envs.carla_bridge.rpc import Method, RefusedError, returning, returning_nothing
from envs.carla_bridge.traffic_lights import TrafficLightMethods
from worldsim.datatypes.vehicle import VehicleColumn

SPAWN_HEIGHT = 0.5
"""Of spawn points above the road, as CARLA gives them [m]."""
OWN_WAY = "the ego moves by its controls alone, the world's own road users by its traffic model"
"""Why only what a client has spawned besides the ego can be teleported."""
MOST_SLIP = 0.1
"""A velocity given to the ego may have this much across its heading [m/s]."""
SAME_STEP = 1e-6
"""A fixed step nearer than this to the world's own is the same [s]."""


def methods_of(bridge: Bridge) -> dict[str, Method]:
    """Every method of a bridge by name."""
    parts = (_Session(bridge), _Maps(bridge), _Actors(bridge), TrafficLightMethods(bridge), _TrafficManagers(bridge))
    return {name: method for part in parts for name, method in part.methods().items()}


class _Session:
    """Version, settings, clock, weather."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def methods(self) -> dict[str, Method]:
        return {
            **returning(
                self.version,
                self.get_episode_info,
                self.get_sensor_token,
                self.get_episode_settings,
                self.set_episode_settings,
                self.tick_cue,
                self.get_weather_parameters,
            ),
            **returning_nothing(self.set_weather_parameters, self.draw_debug_shape, self.update_lights_state),
        }

    def version(self) -> str:
        return self._bridge.layout.version

    def get_episode_info(self) -> list:
        return [self._bridge.episode, [self._bridge.registry.token(1)]]

    def get_sensor_token(self, stream: int) -> list:
        self._bridge.streams.expect(stream)
        return [self._bridge.registry.token(stream)]

    def get_episode_settings(self) -> list:
        settings = dict(self._bridge.settings)
        fixed = settings["fixed_delta_seconds"]
        settings["fixed_delta_seconds"] = [False] if fixed is None else [True, fixed]
        return list(settings.values())

    def set_episode_settings(self, values: list) -> int:
        bridge = self._bridge
        settings = dict(zip(bridge.layout.settings, values, strict=True))
        given, *rest = settings["fixed_delta_seconds"]
        settings["fixed_delta_seconds"] = rest[0] if given else None
        if given and abs(rest[0] - bridge.simulation.dt) > SAME_STEP:
            if bridge.registry.ego is not None:
                raise RefusedError(
                    f"fixed_delta_seconds {rest[0]:g} cannot replace {bridge.simulation.dt:g} while there is an ego"
                )
            bridge.simulation.set_dt(rest[0])
        bridge.settings = settings
        return bridge.frame

    def tick_cue(self) -> int:
        return self._bridge.cue()

    def get_weather_parameters(self) -> list:
        """That of the pictures; what a client has set where the served world does not know its own."""
        shown = self._bridge.simulation.weather()
        if shown is None:
            return self._bridge.weather
        return messages.weather_parameters(self._bridge.layout, shown)

    def set_weather_parameters(self, weather: list) -> None:
        """Stored, but not shown: the served worlds draw their weather from the seed."""
        self._bridge.weather = [float(value) for value in weather]

    def draw_debug_shape(self, shape: list) -> None:
        """Nobody looks at the server."""

    def update_lights_state(self, endpoint: str, lights: list, discard: bool = False) -> None:
        """There are no street lights to switch."""


class _Maps:
    """Maps and what stands on them."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def methods(self) -> dict[str, Method]:
        return {
            **returning(
                self.get_map_info,
                self.get_map_data,
                self.get_available_maps,
                self.get_required_files,
                self.get_navigation_mesh,
                self.get_all_level_BBs,
                self.get_environment_objects,
                self.query_lights_state,
            ),
            **returning_nothing(self.load_new_episode, self.copy_opendrive_to_file),
        }

    def get_map_info(self) -> list:
        simulation = self._bridge.simulation
        poses = poses_to_carla(simulation.spawn_poses).tolist()
        heights = (simulation.spawn_heights + SPAWN_HEIGHT).tolist()
        points = [[[x, y, z], [0.0, yaw, 0.0]] for (x, y, yaw), z in zip(poses, heights, strict=True)]
        return [simulation.map_name, points]

    def get_map_data(self) -> str:
        return self._bridge.simulation.xodr

    def get_available_maps(self) -> list:
        return list(self._bridge.simulation.map_names)

    def get_required_files(self, folder: str) -> list:
        return []

    def get_navigation_mesh(self) -> bytes:
        return b""

    def get_all_level_BBs(self, tag: int) -> list:  # noqa: N802 (CARLA's name)
        """Of what does not move; a real server lists the boxes of vehicles and walkers too."""
        return messages.level_boxes(self._bridge.simulation.layout, tag)

    def get_environment_objects(self, tag: int) -> list:
        return messages.environment_objects(self._bridge.simulation.layout, tag)

    def query_lights_state(self, endpoint: str) -> list:
        return []

    def load_new_episode(self, name: str, reset_settings: bool, layers: int) -> None:
        bridge = self._bridge
        bridge.simulation.load_map(name.rsplit("/", 1)[-1] if name else bridge.simulation.map_name)
        bridge.new_episode()
        if reset_settings:
            bridge.settings = dict(bridge.layout.settings)

    def copy_opendrive_to_file(self, xodr: str, parameters: list) -> None:
        """The client asks for the map in its next call."""
        self._bridge.simulation.add_opendrive(xodr)


class _Actors:
    """Actors: found, spawned, driven, destroyed."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge, self._registry = bridge, bridge.registry

    def methods(self) -> dict[str, Method]:
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
        return [b.definition(blueprints.UIDS[b.id]) for b in blueprints.LIBRARY.values()]

    def get_spectator(self) -> list:
        return self._registry.value(self._registry.spectator)

    def get_actors_by_id(self, ids: list[int]) -> list:
        found = (self._registry.find(i) for i in ids)
        return [self._registry.value(bridge_actor) for bridge_actor in found if bridge_actor is not None]

    def spawn_actor(self, description: list, transform: list) -> list:
        return self._registry.value(self._spawn(description, transform, 0))

    def spawn_actor_with_parent(
        self, description: list, transform: list, parent: int, attachment: int = 0, socket: str = ""
    ) -> list:
        return self._registry.value(self._spawn(description, transform, parent))

    def _spawn(self, description: list, transform: list, parent: int) -> Any:
        spawned = self._registry.spawn(description, transform, parent)
        if spawned is self._registry.ego:
            self._bridge.control = np.zeros(4, np.float32)
        return spawned

    def destroy_actor(self, actor: int) -> bool:
        return self._registry.destroy(actor)

    def get_actor_bounding_box(self, actor: int) -> list:
        return self._registry.bounding_box(self._registry.get(actor))

    def get_physics_control(self, actor: int) -> list:
        """The wheels are the model's; the engine's numbers are neutral, for the model has none."""
        self._registry.the_ego(actor)
        model = self._bridge.simulation.model
        wheels = []
        for ahead in (0.5, -0.5):
            for right in (-0.5, 0.5):
                steer = math.degrees(model.max_steer_angle) if ahead > 0 else 0.0
                place = [100 * ahead * model.wheelbase, 100 * right * model.width, 0.0]
                wheels.append([3.5, 0.25, steer, 37.0, 1500.0, 3000.0, 3.0, 20.0, 3000.0, place])
        gears = [[1.0, 0.5, 0.65]]
        curve = [[0.0, 1.0], [1000.0, 1.0]]
        engine = [[[0.0, 500.0], [5000.0, 500.0]], 5000.0, 1.0, 0.15, 2.0, 0.35, True, 0.0, 10.0, 4.0, gears]
        return [*engine, 1500.0, 0.3, [0.0, 0.0, 0.0], curve, wheels, False]

    def get_vehicle_light_state(self, actor: int) -> list:
        return [self._registry.light_state(self._registry.get(actor))]

    def get_vehicle_light_states(self) -> list:
        return self._registry.light_states()

    def get_wheel_steer_angle(self, actor: int, wheel: int) -> float:
        """Of a front wheel, positive to the right [degrees]."""
        self._registry.the_ego(actor)
        return -math.degrees(float(self._bridge.simulation.observe().vehicle[VehicleColumn.STEER_ANGLE]))

    def apply_control_to_vehicle(self, actor: int, control: list) -> None:
        throttle, steer, brake, hand_brake, reverse, *_ = control
        given = control_from_carla(throttle, steer, brake, hand_brake, reverse)
        if self._registry.get(actor) is self._registry.ego:
            self._bridge.control = given
        else:
            self._registry.driven(actor).control = given

    def set_actor_transform(self, actor: int, transform: list) -> None:
        bridge_actor = self._registry.get(actor)
        if bridge_actor is not self._registry.spectator and self._registry.spawned(actor) is None:
            raise RefusedError(f"actor {actor} ({bridge_actor.blueprint.id}) cannot be moved: {OWN_WAY}")
        bridge_actor.put(transform[0], transform[1])

    def set_actor_location(self, actor: int, location: list) -> None:
        self.set_actor_transform(actor, [location, self._registry.get(actor).rotation])

    def set_actor_target_velocity(self, actor: int, velocity: list) -> None:
        """Of the ego, along its heading; other actors are moved by their transforms."""
        self._registry.the_ego(actor)
        yaw = float(self._bridge.simulation.observe().vehicle[VehicleColumn.YAW])
        c, s = math.cos(yaw), math.sin(yaw)
        ahead, left = c * velocity[0] - s * velocity[1], -s * velocity[0] - c * velocity[1]
        if abs(left) > MOST_SLIP:
            raise RefusedError(
                f"actor {actor} cannot be given a velocity of {left:.1f} m/s to its left: it does not slip"
            )
        self._bridge.simulation.set_speed(ahead)

    def set_actor_simulate_physics(self, actor: int, enabled: bool) -> None:
        """Actors that a client moves never have physics, all others always."""
        if self._registry.spawned(actor) is None and not enabled:
            raise RefusedError(f"actor {self._registry.get(actor).id} cannot be taken out of physics: {OWN_WAY}")

    def set_actor_enable_gravity(self, actor: int, enabled: bool) -> None:
        """The served worlds are flat."""

    def set_vehicle_light_state(self, actor: int, state: list) -> None:
        self._registry.lights[actor] = int(state[0])

    def apply_batch(self, commands: list, tick: bool) -> list:
        results = [self._command(*command[0]) for command in commands]
        if tick:
            self._bridge.cue()
        return results

    def _command(self, index: int, fields: list, spawned: int = 0) -> list:
        """The result of one command: the actor's id, or why not."""
        name = self._bridge.layout.commands[index]
        try:
            if name == "SpawnActor":
                return [[1, self._spawn_command(fields)]]
            actor = fields[0] or spawned
            self._apply(name, actor, fields[1:])
        except (RefusedError, ValueError) as error:
            return [[0, [str(error)]]]
        return [[1, actor]]

    def _spawn_command(self, fields: list) -> int:
        description, transform, parent, _, _, then = fields
        actor = self._spawn(description, transform, parent[1] if parent[0] else 0).id
        for command in then:
            self._command(*command[0], spawned=actor)
        return actor

    def _apply(self, name: str, actor: int, values: list) -> None:
        match name:
            case "DestroyActor":
                if not self.destroy_actor(actor):
                    raise RefusedError("unable to destroy actor: not found")
            case "ApplyVehicleControl":
                self.apply_control_to_vehicle(actor, *values)
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
                self._registry.get(actor)  # the client's own Traffic Manager drives
            case _:
                raise RefusedError(f"this world knows no command {name}")


class _TrafficManagers:
    """Where clients run their Traffic Managers; they ask each other through the server."""

    def __init__(self, bridge: Bridge) -> None:
        self._running = bridge.traffic_managers

    def methods(self) -> dict[str, Method]:
        return {
            **returning(
                self.is_traffic_manager_running, self.get_traffic_manager_running, self.add_traffic_manager_running
            ),
            **returning_nothing(self.destroy_traffic_manager),
        }

    def is_traffic_manager_running(self, port: int) -> bool:
        return port in self._running

    def get_traffic_manager_running(self, port: int) -> list:
        return self._running.get(port, ["", 0])

    def add_traffic_manager_running(self, address: list) -> bool:
        _, port = address
        new = port not in self._running
        self._running.setdefault(port, address)
        return new

    def destroy_traffic_manager(self, port: int) -> None:
        self._running.pop(port, None)
