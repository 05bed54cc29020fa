"""What the codes of road signs mean: OpenDRIVE's own, German, American and a few others.

Germany: VzKat; United States: MUTCD; OpenDRIVE's own lights: ASAM OpenDRIVE signal catalogue (1000001 ...).
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from enum import IntEnum

SPEED_UNITS = {"m/s": 1.0, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704}
NO_LIMIT = math.inf
"""A sign that ends a limit."""
_MPH_COUNTRIES = ("US", "USA", "GB", "GBR", "UK")


class SignalType(IntEnum):
    """What a signal asks of traffic."""

    TRAFFIC_LIGHT = 0
    STOP = 1
    YIELD = 2
    SPEED_LIMIT = 3
    OTHER = 4


VEHICLE_LIGHTS = ("1000001", "1000008", "1000009", "1000010", "1000011", "1000012")
OTHER_LIGHTS = ("1000002", "1000007", "1000013", "1000014", "1000015", "1000016", "1000017", "1000018")
"""For pedestrians, cyclists and trams."""
STOP_LINE_CODE = "294"
_STOP_CODES = ("206", "R1-1", "STOP")
_YIELD_CODES = ("205", "R1-2", "YIELD")
_LIMIT_CODES = ("274", "274.1", "R2-1", "R2-4", "MAXIMUMSPEED")
_END_CODES = ("278", "282", "274.2", "R2-3")
_SPLIT_CODE = re.compile(r"R\d+")
_SWEDISH_LIMIT = ("C", "31")


def signal_type(element: ET.Element) -> SignalType:
    """What a <signal> asks of traffic."""
    code = sign_code(element)
    if code in VEHICLE_LIGHTS:
        return SignalType.TRAFFIC_LIGHT
    if code in OTHER_LIGHTS:
        return SignalType.OTHER
    if code in _STOP_CODES:
        return SignalType.STOP
    if code in _YIELD_CODES:
        return SignalType.YIELD
    if speed_limit_of(element) is not None:
        return SignalType.SPEED_LIMIT
    return SignalType.OTHER


def sign_code(element: ET.Element) -> str:
    """The code of a <signal> as its country writes it: "274", "R1-1", put together where the map splits it."""
    code, subtype = element.get("type", "").strip().upper(), element.get("subtype", "").strip()
    return f"{code}-{subtype}" if _SPLIT_CODE.fullmatch(code) and subtype.isdigit() else code


def is_speed_sign(element: ET.Element) -> bool:
    """Whether a <signal> begins or ends a speed limit, readable or not."""
    code = sign_code(element)
    return code.split("-")[0] == "274" or code in (*_LIMIT_CODES, *_END_CODES) or _is_swedish(element)


def speed_limit_of(element: ET.Element) -> float | None:
    """The limit that a <signal> sets [m/s]; NO_LIMIT where it ends one, None where it is no such sign or unreadable."""
    if not is_speed_sign(element):
        return None
    code = sign_code(element)
    if code in _END_CODES:
        return NO_LIMIT
    value = _number(element.get("value", ""))
    if value is None or value <= 0:
        value = _german_face(code, element.get("subtype", ""))
    if value is None:
        return None
    if _is_swedish(element) and value < 14:  # C31-5 shows 50
        value *= 10
    unit = element.get("unit", "").strip().lower()
    if not unit:
        american = code.startswith("R2") or element.get("country", "").strip().upper() in _MPH_COUNTRIES
        unit = "mph" if american else "km/h"
    return value * SPEED_UNITS[unit] if unit in SPEED_UNITS else None


def _is_swedish(element: ET.Element) -> bool:
    code = (element.get("type", "").strip().upper(), element.get("subtype", "").strip())
    return element.get("country", "").strip().upper() in ("SE", "SWE") and code == _SWEDISH_LIMIT


def _german_face(code: str, subtype: str) -> float | None:
    """What a sign 274 shows: "274-50", subtype "50", or by its number until 2017: subtype "55" for 50 km/h."""
    digits = re.search(r"-(\d+)$", code) or re.search(r"(\d+)$", subtype.strip())
    number = int(digits[1]) if digits and len(digits[1]) <= 3 else 0
    if not 5 <= number <= 200:
        return None
    old_number = number == 55 or (51 <= number <= 63 and number % 5 != 0)
    return float((number - 50) * 10) if old_number else float(number)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
