"""Readings: what each sensor of the ego measures in one frame."""

from __future__ import annotations

import math
from functools import lru_cache

import carla

from envs.carla.cameras import PIXELS
from envs.carla.versions import WireLayout
from envs.carla_bridge import blueprints, messages
from envs.carla_bridge.actor_registry import ActorRegistry
from envs.carla_bridge.bridge_actor import BridgeActor
from envs.carla_bridge.drive_commands import MASS
from envs.carla_bridge.messages import Stamp
from envs.carla_bridge.simulation import Simulation, Tick
from worldsim.datatypes.vehicle import VehicleColumn

GRAVITY = 9.81
"""[m/s²]."""


def reading(
    layout: WireLayout, simulation: Simulation, registry: ActorRegistry, sensor: BridgeActor, tick: Tick, stamp: Stamp
) -> bytes | None:
    """The sensor's message in this frame, None when it has nothing to say."""
    match sensor.blueprint:
        case blueprints.CAMERA | blueprints.DEPTH_CAMERA | blueprints.SEMANTIC_CAMERA:
            assert sensor.view is not None
            picture = blueprints.CAMERA_PICTURES[sensor.blueprint.id]
            pixels = PIXELS[picture](simulation.image(sensor.view, picture))
            return messages.image(layout, picture, stamp, pixels, math.degrees(sensor.view.fov))
        case blueprints.COLLISION:
            return _collision(layout, registry, tick, stamp)
        case blueprints.GNSS:
            place = _projection(simulation.xodr).transform_to_geolocation(carla.Location(*stamp.location))
            return messages.event(layout, "gnss", stamp, [place.latitude, place.longitude, place.altitude])
        case blueprints.IMU:
            return messages.event(layout, "imu", stamp, _inertia(simulation, tick))
    return None


def _collision(layout: WireLayout, registry: ActorRegistry, tick: Tick, stamp: Stamp) -> bytes | None:
    if not tick.collided:
        return None
    assert registry.ego is not None
    impulse = MASS * float(tick.vehicle[VehicleColumn.SPEED])
    yaw = float(tick.vehicle[VehicleColumn.YAW])
    normal = [-impulse * math.cos(yaw), impulse * math.sin(yaw), 0.0]
    value = [registry.value(registry.ego), registry.collided_with(tick), normal]
    return messages.event(layout, "collision", stamp, value)


def _inertia(simulation: Simulation, tick: Tick) -> list:
    """Acceleration with gravity [m/s²], angular velocity [rad/s] in CARLA's axes, compass from north [rad]."""
    vehicle = tick.vehicle
    yaw_rate = float(simulation.model.yaw_rate(vehicle))
    acceleration = [
        float(vehicle[VehicleColumn.ACCELERATION]),
        -float(vehicle[VehicleColumn.SPEED]) * yaw_rate,
        GRAVITY,
    ]
    compass = (-float(vehicle[VehicleColumn.YAW]) + math.pi / 2) % (2 * math.pi)
    return [acceleration, [0.0, 0.0, -yaw_rate], compass]


@lru_cache(maxsize=2)
def _projection(xodr: str) -> carla.Map:
    """The client library's own map: it knows how this version projects the map's geoReference."""
    return carla.Map("projection", xodr)
