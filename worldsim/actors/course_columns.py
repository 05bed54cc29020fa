"""Columns of courses: what vehicles that follow lanes know of their way."""

from __future__ import annotations

from enum import IntEnum

COURSE_NAMES = (
    "on_lane", "lateral", "heading", "bend_near", "bend_far", "bend_beyond", "curve_speed", "gap", "lead_speed",
    "signal", "signal_distance", "stop", "entry", "turn", "minor", "wait", "rival_time", "speed_limit",
)  # fmt: skip
"""Of a vehicle: 1 if it is on a lane, else all that follows is that of a free way; offset from its course to the left
[m] and yaw relative to it [rad]; how much the course turns up to the points BEND_NEAR, BEND_FAR and BEND_BEYOND [rad];
the fastest speed from which its curves can be met in comfort [m/s]; gap to the lead, FREE for none [m], and its speed
along the course [m/s]; SignalKind that counts ahead, and distance of the front from its line [m]; from where it must
stop for it, FREE if it need not [m]; from the next junction, 0 inside [m]; by how much its lane there turns [rad]; 1 if
it gives way by that lane; distance from where it has to wait for another, FREE if it need not [m]; and when that one
comes [s]; the speed limit of its lane, 0 where not known [m/s]."""


class CourseColumn(IntEnum):
    """Columns of COURSE_NAMES."""

    ON_LANE = 0
    LATERAL = 1
    HEADING = 2
    BEND_NEAR = 3
    BEND_FAR = 4
    BEND_BEYOND = 5
    CURVE_SPEED = 6
    GAP = 7
    LEAD_SPEED = 8
    SIGNAL = 9
    SIGNAL_DISTANCE = 10
    STOP = 11
    ENTRY = 12
    TURN = 13
    MINOR = 14
    WAIT = 15
    RIVAL_TIME = 16
    SPEED_LIMIT = 17
