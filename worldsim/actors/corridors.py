"""What is in the way along a vehicle's course: its lead, and whether two that face each other can pass. Compiled."""

from __future__ import annotations

import numpy as np

from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.lane_graph import LANE_STEP
from worldsim.actors.leads import FREE
from worldsim.compiled import compiled
from worldsim.datatypes.scene import ObjectKind

NUM_POINTS = 31
"""Points of a course, LANE_STEP apart."""
CORRIDOR_MARGIN = 0.3
"""Added to the half widths of two vehicles to tell whether one is in the other's way [m]."""
CROSSING_MARGIN = 1.5
"""The same for pedestrians who come towards the course [m]."""
CROSSES = 0.4
"""Whoever moves towards the course faster than this is about to cross it [m/s]."""
STAND_OFF = 2.0
"""Two that have stood before each other this long do not expect the other to move [s]."""
STANDS, FACES = 0.3, 0.5
"""The ego stands that is slower than this [m/s], and faces whoever is turned from it by more than this cosine tells."""
PASSING_POINTS, PASSING_GAP = 8, 0.05
"""Points of its course up to which one has to come by the other [1], and how far from it [m]."""

_PEDESTRIAN = int(ObjectKind.PEDESTRIAN)
_LATERAL, _GAP = int(CourseColumn.LATERAL), int(CourseColumn.GAP)
_LEAD_SPEED = int(CourseColumn.LEAD_SPEED)


@compiled
def wrap(angle):
    """An angle in [-pi, pi) [rad]."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


@compiled
def find_lead(path, i, ignored, offset, width, length, boxes, num):
    """Gap to whoever is nearest in the way along `path` [m], its speed along it [m/s] and its row; FREE, 0 and -1 for
    none.

    Args:
        path: of the actor in row `i`.
        ignored: row of one who gives way to it, -1 for nobody.
        offset: of the actor from its path, to the left [m].
        boxes: x, y, yaw, length, width, speed, kind of everyone, [m, 7].
        num: of them.
    """
    gap, lead_speed, lead = FREE, 0.0, -1
    for j in range(num):
        dx, dy = boxes[j, 0] - path[0, 0], boxes[j, 1] - path[0, 1]
        if j in (i, ignored) or boxes[j, 6] == 0 or dx * dx + dy * dy > 65.0**2:
            continue
        nearest, best = 0, np.inf
        for k in range(NUM_POINTS):
            dx, dy = boxes[j, 0] - path[k, 0], boxes[j, 1] - path[k, 1]
            if dx * dx + dy * dy < best:
                best, nearest = dx * dx + dy * dy, k
        c, s = np.cos(path[nearest, 2]), np.sin(path[nearest, 2])
        dx, dy = boxes[j, 0] - path[nearest, 0], boxes[j, 1] - path[nearest, 1]
        along, across = c * dx + s * dy, c * dy - s * dx - offset
        turn = boxes[j, 2] - path[nearest, 2]
        ct, st = abs(np.cos(turn)), abs(np.sin(turn))
        half_along = (ct * boxes[j, 3] + st * boxes[j, 4]) / 2
        half_across = (st * boxes[j, 3] + ct * boxes[j, 4]) / 2
        margin = CORRIDOR_MARGIN
        if boxes[j, 6] == _PEDESTRIAN and -np.sign(across) * boxes[j, 5] * np.sin(turn) > CROSSES:
            margin += CROSSING_MARGIN
        ahead = LANE_STEP * nearest + along
        if abs(along) > LANE_STEP or abs(across) > half_across + width / 2 + margin or ahead <= 0.3:
            continue
        here = max(ahead - half_along - length / 2, 0.0)
        if here < gap:
            gap, lead_speed, lead = here, boxes[j, 5] * np.cos(turn), j
    return gap, lead_speed, lead


@compiled
def go_on(i, leads, waited, paths, boxes, courses):
    """Of two that have stood as each other's leads the one that came last goes on without minding the other, as soon
    as its way past it is free; where it is not, the other one does. So does who has stood before the ego, which comes
    towards it or across and stands too."""
    j, own = leads[i], courses[i]
    if j < 0 or waited[i] < STAND_OFF:
        return
    if j == len(leads):
        goes_on = boxes[j, 5] < STANDS and np.cos(boxes[j, 2] - boxes[i, 2]) < FACES
        goes_on = goes_on and _passes(paths[i], own[_LATERAL], boxes[i], boxes[j])
    elif j < len(leads) and leads[j] == i and waited[j] >= STAND_OFF:
        free_i = _passes(paths[i], own[_LATERAL], boxes[i], boxes[j])
        free_j = _passes(paths[j], courses[j, _LATERAL], boxes[j], boxes[i])
        goes_on = free_i and ((waited[i], i) < (waited[j], j) or not free_j)
    else:
        goes_on = False
    if goes_on:
        own[_GAP], own[_LEAD_SPEED], _ = find_lead(
            paths[i], i, j, own[_LATERAL], boxes[i, 4], boxes[i, 3], boxes, len(boxes)
        )


@compiled
def _passes(path, offset, own, other):
    """Whether a vehicle comes by a standing one on its course, without touching it."""
    for k in range(PASSING_POINTS):
        for half in range(2):
            x = path[k, 0] + 0.5 * half * (path[k + 1, 0] - path[k, 0])
            y = path[k, 1] + 0.5 * half * (path[k + 1, 1] - path[k, 1])
            yaw = path[k, 2] + 0.5 * half * wrap(path[k + 1, 2] - path[k, 2])
            x, y = x - np.sin(yaw) * offset, y + np.cos(yaw) * offset
            if _apart(x, y, yaw, own[3], own[4], other) < PASSING_GAP:
                return False
    return True


@compiled
def _apart(x, y, yaw, length, width, other):
    """Separation of a box from another one, x, y, yaw, length, width; negative where they overlap [m]."""
    dx, dy, turn = other[0] - x, other[1] - y, other[2] - yaw
    cos, sin, cos_o, sin_o = np.cos(yaw), np.sin(yaw), np.cos(other[2]), np.sin(other[2])
    c, s = abs(np.cos(turn)), abs(np.sin(turn))
    return max(
        abs(cos * dx + sin * dy) - 0.5 * (length + c * other[3] + s * other[4]),
        abs(cos * dy - sin * dx) - 0.5 * (width + s * other[3] + c * other[4]),
        abs(cos_o * dx + sin_o * dy) - 0.5 * (other[3] + c * length + s * width),
        abs(cos_o * dy - sin_o * dx) - 0.5 * (other[4] + s * length + c * width),
    )
