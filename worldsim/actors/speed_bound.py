"""How fast vehicles may be, so that they can stop for what they have to stop for. Compiled: it is asked for in every
step."""

from __future__ import annotations

import numpy as np

from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.leads import FREE
from worldsim.compiled import compiled
from worldsim.datatypes.scene import ObjectKind

HOLD_BRAKING = 3.4
"""No vehicle is faster than it can stop from with this before who or what it has to stop for [m/s²]."""
HOLD_GAP = 1.5
"""And that far before its lead [m]."""
CURVE_EXCESS = 1.25
"""Nor so many times faster than its course's curves are met in comfort at."""


_CAR, _TRUCK = int(ObjectKind.CAR), int(ObjectKind.TRUCK)
_GAP, _LEAD_SPEED, _CURVE = int(CourseColumn.GAP), int(CourseColumn.LEAD_SPEED), int(CourseColumn.CURVE_SPEED)
_STOP, _WAIT = int(CourseColumn.STOP), int(CourseColumn.WAIT)


def allowed_speeds(courses: np.ndarray, kinds: np.ndarray, speeds: np.ndarray, dt: float) -> np.ndarray:
    """What vehicles [..., s] at `speeds` [..., s] may be as fast as `dt` seconds later [m/s], so that HOLD_BRAKING is
    enough to stop for what they have to stop for; inf for others."""
    allowed = np.full(kinds.shape, np.inf)
    rows = np.ascontiguousarray(courses).reshape(-1, courses.shape[-1])
    _bound(rows, kinds.ravel(), np.ascontiguousarray(speeds).ravel(), float(dt), allowed.ravel())
    return allowed


@compiled
def _bound(courses, kinds, speeds, dt, allowed):
    # v'² <= u² + 2 a (d - (v + v') dt / 2), with d the way that is left, and u the lead's speed
    half = HOLD_BRAKING * dt / 2
    for i in range(len(kinds)):
        if kinds[i] != _CAR and kinds[i] != _TRUCK:
            continue
        course, speed = courses[i], speeds[i]
        stop, lead_speed = min(course[_STOP], course[_WAIT]), max(course[_LEAD_SPEED], 0.0)
        before = stop - speed * dt / 2 if stop < FREE else FREE
        behind = course[_GAP] - HOLD_GAP - max(speed - lead_speed, 0.0) * dt / 2 if course[_GAP] < FREE else FREE
        to_stop = np.sqrt(half**2 + 2 * HOLD_BRAKING * max(before, 0.0)) - half
        to_follow = np.sqrt(half**2 + lead_speed**2 + 2 * HOLD_BRAKING * max(behind, 0.0)) - half
        allowed[i] = min(to_stop, to_follow, CURVE_EXCESS * course[_CURVE])
