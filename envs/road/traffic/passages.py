"""Passages of drivers through junctions: which comes next, where two meet, how long one takes. Compiled by numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT
from envs.maps.route_kernels import wrap
from envs.road.traffic.driver_model import PATH_STEP
from worldsim.compiled import compiled

CONFLICT_DISTANCE = 2.6
"""Paths nearer to each other than this cross or merge [m]."""
START_ACCELERATION, SLOWEST_CROSSING = 1.4, 3.0
"""How drivers are expected to pull away [m/s²], and the least speed expected of who comes [m/s]."""
CURVE_ACCELERATION, FASTEST_CROSSING = 2.2, 14.0
"""Lateral in junctions [m/s²]; nobody is expected to speed up beyond this there [m/s]."""


class Passages(NamedTuple):
    """The next passage of each driver through a junction; no driver without one is in a junction or near it.

    line: where it has to wait [n] [m]. entry: where the junction begins [n] [m]. exit: where it ends [n] [m].
    junction: its id, -1 where there is no passage [n]. rank: MAJOR or MINOR [n].
    """

    line: np.ndarray
    entry: np.ndarray
    exit: np.ndarray
    junction: np.ndarray
    rank: np.ndarray


class RoadAhead(NamedTuple):
    """Stop lines and junctions on the paths of `n` drivers, `k` of each, as in Paths: arc lengths in order [m].

    length: of the paths, 0 for those that are not on the map [n] [m]. stop_s, stop_signals: stop lines and the rows of
    their signals [n, k]. line, entry, exit, junction, rank: of junctions [n, k].
    """

    length: np.ndarray
    stop_s: np.ndarray
    stop_signals: np.ndarray
    line: np.ndarray
    entry: np.ndarray
    exit: np.ndarray
    junction: np.ndarray
    rank: np.ndarray


class Drivers(NamedTuple):
    """What counts of `n` drivers at junctions.

    xy: their paths [n, p, 2] [m]. yaw: [n, p] [rad]. z: [n, p] [m]. s: where they are on them [n] [m].
    half_length: [n] [m]. speed: [n] [m/s]. waited: [n] [s]. gap: to the leader [n] [m]. lead: its row, those below n
    are drivers [n]. lead_speed: [n] [m/s]. room: free road ahead [n] [m].
    """

    xy: np.ndarray
    yaw: np.ndarray
    z: np.ndarray
    s: np.ndarray
    half_length: np.ndarray
    speed: np.ndarray
    waited: np.ndarray
    gap: np.ndarray
    lead: np.ndarray
    lead_speed: np.ndarray
    room: np.ndarray


@compiled
def find_passages(drivers, road):
    """The Passages of drivers: the first junction on the RoadAhead of each that its rear has not left."""
    n, k = road.entry.shape
    line, entry, end = np.full(n, np.inf), np.full(n, np.inf), np.full(n, np.inf)
    junction, rank = np.full(n, -1), np.zeros(n, np.int64)
    for i in range(n):
        rear = drivers.s[i] - drivers.half_length[i]
        for a in range(k):
            if road.length[i] > 0 and road.junction[i, a] >= 0 and rear < road.exit[i, a]:
                line[i], entry[i], end[i] = road.line[i, a], road.entry[i, a], road.exit[i, a]
                junction[i], rank[i] = road.junction[i, a], road.rank[i, a]
                break
    return Passages(line, entry, end, junction, rank)


@compiled
def travel_time(distance, speed, fastest):
    """How long it takes to drive `distance` [m] from `speed` [m/s] on when pulling away up to `fastest` [s]."""
    if distance <= 0:
        return 0.0
    v = min(max(speed, 0.0), fastest)
    d = (fastest**2 - v**2) / (2 * START_ACCELERATION)
    if distance <= d:
        return (np.sqrt(v**2 + 2 * START_ACCELERATION * distance) - v) / START_ACCELERATION
    return (fastest - v) / START_ACCELERATION + (distance - d) / fastest


@compiled
def crossing_speed(i, drivers, passages):
    """The speed at which driver `i` takes the sharpest curve of its junction [m/s]."""
    last = drivers.yaw.shape[1] - 1
    a, b = min(max(int(passages.entry[i]), 0), last), min(max(int(passages.exit[i]), 0), last)
    curvature = 1e-4
    for p in range(a, b - PATH_STEP, PATH_STEP):
        curvature = max(curvature, abs(wrap(drivers.yaw[i, p + PATH_STEP] - drivers.yaw[i, p])) / PATH_STEP)
    return min(np.sqrt(CURVE_ACCELERATION / curvature), FASTEST_CROSSING)


@compiled
def find_crossing(i, j, drivers, passages):
    """Where the ways of drivers `i` and `j` through a junction come near each other.

    Returns:
        Whether they do, and whether they merge; first and last arc length on the path of `i`, then of `j` [m]. Two
        that come from the same lane follow each other: they do not cross.
    """
    last = drivers.yaw.shape[1] - 1
    ends = (min(int(passages.exit[i]), last), min(int(passages.exit[j]), last))
    a, b = min(max(int(passages.entry[i]), 0), last), min(max(int(passages.entry[j]), 0), last)
    dx, dy = drivers.xy[i, a, 0] - drivers.xy[j, b, 0], drivers.xy[i, a, 1] - drivers.xy[j, b, 1]
    turn = abs(wrap(drivers.yaw[i, a] - drivers.yaw[j, b]))
    if dx * dx + dy * dy < 1.5**2 and turn < 0.6:
        return False, False, 0.0, 0.0, 0.0, 0.0

    first_i, last_i, first_j, last_j = 1e9, -1e9, 1e9, -1e9
    for p in range(a, ends[0] + 1, PATH_STEP):
        for q in range(b, ends[1] + 1, PATH_STEP):
            dx, dy = drivers.xy[i, p, 0] - drivers.xy[j, q, 0], drivers.xy[i, p, 1] - drivers.xy[j, q, 1]
            if dx * dx + dy * dy < CONFLICT_DISTANCE**2 and abs(drivers.z[i, p] - drivers.z[j, q]) < LEVEL_HEIGHT:
                first_i, last_i = min(first_i, p), max(last_i, p)
                first_j, last_j = min(first_j, q), max(last_j, q)
    merge = last_i > ends[0] - 4 and last_j > ends[1] - 4
    if merge:  # from there on one follows the other
        last_i, last_j = first_i + PATH_STEP, first_j + PATH_STEP
    return first_i < 1e9, merge, first_i, last_i, first_j, last_j
