"""Who is let into a junction: priority, gaps and room to leave it. Compiled by numba.

Background vehicles reserve: nobody enters before it may, and whoever has entered drives through. So they never wait
for each other in the middle of a junction.
"""

from __future__ import annotations

import numpy as np

from envs.maps.geometry import TURN_ANGLE
from envs.maps.route_kernels import wrap
from envs.road.traffic.passages import SLOWEST_CROSSING, crossing_speed, find_crossing, travel_time
from worldsim.compiled import compiled

OPPOSITE_ANGLE = np.radians(135.0)
"""Approaches whose headings differ by more than this are oncoming to each other."""
COMFORTABLE, HARD = 2.5, 7.0
"""Braking asked of one who lets another in, and of one at a red light [m/s²]."""
DECISION_BRAKING, DECISION_DISTANCE = 2.0, 8.0
"""A driver decides whether to enter where this braking stops it this far before the line [m/s², m]."""
APPROACH_RANGE = 70.0
"""Vehicles farther before a junction are not minded there [m]."""
BEYOND_LINE = 1.0
"""A front this far beyond the line has entered [m]."""
SAME_LINE = 3.0
"""A signal at which one stops less than this beyond the line of a junction closes the junction [m]."""
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
COURTESY = 15.0
"""After waiting this long a driver is let in by those with priority who can stop with comfort [s]."""
STUCK = 2.0
"""Whoever has stood in a junction this long is not expected to move soon [s]."""

_OUT, _FAR, _UNDECIDED, _DENIED, _CLAIMED, _GRANTED, _INSIDE = range(7)


@compiled
def goes_first(j, i, drivers, passages, left_hand):
    """Whether driver `j` has priority over driver `i`: rank, then oncoming before a turn across, then the right."""
    if passages.rank[j] != passages.rank[i]:
        return passages.rank[j] < passages.rank[i]
    last = drivers.yaw.shape[1] - 1
    a, b = min(max(int(passages.entry[i]), 0), last), min(max(int(passages.entry[j]), 0), last)
    side = -1.0 if left_hand else 1.0
    approach = side * wrap(drivers.yaw[j, b] - drivers.yaw[i, a])
    if abs(approach) > OPPOSITE_ANGLE:
        across_i = side * wrap(drivers.yaw[i, min(int(passages.exit[i]), last)] - drivers.yaw[i, a]) > TURN_ANGLE
        across_j = side * wrap(drivers.yaw[j, min(int(passages.exit[j]), last)] - drivers.yaw[j, b]) > TURN_ANGLE
        return across_i and not across_j
    return approach > np.pi - OPPOSITE_ANGLE


@compiled
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


@compiled
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
    fast_i, fast_j = crossing_speed(i, drivers, passages), crossing_speed(j, drivers, passages)
    d_i, d_j = first_i - drivers.s[i] - drivers.half_length[i], first_j - drivers.s[j] - drivers.half_length[j]
    out_i, out_j = last_i - drivers.s[i] + drivers.half_length[i], last_j - rear_j
    speed_i, speed_j = drivers.speed[i], drivers.speed[j]

    # whoever comes may be faster, whoever is to leave slower than expected
    early_j = max(speed_j, SLOWEST_CROSSING) if not promised else speed_j
    gap = MERGE_GAP if merge else CROSS_GAP
    before = travel_time(out_i, speed_i, fast_i) + gap < travel_time(d_j, early_j, max(early_j, fast_j))
    after = travel_time(d_i, speed_i, max(speed_i, fast_i)) > travel_time(out_j, speed_j, CAUTION * fast_j) + FOLLOW_GAP
    return not (before or after)


@compiled
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
        closed = stops[i] < distance[i] + SAME_LINE
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


@compiled
def _decide(i, state, was_granted, signal_stop, distance, drivers, passages, left_hand):
    """The new state of driver `i`: granted, denied, or claimed, which means next in turn."""
    if signal_stop < distance[i] + SAME_LINE:
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
