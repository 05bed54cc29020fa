"""An <Environment> of OpenSCENARIO as one of the looks that both worlds have."""

from __future__ import annotations

import re

from scenarios.openscenario.source import Node
from worldsim.editing.edits import LookName

FOGGY = 400.0
"""Fog that hides what is farther away is a foggy look [m]."""
RAINY, RAINY_RATE = 0.05, 0.5
"""Precipitation of more than this, as a share (1.0) or in mm/h (from 1.1 on), is a rainy look."""
LOW_SUN, NO_SUN = 0.35, 0.0
"""The sun is low below the first and down below the second elevation [rad]."""
DAY, EVENING = (6.5, 18.0), (5.0, 20.0)
"""Hours of the day where nothing is said of the sun, and of morning and evening."""
CLOUDY = ("cloudy", "overcast", "rainy", "sixOktas", "sevenOktas", "eightOktas", "nineOktas")


def read_look(node: Node) -> LookName:
    """The look that comes nearest to an <Environment>: rain, else fog, dusk, evening, overcast, and noon otherwise."""
    weather = node.find("Weather")
    precipitation = weather.find("Precipitation") if weather is not None else None
    fog = weather.find("Fog") if weather is not None else None
    if precipitation is not None and precipitation.attributes.get("precipitationType", "dry") != "dry":
        rate = precipitation.number("precipitationIntensity", 0.0)
        if precipitation.number("intensity", 0.0) > RAINY or rate > RAINY_RATE:
            return "rain"
    if fog is not None and fog.number("visualRange") < FOGGY:
        return "fog"
    by_sun = _by_sun(node, weather)
    if by_sun is not None:
        return by_sun
    clouds = "" if weather is None else weather.attributes.get("cloudState", "")
    clouds = clouds or ("" if weather is None else weather.attributes.get("fractionalCloudCover", ""))
    return "overcast" if clouds in CLOUDY else "noon"


def _by_sun(node: Node, weather: Node | None) -> LookName | None:
    """Dusk or evening, by the hour and the sun's elevation; None in full daylight."""
    hour = 12.0
    time = node.find("TimeOfDay")
    if time is not None:
        match = re.search(r"T(\d+):(\d+)", time.text("dateTime"))
        if match is None:
            raise time.error(f"dateTime must be as 2020-03-24T12:00:00, got {time.text('dateTime')!r}")
        hour = int(match[1]) + int(match[2]) / 60
    sun = weather.find("Sun") if weather is not None else None
    elevation = 1.0 if sun is None else sun.number("elevation")
    if elevation < NO_SUN or not EVENING[0] <= hour <= EVENING[1]:
        return "dusk"
    if elevation < LOW_SUN or not DAY[0] <= hour <= DAY[1]:
        return "evening"
    return None
