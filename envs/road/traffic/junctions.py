"""Where drivers stop at junctions: signals, priority, and those who follow no driver model. Compiled by numba.

Background vehicles are let in one after the other (`admission`). Everyone else (the ego, scripted and external actors)
is given way to.
"""

from __future__ import annotations

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT
from envs.road.traffic.admission import BEYOND_LINE, HARD, admit
from envs.road.traffic.driver_model import PATH_STEP
from envs.road.traffic.passages import CONFLICT_DISTANCE, find_crossing, find_passages
from worldsim.compiled import compiled
from worldsim.datatypes.signals import SignalKind

CROSSING_POINTS = 20
"""How many points, PATH_STEP apart, of the path of one that follows no driver model are watched."""
CLEARANCE = 6.0
"""A crossing vehicle blocks this much of the other's path [m]."""
FIRM = 3.5
"""Braking asked of one at a yellow light [m/s²]."""
EMERGENCY = 6.0
"""Braking at most to give way to one who follows no driver model [m/s²]."""
LINE_GAP = 1.5
"""Drivers halt this much nearer to a line than to a vehicle [m]."""
CROSSING_GAP = 3.5
"""They halt this far before the path of one who follows no driver model [m]."""
HALT_DISTANCE, HALT_SPEED = 4.0, 0.3
"""A stop sign is obeyed by being slower than this within this distance of its line [m, m/s]."""
STANDS = 1.0
"""Whoever has stood this long is not followed into a merge any more [s]."""

_RED, _YELLOW, _STOP = int(SignalKind.RED), int(SignalKind.YELLOW), int(SignalKind.STOP)


@compiled
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


@compiled
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


@compiled
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
                if abs(drivers.z[i, a] - path_z[k]) > LEVEL_HEIGHT:
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


@compiled
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
