"""CARLA's weather and what a recording tells of it: where the sun stands. numpy only.

The client side and the bridge convert here and nowhere else.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LIGHT_FROM_SUN = math.pi
"""The azimuth in CARLA is the yaw of the sun's light, clockwise from x as all its yaws; the sun stands opposite [rad].

CARLA documents its zero as "an origin point in a sphere determined by Unreal Engine", and what turns the light in 0.9
is a blueprint. Since 2026 the same is C++ (Weather.cpp: the light gets the rotator (-altitude, azimuth, 0)), and its
developers measured it: at altitude 25 and azimuth 170 degrees light comes from (0.89, -0.16, 0.42). No 0.9.16 server
was at hand to see it there.
"""


def sun_direction(weather: Any) -> np.ndarray:
    """Unit vector towards the sun in our ground frame, float64 [3]; below the horizon at night.

    Args:
        weather: carla.WeatherParameters, or anything with its two angles of the sun [degrees].
    """
    azimuth = -math.radians(weather.sun_azimuth_angle) + LIGHT_FROM_SUN
    altitude = math.radians(weather.sun_altitude_angle)
    level = math.cos(altitude)
    return np.array([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(altitude)])


def sun_angles(direction: np.ndarray) -> tuple[float, float]:
    """CARLA's azimuth, [0, 360), and altitude of a sun towards which `direction` [3] points in our ground frame
    [degrees]; the inverse of `sun_direction`."""
    x, y, z = (float(value) for value in direction)
    azimuth = math.degrees(LIGHT_FROM_SUN - math.atan2(y, x))
    return azimuth % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))
