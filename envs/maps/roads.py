"""Roads, lane sections and junctions as an OpenDRIVE text describes them, with the places of their lane borders.

ASAM OpenDRIVE 1.8, chapters 10 to 12. Ids are strings in the standard; inside they are numbers, and messages give the
map's own.
"""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from envs.maps.opendrive_text import read_integer, read_number
from envs.maps.reference_line import LONGEST_ROAD, Cubics, ReferenceLine

SAMPLE_STEP = 1.0
"""Longest distance between samples along a road [m]."""
SAMPLE_TURN = 0.06
"""Most that the reference line turns between two samples [rad]."""
SHORTEST_SECTION = 0.01
"""A lane section shorter than this has no surface; links lead through it [m]."""
WIDEST_LANE = 200.0
"""[m]."""
LARGEST_NUMBER = 2**31
_MOST_SAMPLES = 5_000_000

_KIND_OF_TYPE = {
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
_OTHER_TYPES = ("none", "curb", "tram", "rail", "special1", "special2", "special3")


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a road's end is linked to.

    Args:
        to_junction: whether it is a junction, else a road.
        id: the map's own id of it.
        contact: "start" or "end" of the road, "" where the map does not say.
    """

    to_junction: bool
    id: str
    contact: str


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneRecord:
    """A <lane> within its section.

    Args:
        id: positive to the left of the reference line, negative to its right.
        kind: one of LANE_KINDS.
        element: the XML.
        along: whether traffic drives in the direction of s.
        width: [m]; None where the lane is told by its outer border.
        border: t of the outer border [m].
        before: id of the lane it is linked to at the end with the lower s, None for none.
        after: the same at the other end.
    """

    id: int
    kind: str
    element: ET.Element
    along: bool
    width: Cubics | None
    border: Cubics | None
    before: int | None
    after: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """A lane section.

    Args:
        index: within the road.
        start: s [m].
        end: s [m].
        lanes: from the leftmost to the rightmost, without lane 0.
        centre: lane 0, None where it is not written.
    """

    index: int
    start: float
    end: float
    lanes: tuple[LaneRecord, ...]
    centre: ET.Element | None

    @property
    def is_empty(self) -> bool:
        """Whether it is too short to have a surface."""
        return self.end - self.start < SHORTEST_SECTION


@dataclass(frozen=True, kw_only=True, eq=False)
class Road:
    """A <road>.

    Args:
        number: its id inside.
        id: the map's own.
        length: [m].
        junction: number of the junction that it is a connecting road of, -1 for none.
        left_hand: whether traffic keeps to the left.
        element: the XML.
        line: its reference line.
        elevation: z over s.
        roll: superelevation over s [rad]; positive raises the left side.
        offset: t of lane 0 over s.
        sections: its lane sections in order.
        predecessor: what its beginning is linked to.
        successor: what its end is linked to.
    """

    number: int
    id: str
    length: float
    junction: int
    left_hand: bool
    element: ET.Element
    line: ReferenceLine
    elevation: Cubics
    roll: Cubics
    offset: Cubics
    sections: tuple[Section, ...]
    predecessor: Link | None
    successor: Link | None

    @property
    def where(self) -> str:
        """For messages."""
        return f"road {self.id!r}"

    def surface(self, s: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points [..., n, 2] and heights [..., n] at s [n] and t [..., n] [m]."""
        points, heading, _ = self.line.at(s)
        return lift(self, s, t, points, heading)

    @cached_property
    def _density(self) -> tuple[np.ndarray, np.ndarray]:
        """s [k] and how many sample distances lie before it [k]."""
        s, count = [0.0], [0.0]
        for start, end, curvature in self.line.curvatures():
            start, end = np.clip((start, end), s[-1], self.length)
            s.append(float(end))
            count.append(count[-1] + float(end - start) * max(1 / SAMPLE_STEP, curvature / SAMPLE_TURN))
        return np.array(s), np.array(count)

    def sample_positions(self, start: float, end: float) -> np.ndarray:
        """s of samples from `start` to `end`, both included, closer together where the road bends, [n], n >= 2.

        Raises:
            ValueError: there are too many.
        """
        s, count = self._density
        low, high = np.interp((start, end), s, count)
        num_steps = max(int(np.ceil(high - low - 1e-9)), 1)
        if num_steps > _MOST_SAMPLES:
            raise ValueError(f"{self.where}: {end - start:g} m long and curved too much to be sampled")
        at = np.interp(np.linspace(low, high, num_steps + 1), count, s)
        at[0], at[-1] = start, end
        return at


def lift(
    road: Road, s: np.ndarray, t: np.ndarray, points: np.ndarray, heading: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points [..., n, 2] and heights [..., n] beside places of the reference line that are known already."""
    roll = road.roll(s)
    across = t * np.cos(roll)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    return points + across[..., None] * normal, road.elevation(s) + t * np.sin(roll)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A <connection> of a junction.

    Args:
        incoming: the map's own id of the road that leads in.
        connecting: id of the road within the junction, or of the other road of a direct junction.
        contact: "start" or "end" of that road, "" where the map does not say.
        lanes: (from, to) lane ids; empty where equal ids are linked.
    """

    incoming: str
    connecting: str
    contact: str
    lanes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Junction:
    """A <junction>.

    Args:
        number: its id inside.
        id: the map's own.
        kind: "default", "direct", "virtual" or "crossing".
        connections: what it links.
    """

    number: int
    id: str
    kind: str
    connections: tuple[Connection, ...]


def number_ids(ids: Iterable[str]) -> dict[str, int]:
    """Small whole numbers for ids: those that are such numbers keep them, the others get free ones."""
    listed = list(dict.fromkeys(ids))
    numbers = {text: int(text) for text in listed if text.isdecimal() and text.isascii() and str(int(text)) == text}
    numbers = {text: number for text, number in numbers.items() if number < LARGEST_NUMBER}
    taken, following = set(numbers.values()), 0
    for text in listed:
        if text in numbers:
            continue
        while following in taken:
            following += 1
        numbers[text] = following
        taken.add(following)
    return {text: numbers[text] for text in listed}


def read_roads(root: ET.Element) -> tuple[list[Road], list[Junction]]:
    """The roads and junctions of a map.

    Raises:
        ValueError: something is missing, no number, or contradicts the rest; names the road.
    """
    elements = root.findall("road")
    ids = [_own_id(element, "road") for element in elements]
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
    if element.find("lateralProfile/shape") is not None:
        warnings.warn(f"{where}: <shape> of the lateral profile is not read; the road is taken as even", stacklevel=2)
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
    profile = Cubics.read(widths or borders, where, offset_name="sOffset", origin=start, extend=True)
    return LaneRecord(
        id=lane,
        kind=_kind(element.get("type", "none"), where),
        element=element,
        along=along,
        width=profile if widths else None,
        border=None if widths else profile,
        before=_lane_link(element.find("link/predecessor"), where),
        after=_lane_link(element.find("link/successor"), where),
    )


def _kind(text: str, where: str) -> str:
    if text not in _KIND_OF_TYPE and text not in _OTHER_TYPES:
        warnings.warn(f"{where}: type={text!r} is not known; not taken as a lane for cars", stacklevel=2)
    return _KIND_OF_TYPE.get(text, "other")


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


@dataclass(frozen=True, kw_only=True, eq=False)
class SectionSurface:
    """A lane section sampled along s; borders run from the leftmost to the rightmost.

    Args:
        s: float64 [n] [m].
        heading: of the reference line [n] [rad].
        curvature: of the reference line [n] [1/m].
        t: of the borders, float64 [b, n], b = number of lanes + 1.
        slope: their derivatives over s [b, n].
        points: of the borders, float64 [b, n, 2].
        z: of the borders, float64 [b, n].
        centre: which border is the outer edge of lane 0.
    """

    s: np.ndarray
    heading: np.ndarray
    curvature: np.ndarray
    t: np.ndarray
    slope: np.ndarray
    points: np.ndarray
    z: np.ndarray
    centre: int


def sample_section(road: Road, section: Section) -> SectionSurface:
    """Where the borders of a section's lanes lie.

    Raises:
        ValueError: a lane is impossibly wide, or its border lies on the wrong side.
    """
    s = road.sample_positions(section.start, section.end)
    points, heading, curvature = road.line.at(s)
    t, slope = borders_at(road, section, s)
    border_points, z = lift(road, s, t, points, heading)
    centre = sum(lane.id > 0 for lane in section.lanes)
    return SectionSurface(
        s=s, heading=heading, curvature=curvature, t=t, slope=slope, points=border_points, z=z, centre=centre
    )


def borders_at(road: Road, section: Section, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """t of a section's borders and its derivative over s, from left to right, each [b, n].

    Raises:
        ValueError: as for sample_section.
    """
    inside = np.clip(s, section.start, max(section.start, section.end - 1e-9))
    offset, offset_slope = road.offset(inside), road.offset.slope(inside)
    centre = sum(lane.id > 0 for lane in section.lanes)
    t, slope = np.empty((2, len(section.lanes) + 1, len(s)))
    t[centre], slope[centre] = offset, offset_slope
    for rows, side in ((range(centre - 1, -1, -1), 1), (range(centre, len(section.lanes)), -1)):
        for row in rows:
            inner, outer = (row + 1, row) if side > 0 else (row, row + 1)
            lane = section.lanes[row]
            t[outer], slope[outer] = _outer_border(
                road, lane, side, inside, t[inner], slope[inner], offset, offset_slope
            )
    return t, slope


def _outer_border(
    road: Road,
    lane: LaneRecord,
    side: int,
    s: np.ndarray,
    inner: np.ndarray,
    inner_slope: np.ndarray,
    offset: np.ndarray,
    offset_slope: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """t and its derivative at the lane's edge away from lane 0."""
    if lane.width is not None:
        width, slope = lane.width(s), lane.width.slope(s)
    else:
        assert lane.border is not None
        width = side * (lane.border(s) + offset - inner)
        slope = side * (lane.border.slope(s) + offset_slope - inner_slope)
        if width.max() < -0.05:
            raise ValueError(
                f"{road.where}, lane {lane.id}: its <border> lies {-width.max():.2f} m inside of the lane next to it;"
                " the border of a right lane has a negative t"
            )
    if width.max() > WIDEST_LANE:
        raise ValueError(f"{road.where}, lane {lane.id}: {width.max():g} m wide; at most {WIDEST_LANE:g} m can be read")
    slope = np.where(width > 0, slope, 0.0)
    return inner + side * np.maximum(width, 0.0), inner_slope + side * slope
