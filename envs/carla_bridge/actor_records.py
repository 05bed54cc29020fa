"""Actor records of the episode state: where all that a client sees is in a frame, and how it moves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from envs.carla.coordinates import control_to_carla, poses_to_carla
from envs.carla.versions import WireLayout
from envs.carla_bridge import map_signals
from envs.carla_bridge.actor_registry import ActorRegistry
from envs.carla_bridge.bridge_actor import BridgeActor
from envs.carla_bridge.messages import ACTIVE, Motion, moving_records
from envs.carla_bridge.simulation import Tick
from worldsim.datatypes.vehicle import VehicleColumn


def actor_records(registry: ActorRegistry, tick: Tick | None) -> np.ndarray:
    """Of spectator, signals, the ego with its control, road users, sensors and controllers.

    Args:
        registry: of all actors.
        tick: the state of the world; None without an ego, where there are but the road users of clients.
    """
    layout, simulation = registry.layout, registry.simulation
    signals = map_signals.records(layout, list(registry.signals), simulation.signals, simulation.light_states())
    standing = np.concatenate([_standing(layout, [registry.spectator]), signals])
    if tick is None or registry.ego is None:
        return np.concatenate([standing, _without_ego(registry), _standing(layout, registry.controllers.values())])
    body_ids = registry.body_ids(tick)
    vehicle, objects = tick.vehicle, tick.objects
    n = len(body_ids)

    yaw_rate = float(simulation.model.yaw_rate(vehicle))
    ego_acceleration = np.array([[vehicle[VehicleColumn.ACCELERATION], vehicle[VehicleColumn.SPEED] * yaw_rate]])
    records = moving_records(
        layout,
        Motion(
            ids=np.array([registry.ego.id, *body_ids]),
            poses=np.concatenate([vehicle[None, :3], objects.boxes[:, :3]]),
            heights=np.append(tick.z, np.zeros(n) if objects.z is None else objects.z),
            speeds=np.append(vehicle[VehicleColumn.SPEED], objects.speeds),
            yaw_rates=np.concatenate([[yaw_rate], np.zeros(n)]),
            accelerations=np.concatenate([ego_acceleration, np.zeros((n, 2))]),
            pitches=np.append(tick.grade, np.zeros(n)),
        ),
    )
    records["speed_limit"][0] = tick.speed_limit * 3.6
    _tell_requests(registry, records, [registry.ego, *(registry.spawned(body_id) for body_id in body_ids)])
    return np.concatenate([standing, records, *_attached(registry, tick)])


def _without_ego(registry: ActorRegistry) -> np.ndarray:
    """Of the road users of clients, which their controls and walks move alone."""
    actors, spawned = list(registry.road_users.values()), registry.spawned_actors()
    n = len(actors)
    motion = Motion(
        ids=np.array([actor.id for actor in actors], np.int64),
        poses=np.array([actor.pose for actor in spawned]).reshape(-1, 3),
        heights=registry.simulation.ground_heights(spawned),
        speeds=np.array([actor.speed for actor in actors]),
        yaw_rates=np.zeros(n),
        accelerations=np.zeros((n, 2)),
        pitches=np.zeros(n),
    )
    records = moving_records(registry.layout, motion)
    _tell_requests(registry, records, actors)
    return records


def sensor_transform(sensor: BridgeActor, tick: Tick) -> tuple[list[float], list[float]]:
    """World location [m] and rotation [degrees] of a sensor, in CARLA's frame."""
    x, y, yaw = poses_to_carla(tick.vehicle[None, :3])[0].tolist()
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    dx, dy, dz = sensor.location
    level, climb = math.cos(tick.grade), math.sin(tick.grade)
    dx, dz = level * dx - climb * dz, climb * dx + level * dz
    pitch, own_yaw, roll = sensor.rotation
    rotation = [pitch + math.degrees(tick.grade), yaw + own_yaw, roll]
    return [x + c * dx - s * dy, y + s * dx + c * dy, tick.z + dz], rotation


def _tell_requests(registry: ActorRegistry, records: np.ndarray, actors: Sequence[BridgeActor | None]) -> None:
    """Write what clients have asked of these actors, one a record, and the limits of those that they may drive; None of
    the world's own."""
    walkers = records.view(registry.layout.walker_actor)
    others = [row for row, actor in enumerate(actors) if actor is not None and registry.is_driven(actor)]
    spawned = [registry.as_spawned(actor) for row in others if (actor := actors[row]) is not None]
    records["speed_limit"][others] = registry.simulation.speed_limits(spawned) * 3.6
    for row, actor in enumerate(actors):
        if actor is not None and actor.control is not None:
            _tell_control(records, row, actor.control)
        elif actor is not None and actor.walk is not None:
            x, y, walkers["speed"][row] = actor.walk
            walkers["direction"][row] = x, y, 0.0


def _tell_control(records: np.ndarray, row: int, control: np.ndarray) -> None:
    throttle, steer, brake, reverse = control_to_carla(control)
    for name, value in (
        ("throttle", throttle),
        ("steer", steer),
        ("brake", brake),
        ("reverse", reverse),
        ("gear", -1 if reverse else 1),
    ):
        records[name][row] = value


def _standing(layout: WireLayout, actors: Iterable[BridgeActor]) -> np.ndarray:
    listed = list(actors)
    records = np.zeros(len(listed), layout.actor)
    records["id"], records["state"] = [actor.id for actor in listed], ACTIVE
    records["location"] = np.array([actor.location for actor in listed]).reshape(-1, 3)
    records["rotation"] = np.array([actor.rotation for actor in listed]).reshape(-1, 3)
    return records


def _attached(registry: ActorRegistry, tick: Tick) -> tuple[np.ndarray, np.ndarray]:
    """Sensors, which move with the ego, and controllers, which are nowhere in particular."""
    records = _standing(registry.layout, registry.sensors.values())
    for record, sensor in zip(records, registry.sensors.values(), strict=True):
        record["location"], record["rotation"] = sensor_transform(sensor, tick)
    return records, _standing(registry.layout, registry.controllers.values())
