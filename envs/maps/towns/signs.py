"""What rules a procedural town's junctions: traffic lights, stop, yield and speed signs, stop lines and crosswalks.

Everything is written as OpenDRIVE 1.7 has it and CARLA reads it. A signal's s is the stop line it counts for; where it
stands is its `positionInertial`, for a traffic light behind the crosswalk.
"""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count

from envs.maps.towns.street_net import Leg, Street

FIRST_SIGNAL_ID, FIRST_OBJECT_ID, FIRST_CONTROLLER_ID = 30_000, 40_000, 50_000
CHANGE_MIN_LENGTH = 120.0
"""Streets shorter than this have one limit throughout [m]."""

_CROSSWALK = (1.0, 4.0)
"""From where to where before the junction a crosswalk lies [m]."""
_LIGHT_STOP, _SIGN_STOP = 5.2, 1.2
"""The middle of the stop line lies this far before a junction with and without a crosswalk [m]."""
_LIGHT_POST = 0.5
"""A light stands this far before the junction, where who waits at the stop line still sees it [m]."""
_STOP_LINE_WIDTH = 0.4  # [m]
_PRIORITY_SIGN = 8.0  # before the junction [m]
_SPEED_SIGN = 12.0  # after the junction [m]
_KERB_GAP = 0.7  # from the kerb to a post [m]


class Control(Enum):
    """What rules a junction; with signs, the streets of the other axis have priority."""

    LIGHTS = "traffic lights"
    STOP = "stop signs"
    YIELD = "yield signs"


@dataclass(frozen=True, kw_only=True)
class Junction:
    """A junction and how it is ruled.

    Args:
        junction_id: in the OpenDRIVE text.
        legs: by quarter.
        control: what rules it.
        main_axis: the legs whose quarter has this remainder by 2 have priority; without meaning where lights rule.
    """

    junction_id: int
    legs: Mapping[int, Leg]
    control: Control
    main_axis: int

    @property
    def crosswalk_reach(self) -> float:
        """How far into its streets the crosswalks reach, up to the stop lines [m]; 0 where there are none."""
        return _LIGHT_STOP - _STOP_LINE_WIDTH / 2 if self.control is Control.LIGHTS else 0.0


@dataclass(frozen=True, kw_only=True)
class _Sign:
    """A kind of signal.

    Args:
        type: in OpenDRIVE.
        country: whose catalogue the type is from.
        name: of the signal.
        z: of the lower edge [m].
        width: [m].
        height: [m].
    """

    type: str
    country: str
    name: str
    z: float
    width: float
    height: float


_LIGHT = _Sign(type="1000001", country="OpenDRIVE", name="TrafficLight", z=2.6, width=0.4, height=1.1)
_STOP = _Sign(type="206", country="DE", name="Stop", z=2.0, width=0.9, height=0.9)
_YIELD = _Sign(type="205", country="DE", name="Yield", z=2.0, width=0.9, height=0.8)
_PRIORITY = _Sign(type="306", country="DE", name="PriorityRoad", z=2.0, width=0.6, height=0.6)
_SPEED = _Sign(type="274", country="DE", name="SpeedLimit", z=2.0, width=0.6, height=0.6)


def draw_second_limit(street: Street, rng: random.Random) -> int:
    """The limit of the second half of a street [km/h], on a long one at times another than that of the first."""
    first = street.speed_limits[0]
    lower, upper = (50, 70) if street.num_lanes > 1 else (30, 50)
    other = lower if first == upper else upper
    return other if rng.random() < 0.3 and street.length > CHANGE_MIN_LENGTH else first


def draw_controls(junction_ids: Sequence[int], legs: Sequence[Mapping[int, Leg]], rng: random.Random) -> list[Junction]:
    """Rule each junction: lights at larger ones, signs at the others, at least one of either kind in a town."""
    sizes = [len(each) + 2 * any(leg.street.num_lanes > 1 for leg in each.values()) for each in legs]
    chances = {3: 0.1, 4: 0.5, 5: 0.6, 6: 0.9}
    lit = [rng.random() < chances[size] for size in sizes]
    if not any(lit):
        lit[sizes.index(max(sizes))] = True
    if all(lit):
        lit[sizes.index(min(sizes))] = False
    return [
        Junction(
            junction_id=junction_id,
            legs=each,
            control=Control.LIGHTS if light else rng.choice((Control.STOP, Control.YIELD)),
            main_axis=_draw_main_axis(each, rng),
        )
        for junction_id, each, light in zip(junction_ids, legs, lit, strict=True)
    ]


def _draw_main_axis(legs: Mapping[int, Leg], rng: random.Random) -> int:
    """The axis that goes through, else that of the larger streets, else of the faster, else either."""
    drawn = rng.randrange(2)

    def rank(axis: int) -> tuple[int, int, int, bool]:
        on_axis = [leg for quarter, leg in legs.items() if quarter % 2 == axis]
        lanes, limits = (max(of) for of in zip(*((g.street.num_lanes, g.speed_limit) for g in on_axis), strict=True))
        return len(on_axis), lanes, limits, axis == drawn

    return max((0, 1), key=rank)


class SignWriter:
    """Adds signals, objects and controllers to the OpenDRIVE elements of a town.

    Args:
        root: the town, with its roads and junctions.
    """

    def __init__(self, root: ET.Element) -> None:
        self._root = root
        self._roads = {road.get("id"): road for road in root.iter("road")}
        self._junctions = {junction.get("id"): junction for junction in root.iter("junction")}
        self._signal_ids, self._object_ids = count(FIRST_SIGNAL_ID), count(FIRST_OBJECT_ID)
        self._controller_ids = count(FIRST_CONTROLLER_ID)

    def write(self, junctions: Sequence[Junction], streets: Sequence[Street]) -> None:
        """Write what rules the junctions, and a speed sign wherever the limit changes."""
        for junction in junctions:
            for quarter, leg in sorted(junction.legs.items()):
                if any(leg.speed_limit != other.speed_limit for other in junction.legs.values()):
                    self._add_speed_sign(leg.street, leg.s_at(_SPEED_SIGN), leg.at_start, leg.speed_limit)
                if junction.control is not Control.LIGHTS:
                    self._add_sign(leg, junction.control, has_priority=quarter % 2 == junction.main_axis)
            if junction.control is Control.LIGHTS:
                self._add_lights(junction)
        for street in streets:
            first, second = street.speed_limits
            if first != second:
                self._add_speed_sign(street, street.length / 2, True, second)
                self._add_speed_sign(street, street.length / 2, False, first)
        self._order()

    def _add_lights(self, junction: Junction) -> None:
        """Lights, stop lines and crosswalks; one controller switches what stands opposite each other."""
        for axis in (0, 1):
            controller = str(next(self._controller_ids))
            element = ET.Element("controller", id=controller, name=f"axis_{axis}", sequence=str(axis))
            for _, leg in sorted((q, leg) for q, leg in junction.legs.items() if q % 2 == axis):
                stop, post = leg.s_at(_LIGHT_STOP), leg.s_at(_LIGHT_POST)
                light = self._add_signal(_LIGHT, leg.street, stop, along_s=not leg.at_start, post=post)
                ET.SubElement(element, "control", signalId=light.get("id", ""), type="")
                self._add_stop_line(leg, _LIGHT_STOP)
                self._add_crosswalk(leg)
            self._root.append(element)
            reference = {"id": controller, "type": "", "sequence": str(axis)}
            ET.SubElement(self._junctions[str(junction.junction_id)], "controller", reference)

    def _add_sign(self, leg: Leg, control: Control, *, has_priority: bool) -> None:
        if has_priority:
            self._add_signal(_PRIORITY, leg.street, leg.s_at(_PRIORITY_SIGN), along_s=not leg.at_start)
        elif control is Control.STOP:
            self._add_signal(_STOP, leg.street, leg.s_at(_SIGN_STOP), along_s=not leg.at_start)
            self._add_stop_line(leg, _SIGN_STOP)
        else:
            self._add_signal(_YIELD, leg.street, leg.s_at(_SIGN_STOP), along_s=not leg.at_start)

    def _add_speed_sign(self, street: Street, s: float, along_s: bool, limit: int) -> None:
        sign = self._add_signal(_SPEED, street, s, along_s=along_s)
        sign.attrib |= {"value": str(limit), "unit": "km/h", "subtype": str(limit)}

    def _add_signal(
        self, sign: _Sign, street: Street, s: float, *, along_s: bool, post: float | None = None
    ) -> ET.Element:
        """A signal to the right of the lanes of one direction, which counts for all of them, at the stop line `s`.

        Its place and heading are written as `positionInertial` too, where `post` is the s of its post [m]: CARLA does
        not turn a signal by its orientation, as the standard has it. It heads as the traffic does that it faces.
        """
        side = -1 if along_s else 1
        t = side * (street.half_width + _KERB_GAP)
        element = ET.SubElement(
            _child(self._roads[str(street.road_id)], "signals"),
            "signal",
            id=str(next(self._signal_ids)),
            name=sign.name,
            s=_m(s),
            t=_m(t),
            zOffset=_m(sign.z),
            hOffset="0",
            orientation="+" if along_s else "-",
            dynamic="yes" if sign is _LIGHT else "no",
            country=sign.country,
            type=sign.type,
            subtype="-1",
            width=_m(sign.width),
            height=_m(sign.height),
        )
        lanes = sorted((side, side * street.num_lanes))
        ET.SubElement(element, "validity", fromLane=str(lanes[0]), toLane=str(lanes[1]))
        pose = street.pose_at(s if post is None else post).offset_by(0.0, t, 0.0 if along_s else math.pi)
        hdg = f"{math.remainder(pose.yaw, math.tau):.6f}"
        ET.SubElement(element, "positionInertial", x=_m(pose.x), y=_m(pose.y), z=_m(sign.z), hdg=hdg)
        return element

    def _add_stop_line(self, leg: Leg, distance: float) -> None:
        """A stop line across the lanes that lead into a junction, `distance` [m] before it."""
        half = leg.street.half_width / 2
        t = leg.side_in * half
        self._add_area(leg, "roadMark", "StopLine", (distance, t), (_STOP_LINE_WIDTH / 2, half - 0.1))

    def _add_crosswalk(self, leg: Leg) -> None:
        near, far = _CROSSWALK
        self._add_area(
            leg, "crosswalk", "Crosswalk", ((near + far) / 2, 0.0), ((far - near) / 2, leg.street.half_width)
        )

    def _add_area(
        self, leg: Leg, kind: str, name: str, centre: tuple[float, float], half_size: tuple[float, float]
    ) -> None:
        """A rectangle on the road: distance before the junction and t of its centre, half of its extents [m]."""
        (distance, t), (u, v) = centre, half_size
        element = ET.SubElement(
            _child(self._roads[str(leg.street.road_id)], "objects"),
            "object",
            id=str(next(self._object_ids)),
            name=name,
            type=kind,
            s=_m(leg.s_at(distance)),
            t=_m(t),
            zOffset="0",
            hdg="0",
            orientation="none" if kind == "crosswalk" else ("-" if leg.at_start else "+"),
            length=_m(2 * u),
            width=_m(2 * v),
            height="0",
        )
        outline = ET.SubElement(element, "outline", id="0", closed="true")
        for corner_u, corner_v in ((u, v), (-u, v), (-u, -v), (u, -v), (u, v)):
            ET.SubElement(outline, "cornerLocal", u=_m(corner_u), v=_m(corner_v), z="0", height="0")

    def _order(self) -> None:
        """The schema wants a road's objects before its signals, and controllers between roads and junctions."""
        for road in self._roads.values():
            for name in ("objects", "signals"):
                element = road.find(name)
                if element is not None:
                    road.remove(element)
                    road.append(element)
        order = {"header": 0, "road": 1, "controller": 2, "junction": 3}
        self._root[:] = sorted(self._root, key=lambda element: order[element.tag])


def _child(road: ET.Element, name: str) -> ET.Element:
    found = road.find(name)
    return ET.SubElement(road, name) if found is None else found


def _m(value: float) -> str:
    """A length, to the millimetre."""
    return f"{value:.3f}"
