"""How fast vehicles may be, so that they can stop for what they have to stop for."""

from __future__ import annotations

import numpy as np

from worldsim.actors.courses import CourseColumn
from worldsim.actors.leads import FREE
from worldsim.datatypes.scene import ObjectKind

HOLD_BRAKING = 3.4
"""No vehicle is faster than it can stop from with this before who or what it has to stop for [m/s²]."""
HOLD_GAP = 1.5
"""And that far before its lead [m]."""
CURVE_EXCESS = 1.25
"""Nor so many times faster than its course's curves are met in comfort at."""


def allowed_speeds(courses: np.ndarray, kinds: np.ndarray, speeds: np.ndarray, dt: float) -> np.ndarray:
    """What vehicles [b, s] at `speeds` [b, s] may be as fast as `dt` seconds later [m/s], so that HOLD_BRAKING is
    enough to stop for what they have to stop for; inf for others."""
    lead_speed = np.maximum(courses[..., CourseColumn.LEAD_SPEED], 0.0)
    stop = np.minimum(courses[..., CourseColumn.STOP], courses[..., CourseColumn.WAIT])
    gap = courses[..., CourseColumn.GAP]
    before = np.where(stop < FREE, stop - speeds * dt / 2, FREE)
    behind = np.where(gap < FREE, gap - HOLD_GAP - np.maximum(speeds - lead_speed, 0.0) * dt / 2, FREE)
    # v'² <= u² + 2 a (d - (v + v') dt / 2), with d the way that is left, and u the lead's speed
    half = HOLD_BRAKING * dt / 2
    fastest = [
        np.sqrt(half**2 + end**2 + 2 * HOLD_BRAKING * np.maximum(left, 0.0)) - half
        for left, end in ((before, 0.0), (behind, lead_speed))
    ]
    allowed = np.minimum(np.minimum(*fastest), CURVE_EXCESS * courses[..., CourseColumn.CURVE_SPEED])
    vehicle = (kinds == ObjectKind.CAR) | (kinds == ObjectKind.TRUCK)
    return np.where(vehicle, allowed, np.inf)
