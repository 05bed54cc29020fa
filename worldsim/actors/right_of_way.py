"""Who goes first at junctions, and where the others wait. Compiled: these are pairs of all with all."""

from __future__ import annotations

import numpy as np

from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.lane_graph import STRAIGHT
from worldsim.actors.leads import FREE
from worldsim.compiled import compiled
from worldsim.datatypes.signals import LightCycleColumn, SignalKind

JUNCTION_RANGE = 40.0
"""Drivers give way to those who are this near to a junction [m]."""
BODY = 5.0
"""Of the other's course a crossing vehicle takes up this much more than its length [m]."""
SLOW_START = 4.0
"""Mean speed at which one who starts or creeps crosses a junction [m/s]."""
STANDS, BLOCKED_GAP = 0.3, 5.0
"""Whoever is slower than this behind somebody who is this near does not come on [m/s, m]."""
TIME_MARGIN = 1.0
"""Left between two who cross [s]."""
GIVE_WAY_BRAKING = 5.0
"""Nobody brakes harder to give way [m/s²]."""
BEFORE_CONFLICT = 1.5
"""Those who are in the junction already wait this far before the other's course [m]."""
HALF_WAY = 1.2
"""Half of the way that a vehicle needs [m]."""
INSIDE, EGO_INSIDE = -1000.0, -2000.0
"""Ranks of those who are in the junction already; of the ego one cannot be sure that it looks."""

_PERIOD, _OFFSET = int(LightCycleColumn.PERIOD), int(LightCycleColumn.OFFSET)
_GREEN_TIME, _YELLOW_TIME = int(LightCycleColumn.GREEN), int(LightCycleColumn.YELLOW)
_NONE, _RED, _YELLOW, _GREEN = (int(SignalKind[name]) for name in ("NONE", "RED", "YELLOW", "GREEN"))
_STOP_SIGN = int(SignalKind.STOP)
_GAP, _LEAD_SPEED = int(CourseColumn.GAP), int(CourseColumn.LEAD_SPEED)
_SIGNAL, _SIGNAL_DISTANCE = int(CourseColumn.SIGNAL), int(CourseColumn.SIGNAL_DISTANCE)
_STOP, _WAIT, _RIVAL_TIME = int(CourseColumn.STOP), int(CourseColumn.WAIT), int(CourseColumn.RIVAL_TIME)


@compiled
def shown_by(cycles, group, time):
    """What a light group shows; NONE where that is not known."""
    if group < 0 or group >= cycles.shape[0]:
        return _NONE
    period = cycles[group, _PERIOD]
    phase = time - cycles[group, _OFFSET]
    if period > 0:
        phase = phase % period
    if phase < cycles[group, _GREEN_TIME]:
        return _GREEN
    return _YELLOW if phase < cycles[group, _GREEN_TIME] + cycles[group, _YELLOW_TIME] else _RED


@compiled
def find_ego_lane(lanes, ego, route):
    """The junction lane that the ego comes to next on its route or is on, -1 for none, and the distance from the ego's
    middle to where it begins [m]."""
    chosen, begins, num = -1, np.inf, route.shape[0]
    for lane in range(len(lanes.lengths)):
        if not lanes.in_junction[lane]:
            continue
        first, count = lanes.starts[lane], lanes.starts[lane + 1] - lanes.starts[lane]
        if np.hypot(lanes.points[first, 0] - ego[0], lanes.points[first, 1] - ego[1]) > JUNCTION_RANGE + 20.0:
            continue
        arcs, on = np.zeros(3), True
        for part in range(3):  # the middle, three quarters of the way and the end
            k = first + min(count * (2 + part) // 4, count - 1)
            nearest, arc, s = np.inf, 0.0, 0.0
            for p in range(num):
                if p > 0:
                    s += np.hypot(route[p, 0] - route[p - 1, 0], route[p, 1] - route[p - 1, 1])
                d = np.hypot(route[p, 0] - lanes.points[k, 0], route[p, 1] - lanes.points[k, 1])
                if d < nearest:
                    nearest, arc = d, s
            arcs[part] = arc
            on = on and nearest < 1.9
        if on and arcs[0] < arcs[2] and arcs[2] - lanes.lengths[lane] < begins:
            chosen, begins = lane, arcs[2] - lanes.lengths[lane]
    return chosen, begins


@compiled
def rank_of(lanes, cycles, time, p, num, boxes, lane, begins, courses):
    """The order in which one is let into a junction, the least first, and whether it comes at all."""
    front, speed = begins - boxes[p, 3] / 2, boxes[p, 5]
    # who stands behind somebody may wait for this very one: he does not come; why the ego stands is not known
    comes = not (speed < STANDS and (p == num or courses[p, _GAP] < BLOCKED_GAP))
    if front < 0:  # inside: the ego goes first, then who is farther in
        return (EGO_INSIDE if p == num else INSIDE) + begins, comes
    if not comes:
        return 0.0, False
    if p < num:
        if courses[p, _STOP] < FREE and courses[p, _SIGNAL] != _STOP_SIGN:
            return 0.0, False
    else:
        for before in range(len(lanes.lengths)):
            for k in range(lanes.successors.shape[1]):
                if lanes.successors[before, k] == lane and shown_by(cycles, lanes.stop_groups[before], time) == _RED:
                    return 0.0, False
    turns_left = 1.0 if lanes.turns[lane] > STRAIGHT else 0.0
    arrival = min(front / max(speed, SLOW_START), 50.0)
    return 1000.0 * lanes.minor[lane] + 200.0 * turns_left + arrival + 1e-3 * p, True


@compiled
def _stands_on(lanes, lane, box):
    """Whether a box covers a lane so far that no other vehicle comes by there."""
    cos, sin = np.cos(box[2]), np.sin(box[2])
    for k in range(lanes.starts[lane], lanes.starts[lane + 1]):
        dx, dy = lanes.points[k, 0] - box[0], lanes.points[k, 1] - box[1]
        along, across = abs(cos * dx + sin * dy), abs(cos * dy - sin * dx)
        if along < box[3] / 2 + HALF_WAY and across < box[4] / 2 + HALF_WAY:
            return True
    return False


@compiled
def give_way(lanes, i, boxes, lane_in, begins_in, rank, comes, courses):
    """Where actor `i` has to wait for those who go first."""
    own, half, speed, lane = courses[i], boxes[i, 3] / 2, boxes[i, 5], lane_in[i]
    front = begins_in[i] - half
    pace = max(speed, SLOW_START)
    line = min(front, own[_SIGNAL_DISTANCE]) if own[_SIGNAL_DISTANCE] > 0 else front
    at_line = line >= 0 and speed**2 <= 2 * GIVE_WAY_BRAKING * line + 1.0
    for j in range(len(rank)):
        if j == i or lane_in[j] < 0:
            continue
        merge = lanes.successors[lane, 0] == lanes.successors[lane_in[j], 0] >= 0 and lane != lane_in[j]
        is_inside = begins_in[j] - boxes[j, 3] / 2 < 0
        if not comes[j]:
            # nobody drives into a junction in which somebody stands in the way
            if is_inside and at_line and _stands_on(lanes, lane, boxes[j]):
                own[_WAIT], own[_RIVAL_TIME] = min(own[_WAIT], line), 0.0
            continue
        if merge and is_inside and front < 0:
            # both are in the junction: who is farther from where their lanes end follows the other as if that were on
            # its lane already
            rest, rest_j = begins_in[i] + lanes.lengths[lane], begins_in[j] + lanes.lengths[lane_in[j]]
            here = max(rest - rest_j - half - boxes[j, 3] / 2, 0.0)
            if (rest, i) > (rest_j, j) and here < own[_GAP]:
                own[_GAP], own[_LEAD_SPEED] = here, boxes[j, 5]
            continue
        if not comes[i] or not rank[j] < rank[i]:
            continue
        mine, other = lanes.crossings[lane, lane_in[j]], lanes.crossings[lane_in[j], lane]
        if mine == np.inf:
            continue
        left, left_j = front + mine, begins_in[j] + other - boxes[j, 3] / 2
        if left_j < -boxes[j, 3] - 1.0 or left < -1.0:  # one of the two is past it
            continue
        if merge and is_inside:
            here = max(left - left_j - boxes[j, 3], 0.0)
            if here < own[_GAP]:
                own[_GAP], own[_LEAD_SPEED] = here, boxes[j, 5]
        arrival, leaves = left / pace, (left + 2 * half + BODY) / pace
        pace_j = max(boxes[j, 5], 2.0 if is_inside else SLOW_START)
        arrival_j, leaves_j = max(left_j, 0.0) / pace_j, (left_j + boxes[j, 3] + BODY) / pace_j
        if leaves_j + 0.5 * TIME_MARGIN < arrival or leaves + TIME_MARGIN < arrival_j:
            continue
        # at the edge of the junction, or, for who is in it, before the other's course
        where = line if at_line else max(left - BEFORE_CONFLICT, 0.0)
        in_time = at_line or (left > 0 and speed**2 <= 2 * GIVE_WAY_BRAKING * left + 1.0)
        if in_time and where < own[_WAIT]:
            own[_WAIT], own[_RIVAL_TIME] = where, arrival_j
