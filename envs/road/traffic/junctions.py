"""Who may drive into a junction: signals, priority, gaps and room to leave it. Compiled by numba.

Background vehicles reserve: nobody enters before it may, and whoever has entered drives through. So they never wait
for each other in the middle of a junction. Everyone else (the ego, scripted and external actors) is given way to.
Nothing here calls compiled code of another file: numba's cache on disk would not see when that changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from envs.road.traffic.driver_model import HEIGHT_RANGE, PATH_STEP
from worldsim.datatypes.signals import SignalKind

CONFLICT_DISTANCE = 2.6
"""Paths nearer to each other than this cross or merge [m]."""
TURN_ANGLE = np.radians(35.0)
"""Heading change through a junction from which it counts as a turn."""
OPPOSITE_ANGLE = np.radians(135.0)
"""Approaches whose headings differ by more than this are oncoming to each other."""
CROSSING_POINTS = 20
"""How many points, PATH_STEP apart, of the path of one that follows no driver model are watched."""
CLEARANCE = 6.0
"""A crossing vehicle blocks this much of the other's path [m]."""
COMFORTABLE, FIRM, HARD = 2.5, 3.5, 7.0
"""Braking asked of one who lets another in, of one at a yellow light, and of one at a red light [m/s²]."""
EMERGENCY = 6.0
"""Braking at most to give way to one who follows no driver model [m/s²]."""
LINE_GAP = 1.5
"""Drivers halt this much nearer to a line than to a vehicle [m]."""
CROSSING_GAP = 3.5
"""They halt this far before the path of one who follows no driver model [m]."""
DECISION_BRAKING, DECISION_DISTANCE = 2.0, 8.0
"""A driver decides whether to enter where this braking stops it this far before the line [m/s², m]."""
APPROACH_RANGE = 70.0
"""Vehicles farther before a junction are not minded there [m]."""
BEYOND_LINE = 1.0
"""A front this far beyond the line has entered [m]."""
HALT_DISTANCE, HALT_SPEED = 4.0, 0.3
"""A stop sign is obeyed by being slower than this within this distance of its line [m, m/s]."""
REAR_SWING = 2.0
"""A vehicle has left a crossing when its rear is this far beyond it: it may still be turning [m]."""
FREE_EXIT = 1.0
"""Room beyond the junction that one must have besides the own length [m]."""
LONGEST_ROOM = 40.0
"""In very large junctions room this far behind the line is enough [m]."""
CROSS_GAP, MERGE_GAP, FOLLOW_GAP = 1.0, 2.0, 0.5
"""Time left before another crosses or merges behind, and after it has gone [s]."""
CAUTION = 0.8
"""Others may leave a junction at only this share of the speed expected of them."""
START_ACCELERATION, SLOWEST_CROSSING = 1.4, 3.0
"""How drivers are expected to pull away [m/s²], and the least speed expected of who comes [m/s]."""
CURVE_ACCELERATION, FASTEST_CROSSING = 2.2, 14.0
"""Lateral in junctions [m/s²]; nobody is expected to speed up beyond this there [m/s]."""
COURTESY = 15.0
"""After waiting this long a driver is let in by those with priority who can stop with comfort [s]."""
STANDS = 1.0
"""Whoever has stood this long is not followed into a merge any more [s]."""
STUCK = 2.0
"""Whoever has stood in a junction this long is not expected to move soon [s]."""

_OUT, _FAR, _UNDECIDED, _DENIED, _CLAIMED, _GRANTED, _INSIDE = range(7)
_RED, _YELLOW, _STOP = int(SignalKind.RED), int(SignalKind.YELLOW), int(SignalKind.STOP)


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


@njit(cache=True)
def _wrap(angle):
    """The angle [rad] in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


@njit(cache=True)
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


@njit(cache=True)
def signal_stops(drivers, road, halted, shown):
    """Distance [n] of each front to the stop line where its signal makes it stop, infinite if it may go on.

    Args:
        drivers: Drivers.
        road: RoadAhead.
        halted: has stopped at the stop sign ahead, bool [n]; brought up to date.
        shown: SignalKind of every signal.
    """
    n = len(drivers.s)
    stop = np.full(n, np.inf)
    for i in range(n):
        front, speed, at = drivers.s[i] + drivers.half_length[i], drivers.speed[i], -1
        for a in range(road.stop_s.shape[1]):
            if road.stop_s[i, a] + BEYOND_LINE > front:
                at = a
                break
        if at < 0 or road.length[i] <= 0 or road.stop_s[i, at] == np.inf:
            halted[i] = False
            continue
        distance, sign = road.stop_s[i, at] - front, shown[road.stop_signals[i, at]]
        braking = speed**2 / (2 * max(distance, 0.1))
        near = sign == _STOP and distance < HALT_DISTANCE
        halted[i] = near and (halted[i] or speed < HALT_SPEED)
        if (
            (sign == _STOP and not halted[i])
            or (sign == _RED and (braking <= HARD or speed < 1.0))
            or (sign == _YELLOW and braking <= FIRM and distance > 0)
        ):
            stop[i] = distance
    return stop


@njit(cache=True)
def travel_time(distance, speed, fastest):
    """How long it takes to drive `distance` [m] from `speed` [m/s] on when pulling away up to `fastest` [s]."""
    if distance <= 0:
        return 0.0
    v = min(max(speed, 0.0), fastest)
    d = (fastest**2 - v**2) / (2 * START_ACCELERATION)
    if distance <= d:
        return (np.sqrt(v**2 + 2 * START_ACCELERATION * distance) - v) / START_ACCELERATION
    return (fastest - v) / START_ACCELERATION + (distance - d) / fastest


@njit(cache=True)
def _crossing_speed(i, drivers, passages):
    """The speed at which driver `i` takes the sharpest curve of its junction [m/s]."""
    last = drivers.yaw.shape[1] - 1
    a, b = min(max(int(passages.entry[i]), 0), last), min(max(int(passages.exit[i]), 0), last)
    curvature = 1e-4
    for p in range(a, b - PATH_STEP, PATH_STEP):
        curvature = max(curvature, abs(_wrap(drivers.yaw[i, p + PATH_STEP] - drivers.yaw[i, p])) / PATH_STEP)
    return min(np.sqrt(CURVE_ACCELERATION / curvature), FASTEST_CROSSING)


@njit(cache=True)
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
    turn = abs(_wrap(drivers.yaw[i, a] - drivers.yaw[j, b]))
    if dx * dx + dy * dy < 1.5**2 and turn < 0.6:
        return False, False, 0.0, 0.0, 0.0, 0.0

    first_i, last_i, first_j, last_j = 1e9, -1e9, 1e9, -1e9
    for p in range(a, ends[0] + 1, PATH_STEP):
        for q in range(b, ends[1] + 1, PATH_STEP):
            dx, dy = drivers.xy[i, p, 0] - drivers.xy[j, q, 0], drivers.xy[i, p, 1] - drivers.xy[j, q, 1]
            if dx * dx + dy * dy < CONFLICT_DISTANCE**2 and abs(drivers.z[i, p] - drivers.z[j, q]) < HEIGHT_RANGE:
                first_i, last_i = min(first_i, p), max(last_i, p)
                first_j, last_j = min(first_j, q), max(last_j, q)
    merge = last_i > ends[0] - 4 and last_j > ends[1] - 4
    if merge:  # from there on one follows the other
        last_i, last_j = first_i + PATH_STEP, first_j + PATH_STEP
    return first_i < 1e9, merge, first_i, last_i, first_j, last_j


@njit(cache=True)
def goes_first(j, i, drivers, passages, left_hand):
    """Whether driver `j` has priority over driver `i`: rank, then oncoming before a turn across, then the right."""
    if passages.rank[j] != passages.rank[i]:
        return passages.rank[j] < passages.rank[i]
    last = drivers.yaw.shape[1] - 1
    a, b = min(max(int(passages.entry[i]), 0), last), min(max(int(passages.entry[j]), 0), last)
    side = -1.0 if left_hand else 1.0
    approach = side * _wrap(drivers.yaw[j, b] - drivers.yaw[i, a])
    if abs(approach) > OPPOSITE_ANGLE:
        across_i = side * _wrap(drivers.yaw[i, min(int(passages.exit[i]), last)] - drivers.yaw[i, a]) > TURN_ANGLE
        across_j = side * _wrap(drivers.yaw[j, min(int(passages.exit[j]), last)] - drivers.yaw[j, b]) > TURN_ANGLE
        return across_i and not across_j
    return approach > np.pi - OPPOSITE_ANGLE


@njit(cache=True)
def _comes_before(i, j, state, granted, distance, drivers, passages):
    """Whether driver `i` decides before driver `j`: who is inside, then who was let in, then who has waited long."""
    if (state[i] == _INSIDE) != (state[j] == _INSIDE):
        return state[i] == _INSIDE
    if granted[i] != granted[j]:
        return granted[i]
    long_i, long_j = drivers.waited[i] > COURTESY, drivers.waited[j] > COURTESY
    if long_i != long_j:
        return long_i
    if not long_i and passages.rank[i] != passages.rank[j]:
        return passages.rank[i] < passages.rank[j]
    if drivers.waited[i] != drivers.waited[j]:
        return drivers.waited[i] > drivers.waited[j]
    arrival_i, arrival_j = distance[i] / max(drivers.speed[i], 1.0), distance[j] / max(drivers.speed[j], 1.0)
    return arrival_i < arrival_j or (arrival_i == arrival_j and i < j)


@njit(cache=True)
def _is_blocked_by(j, i, state, was_granted, distance, drivers, passages, left_hand):
    """Whether driver `i` must not enter the junction because of driver `j`."""
    if state[j] == _OUT or state[j] == _DENIED:
        return False
    promised = state[j] == _INSIDE or state[j] == _GRANTED
    if not promised and state[j] != _CLAIMED:
        if was_granted or not goes_first(j, i, drivers, passages, left_hand):
            return False
        both_wait = drivers.speed[i] < 0.5 and drivers.speed[j] < 0.5
        if both_wait and drivers.waited[i] > drivers.waited[j]:
            return False
        braking = drivers.speed[j] ** 2 / (2 * max(distance[j], 0.1))
        if drivers.waited[i] > COURTESY and braking < COMFORTABLE:
            return False

    crosses, merge, first_i, last_i, first_j, last_j = find_crossing(i, j, drivers, passages)
    rear_j = drivers.s[j] - drivers.half_length[j] - REAR_SWING
    if not crosses or rear_j > last_j:
        return False
    braking = drivers.speed[i] ** 2 / (2 * max(distance[i], 0.1))
    if state[j] == _CLAIMED:
        return braking < COMFORTABLE

    if state[j] == _INSIDE and drivers.waited[j] > STUCK:
        return True
    fast_i, fast_j = _crossing_speed(i, drivers, passages), _crossing_speed(j, drivers, passages)
    d_i, d_j = first_i - drivers.s[i] - drivers.half_length[i], first_j - drivers.s[j] - drivers.half_length[j]
    out_i, out_j = last_i - drivers.s[i] + drivers.half_length[i], last_j - rear_j
    speed_i, speed_j = drivers.speed[i], drivers.speed[j]

    # whoever comes may be faster, whoever is to leave slower than expected
    early_j = max(speed_j, SLOWEST_CROSSING) if not promised else speed_j
    gap = MERGE_GAP if merge else CROSS_GAP
    before = travel_time(out_i, speed_i, fast_i) + gap < travel_time(d_j, early_j, max(early_j, fast_j))
    after = travel_time(d_i, speed_i, max(speed_i, fast_i)) > travel_time(out_j, speed_j, CAUTION * fast_j) + FOLLOW_GAP
    return not (before or after)


@njit(cache=True)
def admit(drivers, passages, stops, granted, left_hand):
    """Let drivers into their junctions, one after the other.

    Args:
        drivers: Drivers.
        passages: Passages.
        stops: distance of each front to where a signal makes it stop [n] [m].
        granted: who was let in before and has not entered yet, bool [n]; brought up to date.
        left_hand: traffic drives on the left.

    Returns:
        Distance [n] of each front to the line before which it has to wait, infinite for all others [m].
    """
    n = len(drivers.s)
    state, distance, stop = np.zeros(n, np.int64), np.full(n, np.inf), np.full(n, np.inf)
    order, num_deciding = np.empty(n, np.int64), 0
    for i in range(n):
        front = drivers.s[i] + drivers.half_length[i]
        distance[i] = passages.line[i] - front
        if passages.junction[i] < 0 or distance[i] > APPROACH_RANGE:
            granted[i] = False
            continue
        braking = drivers.speed[i] ** 2 / (2 * max(distance[i], 0.1))
        closed = stops[i] < distance[i] + 3.0
        if distance[i] < -BEYOND_LINE or (braking > HARD and not closed):
            state[i] = _INSIDE
        elif distance[i] > drivers.speed[i] ** 2 / (2 * DECISION_BRAKING) + DECISION_DISTANCE:
            state[i] = _DENIED if closed else _FAR
        else:
            state[i] = _UNDECIDED
        granted[i] &= state[i] == _UNDECIDED
        if state[i] == _UNDECIDED or state[i] == _INSIDE:
            order[num_deciding] = i
            num_deciding += 1

    # insertion sort: there are few, and it is stable
    for a in range(1, num_deciding):
        i, b = order[a], a
        while b > 0 and _comes_before(i, order[b - 1], state, granted, distance, drivers, passages):
            order[b] = order[b - 1]
            b -= 1
        order[b] = i

    for a in range(num_deciding):
        i = order[a]
        if state[i] == _INSIDE:
            continue
        state[i] = _decide(i, state, granted[i], stops[i], distance, drivers, passages, left_hand)
        granted[i] = state[i] == _GRANTED
        if not granted[i]:
            stop[i] = distance[i]
    return stop


@njit(cache=True)
def _decide(i, state, was_granted, signal_stop, distance, drivers, passages, left_hand):
    """The new state of driver `i`: granted, denied, or claimed, which means next in turn."""
    if signal_stop < distance[i] + 3.0:
        return _DENIED

    # a queue before the line goes in with its head, or not at all
    lead = drivers.lead[i]
    if drivers.gap[i] < distance[i] - 0.5:
        if lead < len(drivers.s):
            if state[lead] != _GRANTED and state[lead] != _INSIDE:
                return _DENIED
        elif drivers.lead_speed[i] < 2.0:
            return _DENIED

    # a junction that cannot be left is not entered
    leaving = passages.exit[i] - drivers.s[i] + drivers.half_length[i] + FREE_EXIT
    if drivers.room[i] < min(leaving + drivers.half_length[i], distance[i] + drivers.half_length[i] + LONGEST_ROOM):
        return _DENIED

    for j in range(len(drivers.s)):
        if j == i or passages.junction[j] != passages.junction[i]:
            continue
        if _is_blocked_by(j, i, state, was_granted, distance, drivers, passages, left_hand):
            return _CLAIMED if drivers.waited[i] > COURTESY and state[j] != _CLAIMED else _DENIED
    return _GRANTED


@njit(cache=True)
def follow_merging(drivers, passages, gap, lead_speed):
    """Let those in a junction follow whoever merges before them as if it were on their lane already.

    Args:
        drivers: Drivers.
        passages: Passages.
        gap: bumper to bumper to the leader [n] [m]; brought up to date, like its speed.
        lead_speed: [n] [m/s].
    """
    n = len(drivers.s)
    for i in range(n):
        if passages.junction[i] < 0 or drivers.s[i] + drivers.half_length[i] < passages.line[i]:
            continue
        for j in range(n):
            if j == i or passages.junction[j] != passages.junction[i]:
                continue
            stands = drivers.waited[j] > STANDS  # then it may be waiting for this driver
            if stands or drivers.s[j] + drivers.half_length[j] < passages.line[j]:
                continue
            crosses, merge, first_i, _, first_j, _ = find_crossing(i, j, drivers, passages)
            left_i, left_j = first_i - drivers.s[i], first_j - drivers.s[j]
            behind = left_i > left_j or (left_i == left_j and i > j)
            if crosses and merge and behind:
                here = max(left_i - left_j - drivers.half_length[i] - drivers.half_length[j], 0.0)
                if here < gap[i]:
                    gap[i], lead_speed[i] = here, drivers.speed[j]


@njit(cache=True)
def give_way(drivers, passages, paths, path_z, path_speeds):
    """Distance [n] from each driver's centre to where its path meets that of one it gives way to, infinite for none.

    Those others follow no driver model (the ego, scripted and external actors): whoever comes first, a driver leaves
    them a second. It waits the less the longer it has waited.

    Args:
        drivers: Drivers.
        passages: Passages; only drivers in or before a junction give way.
        paths: where the others are expected to go, PATH_STEP apart, [k, q, 2] [m].
        path_z: their heights [k] [m].
        path_speeds: their speeds [k] [m/s].
    """
    n, last = len(drivers.s), drivers.yaw.shape[1] - 1
    distance = np.full(n, np.inf)
    for i in range(n):
        front = drivers.s[i] + drivers.half_length[i]
        if passages.junction[i] < 0 or passages.entry[i] - front > PATH_STEP * CROSSING_POINTS:
            continue
        start = int(drivers.s[i])
        num_points = min(CROSSING_POINTS, (int(passages.exit[i]) - start) // PATH_STEP + 1)
        patience = 0.7 * drivers.waited[i]
        for k in range(paths.shape[0]):
            own, other = -1, paths.shape[1]
            for p in range(num_points):
                a = min(start + PATH_STEP * p, last)
                if abs(drivers.z[i, a] - path_z[k]) > HEIGHT_RANGE:
                    continue
                for q in range(paths.shape[1]):
                    dx, dy = drivers.xy[i, a, 0] - paths[k, q, 0], drivers.xy[i, a, 1] - paths[k, q, 1]
                    if dx * dx + dy * dy < CONFLICT_DISTANCE**2:
                        own = p if own < 0 else own
                        other = min(other, q)
            # a conflict at the very beginning of either path is a leader, or too late to yield
            if own < 2 or other < 1:
                continue
            arrival = PATH_STEP * own / max(drivers.speed[i], 2.0)
            leaving = arrival + CLEARANCE / max(drivers.speed[i], 3.0)
            other_arrival = PATH_STEP * other / max(path_speeds[k], 1.0)
            other_leaving = other_arrival + CLEARANCE / max(path_speeds[k], 1.0)
            later = arrival - patience > other_arrival or leaving + 1.0 > other_arrival + patience
            if later and other_leaving + 0.5 > arrival:
                distance[i] = min(distance[i], PATH_STEP * own)
    return distance


@njit(cache=True)
def find_stops(drivers, road, halted, granted, shown, left_hand, paths, path_z, path_speeds):
    """Gap [n] to a standing leader that would make each driver stop where it has to, infinite where it need not [m].

    The gaps and leaders of `drivers` are brought up to date with those who merge before them, `halted` and `granted`
    with what drivers have done and may do.

    Args:
        drivers: Drivers.
        road: RoadAhead.
        halted: as for `signal_stops`.
        granted: as for `admit`.
        shown: as for `signal_stops`.
        left_hand: as for `admit`.
        paths: as for `give_way`.
        path_z: as for `give_way`.
        path_speeds: as for `give_way`.
    """
    passages = find_passages(drivers, road)
    signals = signal_stops(drivers, road, halted, shown)
    lines = admit(drivers, passages, signals, granted, left_hand)
    follow_merging(drivers, passages, drivers.gap, drivers.lead_speed)
    meets = give_way(drivers, passages, paths, path_z, path_speeds)

    stop = np.full(len(drivers.s), np.inf)
    for i in range(len(stop)):
        stop[i] = min(signals[i], lines[i]) + LINE_GAP
        before = meets[i] - CROSSING_GAP - drivers.half_length[i]
        # A vehicle that even hard braking would not stop in time drives on: standing in the crossing would be worse.
        if drivers.speed[i] ** 2 / (2 * EMERGENCY) < before < np.inf:
            line = passages.line[i] - drivers.s[i] - drivers.half_length[i]
            if drivers.speed[i] ** 2 / (2 * EMERGENCY) < line < before:
                before = line + LINE_GAP
            stop[i] = min(stop[i], before)
        stop[i] = max(stop[i], 0.1)
    return stop
