"""The route through a made town: the middle of the lanes that it keeps to, and what is known along it. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.route import ROUTE_LANE_NAMES, RouteLaneColumn
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.signals import ROUTE_SIGNAL_NAMES, RouteSignalColumn, SignalKind
from worldsim.layouts.drive import RoutePiece
from worldsim.layouts.ground import LIGHT_STOP, SIGN_STOP, way_through
from worldsim.layouts.layout_model import Exit, JunctionControl
from worldsim.layouts.street import Street, resample
from worldsim.layouts.town import MadeTown, Way

ROUTE_STEP = 2.0
"""Distance of the points of a route [m]."""
LANE_CHANGE = (0.25, 0.75)
"""From which to which share of a street a route changes lanes on it."""
EDGE_RANGE, EDGE_STEP = 20.0, 0.25
"""How far and how finely the edges of a junction are sought beside the route [m]."""
COMMANDS = {Exit.STRAIGHT: RouteCommand.STRAIGHT, Exit.LEFT: RouteCommand.LEFT, Exit.RIGHT: RouteCommand.RIGHT}


def street_piece(town: MadeTown, way: Way, turn: Exit, lane_in: int, cycles: np.ndarray) -> tuple[RoutePiece, int]:
    """The route along a street and through the junction at its end, and the lane in which it begins the next street.

    Args:
        town: made.
        way: to the street.
        turn: that the route takes at its end.
        lane_in: in which it begins, counted from 0 at the middle.
        cycles: LIGHT_CYCLE_NAMES of the junction's light groups, [2, 4].
    """
    street, junction = town.street(way), town.junction(way)
    following = junction.streets[turn]
    lane_out = _lane_for(turn, lane_in, street.num_lanes)
    along, lanes = _along(street, lane_in, lane_out)

    into = junction.shape.legs[0]
    out = junction.shape.legs[1 + list(junction.streets).index(turn)]
    lane_next = _lane_after(turn, lane_out, street.num_lanes, following.num_lanes)
    through = resample(way_through(into, lane_out, out, lane_next), ROUTE_STEP)[0]
    beyond = np.full((len(through), len(ROUTE_LANE_NAMES)), street.speed_limit)
    beyond[:, RouteLaneColumn.HALF_WIDTH] = 0.25 * (street.lane_width + following.lane_width)
    beyond[:, [RouteLaneColumn.LEFT_EDGE, RouteLaneColumn.RIGHT_EDGE]] = _edges(town, way, through)

    length = float(np.hypot(*np.diff(along, axis=0).T).sum())
    crossing = float(np.hypot(*np.diff(through, axis=0).T).sum())
    drawn = junction.drawn
    signals = np.zeros((0, len(ROUTE_SIGNAL_NAMES)))
    if drawn.control == JunctionControl.LIGHTS:
        signals = np.array([[length - LIGHT_STOP, SignalKind.RED, *cycles[0]]])
    elif not drawn.has_priority:
        kind = SignalKind.STOP if drawn.control == JunctionControl.STOP else SignalKind.YIELD
        signals = np.array([[length - SIGN_STOP, kind, 0.0, 0.0, 0.0, 0.0]])
    signals[:, RouteSignalColumn.S] = np.maximum(signals[:, RouteSignalColumn.S], 0.0)
    piece = RoutePiece(
        points=np.concatenate([along, through[1:]]),
        lanes=np.concatenate([lanes, beyond[1:]]),
        signals=signals,
        turns=np.array([[length, length + crossing, COMMANDS[turn]]]),
    )
    return piece, lane_next


def _lane_for(turn: Exit, lane: int, num_lanes: int) -> int:
    """The lane from which a turn is taken."""
    return {Exit.LEFT: 0, Exit.RIGHT: num_lanes - 1, Exit.STRAIGHT: lane}[turn]


def _lane_after(turn: Exit, lane: int, num_lanes: int, num_after: int) -> int:
    """The lane in which it ends; straight on lanes are counted from the outside."""
    straight = max(0, num_after - (num_lanes - lane))
    return {Exit.LEFT: 0, Exit.RIGHT: num_after - 1, Exit.STRAIGHT: straight}[turn]


def _along(street: Street, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Points [r, 2] and ROUTE_LANE_NAMES [r, 4] along a street, from one of its lanes to another."""
    s = np.linspace(0.0, street.length, max(2, round(street.length / ROUTE_STEP) + 1))
    share = np.clip((s / street.length - LANE_CHANGE[0]) / (LANE_CHANGE[1] - LANE_CHANGE[0]), 0.0, 1.0)
    lane = first + (last - first) * (3 * share**2 - 2 * share**3)
    from_middle = (lane + 0.5) * street.lane_width
    lanes = np.full((len(s), len(ROUTE_LANE_NAMES)), street.speed_limit)
    lanes[:, RouteLaneColumn.HALF_WIDTH] = 0.5 * street.lane_width
    lanes[:, RouteLaneColumn.LEFT_EDGE] = street.half_width + from_middle
    lanes[:, RouteLaneColumn.RIGHT_EDGE] = street.half_width - from_middle
    return street.offset(s, -from_middle), lanes


def _edges(town: MadeTown, way: Way, points: np.ndarray) -> np.ndarray:
    """How far the drivable ground of a junction goes on to the left and to the right of points [r, 2] of a line, [r, 2]
    [m]."""
    shape = town.junction(way).shape
    ahead = np.gradient(points, axis=0)
    normals = np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1) / np.hypot(ahead[:, 0], ahead[:, 1])[:, None]
    steps = np.arange(EDGE_STEP, EDGE_RANGE, EDGE_STEP)
    found = []
    for side in (1.0, -1.0):
        places = points[:, None] + side * steps[:, None] * normals[:, None]
        inside = shape.on_road(places.reshape(-1, 2)).reshape(len(points), len(steps))
        found.append(EDGE_STEP * np.where(inside.all(1), len(steps), np.argmin(inside, axis=1)))
    return np.stack(found, axis=-1)
