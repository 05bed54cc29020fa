"""The junctions that a route passes, and which way it goes there: told by the lanes that it runs along. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.actors.lane_graph import LaneGraph
from worldsim.datatypes.scene import RouteCommand

TURN_ANGLE = np.radians(35.0)
"""Who turns by more than this through a junction does not go straight on there [rad]."""
ALONG = 1.6
"""A route runs along a lane whose points, LANE_STEP apart, are this near to it [m]."""
LEAST_POINTS = 3
"""Of a lane that the route is on, where it begins or ends there [1]."""
SAME_JUNCTION = 1.0
"""Lanes that follow each other at no more than this belong to one junction [m]."""


def find_turns(route: np.ndarray, lanes: LaneGraph) -> np.ndarray:
    """Arc lengths at which the junctions along a route begin and end [m], and the RouteCommand there, float64 [j, 3],
    in order; a junction that the route begins or ends in counts too.

    Args:
        route: points not far apart, in the lanes' frame, [r, 2] [m].
        lanes: of the layout around it.
    """
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(route, axis=0).T))])
    passed = []
    for lane in np.flatnonzero(lanes.in_junction).tolist():
        own = lanes.points[lanes.starts[lane] : lanes.starts[lane + 1], :2]
        low, high = own.min(axis=0) - ALONG, own.max(axis=0) + ALONG
        if not ((route >= low) & (route <= high)).all(axis=1).any():
            continue
        for begin, end, miss in _passages(own, route, arcs, float(lanes.steps[lane])):
            passed.append((begin, end, miss, float(lanes.turns[lane])))

    found: list[tuple[float, float, float, float]] = []
    for begin, end, miss, turn in sorted(passed):
        if not found or begin > found[-1][1] + SAME_JUNCTION:
            found.append((begin, end, miss, turn))
        elif begin > found[-1][1] - SAME_JUNCTION:
            found[-1] = (found[-1][0], end, miss, found[-1][3] + turn)
        elif miss < found[-1][2]:  # side by side, where the route begins or ends among them: it is on the nearest
            found[-1] = (begin, end, miss, turn)
    return np.array([(begin, end, _command(turn)) for begin, end, _, turn in found]).reshape(-1, 3)


def _command(turn: float) -> RouteCommand:
    if abs(turn) <= TURN_ANGLE:
        return RouteCommand.STRAIGHT
    return RouteCommand.LEFT if turn > 0 else RouteCommand.RIGHT


def _passages(lane: np.ndarray, route: np.ndarray, arcs: np.ndarray, step: float) -> list[tuple[float, float, float]]:
    """Each time that a route [r, 2] runs along the whole of a lane [p, 2]: arc lengths on the route at which the lane
    begins and ends, beyond the route's ends too, and how far they are apart in the mean [m]."""
    apart = np.hypot(*np.moveaxis(route[:, None] - lane[None], -1, 0))
    near, nearest = apart.min(axis=1) < ALONG, apart.argmin(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(np.int64)))
    last, found = len(lane) - 1, []
    for first, after in edges.reshape(-1, 2).tolist():
        at = nearest[first:after]
        enters = at[0] <= 1 or first == 0
        leaves = at[-1] >= last - 1 or after == len(route)
        if not enters or not leaves or at[-1] <= at[0] or at[-1] - at[0] < min(LEAST_POINTS - 1, last):
            continue
        begin = first + int(apart[first:after, at[0]].argmin())
        end = first + int(apart[first:after, at[-1]].argmin())
        span = float(arcs[begin]) - at[0] * step, float(arcs[end]) + (last - at[-1]) * step
        found.append((*span, float(apart[first:after].min(axis=1).mean())))
    return found
