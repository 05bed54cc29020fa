"""Procedural towns as OpenDRIVE text: a seed gives a loop-rich street net without dead ends.

The net is a jittered grid with some streets taken out. A node with three or four streets becomes a
junction; the street through a node with two becomes one continuous bend. Every curve is a clothoid.
"""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pyclothoids
from scenariogeneration import xodr

GRID_SIZES = ((3, 3), (3, 4), (4, 3))
"""(columns, rows) of nodes."""
SPACING = (85.0, 135.0)
"""Least and greatest distance of neighbouring grid lines [m]."""
LANE_WIDTHS = (3.25, 3.5)
"""[m]."""
SIDEWALK_WIDTH = 2.0
"""[m]."""
AVENUE_LIMITS = (50, 70)
"""Speed limits of streets with two lanes each way [km/h]."""
STREET_LIMITS = (30, 50)
"""Speed limits of streets with one lane each way [km/h]."""

_GEO_REFERENCE = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
_NODE_JITTER = 6.0  # [m]
_LEG_JITTER = math.radians(6)
_BEND_REACH = (20.0, 28.0)  # how far before its node a bend begins [m]
_STREET_REACH = 14.0  # from the node to the end of a junction's streets [m]
_AVENUE_REACH = 19.0
_BOW_MIN_LENGTH = 45.0  # [m]
_FIRST_JUNCTION_ID = 1000
_FIRST_TURN_ID = 10_000
_TURNS_PER_JUNCTION = 100
_RIGHT, _STRAIGHT, _LEFT = 1, 2, 3
"""Quarter turns, counter-clockwise, from the street a car comes from to the one it leaves by."""

_Node = tuple[int, int]
_STEPS: tuple[_Node, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Neighbour of a node in each quarter, counter-clockwise."""


@dataclass(frozen=True, kw_only=True)
class _Pose:
    x: float
    y: float
    yaw: float

    def offset_by(self, forward: float, left: float = 0.0, turn: float = 0.0) -> _Pose:
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return _Pose(x=self.x + c * forward - s * left, y=self.y + s * forward + c * left, yaw=self.yaw + turn)


@dataclass(frozen=True, kw_only=True)
class _Street:
    """A road between two junctions.

    Args:
        road_id: in the OpenDRIVE text.
        stops: poses along the reference line, at its ends and where its curves join.
        ends: (node, quarter) that it leaves its first and its last junction by.
        num_lanes: driving lanes each way.
        lane_width: [m].
        speed_limit: [km/h].
    """

    road_id: int
    stops: tuple[_Pose, ...]
    ends: tuple[tuple[_Node, int], tuple[_Node, int]]
    num_lanes: int
    lane_width: float
    speed_limit: int


@dataclass(frozen=True, kw_only=True)
class _Leg:
    """One street as its junction sees it.

    Args:
        street: the street.
        mouth: where the street meets the junction, looking out of the junction.
        at_start: whether this is the start of the street's reference line.
    """

    street: _Street
    mouth: _Pose
    at_start: bool

    @property
    def contact(self) -> xodr.ContactPoint:
        return xodr.ContactPoint.start if self.at_start else xodr.ContactPoint.end

    def lane_in(self, lane: int) -> int:
        """OpenDRIVE id of the lane into the junction, counted from 1 at the middle of the street."""
        return lane if self.at_start else -lane

    def lane_out(self, lane: int) -> int:
        return -self.lane_in(lane)

    def edge_in(self, lane: int) -> _Pose:
        """Left edge of a lane into the junction, in the direction of travel."""
        return self.mouth.offset_by(0.0, self.street.lane_width * (lane - 1), math.pi)

    def edge_out(self, lane: int) -> _Pose:
        return self.mouth.offset_by(0.0, -self.street.lane_width * (lane - 1))


def town_xodr(seed: int) -> str:
    """OpenDRIVE text of a town; equal seeds give equal text.

    A town has T and X junctions, bends, streets of one and avenues of two lanes each way, limits of 30,
    50 and 70 km/h and sidewalks. From every driving lane one can drive on without end.

    Args:
        seed: any integer.
    """
    rng = random.Random(seed)
    net = _StreetNet(rng)
    streets = net.streets(rng)
    town = xodr.OpenDrive(f"town_{seed}")
    junction_ids = {node: _FIRST_JUNCTION_ID + i for i, node in enumerate(net.junctions)}
    for street in streets:
        town.add_road(_street_road(street, junction_ids))
    for i, node in enumerate(net.junctions):
        _add_junction(town, junction_ids[node], _FIRST_TURN_ID + i * _TURNS_PER_JUNCTION, _legs(node, streets))
    root = town.get_element()
    header = root.find("header")
    assert header is not None
    header.set("date", "")  # scenariogeneration writes the time of day
    reference = header.find("geoReference")
    reference = ET.SubElement(header, "geoReference") if reference is None else reference
    reference.text = _GEO_REFERENCE
    return ET.tostring(root, encoding="unicode")


class _StreetNet:
    """The grid, which of its edges are streets, and where everything lies.

    Args:
        rng: source of every choice.
    """

    def __init__(self, rng: random.Random) -> None:
        columns, rows = rng.choice(GRID_SIZES)
        xs, ys = _grid_lines(columns, rng), _grid_lines(rows, rng)
        self._rotation = rng.uniform(-math.pi, math.pi)
        frame = _Pose(x=0.0, y=0.0, yaw=self._rotation)
        self._positions = {
            (i, j): frame.offset_by(
                xs[i] + rng.uniform(-_NODE_JITTER, _NODE_JITTER), ys[j] + rng.uniform(-_NODE_JITTER, _NODE_JITTER)
            )
            for i in range(columns)
            for j in range(rows)
        }
        avenue_columns = {i for i in range(columns) if rng.random() < 0.2}
        avenue_rows = {rng.randrange(1, rows - 1)}
        self._edges = _thin_edges(columns, rows, rng)
        self._avenues = {
            (a, b)
            for a, b in self._edges
            if (a[0] == b[0] and a[0] in avenue_columns) or (a[1] == b[1] and a[1] in avenue_rows)
        }
        self.junctions = [node for node in self._positions if len(self._quarters(node)) > 2]
        self._leg_yaw = {
            (node, q): self._rotation + q * math.pi / 2 + rng.uniform(-_LEG_JITTER, _LEG_JITTER)
            for node in self._positions
            for q in self._quarters(node)
        }
        self._bend_reach = {node: rng.uniform(*_BEND_REACH) for node in self._positions}

    def streets(self, rng: random.Random) -> list[_Street]:
        """Every street once, from junction to junction."""
        visited: set[tuple[_Node, int]] = set()
        streets: list[_Street] = []
        for node in self.junctions:
            for quarter in self._quarters(node):
                if (node, quarter) in visited:
                    continue
                steps = self._walk(node, quarter)
                last, into = steps[-1]
                back = (_neighbour(last, into), (into + 2) % 4)
                visited |= {(node, quarter), back}
                avenue = all(self._is_avenue(n, q) for n, q in steps)
                bends = any(q != quarter for _, q in steps)
                limits = AVENUE_LIMITS if avenue else STREET_LIMITS
                streets.append(
                    _Street(
                        road_id=len(streets) + 1,
                        stops=tuple(self._stops(steps, 0.03 if avenue else 0.1, rng)),
                        ends=((node, quarter), back),
                        num_lanes=2 if avenue else 1,
                        lane_width=rng.choice(LANE_WIDTHS),
                        speed_limit=limits[0] if bends else rng.choice(limits),
                    )
                )
        return streets

    def _quarters(self, node: _Node) -> list[int]:
        return [q for q in range(4) if tuple(sorted((node, _neighbour(node, q)))) in self._edges]

    def _is_avenue(self, node: _Node, quarter: int) -> bool:
        return tuple(sorted((node, _neighbour(node, quarter)))) in self._avenues

    def _walk(self, node: _Node, quarter: int) -> list[tuple[_Node, int]]:
        """(node, quarter left by) of each grid edge from a junction to the next one."""
        steps = [(node, quarter)]
        while len(self._quarters(node := _neighbour(node, quarter))) == 2:
            (quarter,) = (q for q in self._quarters(node) if q != (quarter + 2) % 4)
            steps.append((node, quarter))
        return steps

    def _stops(self, steps: list[tuple[_Node, int]], bow: float, rng: random.Random) -> Iterator[_Pose]:
        for node, quarter in steps:
            start = self._mouth(node, quarter)
            end = self._mouth(_neighbour(node, quarter), (quarter + 2) % 4).offset_by(0.0, 0.0, math.pi)
            yield start
            length = math.hypot(end.x - start.x, end.y - start.y)
            offset = rng.uniform(-bow, bow) * length
            if length > _BOW_MIN_LENGTH:
                chord = math.atan2(end.y - start.y, end.x - start.x)
                yield _Pose(x=start.x, y=start.y, yaw=chord).offset_by(length / 2, offset)
            yield end

    def _mouth(self, node: _Node, quarter: int) -> _Pose:
        """Where the edge of a quarter leaves the junction or the bend of a node, looking out of it."""
        place = self._positions[node]
        outwards = _Pose(x=place.x, y=place.y, yaw=self._leg_yaw[node, quarter])
        if node not in self.junctions:
            return outwards.offset_by(self._bend_reach[node])
        wide = any(self._is_avenue(node, q) for q in self._quarters(node))
        return outwards.offset_by(_AVENUE_REACH if wide else _STREET_REACH)


def _grid_lines(count: int, rng: random.Random) -> list[float]:
    lines = [0.0]
    while len(lines) < count:
        lines.append(lines[-1] + rng.uniform(*SPACING))
    return [line - lines[-1] / 2 for line in lines]


def _neighbour(node: _Node, quarter: int) -> _Node:
    return node[0] + _STEPS[quarter][0], node[1] + _STEPS[quarter][1]


def _thin_edges(columns: int, rows: int, rng: random.Random) -> set[tuple[_Node, _Node]]:
    """Edges of the grid less a few, such that it stays connected, without dead ends, with an X junction."""
    nodes = [(i, j) for i in range(columns) for j in range(rows)]
    edges = [(n, m) for n in nodes for m in (_neighbour(n, 0), _neighbour(n, 1)) if m in nodes]
    kept = set(edges)
    to_remove = rng.randint(1, 3)
    for edge in rng.sample(edges, len(edges)):
        rest = kept - {edge}
        if to_remove and _is_good_net(nodes, rest):
            kept = rest
            to_remove -= 1
    return kept


def _is_good_net(nodes: list[_Node], edges: set[tuple[_Node, _Node]]) -> bool:
    degrees = [sum(node in edge for edge in edges) for node in nodes]
    reached, border = {nodes[0]}, [nodes[0]]
    while border:
        node = border.pop()
        new = {n for edge in edges if node in edge for n in edge} - reached
        reached |= new
        border.extend(new)
    return len(reached) == len(nodes) and min(degrees) >= 2 and max(degrees) == 4


def _legs(node: _Node, streets: list[_Street]) -> dict[int, _Leg]:
    """The legs of a junction by quarter."""
    legs: dict[int, _Leg] = {}
    for street in streets:
        for (at, quarter), at_start in zip(street.ends, (True, False), strict=True):
            if at == node:
                mouth = street.stops[0] if at_start else street.stops[-1].offset_by(0.0, 0.0, math.pi)
                legs[quarter] = _Leg(street=street, mouth=mouth, at_start=at_start)
    return legs


def _lane_pairs(legs: dict[int, _Leg]) -> Iterator[tuple[int, int, int, int]]:
    """(quarter in, lane in, quarter out, lane out) of each turn of a junction; lanes count from the middle.

    Right turns keep to the outer lane, left turns to the inner one, and straight on keeps the lane counted
    from the outside. A lane that this leaves without a way on, or without a way in, goes straight on.
    """
    pairs: list[tuple[int, int, int, int]] = []
    for q, leg in sorted(legs.items()):
        for turn in (_RIGHT, _STRAIGHT, _LEFT):
            out = (q + turn) % 4
            if out not in legs:
                continue
            num_in, num_out = leg.street.num_lanes, legs[out].street.num_lanes
            if turn == _RIGHT:
                pairs.append((q, num_in, out, num_out))
            elif turn == _LEFT:
                pairs.append((q, 1, out, 1))
            else:
                pairs.extend((q, num_in - k, out, num_out - k) for k in range(min(num_in, num_out)))
    used_in, used_out = {(q, m) for q, m, _, _ in pairs}, {(o, n) for _, _, o, n in pairs}
    for q in sorted(legs):
        across = (q + _STRAIGHT) % 4
        for lane in range(1, legs[q].street.num_lanes + 1):
            if (q, lane) not in used_in:
                pairs.append((q, lane, across, min(lane, legs[across].street.num_lanes)))
            if (q, lane) not in used_out:
                pairs.append((across, min(lane, legs[across].street.num_lanes), q, lane))
    yield from dict.fromkeys(pairs)


def _add_junction(town: xodr.OpenDrive, junction_id: int, first_road_id: int, legs: dict[int, _Leg]) -> None:
    junction = xodr.Junction(f"junction_{junction_id}", junction_id)
    for k, (q_in, lane_in, q_out, lane_out) in enumerate(_lane_pairs(legs)):
        into, out = legs[q_in], legs[q_out]
        outermost = lane_in == into.street.num_lanes and lane_out == out.street.num_lanes
        rightmost = next(q for q in ((q_in + turn) % 4 for turn in (_RIGHT, _STRAIGHT, _LEFT)) if q in legs)
        along_curb = outermost and q_out == rightmost
        road_id = first_road_id + k
        town.add_road(_turn_road(road_id, junction_id, into, lane_in, out, lane_out, along_curb))
        connection = xodr.Connection(into.street.road_id, road_id, xodr.ContactPoint.start)
        connection.add_lanelink(into.lane_in(lane_in), -1)
        if along_curb:
            connection.add_lanelink(into.lane_in(lane_in + 1), -2)
        junction.add_connection(connection)
    town.add_junction(junction)


def _turn_road(
    road_id: int, junction_id: int, into: _Leg, lane_in: int, out: _Leg, lane_out: int, along_curb: bool
) -> xodr.Road:
    """The one-lane road of a turn; its reference line is the left edge of that lane."""
    planview = _planview((into.edge_in(lane_in), out.edge_out(lane_out)))
    width = into.street.lane_width
    widening = (out.street.lane_width - width) / planview.get_total_length()
    lane = xodr.Lane(xodr.LaneType.driving, a=width, b=widening)
    if along_curb:
        lane.add_roadmark(xodr.RoadMark(xodr.RoadMarkType.curb, 0.15))
    section = xodr.LaneSection(0.0, _bare_centre())
    lanes = [lane, xodr.Lane(xodr.LaneType.sidewalk, a=SIDEWALK_WIDTH)] if along_curb else [lane]
    for k, each in enumerate(lanes):
        each.add_link("predecessor", into.lane_in(lane_in + k))
        each.add_link("successor", out.lane_out(lane_out + k))
        section.add_right_lane(each)
    road = xodr.Road(road_id, planview, xodr.Lanes().add_lanesection(section), road_type=junction_id)
    road.add_predecessor(xodr.ElementType.road, into.street.road_id, into.contact)
    road.add_successor(xodr.ElementType.road, out.street.road_id, out.contact)
    limit = min(into.street.speed_limit, out.street.speed_limit)
    return road.add_type(xodr.RoadType.town, speed=limit, speed_unit="km/h")


def _street_road(street: _Street, junction_ids: dict[_Node, int]) -> xodr.Road:
    section = xodr.LaneSection(0.0, _bare_centre().add_roadmark(_centre_mark(street.num_lanes)))
    for add in (section.add_left_lane, section.add_right_lane):
        for k in range(1, street.num_lanes + 1):
            mark = xodr.RoadMarkType.solid if k == street.num_lanes else xodr.RoadMarkType.broken
            lane = xodr.Lane(xodr.LaneType.driving, a=street.lane_width)
            add(lane.add_roadmark(xodr.RoadMark(mark, 0.15, color=xodr.RoadMarkColor.white)))
        add(xodr.Lane(xodr.LaneType.sidewalk, a=SIDEWALK_WIDTH))
    road = xodr.Road(street.road_id, _planview(street.stops), xodr.Lanes().add_lanesection(section))
    (first, _), (last, _) = street.ends
    road.add_predecessor(xodr.ElementType.junction, junction_ids[first])
    road.add_successor(xodr.ElementType.junction, junction_ids[last])
    return road.add_type(xodr.RoadType.town, speed=street.speed_limit, speed_unit="km/h")


def _bare_centre() -> xodr.Lane:
    return xodr.Lane(xodr.LaneType.none)


def _centre_mark(num_lanes: int) -> xodr.RoadMark:
    kind = xodr.RoadMarkType.broken if num_lanes == 1 else xodr.RoadMarkType.solid_solid
    return xodr.RoadMark(kind, 0.15, color=xodr.RoadMarkColor.yellow)


def _planview(stops: tuple[_Pose, ...]) -> xodr.PlanView:
    """Clothoids through the poses."""
    planview = xodr.PlanView()
    for a, b in pairwise(stops):
        curve = pyclothoids.Clothoid.G1Hermite(a.x, a.y, a.yaw, b.x, b.y, b.yaw)
        planview.add_fixed_geometry(_curve(curve.KappaStart, curve.KappaEnd, curve.length), a.x, a.y, a.yaw)
    return planview


def _curve(start: float, end: float, length: float) -> xodr.Line | xodr.Arc | xodr.Spiral:
    """A clothoid, in a simpler form where readers would divide by a vanishing curvature or change of it."""
    if abs(end - start) * length > 1e-5:
        return xodr.Spiral(start, end, length=length)
    if abs(start) * length > 1e-5:
        return xodr.Arc((start + end) / 2, length=length)
    return xodr.Line(length)
