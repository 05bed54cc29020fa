"""The street net of a procedural town: a jittered grid with some streets taken out, and where everything lies.

A node with three or four streets becomes a junction; the street through a node with two becomes one continuous bend.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import pyclothoids

GRID_SIZES = ((3, 3), (3, 4), (4, 3))
"""(columns, rows) of nodes."""
SPACING = (85.0, 135.0)
"""Least and greatest distance of neighbouring grid lines [m]."""
LANE_WIDTHS = (3.25, 3.5)
"""[m]."""
AVENUE_LIMITS = (50, 70)
"""Speed limits of streets with two lanes each way [km/h]."""
STREET_LIMITS = (30, 50)
"""Speed limits of streets with one lane each way [km/h]."""

_NODE_JITTER = 6.0  # [m]
_LEG_JITTER = math.radians(6)
_BEND_REACH = (20.0, 28.0)  # how far before its node a bend begins [m]
_STREET_REACH = 14.0  # from the node to the end of a junction's streets [m]
_AVENUE_REACH = 19.0
_BOW_MIN_LENGTH = 45.0  # [m]

Node = tuple[int, int]
_STEPS: tuple[Node, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Neighbour of a node in each quarter, counter-clockwise."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A place and a direction: x, y [m], yaw counter-clockwise [rad]."""

    x: float
    y: float
    yaw: float

    def offset_by(self, forward: float, left: float = 0.0, turn: float = 0.0) -> Pose:
        """The pose `forward` and `left` [m] of this one, turned by `turn` [rad]."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return Pose(x=self.x + c * forward - s * left, y=self.y + s * forward + c * left, yaw=self.yaw + turn)


def curves_through(knots: Sequence[Pose]) -> list[pyclothoids.Clothoid]:
    """The clothoids that join poses, one between each two."""
    return [pyclothoids.Clothoid.G1Hermite(a.x, a.y, a.yaw, b.x, b.y, b.yaw) for a, b in pairwise(knots)]


@dataclass(frozen=True, kw_only=True)
class Street:
    """A road between two junctions.

    Args:
        road_id: in the OpenDRIVE text.
        knots: poses along the reference line, at its ends and where its curves join.
        ends: (node, quarter) that it leaves its first and its last junction by.
        num_lanes: driving lanes each way.
        lane_width: [m].
        speed_limits: of its first and its second half [km/h].
    """

    road_id: int
    knots: tuple[Pose, ...]
    ends: tuple[tuple[Node, int], tuple[Node, int]]
    num_lanes: int
    lane_width: float
    speed_limits: tuple[int, int]

    @cached_property
    def length(self) -> float:
        """Of the reference line [m]."""
        return float(sum(curve.length for curve in curves_through(self.knots)))

    @property
    def half_width(self) -> float:
        """Of the carriageway [m]."""
        return self.num_lanes * self.lane_width

    def pose_at(self, s: float) -> Pose:
        """The pose on the reference line at arc length `s` [m]."""
        curves = curves_through(self.knots)
        while len(curves) > 1 and s > curves[0].length:
            s -= curves.pop(0).length
        return Pose(x=curves[0].X(s), y=curves[0].Y(s), yaw=curves[0].Theta(s))


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One street as its junction sees it.

    Args:
        street: the street.
        mouth: where the street meets the junction, looking out of the junction.
        at_start: whether this is the start of the street's reference line.
    """

    street: Street
    mouth: Pose
    at_start: bool

    @property
    def speed_limit(self) -> int:
        """Where the street meets the junction [km/h]."""
        return self.street.speed_limits[0 if self.at_start else 1]

    @property
    def side_in(self) -> int:
        """Sign of t on the side of the street that leads into the junction."""
        return 1 if self.at_start else -1

    def lane_in(self, lane: int) -> int:
        """OpenDRIVE id of the lane into the junction, counted from 1 at the middle of the street."""
        return self.side_in * lane

    def lane_out(self, lane: int) -> int:
        """The same of the lane out of the junction."""
        return -self.lane_in(lane)

    def edge_in(self, lane: int) -> Pose:
        """Left edge of a lane into the junction, in the direction of travel."""
        return self.mouth.offset_by(0.0, self.street.lane_width * (lane - 1), math.pi)

    def edge_out(self, lane: int) -> Pose:
        """Left edge of a lane out of the junction, in the direction of travel."""
        return self.mouth.offset_by(0.0, -self.street.lane_width * (lane - 1))

    def s_at(self, distance: float) -> float:
        """s on the street's reference line, `distance` before the junction [m]."""
        return distance if self.at_start else self.street.length - distance


class StreetNet:
    """The grid, which of its edges are streets, and where everything lies.

    Args:
        rng: source of every choice.
    """

    def __init__(self, rng: random.Random) -> None:
        columns, rows = rng.choice(GRID_SIZES)
        xs, ys = _grid_lines(columns, rng), _grid_lines(rows, rng)
        self._rotation = rng.uniform(-math.pi, math.pi)
        frame = Pose(x=0.0, y=0.0, yaw=self._rotation)
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

    def streets(self, rng: random.Random) -> list[Street]:
        """Every street once, from junction to junction; each has one limit throughout."""
        visited: set[tuple[Node, int]] = set()
        streets: list[Street] = []
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
                knots = tuple(self._knots(steps, 0.03 if avenue else 0.1, rng))
                lane_width = rng.choice(LANE_WIDTHS)
                limit = limits[0] if bends else rng.choice(limits)
                streets.append(
                    Street(
                        road_id=len(streets) + 1,
                        knots=knots,
                        ends=((node, quarter), back),
                        num_lanes=2 if avenue else 1,
                        lane_width=lane_width,
                        speed_limits=(limit, limit),
                    )
                )
        return streets

    def _quarters(self, node: Node) -> list[int]:
        return [q for q in range(4) if tuple(sorted((node, _neighbour(node, q)))) in self._edges]

    def _is_avenue(self, node: Node, quarter: int) -> bool:
        return tuple(sorted((node, _neighbour(node, quarter)))) in self._avenues

    def _walk(self, node: Node, quarter: int) -> list[tuple[Node, int]]:
        """(node, quarter left by) of each grid edge from a junction to the next one."""
        steps = [(node, quarter)]
        while len(self._quarters(node := _neighbour(node, quarter))) == 2:
            (quarter,) = (q for q in self._quarters(node) if q != (quarter + 2) % 4)
            steps.append((node, quarter))
        return steps

    def _knots(self, steps: list[tuple[Node, int]], bow: float, rng: random.Random) -> Iterator[Pose]:
        for node, quarter in steps:
            start = self._mouth(node, quarter)
            end = self._mouth(_neighbour(node, quarter), (quarter + 2) % 4).offset_by(0.0, 0.0, math.pi)
            yield start
            length = math.hypot(end.x - start.x, end.y - start.y)
            offset = rng.uniform(-bow, bow) * length
            if length > _BOW_MIN_LENGTH:
                chord = math.atan2(end.y - start.y, end.x - start.x)
                yield Pose(x=start.x, y=start.y, yaw=chord).offset_by(length / 2, offset)
            yield end

    def _mouth(self, node: Node, quarter: int) -> Pose:
        """Where the edge of a quarter leaves the junction or the bend of a node, looking out of it."""
        place = self._positions[node]
        outwards = Pose(x=place.x, y=place.y, yaw=self._leg_yaw[node, quarter])
        if node not in self.junctions:
            return outwards.offset_by(self._bend_reach[node])
        wide = any(self._is_avenue(node, q) for q in self._quarters(node))
        return outwards.offset_by(_AVENUE_REACH if wide else _STREET_REACH)


def _grid_lines(count: int, rng: random.Random) -> list[float]:
    lines = [0.0]
    while len(lines) < count:
        lines.append(lines[-1] + rng.uniform(*SPACING))
    return [line - lines[-1] / 2 for line in lines]


def _neighbour(node: Node, quarter: int) -> Node:
    return node[0] + _STEPS[quarter][0], node[1] + _STEPS[quarter][1]


def _thin_edges(columns: int, rows: int, rng: random.Random) -> set[tuple[Node, Node]]:
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


def _is_good_net(nodes: list[Node], edges: set[tuple[Node, Node]]) -> bool:
    degrees = [sum(node in edge for edge in edges) for node in nodes]
    reached, border = {nodes[0]}, [nodes[0]]
    while border:
        node = border.pop()
        new = {n for edge in edges if node in edge for n in edge} - reached
        reached |= new
        border.extend(new)
    return len(reached) == len(nodes) and min(degrees) >= 2 and max(degrees) == 4


def legs_at(node: Node, streets: list[Street]) -> dict[int, Leg]:
    """The legs of a junction by quarter."""
    legs: dict[int, Leg] = {}
    for street in streets:
        for (at, quarter), at_start in zip(street.ends, (True, False), strict=True):
            if at == node:
                mouth = street.knots[0] if at_start else street.knots[-1].offset_by(0.0, 0.0, math.pi)
                legs[quarter] = Leg(street=street, mouth=mouth, at_start=at_start)
    return legs
