"""Readings: what each sensor of the ego tells in one frame."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from functools import lru_cache

import numpy as np

from envs.carla_bridge import blueprints, messages
from envs.carla_bridge.cast import Cast, Performer
from envs.carla_bridge.layouts import WireLayout
from envs.carla_bridge.messages import Stamp
from envs.carla_bridge.simulation import Moment, Simulation

GRAVITY = 9.81
"""[m/s²]."""
EARTH_RADIUS = 6378137.0
"""Of CARLA's Mercator projection [m]."""
MASS = 1500.0
"""Of the ego, to tell a collision's impulse [kg]."""


def reading(
    layout: WireLayout, simulation: Simulation, cast: Cast, sensor: Performer, moment: Moment, stamp: Stamp
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
            x, y, z = stamp.location
            latitude, longitude = geolocation(x, y, geo_reference(simulation.xodr))
            return messages.event(layout, "gnss", stamp, [latitude, longitude, z])
        case blueprints.IMU:
            return messages.event(layout, "imu", stamp, _inertia(simulation, moment))
    return None


def _collision(layout: WireLayout, cast: Cast, moment: Moment, stamp: Stamp) -> bytes | None:
    if not moment.collided:
        return None
    assert cast.ego is not None
    impulse = MASS * float(moment.vehicle[3])
    yaw = float(moment.vehicle[2])
    normal = [-impulse * math.cos(yaw), impulse * math.sin(yaw), 0.0]
    return messages.event(layout, "collision", stamp, [cast.value(cast.ego), cast.collided_with(moment), normal])


def _inertia(simulation: Simulation, moment: Moment) -> list:
    """Acceleration with gravity [m/s²], angular velocity [rad/s] in CARLA's axes, compass from north [rad]."""
    vehicle = moment.vehicle
    yaw_rate = float(simulation.model.yaw_rate(vehicle))
    acceleration = [float(vehicle[4]), -float(vehicle[3]) * yaw_rate, GRAVITY]
    compass = (-float(vehicle[2]) + math.pi / 2) % (2 * math.pi)
    return [acceleration, [0.0, 0.0, -yaw_rate], compass]


@lru_cache(maxsize=4)
def geo_reference(xodr: str) -> tuple[float, float]:
    """Latitude and longitude [degrees] of the map's origin; where the map names none, what the client takes then."""
    node = ET.fromstring(xodr).find("header/geoReference")
    words = (node.text or "").split() if node is not None else []
    values = dict(word.removeprefix("+").split("=", 1) for word in words if "=" in word)
    return float(values.get("lat_0", 42.0)), float(values.get("lon_0", 2.0))


def geolocation(x: float, y: float, reference: tuple[float, float]) -> tuple[float, float]:
    """Latitude and longitude [degrees] of a place x, y [m] in CARLA's frame, by CARLA's Mercator projection."""
    latitude, longitude = np.radians(reference)
    scale = math.cos(latitude)
    east = scale * longitude * EARTH_RADIUS + x
    north = scale * EARTH_RADIUS * math.log(math.tan(math.pi / 4 + latitude / 2)) - y
    at = 2 * math.atan(math.exp(north / (EARTH_RADIUS * scale))) - math.pi / 2
    return math.degrees(at), math.degrees(east / (EARTH_RADIUS * scale))
