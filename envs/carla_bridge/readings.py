"""Readings: what each sensor of the ego tells in one frame."""

from __future__ import annotations

import math
from functools import lru_cache

import carla

from envs.carla_bridge import blueprints, messages
from envs.carla_bridge.actor_registry import ActorRegistry, BridgeActor
from envs.carla_bridge.layouts import WireLayout
from envs.carla_bridge.messages import Stamp
from envs.carla_bridge.simulation import Simulation, Tick

GRAVITY = 9.81
"""[m/s²]."""
MASS = 1500.0
"""Of the ego, to tell a collision's impulse [kg]."""


def reading(
    layout: WireLayout, simulation: Simulation, cast: ActorRegistry, sensor: BridgeActor, moment: Tick, stamp: Stamp
) -> bytes | None:
    """The sensor's message in this frame, None when it has nothing to say."""
    match sensor.blueprint:
        case blueprints.CAMERA:
            assert sensor.view is not None
            frame = simulation.image(sensor.view)
            return messages.image(layout, stamp, frame, math.degrees(sensor.view.fov))
        case blueprints.COLLISION:
            return _collision(layout, cast, moment, stamp)
        case blueprints.GNSS:
            place = _projection(simulation.xodr).transform_to_geolocation(carla.Location(*stamp.location))
            return messages.event(layout, "gnss", stamp, [place.latitude, place.longitude, place.altitude])
        case blueprints.IMU:
            return messages.event(layout, "imu", stamp, _inertia(simulation, moment))
    return None


def _collision(layout: WireLayout, cast: ActorRegistry, moment: Tick, stamp: Stamp) -> bytes | None:
    if not moment.collided:
        return None
    assert cast.ego is not None
    impulse = MASS * float(moment.vehicle[3])
    yaw = float(moment.vehicle[2])
    normal = [-impulse * math.cos(yaw), impulse * math.sin(yaw), 0.0]
    return messages.event(layout, "collision", stamp, [cast.value(cast.ego), cast.collided_with(moment), normal])


def _inertia(simulation: Simulation, moment: Tick) -> list:
    """Acceleration with gravity [m/s²], angular velocity [rad/s] in CARLA's axes, compass from north [rad]."""
    vehicle = moment.vehicle
    yaw_rate = float(simulation.model.yaw_rate(vehicle))
    acceleration = [float(vehicle[4]), -float(vehicle[3]) * yaw_rate, GRAVITY]
    compass = (-float(vehicle[2]) + math.pi / 2) % (2 * math.pi)
    return [acceleration, [0.0, 0.0, -yaw_rate], compass]


@lru_cache(maxsize=2)
def _projection(xodr: str) -> carla.Map:
    """The client library's own map: it knows how this version projects the map's geoReference."""
    return carla.Map("projection", xodr)
