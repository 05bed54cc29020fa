"""What `envs.ground_truth` computes of many points, compiled. Imported when first used, for numba is slow to load."""

from __future__ import annotations

import math

import numpy as np

from worldsim.compiled import compiled

X, Y, YAW, LENGTH, WIDTH = range(5)
"""Columns of a box; the first three are also those of a vehicle."""
SLACK = 1e-6
"""More than rounding can make of the distance of two boxes [m]."""


@compiled
def project_ahead(
    points: np.ndarray, yaw: np.ndarray, xy: np.ndarray, s: float, distance: float, reach: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [n, 2] on the piece [s, s + distance] of a route: arc length, lateral offset and route yaw, each [n].

    A point beside no part of the piece gets the offset from its nearest end: at least its distance to it. One that is
    `reach` [m] or more from the beginning of the piece gets an infinite offset.
    """
    first, end = max(int(s), 0), min(int(s + distance) + 2, len(points))
    first = min(first, len(points) - 1)
    n = len(xy)
    at, across, direction = np.zeros(n), np.full(n, np.inf), np.zeros(n)
    for k in range(n):
        x, y = xy[k, 0], xy[k, 1]
        if math.hypot(x - points[first, 0], y - points[first, 1]) >= reach:
            continue
        nearest, least = first, np.inf
        for i in range(first, end):
            squared = (x - points[i, 0]) * (x - points[i, 0]) + (y - points[i, 1]) * (y - points[i, 1])
            if squared < least:
                nearest, least = i, squared
        c, sn = math.cos(yaw[nearest]), math.sin(yaw[nearest])
        dx, dy = x - points[nearest, 0], y - points[nearest, 1]
        along, offset = c * dx + sn * dy, c * dy - sn * dx
        if abs(along) > 1.5:
            offset = math.copysign(math.sqrt(least), offset)
        at[k], across[k], direction[k] = nearest + along, offset, yaw[nearest]
    return at, across, direction


@compiled
def on_level(
    points: np.ndarray,
    route_z: np.ndarray,
    s: float,
    boxes: np.ndarray,
    z: np.ndarray,
    reach: int,
    height: float,
    grade: float,
) -> np.ndarray:
    """Rows of the boxes [n, 5] on ground at heights `z` [n] that roads of the route's own level may lead to.

    A box counts as on another level when it is more than `height` above or below the point of the route nearest to it,
    and `grade` more for each metre between the two.

    Args:
        points: the route's centreline [r, 2] [m].
        route_z: its heights [r] [m].
        s: where the ego is on it [m].
        boxes: of the objects.
        z: heights under them [m].
        reach: how much of the route before and behind the ego counts [m].
        height: [m].
        grade: [1].
    """
    first = min(max(int(s) - reach, 0), len(points) - 1)
    rows = np.empty(len(boxes), np.int64)
    found = 0
    for k in range(len(boxes)):
        nearest, least = first, np.inf
        for i in range(first, min(int(s) + reach, len(points))):
            squared = (boxes[k, X] - points[i, 0]) ** 2 + (boxes[k, Y] - points[i, 1]) ** 2
            if squared < least:
                nearest, least = i, squared
        if abs(z[k] - route_z[nearest]) <= height + grade * math.sqrt(least):
            rows[found] = k
            found += 1
    return rows[:found]


@compiled
def nearest_objects(x: float, y: float, boxes: np.ndarray, reach: float, most: int) -> np.ndarray:
    """Rows of the at most `most` boxes [n, 5] nearest to (x, y) and not farther than `reach`, nearest first."""
    rows, distances = np.zeros(most, np.int64), np.full(most, np.inf)
    found = 0
    for k in range(len(boxes)):
        distance = math.hypot(boxes[k, X] - x, boxes[k, Y] - y)
        if distance > reach or (found == most and distance >= distances[most - 1]):
            continue
        place = min(found, most - 1)
        while place > 0 and distances[place - 1] > distance:
            rows[place], distances[place] = rows[place - 1], distances[place - 1]
            place -= 1
        rows[place], distances[place] = k, distance
        found = min(found + 1, most)
    return rows[:found]


@compiled
def list_objects(
    vehicle: np.ndarray,
    boxes: np.ndarray,
    speeds: np.ndarray,
    kinds: np.ndarray,
    rows: np.ndarray,
    objects: np.ndarray,
    object_kinds: np.ndarray,
) -> None:
    """Writes the objects of `rows` in the vehicle frame into the first slots of `objects` [k, 6] and their kinds."""
    c, sn = math.cos(-vehicle[YAW]), math.sin(-vehicle[YAW])
    for slot in range(len(rows)):
        row = rows[slot]
        x, y = boxes[row, X] - vehicle[X], boxes[row, Y] - vehicle[Y]
        objects[slot, 0], objects[slot, 1] = c * x - sn * y, sn * x + c * y
        objects[slot, 2] = (boxes[row, YAW] - vehicle[YAW] + np.pi) % (2 * np.pi) - np.pi
        objects[slot, 3] = speeds[row]
        objects[slot, 4], objects[slot, 5] = boxes[row, LENGTH], boxes[row, WIDTH]
        object_kinds[slot] = kinds[row]


@compiled
def find_lead(
    points: np.ndarray,
    yaw: np.ndarray,
    s: float,
    boxes: np.ndarray,
    speeds: np.ndarray,
    size: tuple[float, float],
    reach: float,
    margin: float,
) -> tuple[float, float, bool]:
    """`worldsim.actors.route_frame.nearest_ahead` of boxes [n, 5] with `speeds` [n] on a known route.

    Args:
        points: the route's centreline [r, 2].
        yaw: the route's [r].
        s: where the ego is on it [m].
        boxes: of the objects.
        speeds: along their own heading [m/s].
        size: the ego's length and width [m].
        reach: LEAD_RANGE.
        margin: LEAD_MARGIN.

    Returns:
        Gap, speed along the route, and whether there is a lead; 0 where there is none.
    """
    distance = reach + 10.0
    at, across, direction = project_ahead(points, yaw, boxes[:, :2], s, distance, distance)
    gap, speed, present = np.inf, 0.0, False
    for k in range(len(boxes)):
        if across[k] == np.inf or at[k] - s <= 0.0:
            continue
        turn = boxes[k, YAW] - direction[k]
        c, sn = abs(math.cos(turn)), abs(math.sin(turn))
        half_along = (c * boxes[k, LENGTH] + sn * boxes[k, WIDTH]) / 2
        half_across = (sn * boxes[k, LENGTH] + c * boxes[k, WIDTH]) / 2
        own_gap = at[k] - s - half_along - size[0] / 2
        if own_gap < min(gap, reach) and abs(across[k]) < half_across + size[1] / 2 + margin:
            gap, speed, present = own_gap, speeds[k] * math.cos(turn), True
    return (max(gap, 0.0) if present else 0.0), speed, present


@compiled
def may_touch(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Rows of `boxes` [n, 5] that no gap along or across `box` [5] keeps apart from it: all others are clear of it."""
    c, sn = math.cos(box[YAW]), math.sin(box[YAW])
    rows = np.empty(len(boxes), np.int64)
    found = 0
    for k in range(len(boxes)):
        dx, dy = boxes[k, X] - box[X], boxes[k, Y] - box[Y]
        reach = (box[LENGTH] + box[WIDTH] + boxes[k, LENGTH] + boxes[k, WIDTH]) / 2
        if abs(dx) > reach or abs(dy) > reach:
            continue
        turn = boxes[k, YAW] - box[YAW]
        ct, st = abs(math.cos(turn)), abs(math.sin(turn))
        along = (box[LENGTH] + ct * boxes[k, LENGTH] + st * boxes[k, WIDTH]) / 2
        across = (box[WIDTH] + st * boxes[k, LENGTH] + ct * boxes[k, WIDTH]) / 2
        if abs(c * dx + sn * dy) <= along + SLACK and abs(c * dy - sn * dx) <= across + SLACK:
            rows[found] = k
            found += 1
    return rows[:found]
