"""OpenDRIVE for CARLA's own parser (carla.Map): the same map in the part of the standard that it reads.

The parser takes ids as 32-bit numbers shared by roads and junctions, knows no lane borders and no direct junctions,
expects elements that the standard leaves out, and takes every object whose name begins with "speed" for a sign.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np

from envs.maps.opendrive.lane_access import keeps_cars_out
from envs.maps.opendrive.reference_line import Cubics
from envs.maps.opendrive.road_reader import KIND_OF_TYPE, number_ids
from envs.maps.opendrive.text import parse_opendrive

CHECK_TIMEOUT = 120.0
"""Longest that a child process may take to parse a map [s]."""
_CHECK_CODE = (
    "import sys, carla; m = carla.Map('check', sys.stdin.read()); m.get_topology(); m.generate_waypoints(20.0)"
)
_SPEED_OBJECT = re.compile(r"speed", re.IGNORECASE)
_READABLE_SPEED = re.compile(r"[Ss]peed_\d+(\.\d+)?")
_KNOWN_TYPES = (
    "driving", "stop", "shoulder", "biking", "sidewalk", "border", "restricted", "parking", "bidirectional", "median",
    "special1", "special2", "special3", "roadWorks", "tram", "rail", "entry", "exit", "offRamp", "onRamp", "none",
)  # fmt: skip
_TYPE_FOR_CARLA = {"slipLane": "driving", "connectingRamp": "driving", "walking": "sidewalk", "shared": "sidewalk"}


def carla_opendrive(xodr: str) -> str:
    """The map for CARLA's parser.

    Raises:
        ValueError: not OpenDRIVE.
    """
    root = parse_opendrive(xodr)
    _renumber(root)
    for road in root.findall("road"):
        for profile in ("elevationProfile", "lateralProfile"):
            _require(road, profile, after="planView")
        elevation = road.find("elevationProfile")
        assert elevation is not None
        if elevation.find("elevation") is None:
            ET.SubElement(elevation, "elevation", {"s": "0", "a": "0", "b": "0", "c": "0", "d": "0"})
        for section in road.findall("lanes/laneSection"):
            _write_widths(section, f"road {road.get('id')!r}")
            for lane in section.iter("lane"):
                kind = lane.get("type", "none")
                if KIND_OF_TYPE.get(kind) == "driving" and keeps_cars_out(lane, f"road {road.get('id')!r}"):
                    kind = "restricted"  # CARLA's parser reads no access
                lane.set("type", kind if kind in _KNOWN_TYPES else _TYPE_FOR_CARLA.get(kind, "restricted"))
        for thing in road.findall("objects/object"):
            name = thing.get("name", "")
            if _SPEED_OBJECT.match(name) and not _READABLE_SPEED.fullmatch(name):
                thing.set("name", f"object_{name}")
    for junction in root.findall("junction"):
        if junction.get("type") in ("direct", "virtual"):
            root.remove(junction)
    return ET.tostring(root, encoding="unicode")


def _require(road: ET.Element, tag: str, after: str) -> None:
    if road.find(tag) is None:
        tags = [child.tag for child in road]
        road.insert(tags.index(after) + 1 if after in tags else 0, ET.Element(tag))


def _renumber(root: ET.Element) -> None:
    """Ids of roads and junctions become numbers of one sequence; direct junctions' links end."""
    roads, junctions = root.findall("road"), root.findall("junction")
    numbers = number_ids(road.get("id", "") for road in roads)
    others = number_ids((junction.get("id", "") for junction in junctions), taken=set(numbers.values()))
    dropped = {j.get("id", "") for j in junctions if j.get("type") in ("direct", "virtual")}
    for road in roads:
        road.set("id", str(numbers[road.get("id", "")]))
        road.set("junction", str(others.get(road.get("junction", "-1"), -1)))
        link = road.find("link")
        for side in [] if link is None else list(link):
            to = side.get("elementId", "")
            table = others if side.get("elementType") == "junction" else numbers
            if link is not None and (to not in table or (table is others and to in dropped)):
                link.remove(side)
            else:
                side.set("elementId", str(table[to]))
    for junction in junctions:
        junction.set("id", str(others[junction.get("id", "")]))
        for connection in junction.findall("connection"):
            for name in ("incomingRoad", "connectingRoad", "linkedRoad"):
                if connection.get(name) in numbers:
                    connection.set(name, str(numbers[connection.get(name, "")]))


def _write_widths(section: ET.Element, where: str) -> None:
    """Turn the borders of a section's lanes into widths, cubic by cubic."""
    for side, lanes in ((1, section.findall("left/lane")), (-1, section.findall("right/lane"))):
        inner = np.zeros(1), np.zeros((1, 4))
        for lane in sorted(lanes, key=lambda lane: abs(int(lane.get("id", "0")))):
            borders = lane.findall("border")
            if not borders or lane.find("width") is not None:
                inner = _added(inner, _cubics(lane.findall("width"), where), side)
                continue
            outer = _cubics(borders, where)
            starts = np.union1d(inner[0], outer[0])
            widths = side * (_moved(outer, starts) - _moved(inner, starts))
            for border in borders:
                lane.remove(border)
            for k, (start, row) in enumerate(zip(starts.tolist(), widths.tolist(), strict=True)):
                values = dict(zip("abcd", map(repr, row), strict=True))
                lane.insert(1 + k, ET.Element("width", {"sOffset": repr(start), **values}))
            inner = outer


_Pieces = tuple[np.ndarray, np.ndarray]


def _cubics(elements: list[ET.Element], where: str) -> _Pieces:
    read = Cubics.read(elements, where, offset_name="sOffset", extend=True)
    return (read.starts, read.coefficients) if len(read.starts) else (np.zeros(1), np.zeros((1, 4)))


def _added(one: _Pieces, other: _Pieces, sign: int) -> _Pieces:
    starts = np.union1d(one[0], other[0])
    return starts, _moved(one, starts) + sign * _moved(other, starts)


def _moved(pieces: _Pieces, starts: np.ndarray) -> np.ndarray:
    """The coefficients of a piecewise cubic in powers of the distance from other starts, [k, 4]."""
    index = np.maximum(np.searchsorted(pieces[0], starts, side="right") - 1, 0)
    d = starts - pieces[0][index]
    a, b, c, e = pieces[1][index].T
    return np.stack([a + d * (b + d * (c + d * e)), b + d * (2 * c + 3 * d * e), c + 3 * d * e, e], axis=-1)


_verdicts: dict[str, str] = {}


def check_with_carla(name: str, text: str) -> None:
    """Have a child process parse a text for CARLA, since some crash the parser; a verdict is remembered.

    Raises:
        ValueError: carla.Map cannot parse it.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest not in _verdicts:
        _verdicts[digest] = _verdict(text)
    if _verdicts[digest]:
        raise ValueError(f"map {name} cannot be handed to CARLA clients: {_verdicts[digest]}")


def _verdict(text: str) -> str:
    """What is wrong with a text, "" for nothing."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", _CHECK_CODE], input=text, capture_output=True, text=True, timeout=CHECK_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return f"parsing it took more than {CHECK_TIMEOUT:g} s"
    if child.returncode < 0:
        return f"parsing it crashed the process (signal {-child.returncode})"
    if child.returncode > 0:
        return f"carla.Map refused it: {(child.stderr.strip() or 'no message').splitlines()[-1]}"
    return ""
