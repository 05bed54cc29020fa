"""How background drivers choose their speed: curves, leaders, room to stop. Compiled by numba.

`n` drivers look along their paths, which have a point every metre; they read every second one, PATH_STEP apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.idm import IDMConfig, idm_formula
from envs.maps.geometry import LEVEL_HEIGHT
from envs.maps.route_kernels import wrap
from worldsim.compiled import compiled

PATH_STEP = 2
"""Distance between the points of a path that a driver reads [m]."""
PATH_POINTS = 32
"""How many points of its path a driver looks at."""
CORRIDOR_MARGIN = 0.3
"""Added to the half widths of driver and object to get the driver's corridor [m]."""
STANDING = 1.5
"""What moves more slowly along the path than this may stay where it is [m/s]."""
QUEUE_GAP = 2.5
"""Between vehicles that stand in a queue [m]."""
STAND_OFF = 2.0
"""Two that have stood before each other this long do not expect the other to move [s]."""


@dataclass(frozen=True, kw_only=True)
class DriverConfig(IDMConfig):
    """How a driver of background traffic drives: IDM, and comfort in curves.

    Args:
        lateral_acceleration: in curves [m/s²].
    """

    lateral_acceleration: float = 2.2


@compiled
def poses_along(xy, yaw, z, s, lateral):
    """x, y, yaw, z [n, 4] on paths [n, p, 2], [n, p], [n, p] at arc lengths `s` [n], `lateral` [n] to the left [m]."""
    n, last = yaw.shape[0], yaw.shape[1] - 2
    poses = np.empty((n, 4))
    for i in range(n):
        k = min(max(int(s[i]), 0), last)
        f = s[i] - k
        angle = yaw[i, k] + min(max(f, 0.0), 1.0) * wrap(yaw[i, k + 1] - yaw[i, k])
        poses[i, 0] = xy[i, k, 0] + f * (xy[i, k + 1, 0] - xy[i, k, 0]) - np.sin(angle) * lateral[i]
        poses[i, 1] = xy[i, k, 1] + f * (xy[i, k + 1, 1] - xy[i, k, 1]) + np.cos(angle) * lateral[i]
        poses[i, 2] = angle
        poses[i, 3] = z[i, k] + f * (z[i, k + 1] - z[i, k])
    return poses


@compiled
def curve_speed(yaw, s, lateral_acceleration, braking):
    """The fastest speed [n] from which every curve on the paths can be met with comfort [m/s].

    Args:
        yaw: of the paths, [n, p] [rad].
        s: where the drivers are on them, [n] [m].
        lateral_acceleration: in curves [m/s²].
        braking: before them [m/s²].
    """
    n, last = yaw.shape[0], yaw.shape[1] - 1
    speed = np.empty(n)
    for i in range(n):
        first, lowest = int(s[i]), np.inf
        for k in range(PATH_POINTS - 1):
            a, b = min(first + PATH_STEP * k, last), min(first + PATH_STEP * (k + 1), last)
            curvature = abs(wrap(yaw[i, b] - yaw[i, a])) / PATH_STEP
            allowed = lateral_acceleration / max(curvature, 1e-4)
            lowest = min(lowest, allowed + 2 * braking * PATH_STEP * k)
        speed[i] = np.sqrt(lowest)
    return speed


@compiled
def desired_speed(yaw, speed_limit, s, eagerness, lateral_acceleration, braking):
    """The speed [n] drivers would like to have: their share of the limit, and less before curves [m/s].

    Args:
        yaw: as for `curve_speed`.
        speed_limit: of the paths, [n, p] [m/s].
        s: as for `curve_speed`.
        eagerness: preferred share of the limit [n].
        lateral_acceleration: as for `curve_speed`.
        braking: as for `curve_speed`.
    """
    desired = curve_speed(yaw, s, lateral_acceleration, braking)
    for i in range(len(desired)):
        here = speed_limit[i, min(int(s[i]), speed_limit.shape[1] - 1)]
        desired[i] = min(desired[i], here * eagerness[i])
    return desired


@compiled
def leaders(xy, yaw, z, s, length, sizes, waited, boxes, box_z, speeds, margins):
    """The nearest object in each driver's corridor, and how much road is free to stop on.

    Args:
        xy: paths, [n, p, 2] [m].
        yaw: of the paths, [n, p] [rad].
        z: of the paths, [n, p] [m].
        s: where the drivers are on them, [n] [m].
        length: of the paths, 0 for those that are not on the map, [n] [m].
        sizes: length and width of the drivers' vehicles, [n, 2] [m].
        waited: how long they have stood, [n] [s]. Of two that wait for each other the one that came last goes on.
        boxes: all objects, [m, 5]; the first n are the drivers themselves.
        box_z: their heights [m]; those on another level than the path are none of its leaders.
        speeds: theirs, [m] [m/s].
        margins: widens the corridor for objects about to enter it, [m] [m].

    Returns:
        Bumper-to-bumper gap [n], infinite when free; the leader's speed along the path, at least 0 [n]; its row among
        the boxes, -1 for none [n]; and how far ahead of each driver's centre the road is free of what stands, less
        what the moving vehicles before that will take up [n].
    """
    n = xy.shape[0]
    gap, lead_speed, lead = np.full(n, np.inf), np.zeros(n), np.full(n, -1)
    room = np.full(n, np.inf)
    for i in range(n):
        if length[i] > 0:
            gap[i], lead_speed[i], lead[i], room[i] = _look_ahead(
                i, -1, xy, yaw, z, s, sizes, boxes, box_z, speeds, margins
            )
    for i in range(n):
        j = lead[i]
        if 0 <= j < n and lead[j] == i and waited[j] > STAND_OFF and (waited[i], i) < (waited[j], j):
            gap[i], lead_speed[i], lead[i], room[i] = _look_ahead(
                i, j, xy, yaw, z, s, sizes, boxes, box_z, speeds, margins
            )
    return gap, lead_speed, lead, room


@compiled
def _look_ahead(i, ignored, xy, yaw, z, s, sizes, boxes, box_z, speeds, margins):
    """Gap, leader's speed, leader and room of driver `i`, as `leaders` gives them, without the object `ignored`."""
    m, last, first = boxes.shape[0], xy.shape[1] - 1, int(s[i])
    begins, taken, along_speed, num_found = np.empty(m), np.empty(m), np.empty(m), 0
    gap, lead_speed, lead, room = np.inf, 0.0, -1, np.inf
    reach = PATH_STEP * PATH_POINTS + 12.0
    for j in range(m):
        x, y = boxes[j, 0], boxes[j, 1]
        if j in (i, ignored) or abs(x - boxes[i, 0]) > reach or abs(y - boxes[i, 1]) > reach:
            continue
        nearest, best = 0, np.inf
        for k in range(PATH_POINTS):
            a = min(first + PATH_STEP * k, last)
            dx, dy = x - xy[i, a, 0], y - xy[i, a, 1]
            if dx * dx + dy * dy < best:
                best, nearest = dx * dx + dy * dy, k

        # where the object stands in the frame of the path point nearest to it, and how much of the path it takes up
        a = min(first + PATH_STEP * nearest, last)
        if abs(box_z[j] - z[i, a]) > LEVEL_HEIGHT:
            continue
        c, sn = np.cos(yaw[i, a]), np.sin(yaw[i, a])
        dx, dy = x - xy[i, a, 0], y - xy[i, a, 1]
        along, across = c * dx + sn * dy, c * dy - sn * dx
        turn = boxes[j, 2] - yaw[i, a]
        ct, st = abs(np.cos(turn)), abs(np.sin(turn))
        half_along = (ct * boxes[j, 3] + st * boxes[j, 4]) / 2
        half_across = (st * boxes[j, 3] + ct * boxes[j, 4]) / 2
        ahead = PATH_STEP * nearest + along - (s[i] - first)
        inside = abs(across) < half_across + sizes[i, 1] / 2 + CORRIDOR_MARGIN + margins[j]
        if not inside or ahead <= 0.3 or abs(along) >= PATH_STEP:
            continue

        towards = max(speeds[j] * np.cos(turn), 0.0)
        begins[num_found], taken[num_found] = ahead - half_along, 2 * half_along + QUEUE_GAP
        along_speed[num_found] = towards
        num_found += 1
        here = max(ahead - half_along - sizes[i, 0] / 2, 0.0)
        if here < gap:
            gap, lead_speed, lead = here, towards, j

    for a in range(num_found):
        if along_speed[a] < STANDING:
            free = begins[a]
            for b in range(num_found):
                if along_speed[b] >= STANDING and begins[b] < begins[a]:
                    free -= taken[b]
            room = min(room, free)
    return gap, lead_speed, lead, room


_idm = compiled(idm_formula)


@compiled
def choose_acceleration(speed, desired, headway, gap, lead_speed, stop, stands, idm):
    """The acceleration [n] drivers choose: IDM behind their leader and before where they must stop, the lesser of both.

    Args:
        speed: [n] [m/s].
        desired: [n] [m/s].
        headway: time gap to the leader; half of it counts before a line [n] [s].
        gap: to the leader [n] [m].
        lead_speed: [n] [m/s].
        stop: gap to a standing leader where they must stop [n] [m].
        stands: never moves again, bool [n].
        idm: a, b, hardest braking, standstill gap and exponent of IDMConfig.
    """
    a, b, hardest, gap_0, exponent = idm
    asked = np.empty(len(speed))
    for i in range(len(speed)):
        behind = _idm(speed[i], desired[i], gap[i], lead_speed[i], headway[i], a, b, hardest, gap_0, exponent)
        before = _idm(speed[i], desired[i], stop[i], 0.0, 0.5 * headway[i], a, b, hardest, gap_0, exponent)
        asked[i] = -hardest if stands[i] else min(behind, before)
    return asked


@compiled
def advance(speed, acceleration, waited, lateral_speed, s, lateral, length, bias, asked, dt):
    """Move drivers along their paths by a step; all arrays but `length`, `bias` and `asked` are brought up to date.

    Args:
        speed: [n] [m/s].
        acceleration: of this step [n] [m/s²].
        waited: how long they have stood [n] [s].
        lateral_speed: to the left [n] [m/s].
        s: arc length on the path [n] [m].
        lateral: offset from it [n] [m].
        length: of the paths, 0 for those that are not on the map [n] [m].
        bias: lateral offset they steer to [n] [m].
        asked: the acceleration they choose [n] [m/s²].
        dt: [s].
    """
    for i in range(len(speed)):
        before = speed[i]
        speed[i] = max(before + asked[i] * dt, 0.0)
        acceleration[i] = (speed[i] - before) / dt
        waited[i] = waited[i] + dt if speed[i] < 0.5 else 0.0

        # steer like a critically damped spring; nobody slides sideways while standing
        pull = 0.9 * (bias[i] - lateral[i]) - 1.9 * lateral_speed[i]
        lateral_speed[i] = (lateral_speed[i] + pull * dt) * min(speed[i] / 3.0, 1.0)
        if length[i] > 0:
            s[i] += 0.5 * (before + speed[i]) * dt
            lateral[i] += lateral_speed[i] * dt


@compiled
def vehicle_boxes(poses, lateral_speed, speed, sizes):
    """Boxes [n, 5] of vehicles at `poses` [n, 4]; those that change lanes are turned a little."""
    boxes = np.empty((len(speed), 5))
    for i in range(len(speed)):
        drift = np.arctan2(lateral_speed[i], max(speed[i], 3.0))
        boxes[i] = (poses[i, 0], poses[i, 1], poses[i, 2] + drift, sizes[i, 0], sizes[i, 1])
    return boxes
