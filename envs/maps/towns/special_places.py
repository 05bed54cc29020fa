"""Places that the towns' street nets do not have, as OpenDRIVE 1.7 text: a roundabout, and a slip road that merges."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from scenariogeneration import xodr

from envs.maps.towns.roads import SIDEWALK_WIDTH, planview_through
from envs.maps.towns.street_net import Pose

_LINE_WIDTH = 0.15
"""[m]."""
_RADII = (15.0, 20.0)
"""Of the left edge of a roundabout's lane [m]."""
_RING_WIDTH, _ARM_WIDTH, _MAIN_WIDTH = 4.5, 3.5, 3.5
"""Of lanes [m]."""
_MOUTH = 14.0
"""An arm ends so far outside the roundabout's lane [m]."""
_OPENING = math.radians(34.0)
"""On a roundabout, entry and exit of an arm are so far from its middle [rad]."""
_ARM_LENGTHS, _ARM_JITTER = (110.0, 140.0), math.radians(8.0)
_RING_LIMIT, _ARM_LIMIT, _MAIN_LIMIT = 30, 50, 70
"""[km/h]."""
_MERGE_LENGTHS, _MERGE_ANGLES, _MERGE_OFFSET = (45.0, 60.0), (0.12, 0.25), 9.0
"""How long the lanes of a merge run together [m], the angle between them [rad], how far apart they begin [m]."""
_ROAD_LENGTH = 220.0
"""Of the main road before and after a merge, and of the slip road [m]."""
_YIELD_BEFORE = 1.2
"""A yield sign stands so far before the junction [m]."""


def roundabout_xodr(seed: int) -> str:
    """OpenDRIVE text of a roundabout of one lane with four arms, entered by yield signs; equal seeds give equal text.

    Args:
        seed: any integer.
    """
    rng = random.Random(f"roundabout {seed}")
    radius, turned = rng.uniform(*_RADII), rng.uniform(-math.pi, math.pi)
    angles = [turned + k * math.pi / 2 + rng.uniform(-_ARM_JITTER, _ARM_JITTER) for k in range(4)]
    place = _Place(f"roundabout_{seed}")

    def on_ring(angle: float) -> Pose:
        return Pose(x=radius * math.cos(angle), y=radius * math.sin(angle), yaw=angle + math.pi / 2)

    for k, angle in enumerate(angles):
        arm, before, after, junction = 1 + k, 11 + (k - 1) % 4, 11 + k, 1000 + k
        through, entry, leave = 10_000 + 100 * k, 10_001 + 100 * k, 10_002 + 100 * k
        inwards = Pose(x=0.0, y=0.0, yaw=angle + math.pi).offset_by(-(radius + _RING_WIDTH + _MOUTH))
        outer = inwards.offset_by(-rng.uniform(*_ARM_LENGTHS))
        following = angles[(k + 1) % 4] + (2 * math.pi if k == 3 else 0.0)
        first, last = on_ring(angle - _OPENING), on_ring(angle + _OPENING)
        place.add_two_way(arm, (outer, inwards), _ARM_WIDTH, _ARM_LIMIT, junction)
        place.add_lane(
            after, (last, on_ring(following - _OPENING)), _RING_WIDTH, _RING_LIMIT, (junction, 1000 + (k + 1) % 4)
        )
        outwards = inwards.offset_by(0.0, 0.0, math.pi)
        for road, (start, width), (end, end_width), into, out in (
            (through, (first, _RING_WIDTH), (last, _RING_WIDTH), (before, -1, "end"), (after, -1, "start")),
            (entry, (inwards, _ARM_WIDTH), (last, _RING_WIDTH), (arm, -1, "end"), (after, -1, "start")),
            (leave, (first, _RING_WIDTH), (outwards, _ARM_WIDTH), (before, -1, "end"), (arm, 1, "end")),
        ):
            place.add_turn(road, junction, (start, end), (width, end_width), _RING_LIMIT, into, out)
        place.add_yield(arm, inwards.offset_by(-_YIELD_BEFORE, -_ARM_WIDTH - 0.7))
    return place.text()


def merge_xodr(seed: int) -> str:
    """OpenDRIVE text of a one-way main road which a slip road merges into from the right, by a yield sign; equal seeds
    give equal text.

    Args:
        seed: any integer.
    """
    rng = random.Random(f"merge {seed}")
    length, angle = rng.uniform(*_MERGE_LENGTHS), rng.uniform(*_MERGE_ANGLES)
    place, junction = _Place(f"merge_{seed}"), 1000
    end = Pose(x=0.0, y=0.0, yaw=rng.uniform(-math.pi, math.pi))
    main = end.offset_by(-length)
    slip = main.offset_by(0.0, -_MERGE_OFFSET, angle)
    starts = main.offset_by(-_ROAD_LENGTH, 0.0), slip.offset_by(-_ROAD_LENGTH, 0.0)
    place.add_lane(1, (starts[0], main), _MAIN_WIDTH, _MAIN_LIMIT, (None, junction))
    place.add_lane(2, (starts[1], slip), _MAIN_WIDTH, _MAIN_LIMIT, (None, junction))
    place.add_lane(3, (end, end.offset_by(_ROAD_LENGTH)), _MAIN_WIDTH, _MAIN_LIMIT, (junction, None))
    for k, start in enumerate((main, slip)):
        place.add_turn(
            10_000 + k,
            junction,
            (start, end),
            (_MAIN_WIDTH, _MAIN_WIDTH),
            _MAIN_LIMIT,
            (1 + k, -1, "end"),
            (3, -1, "start"),
        )
    place.add_yield(2, slip.offset_by(-_YIELD_BEFORE, -_MAIN_WIDTH - 0.7))
    return place.text()


_Contact = tuple[int, int, str]
"""Road, lane, and which end of the road."""


class _Place:
    """Roads and junctions put together; the reference line of every one-way road is the left edge of its lane."""

    def __init__(self, name: str) -> None:
        self._file = xodr.OpenDrive(name, revMinor="7")
        self._junctions: dict[int, xodr.Junction] = {}
        self._yields: list[tuple[int, Pose]] = []
        self._lengths: dict[int, float] = {}

    def add_lane(
        self, road_id: int, knots: tuple[Pose, Pose], width: float, limit: int, junctions: tuple[int | None, int | None]
    ) -> None:
        """A one-way road of one lane between two junctions, or the end of the map."""
        road = self._road(road_id, knots, [self._lane(width), _sidewalk()], [], limit)
        before, after = junctions
        if before is not None:
            road.add_predecessor(xodr.ElementType.junction, before)
        if after is not None:
            road.add_successor(xodr.ElementType.junction, after)

    def add_two_way(self, road_id: int, knots: tuple[Pose, Pose], width: float, limit: int, junction: int) -> None:
        """A road of a lane each way from the end of the map to a junction."""
        road = self._road(
            road_id, knots, [self._lane(width), _sidewalk()], [self._lane(width), _sidewalk()], limit, centre=True
        )
        road.add_successor(xodr.ElementType.junction, junction)

    def add_turn(
        self,
        road_id: int,
        junction: int,
        knots: tuple[Pose, Pose],
        widths: tuple[float, float],
        limit: int,
        into: _Contact,
        out: _Contact,
    ) -> None:
        """A one-way road of one lane through a junction, from a lane of one road to that of another."""
        planview = planview_through(knots)
        lane = xodr.Lane(xodr.LaneType.driving, a=widths[0], b=(widths[1] - widths[0]) / planview.get_total_length())
        lane.add_link("predecessor", into[1])
        lane.add_link("successor", out[1])
        section = xodr.LaneSection(0.0, xodr.Lane(xodr.LaneType.none))
        section.add_right_lane(lane)
        road = xodr.Road(road_id, planview, xodr.Lanes().add_lanesection(section), road_type=junction)
        road.add_predecessor(xodr.ElementType.road, into[0], xodr.ContactPoint[into[2]])
        road.add_successor(xodr.ElementType.road, out[0], xodr.ContactPoint[out[2]])
        road.add_type(xodr.RoadType.town, speed=limit, speed_unit="km/h")
        self._file.add_road(road)

        if junction not in self._junctions:
            self._junctions[junction] = xodr.Junction(f"junction_{junction}", junction)
        connection = xodr.Connection(into[0], road_id, xodr.ContactPoint.start)
        connection.add_lanelink(into[1], -1)
        self._junctions[junction].add_connection(connection)

    def add_yield(self, road_id: int, pose: Pose) -> None:
        """A yield sign for the traffic along a road, shortly before its end."""
        self._yields.append((road_id, pose))

    def text(self) -> str:
        """The OpenDRIVE text."""
        for junction in self._junctions.values():
            self._file.add_junction(junction)
        root = self._file.get_element()
        header = root.find("header")
        assert header is not None
        for name in ("date", "north", "south", "east", "west"):  # what changes with the time of day, or is not known
            header.attrib.pop(name, None)
        roads = {road.get("id"): road for road in root.iter("road")}
        for k, (road_id, pose) in enumerate(self._yields):
            road = roads[str(road_id)]
            signals = ET.SubElement(road, "signals")
            sign = {"id": 30_000 + k, "name": "Yield", "s": f"{self._lengths[road_id] - _YIELD_BEFORE:.3f}"}
            sign |= {"t": -(_ARM_WIDTH + 0.7), "zOffset": 2, "hOffset": 0, "orientation": "+", "dynamic": "no"}
            sign |= {"country": "DE", "type": "205", "subtype": "-1", "width": 0.9, "height": 0.8}
            element = ET.SubElement(signals, "signal", {name: str(value) for name, value in sign.items()})
            ET.SubElement(element, "validity", fromLane="-1", toLane="-1")
            where = {"x": f"{pose.x:.3f}", "y": f"{pose.y:.3f}", "z": "2", "hdg": f"{pose.yaw:.6f}"}
            ET.SubElement(element, "positionInertial", where)
        ET.indent(root, " ")
        return ET.tostring(root, encoding="unicode")

    def _road(
        self,
        road_id: int,
        knots: tuple[Pose, Pose],
        right: Iterable[xodr.Lane],
        left: Iterable[xodr.Lane],
        limit: int,
        *,
        centre: bool = False,
    ) -> xodr.Road:
        middle = xodr.Lane(xodr.LaneType.none)
        kind = xodr.RoadMarkType.broken if centre else xodr.RoadMarkType.solid
        middle.add_roadmark(xodr.RoadMark(kind, _LINE_WIDTH, color=xodr.RoadMarkColor.white))
        section = xodr.LaneSection(0.0, middle)
        for lane in right:
            section.add_right_lane(lane)
        for lane in left:
            section.add_left_lane(lane)
        planview = planview_through(knots)
        self._lengths[road_id] = planview.get_total_length()
        road = xodr.Road(road_id, planview, xodr.Lanes().add_lanesection(section))
        road.add_type(xodr.RoadType.town, speed=limit, speed_unit="km/h")
        self._file.add_road(road)
        return road

    @staticmethod
    def _lane(width: float) -> xodr.Lane:
        lane = xodr.Lane(xodr.LaneType.driving, a=width)
        lane.add_roadmark(xodr.RoadMark(xodr.RoadMarkType.solid, _LINE_WIDTH, color=xodr.RoadMarkColor.white))
        return lane


def _sidewalk() -> xodr.Lane:
    return xodr.Lane(xodr.LaneType.sidewalk, a=SIDEWALK_WIDTH)
