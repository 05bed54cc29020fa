"""What road users' futures are compared by: their motion, distances, collisions, the road's edge and red lights.

Definitions as in the Waymo Open Sim Agents Challenge: rates are central differences, distances are those of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from worldsim.actors.lane_graph import LaneGraph
from worldsim.compiled import compiled
from worldsim.datatypes.boxes import corners, wrap_angle
from worldsim.datatypes.layout import AreaKind, Layout
from worldsim.datatypes.signals import SignalKind, light_states

MOST_TTC = 5.0
"""Time to collision of who follows nobody, or nobody slower [s]."""
FOLLOWS_ANGLE, FOLLOWS_STRAIGHT = np.radians(75.0), np.radians(10.0)
"""Who is followed is turned by no more than the first; by no more than the second where boxes overlap little [rad]."""
LITTLE_OVERLAP = 0.5
"""Sideways overlap that is little [m]."""
FAR = 1e3
"""Distance of who has nobody around [m]."""
REACH = 80.0
"""Boxes farther apart than this are not looked at closely: neither of the two is scored that far [m]."""
PIXEL = 0.25
"""Resolution of the map of the road's edge [m]."""
EDGE_MARGIN = 30.0
"""The map reaches this far beyond the road [m]."""
LINE_SIDE, LINE_TURN = 1.8, 1.0
"""Who crosses a stop line passes this near to its middle [m], turned by no more than this [rad]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Futures:
    """Where `n` road users are in `r` rollouts of `t` steps.

    Args:
        boxes: x, y, yaw, length, width, float64 [r, n, t, 5].
        seen: whether a road user is there and counts, bool [r, n, t].
        others: the boxes of the ego and of who is parked, which are in nobody's rollout, float64 [t, m, 5].
        times: of the steps on the lights' clock, float64 [t] [s].
        dt: [s].
    """

    boxes: np.ndarray
    seen: np.ndarray
    others: np.ndarray
    times: np.ndarray
    dt: float


class RoadEdge:
    """How far places are from the edge of the drivable area of a layout [m]: negative on it, positive beside it."""

    def __init__(self, layout: Layout) -> None:
        outlines = [
            outline[:, :2]
            for outline, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True)
            if kind in (AreaKind.DRIVABLE, AreaKind.JUNCTION)
        ]
        self.known = len(outlines) > 0
        if not self.known:
            return
        points = np.concatenate(outlines)
        self._origin = points.min(axis=0) - EDGE_MARGIN
        width, height = np.ceil((points.max(axis=0) + EDGE_MARGIN - self._origin) / PIXEL).astype(int).tolist()
        road = np.zeros((height, width), np.uint8)
        for outline in outlines:
            # in sixteenths of a pixel; pixel k covers k to k + 1
            place = np.round(((outline - self._origin) / PIXEL - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(road, [place.reshape(-1, 1, 2)], 1, shift=4)
        outside = cv2.distanceTransform(1 - road, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        inside = cv2.distanceTransform(road, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        self._distance = PIXEL * np.where(road > 0, 0.5 - inside, outside - 0.5).astype(np.float64)

    def distance(self, places: np.ndarray) -> np.ndarray:
        """Of places [..., 2], [...]; beyond the map as far as at its border."""
        x, y = np.moveaxis(((places - self._origin) / PIXEL).astype(np.int64), -1, 0)
        height, width = self._distance.shape
        return self._distance[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]


class TrafficFeatures(dict[str, tuple[np.ndarray, np.ndarray]]):
    """Name of the feature: values [r, n, t], and which of them count, bool [r, n, t]. Events are bool."""

    @staticmethod
    def of(futures: Futures, edge: RoadEdge, lanes: LaneGraph, light_cycles: np.ndarray | None) -> TrafficFeatures:
        """The features of futures, on a map, with LIGHT_CYCLE_NAMES [g, 4] by light group where these are known."""
        boxes, seen, dt = futures.boxes, futures.seen, futures.dt
        found = TrafficFeatures()
        speed = np.hypot(_rate(boxes[..., 0], dt), _rate(boxes[..., 1], dt))
        yaw_rate = _turn_rate(boxes[..., 2], dt)
        once = _between(seen)
        twice = _between(once)
        found["linear_speed"] = speed, once
        found["linear_acceleration"] = _rate(speed, dt), twice
        found["angular_speed"] = yaw_rate, once
        found["angular_acceleration"] = _rate(yaw_rate, dt), twice

        nearest, ttc = np.full(seen.shape, FAR), np.full(seen.shape, MOST_TTC)
        other_speed = np.hypot(_rate(futures.others[..., 0].T, dt), _rate(futures.others[..., 1].T, dt)).T.copy()
        _interact(boxes, np.where(once, speed, 0.0), seen, futures.others, other_speed, nearest, ttc)
        found["distance_to_nearest_object"] = nearest, seen
        found["collision"] = nearest < 0, seen
        found["time_to_collision"] = ttc, seen

        on_map = seen if edge.known else np.zeros_like(seen)
        off = edge.distance(corners(boxes)).max(axis=-1) if edge.known else np.zeros(seen.shape)
        found["distance_to_road_edge"] = off, on_map
        found["off_road"] = off > 0, on_map

        known = light_cycles is not None and len(lanes) > 0
        red = np.zeros(seen.shape, bool)
        if light_cycles is not None and len(lanes):
            shown = light_states(light_cycles[None], futures.times[:, None])
            red = _runs_red(boxes, seen, lanes, shown)
        found["red_light"] = red, seen if known else np.zeros_like(seen)
        return found


def _rate(values: np.ndarray, dt: float) -> np.ndarray:
    """Central differences of values [..., t], 0 at both ends."""
    rate = np.zeros_like(values)
    rate[..., 1:-1] = (values[..., 2:] - values[..., :-2]) / (2 * dt)
    return rate


def _turn_rate(yaw: np.ndarray, dt: float) -> np.ndarray:
    """The same of angles [..., t]."""
    rate = np.zeros_like(yaw)
    rate[..., 1:-1] = wrap_angle(yaw[..., 2:] - yaw[..., :-2]) / (2 * dt)
    return rate


def _between(seen: np.ndarray) -> np.ndarray:
    """Steps [..., t] before and after which it is seen too."""
    both = np.zeros_like(seen)
    both[..., 1:-1] = seen[..., 2:] & seen[..., :-2]
    return both


def _runs_red(boxes: np.ndarray, seen: np.ndarray, lanes: LaneGraph, shown: np.ndarray) -> np.ndarray:
    """Whose front crosses the stop line of a light that is red [t, g] in the step to each, bool [r, n, t]."""
    red = np.zeros(seen.shape, bool)
    x, y, yaw, length, _ = np.moveaxis(boxes, -1, 0)
    front_x, front_y = x + 0.5 * length * np.cos(yaw), y + 0.5 * length * np.sin(yaw)
    for lane in np.flatnonzero(lanes.stop_groups >= 0).tolist():
        at, group = lanes.stop_pose(lane), int(lanes.stop_groups[lane])
        if group >= shown.shape[1]:
            continue
        c, s = np.cos(at[2]), np.sin(at[2])
        along = c * (front_x - at[0]) + s * (front_y - at[1])
        aside = c * (front_y - at[1]) - s * (front_x - at[0])
        crosses = (along[..., :-1] < 0) & (along[..., 1:] >= 0) & (np.abs(aside[..., 1:]) < LINE_SIDE)
        crosses &= (np.abs(wrap_angle(yaw[..., 1:] - at[2])) < LINE_TURN) & seen[..., 1:] & seen[..., :-1]
        red[..., 1:] |= crosses & (shown[1:, group] == SignalKind.RED)
    return red


@compiled
def _separation(a, b):
    """Signed distance of boxes [5] [m]: Euclidean where they are apart, minus the least overlap where they touch."""
    dx, dy, turn = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    ca, sa, cb, sb = np.cos(a[2]), np.sin(a[2]), np.cos(b[2]), np.sin(b[2])
    c, s = abs(np.cos(turn)), abs(np.sin(turn))
    al, aw, bl, bw = a[3] / 2, a[4] / 2, b[3] / 2, b[4] / 2
    gap = max(
        max(abs(ca * dx + sa * dy) - al - c * bl - s * bw, abs(ca * dy - sa * dx) - aw - s * bl - c * bw),
        max(abs(cb * dx + sb * dy) - bl - c * al - s * aw, abs(cb * dy - sb * dx) - bw - s * al - c * aw),
    )
    if gap <= 0:
        return gap
    # apart: a corner of one is nearest to the other
    nearest = np.inf
    for k in range(4):
        u, v = (1 if k < 2 else -1), (1 if k % 2 == 0 else -1)
        x, y = dx + cb * u * bl - sb * v * bw, dy + sb * u * bl + cb * v * bw
        nearest = min(nearest, np.hypot(max(abs(ca * x + sa * y) - al, 0.0), max(abs(ca * y - sa * x) - aw, 0.0)))
        x, y = ca * u * al - sa * v * aw - dx, sa * u * al + ca * v * aw - dy
        nearest = min(nearest, np.hypot(max(abs(cb * x + sb * y) - bl, 0.0), max(abs(cb * y - sb * x) - bw, 0.0)))
    return nearest


@compiled
def _time_to(a, speed, b, other_speed):
    """Distance from the front of `a` to `b`, if it follows it, else infinite, and the time to their collision."""
    ca, sa = np.cos(a[2]), np.sin(a[2])
    dx, dy = b[0] - a[0], b[1] - a[1]
    turn = abs((b[2] - a[2] + np.pi) % (2 * np.pi) - np.pi)
    c, s = abs(np.cos(turn)), abs(np.sin(turn))
    ahead = ca * dx + sa * dy - a[3] / 2 - (c * b[3] + s * b[4]) / 2
    aside = abs(ca * dy - sa * dx) - a[4] / 2 - (s * b[3] + c * b[4]) / 2
    follows = ahead > 0 and turn <= FOLLOWS_ANGLE and aside < 0
    if not follows or (aside > -LITTLE_OVERLAP and turn > FOLLOWS_STRAIGHT):
        return np.inf, MOST_TTC
    closing = speed - other_speed
    return ahead, min(ahead / closing, MOST_TTC) if closing > 0 else MOST_TTC


@compiled
def _interact(boxes, speeds, seen, others, other_speeds, nearest, ttc):
    num_rollouts, n, t, _ = boxes.shape
    m = others.shape[1]
    for r in range(num_rollouts):
        for k in range(t):
            for i in range(n):
                if not seen[r, i, k]:
                    continue
                own, ahead = boxes[r, i, k], np.inf
                for j in range(n + m):
                    if j == i or (j < n and not seen[r, j, k]):
                        continue
                    other = boxes[r, j, k] if j < n else others[k, j - n]
                    apart = np.hypot(other[0] - own[0], other[1] - own[1])
                    if apart > REACH:
                        nearest[r, i, k] = min(nearest[r, i, k], apart)
                        continue
                    if apart - (own[3] + own[4] + other[3] + other[4]) / 2 < nearest[r, i, k]:
                        nearest[r, i, k] = min(nearest[r, i, k], _separation(own, other))
                    gap, time = _time_to(
                        own, speeds[r, i, k], other, speeds[r, j, k] if j < n else other_speeds[k, j - n]
                    )
                    if gap < ahead:
                        ahead, ttc[r, i, k] = gap, time
