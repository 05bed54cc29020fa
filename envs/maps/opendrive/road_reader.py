"""Reads the roads and junctions of an OpenDRIVE text; what is missing or contradictory is refused by name."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

from envs.maps.opendrive.lane_access import keeps_cars_out
from envs.maps.opendrive.plausibility import road_list
from envs.maps.opendrive.reference_line import LONGEST_ROAD, Cubics, ReferenceLine
from envs.maps.opendrive.roads import Connection, Junction, LaneRecord, Link, Road, Section
from envs.maps.opendrive.text import read_integer, read_number

LARGEST_NUMBER = 2**31

KIND_OF_TYPE = {
    "driving": "driving",
    "bidirectional": "driving",
    "entry": "driving",
    "exit": "driving",
    "onRamp": "driving",
    "offRamp": "driving",
    "connectingRamp": "driving",
    "slipLane": "driving",
    "mwyEntry": "driving",
    "mwyExit": "driving",
    "restricted": "restricted",
    "bus": "restricted",
    "taxi": "restricted",
    "HOV": "restricted",
    "roadWorks": "restricted",
    "shoulder": "shoulder",
    "stop": "shoulder",
    "border": "shoulder",
    "sidewalk": "sidewalk",
    "walking": "sidewalk",
    "shared": "sidewalk",
    "biking": "sidewalk",
    "parking": "parking",
    "median": "median",
}
_UNREAD = {
    "lateralProfile/crossfall": "each side is taken as level",
    "lateralProfile/shape": "the road is taken as even across",
    "lanes/laneSection/*/lane/height": "these lanes are taken as level with the road",
    "surface/CRG": "the surface is taken as smooth",
}
"""Elements of a <road> that are not read, and what is done instead."""
_OTHER_TYPES = ("none", "curb", "tram", "rail", "special1", "special2", "special3")


def number_ids(ids: Iterable[str], taken: Collection[int] = ()) -> dict[str, int]:
    """Small whole numbers for ids: those that are such numbers keep them, the others get free ones.

    Args:
        ids: to be numbered.
        taken: numbers that are not to be used.
    """
    listed = list(dict.fromkeys(ids))
    numbers = {text: int(text) for text in listed if text.isdecimal() and text.isascii() and str(int(text)) == text}
    numbers = {text: n for text, n in numbers.items() if n < LARGEST_NUMBER and n not in taken}
    used, following = {*taken, *numbers.values()}, 0
    for text in listed:
        if text in numbers:
            continue
        while following in used:
            following += 1
        numbers[text] = following
        used.add(following)
    return {text: numbers[text] for text in listed}


def read_roads(root: ET.Element) -> tuple[list[Road], list[Junction]]:
    """The roads and junctions of a map.

    Raises:
        ValueError: something is missing, no number, or contradicts the rest; names the road.
    """
    for element in root.iter("include"):
        warnings.warn(
            f"<include file={element.get('file', '')!r}> is not read; put its content in its place", stacklevel=2
        )
    elements = root.findall("road")
    ids = [_own_id(element, "road") for element in elements]
    _name_unread(dict(zip(ids, elements, strict=True)))
    repeated = {text for text in ids if ids.count(text) > 1} if len(set(ids)) < len(ids) else set()
    if repeated:
        raise ValueError(f"road {min(repeated)!r} is there more than once; ids must be unique")
    junction_elements = root.findall("junction")
    junction_ids = [_own_id(element, "junction") for element in junction_elements]
    used = [element.get("junction", "-1") for element in elements]
    junction_numbers = number_ids([*junction_ids, *(text for text in used if text not in ("-1", ""))])
    numbers = number_ids(ids)
    roads = [
        _read_road(element, text, numbers[text], junction_numbers.get(junction, -1))
        for element, text, junction in zip(elements, ids, used, strict=True)
    ]
    junctions = [
        _read_junction(element, text, junction_numbers[text])
        for element, text in zip(junction_elements, junction_ids, strict=True)
    ]
    return roads, junctions


def _name_unread(roads: Mapping[str, ET.Element]) -> None:
    """One warning for each kind of element that is not read, with the ids of the roads that have it."""
    for path, instead in _UNREAD.items():
        ids = [text for text, road in roads.items() if any(map(_says_something, road.findall(path)))]
        if not ids:
            continue
        warnings.warn(f"{road_list(ids)}: <{path.rpartition('/')[2]}> is not read; {instead}", stacklevel=3)


def _says_something(element: ET.Element) -> bool:
    """Whether anything but the place of an element is not zero."""
    values = [text for name, text in element.attrib.items() if name not in ("s", "sOffset", "t", "side")]
    return any(text.strip("+-0. ") for text in values)


def _own_id(element: ET.Element, what: str) -> str:
    text = element.get("id", "").strip()
    if not text:
        raise ValueError(f"a <{what}> (name {element.get('name', '')!r}) has no id; every {what} needs its own")
    return text


def _read_road(element: ET.Element, text: str, number: int, junction: int) -> Road:
    where = f"road {text!r}"
    length = read_number(element, "length", where, least=0.0)
    if length > LONGEST_ROAD:
        raise ValueError(f"{where}: length {length:g} m; at most {LONGEST_ROAD:g} m can be read")
    rule = element.get("rule", "RHT").strip().upper()
    if rule not in ("RHT", "LHT"):
        raise ValueError(f"{where}: rule={rule!r}; it must be RHT or LHT")
    return Road(
        number=number,
        id=text,
        length=length,
        junction=junction,
        left_hand=rule == "LHT",
        element=element,
        line=ReferenceLine.read(element, length, where),
        elevation=Cubics.read(element.findall("elevationProfile/elevation"), where, extend=True),
        roll=Cubics.read(element.findall("lateralProfile/superelevation"), where),
        offset=Cubics.read(element.findall("lanes/laneOffset"), where),
        sections=_read_sections(element, length, rule == "LHT", where),
        predecessor=_read_link(element.find("link/predecessor"), where),
        successor=_read_link(element.find("link/successor"), where),
    )


def _read_link(element: ET.Element | None, where: str) -> Link | None:
    if element is None or not element.get("elementId", "").strip():
        return None
    kind = element.get("elementType", "road")
    if kind not in ("road", "junction"):
        raise ValueError(f"{where}: <{element.tag}> has elementType={kind!r}; it must be road or junction")
    return Link(
        to_junction=kind == "junction", id=element.get("elementId", "").strip(), contact=_contact(element, where)
    )


def _contact(element: ET.Element, where: str) -> str:
    contact = element.get("contactPoint", "")
    if contact not in ("start", "end", ""):
        raise ValueError(f"{where}: <{element.tag}> has contactPoint={contact!r}; it must be start or end")
    return contact


def _read_sections(road: ET.Element, length: float, left_hand: bool, where: str) -> tuple[Section, ...]:
    elements = road.findall("lanes/laneSection")
    if not elements:
        raise ValueError(f"{where}: no <laneSection> in <lanes>; a road needs at least one")
    starts = [read_number(element, "s", where, 0.0 if len(elements) == 1 else None) for element in elements]
    if any(after < before for before, after in pairwise(starts)) or starts[-1] > length + 0.1:
        listed = ", ".join(f"{start:g}" for start in starts)
        raise ValueError(f"{where}: lane sections begin at s = {listed} m; they must ascend from 0 to {length:g} m")
    starts[0] = 0.0
    bounds = [min(start, length) for start in starts] + [length]
    return tuple(
        _read_section(element, i, bounds[i], bounds[i + 1], left_hand, where) for i, element in enumerate(elements)
    )


def _read_section(element: ET.Element, index: int, start: float, end: float, left_hand: bool, where: str) -> Section:
    place = f"{where}, lane section at s = {start:g} m"
    lanes: list[LaneRecord] = []
    centre = None
    for child in element.iter("lane"):
        lane = read_integer(child, "id", place)
        if lane == 0:
            centre = child
        else:
            lanes.append(_read_lane(child, lane, start, left_hand, f"{place}, lane {lane}"))
    lanes.sort(key=lambda lane: -lane.id)
    for left, right in pairwise(lanes):
        if left.id == right.id:
            raise ValueError(f"{place}: lane {left.id} is there twice; ids must be unique in a section")
    return Section(index=index, start=start, end=end, lanes=tuple(lanes), centre=centre)


def _read_lane(element: ET.Element, lane: int, start: float, left_hand: bool, where: str) -> LaneRecord:
    widths, borders = element.findall("width"), element.findall("border")
    if not widths and not borders:
        raise ValueError(f"{where}: neither <width> nor <border>; a lane needs one of them")
    along = (lane < 0) != left_hand
    if element.get("direction") == "reversed":
        along = not along
    kind = _kind(element.get("type", "none"), where)
    if kind == "driving" and keeps_cars_out(element, where):
        kind = "restricted"
    profile = Cubics.read(widths or borders, where, offset_name="sOffset", origin=start, extend=True)
    return LaneRecord(
        id=lane,
        kind=kind,
        element=element,
        along=along,
        width=profile if widths else None,
        border=None if widths else profile,
        before=_lane_link(element.find("link/predecessor"), where),
        after=_lane_link(element.find("link/successor"), where),
    )


def _kind(text: str, where: str) -> str:
    if text not in KIND_OF_TYPE and text not in _OTHER_TYPES:
        warnings.warn(f"{where}: type={text!r} is not known; not taken as a lane for cars", stacklevel=2)
    return KIND_OF_TYPE.get(text, "other")


def _lane_link(element: ET.Element | None, where: str) -> int | None:
    return None if element is None or not element.get("id") else read_integer(element, "id", where)


def _read_junction(element: ET.Element, text: str, number: int) -> Junction:
    where = f"junction {text!r}"
    kind = element.get("type", "default")
    connections = []
    for child in element.findall("connection"):
        incoming = child.get("incomingRoad", "").strip()
        connecting = child.get("linkedRoad" if kind == "direct" else "connectingRoad", "").strip()
        if not incoming or not connecting:
            raise ValueError(f"{where}: connection {child.get('id', '')!r} does not name two roads")
        links = child.findall("laneLink")
        connections.append(
            Connection(
                incoming=incoming,
                connecting=connecting,
                contact=_contact(child, where),
                lanes=tuple((read_integer(link, "from", where), read_integer(link, "to", where)) for link in links),
            )
        )
    return Junction(number=number, id=text, kind=kind, connections=tuple(connections))
