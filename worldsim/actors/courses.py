"""Courses: where the vehicles among the actors will drive by the lanes of the layout, and what they meet there: bends,
leads, stop lines and those they give way to. Compiled: these are pairs of all with all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from worldsim.actors.actors import ActorColumn
from worldsim.actors.corridors import NUM_POINTS, find_lead, go_on, wrap
from worldsim.actors.course_columns import COURSE_NAMES, CourseColumn
from worldsim.actors.lane_graph import CELL, LANE_SIDE, LANE_STEP, LANE_TURN, LaneGraph
from worldsim.actors.leads import EGO_LENGTH, EGO_WIDTH, FREE
from worldsim.actors.right_of_way import JUNCTION_RANGE, find_ego_lane, give_way, rank_of, shown_by
from worldsim.compiled import compiled
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import LightCycleColumn, SignalKind
from worldsim.datatypes.vehicle import VehicleColumn

BEND_NEAR, BEND_FAR, BEND_BEYOND = 2, 6, 12
"""Points ahead up to which a course's bends are told."""
ALIKE = 0.5
"""Lanes that fit an actor nearly as well as the best one are as likely: which it follows is its own choice [m]."""
LATERAL_ACCELERATION, CURVE_BRAKING = 2.4, 1.8
"""In curves and before them, of who drives in comfort [m/s²]."""
HARD, FIRM = 5.0, 3.5
"""Nobody brakes harder than this for a red light, than that for a yellow one [m/s²]."""
BEYOND_LINE = 0.6
"""A front this far beyond a stop line still waits there [m]."""
HALT_DISTANCE, HALT_SPEED = 3.5, 0.3
"""A stop sign is obeyed by being slower than this within this distance of its line [m, m/s]."""

_MOST_LANES = 16
_X, _Y, _YAW, _SPEED = int(ActorColumn.X), int(ActorColumn.Y), int(ActorColumn.YAW), int(ActorColumn.SPEED)
_LENGTH, _WIDTH = int(ActorColumn.LENGTH), int(ActorColumn.WIDTH)
_ACCELERATION = int(ActorColumn.ACCELERATION)
_EGO_SPEED = int(VehicleColumn.SPEED)
_CAR, _TRUCK = int(ObjectKind.CAR), int(ObjectKind.TRUCK)
_NONE, _RED, _YELLOW = int(SignalKind.NONE), int(SignalKind.RED), int(SignalKind.YELLOW)
_STOP_SIGN = int(SignalKind.STOP)
_C = {column.name: int(column) for column in CourseColumn}
_ON, _LATERAL, _HEADING, _BEND, _CURVE = _C["ON_LANE"], _C["LATERAL"], _C["HEADING"], _C["BEND_NEAR"], _C["CURVE_SPEED"]
_GAP, _LEAD_SPEED, _SIGNAL, _SIGNAL_DISTANCE = _C["GAP"], _C["LEAD_SPEED"], _C["SIGNAL"], _C["SIGNAL_DISTANCE"]
_STOP, _ENTRY, _TURN, _MINOR = _C["STOP"], _C["ENTRY"], _C["TURN"], _C["MINOR"]
_LIMIT = _C["SPEED_LIMIT"]


class _Lanes(NamedTuple):
    """What the compiled code reads of a LaneGraph."""

    points: np.ndarray
    point_lanes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    speed_limits: np.ndarray
    steps: np.ndarray
    successors: np.ndarray
    in_junction: np.ndarray
    turns: np.ndarray
    stop_s: np.ndarray
    stop_kinds: np.ndarray
    stop_groups: np.ndarray
    minor: np.ndarray
    crossings: np.ndarray
    keys: np.ndarray
    origin: np.ndarray
    cell_starts: np.ndarray
    cell_points: np.ndarray
    cells: np.ndarray


def free_courses(shape: tuple[int, ...]) -> np.ndarray:
    """COURSE_NAMES [*shape, 18] of vehicles on no lane that have a free way."""
    courses = np.zeros((*shape, len(COURSE_NAMES)))
    for column in (CourseColumn.GAP, CourseColumn.SIGNAL_DISTANCE, CourseColumn.STOP, CourseColumn.ENTRY):
        courses[..., column] = FREE
    courses[..., CourseColumn.WAIT] = courses[..., CourseColumn.RIVAL_TIME] = FREE
    courses[..., CourseColumn.CURVE_SPEED] = FREE
    return courses


def find_courses(
    lanes: LaneGraph,
    light_cycles: np.ndarray | None,
    time: float,
    states: np.ndarray,
    kinds: np.ndarray,
    ids: np.ndarray,
    ego: np.ndarray,
    ego_route: np.ndarray,
    goals: np.ndarray | None = None,
    waited: np.ndarray | None = None,
) -> np.ndarray:
    """COURSE_NAMES [s, 18] of the actors of one world.

    Args:
        lanes: of its layout.
        light_cycles: LIGHT_CYCLE_NAMES by light group, [g, 4]; None where not known: then lights count for nothing.
        time: on their clock [s].
        states: ACTOR_NAMES in the ground frame, [s, 10].
        kinds: ObjectKind, EMPTY for nobody, [s].
        ids: who they are; each chooses its way at junctions by its own number, [s].
        ego: VEHICLE_NAMES [6].
        ego_route: where it will go, in the ground frame, [p, 2]; without points straight on.
        goals: places that they are known to come to, [s, 2], NaN where that is not known: then the way that leads
            there is chosen.
        waited: how long they have stood, [s] [s]; without it two that wait for each other go on doing so.
    """
    courses = free_courses(kinds.shape)
    if not len(lanes):
        return courses
    own = _Lanes(*(getattr(lanes, name) for name in _Lanes._fields))
    cycles = np.zeros((0, len(LightCycleColumn))) if light_cycles is None else np.asarray(light_cycles, np.float64)
    goals = np.full((len(kinds), 2), np.nan) if goals is None else goals
    waited = np.zeros(len(kinds)) if waited is None else waited
    _find(own, cycles, time, states, kinds, ids.astype(np.int64), ego, ego_route, goals, waited, courses)
    return courses


@compiled
def _preference(number, key):
    """How much actor `number` likes a lane, where it has the choice."""
    mixed = (number * 73856093) ^ (key * 19349663)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return (mixed ^ (mixed >> 16)) & 0x7FFFFFFF


@compiled
def _miss(lanes, lane, goal):
    """How near a lane, or the one after it, comes to a goal [m]."""
    best, at = np.inf, lane
    for _ in range(2):
        for k in range(lanes.starts[at], lanes.starts[at + 1]):
            best = min(best, np.hypot(lanes.points[k, 0] - goal[0], lanes.points[k, 1] - goal[1]))
        at = lanes.successors[at, 0]
        if at < 0:
            break
    return best


@compiled
def _prefers(lanes, number, goal, lane, other):
    """Whether an actor rather takes `lane` than `other`."""
    if np.isfinite(goal[0]):
        return _miss(lanes, lane, goal) < _miss(lanes, other, goal)
    return _preference(number, lanes.keys[lane]) > _preference(number, lanes.keys[other])


@compiled
def _place(lanes, x, y, yaw, number, goal):
    """The lane that an actor follows, -1 for none, and the index of its point there."""
    row0, column0 = int((x - lanes.origin[0]) // CELL), int((y - lanes.origin[1]) // CELL)
    found, fits, places = np.full(_MOST_LANES, -1), np.full(_MOST_LANES, np.inf), np.zeros(_MOST_LANES, np.int64)
    nearest = np.full(_MOST_LANES, np.inf)
    num = 0
    for row in range(max(row0 - 1, 0), min(row0 + 2, lanes.cells[0])):
        for column in range(max(column0 - 1, 0), min(column0 + 2, lanes.cells[1])):
            cell = row * lanes.cells[1] + column
            for c in range(lanes.cell_starts[cell], lanes.cell_starts[cell + 1]):
                k = lanes.cell_points[c]
                dx, dy, angle = x - lanes.points[k, 0], y - lanes.points[k, 1], lanes.points[k, 2]
                turned = abs(wrap(yaw - angle))
                cos, sin = np.cos(angle), np.sin(angle)
                along, across = cos * dx + sin * dy, abs(cos * dy - sin * dx)
                if turned > LANE_TURN or across > LANE_SIDE or abs(along) > LANE_STEP:
                    continue
                lane, slot = lanes.point_lanes[k], 0
                while slot < num and found[slot] != lane:
                    slot += 1
                if slot == _MOST_LANES:
                    continue
                if slot == num:
                    found[num], num = lane, num + 1
                if abs(along) < nearest[slot]:
                    nearest[slot], places[slot], fits[slot] = abs(along), k, across + 2.0 * turned
    best = fits.min()
    chosen = -1
    for slot in range(num):
        if fits[slot] <= best + ALIKE and (chosen < 0 or _prefers(lanes, number, goal, found[slot], found[chosen])):
            chosen = slot
    if chosen < 0:
        return -1, 0
    return found[chosen], places[chosen]


@compiled
def _onward(lanes, lane, number, goal):
    """The lane that an actor takes after this one, -1 for none."""
    chosen = -1
    for k in range(lanes.successors.shape[1]):
        other = lanes.successors[lane, k]
        if other >= 0 and (chosen < 0 or _prefers(lanes, number, goal, other, chosen)):
            chosen = other
    return chosen


@compiled
def _follow(lanes, lane, place, x, y, number, goal, path):
    """Lay `path` [NUM_POINTS, 3] along an actor's lanes, from the point of the lane beside it on.

    Returns:
        The lanes it leads over, -1 from the last on, and where each begins on the path [m].
    """
    chain, begins = np.full(8, -1), np.full(8, np.inf)
    angle = lanes.points[place, 2]
    along = np.cos(angle) * (x - lanes.points[place, 0]) + np.sin(angle) * (y - lanes.points[place, 1])
    s = (place - lanes.starts[lane]) * lanes.steps[lane] + along
    chain[0], begins[0], num, at = lane, -s, 1, 0
    for k in range(NUM_POINTS):
        ahead = LANE_STEP * k - begins[at]
        while ahead > lanes.lengths[chain[at]] and num < 8:
            after = _onward(lanes, chain[at], number, goal)
            if after < 0:
                break
            chain[num], begins[num] = after, begins[at] + lanes.lengths[chain[at]]
            num, at = num + 1, at + 1
            ahead = LANE_STEP * k - begins[at]
        own, step = chain[at], lanes.steps[chain[at]]
        last = lanes.starts[own + 1] - lanes.starts[own] - 1
        j = min(max(int(ahead // step), 0), last - 1)
        f = ahead / step - j
        a, b = lanes.starts[own] + j, lanes.starts[own] + j + 1
        path[k, 0] = lanes.points[a, 0] + f * (lanes.points[b, 0] - lanes.points[a, 0])
        path[k, 1] = lanes.points[a, 1] + f * (lanes.points[b, 1] - lanes.points[a, 1])
        turn = wrap(lanes.points[b, 2] - lanes.points[a, 2])
        path[k, 2] = lanes.points[a, 2] + min(max(f, 0.0), 1.0) * turn
    return chain, begins


@compiled
def _find(lanes, cycles, time, states, kinds, ids, ego, ego_route, goals, waited, courses):
    n = len(kinds)
    leads = np.full(n, -1)
    paths = np.zeros((n, NUM_POINTS, 3))
    boxes = np.zeros((n + 1, 7))
    # of each, and the ego last: lane in the next junction, distance of its middle from it, and how it stands with it
    lane_in, begins_in = np.full(n + 1, -1), np.zeros(n + 1)
    rank, comes = np.zeros(n + 1), np.zeros(n + 1, np.bool_)
    for i in range(n):
        boxes[i, 0], boxes[i, 1], boxes[i, 2] = states[i, _X], states[i, _Y], states[i, _YAW]
        boxes[i, 3], boxes[i, 4] = states[i, _LENGTH], states[i, _WIDTH]
        boxes[i, 5], boxes[i, 6] = states[i, _SPEED], kinds[i]
    boxes[n, 0], boxes[n, 1], boxes[n, 2] = ego[0], ego[1], ego[2]
    boxes[n, 3], boxes[n, 4], boxes[n, 5], boxes[n, 6] = EGO_LENGTH, EGO_WIDTH, ego[_EGO_SPEED], _CAR

    for i in range(n):
        if kinds[i] == _CAR or kinds[i] == _TRUCK:
            leads[i] = _look_ahead(
                lanes, cycles, time, states, ids, goals, i, boxes, paths[i], lane_in, begins_in, courses
            )
    for i in range(n):
        go_on(i, leads, waited, paths, boxes, courses)
    lane_in[n], begins_in[n] = find_ego_lane(lanes, ego, ego_route)
    for p in range(n + 1):
        comes[p] = lane_in[p] >= 0 and (p < n or begins_in[p] < JUNCTION_RANGE)
        if comes[p]:
            rank[p], comes[p] = rank_of(lanes, cycles, time, p, n, boxes, lane_in[p], begins_in[p], courses)
    for i in range(n):
        if lane_in[i] >= 0:
            give_way(lanes, i, boxes, lane_in, begins_in, rank, comes, courses)


@compiled
def _look_ahead(lanes, cycles, time, states, ids, goals, i, boxes, path, lane_in, begins_in, courses):
    """Course, bends, lead, signal and next junction of actor `i`; returns the row of its lead, -1 for none."""
    x, y, yaw, speed = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 5]
    lane, place = _place(lanes, x, y, yaw, ids[i], goals[i])
    if lane < 0:
        return -1
    chain, begins = _follow(lanes, lane, place, x, y, ids[i], goals[i], path)
    own, half = courses[i], boxes[i, 3] / 2
    own[_ON], own[_LIMIT] = 1.0, lanes.speed_limits[lane]
    c, s = np.cos(path[0, 2]), np.sin(path[0, 2])
    own[_LATERAL] = c * (y - path[0, 1]) - s * (x - path[0, 0])
    own[_HEADING] = wrap(yaw - path[0, 2])
    for column, ahead in ((0, BEND_NEAR), (1, BEND_FAR), (2, BEND_BEYOND)):
        own[_BEND + column] = wrap(path[ahead, 2] - path[0, 2])
    lowest = FREE**2
    for k in range(NUM_POINTS - 2):
        curvature = abs(wrap(path[k + 2, 2] - path[k, 2])) / (2 * LANE_STEP)
        allowed = LATERAL_ACCELERATION / max(curvature, 1e-4) + 2 * CURVE_BRAKING * LANE_STEP * k
        lowest = min(lowest, allowed)
    own[_CURVE] = np.sqrt(lowest)
    own[_GAP], own[_LEAD_SPEED], lead = find_lead(
        path, i, -1, own[_LATERAL], boxes[i, 4], boxes[i, 3], boxes, len(boxes)
    )

    for k in range(8):
        at = chain[k]
        if at < 0 or begins[k] > FREE:
            break
        distance = begins[k] + lanes.stop_s[at] - half
        if own[_SIGNAL] == _NONE and -BEYOND_LINE < distance < FREE:
            kind = lanes.stop_kinds[at]
            own[_SIGNAL] = shown_by(cycles, lanes.stop_groups[at], time) if kind == _RED else kind
            own[_SIGNAL_DISTANCE] = distance
        if lanes.in_junction[at] and lane_in[i] < 0 and begins[k] < JUNCTION_RANGE:
            lane_in[i], begins_in[i] = at, begins[k]
            own[_ENTRY], own[_TURN], own[_MINOR] = max(begins[k] - half, 0.0), lanes.turns[at], lanes.minor[at]

    shown, distance = own[_SIGNAL], own[_SIGNAL_DISTANCE]
    braking = speed**2 / (2 * max(distance, 0.1))
    # who has halted before a stop sign starts again
    halted = distance < HALT_DISTANCE and (speed < HALT_SPEED or states[i, _ACCELERATION] > 0)
    if (
        (shown == _RED and (braking <= HARD or speed < 1.0))
        or (shown == _YELLOW and braking <= FIRM and distance > 0)
        or (shown == _STOP_SIGN and not halted and distance > 0)
    ):
        own[_STOP] = max(distance, 0.0)
    return lead
