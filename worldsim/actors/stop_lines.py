"""Where one stops on the lanes of a layout, and for what: stop lines with the light or sign that stands there, and
signs without a line. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import BoxColumn, Layout, LayoutKind, LineKind, SignFace
from worldsim.datatypes.signals import SignalKind

HEAD_RANGE, HEAD_SIDE, HEAD_TURN = (-4.0, 45.0), 16.0, 0.6
"""Where the heads of a light stand: beyond its stop line, beside it [m], and turned away from who waits [rad]."""
SIGN_RANGE, SIGN_SIDE = (-8.0, 8.0), 9.0
"""Where a sign stands, seen from its stop line [m]."""
ENTRY_REACH = 12.0
"""A sign without a stop line stands within this of the end of the lane it counts for [m]."""
INTO_JUNCTION = 5.0
"""A stop line this far on a junction lane is that of the lane before [m]."""
PAINTED_SHORT = 0.1
"""Stop lines are longer by this share at both ends than they are painted: they end some way before the road's edges."""
NO_STOP = np.inf
"""`stop_s` of a lane without a stop line [m]."""


def find_stops(
    layout: Layout,
    points: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    in_junction: np.ndarray,
    successors: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`stop_s`, `stop_kinds` and `stop_groups` of a LaneGraph, from its other fields and the layout."""
    num = len(lengths)
    stop_s, kinds, groups = np.full(num, NO_STOP), np.full(num, int(SignalKind.NONE)), np.full(num, -1)
    lines = layout.lines()
    segments = [lines[k][[0, -1], :2] for k in np.flatnonzero(layout.line_kinds == LineKind.STOP_LINE).tolist()]
    before = {int(onward): lane for lane, row in enumerate(successors) for onward in row[row >= 0]}
    may_cross = _may_cross(points, starts, segments)
    for lane in range(num):
        own = points[starts[lane] : starts[lane + 1]]
        for k in np.flatnonzero(may_cross[lane]).tolist():
            s = _crossed_at(own, segments[k])
            if s is None or (in_junction[lane] and s > INTO_JUNCTION):
                continue
            # a line just inside a junction belongs to the lane before it
            whose = before.get(lane, lane) if in_junction[lane] else lane
            group, sign = _find_light(layout, own, s), _find_sign(layout, own, s, SIGN_RANGE)
            if group >= 0 or sign != SignalKind.NONE:
                kinds[whose], groups[whose] = SignalKind.RED if group >= 0 else sign, group
                stop_s[whose] = min(s, lengths[lane]) if whose == lane else lengths[whose] + s

        # a sign to give way often has no line
        onward = successors[lane][successors[lane] >= 0]
        if not in_junction[lane] and kinds[lane] == SignalKind.NONE and in_junction[onward].any():
            kinds[lane] = _find_sign(layout, own, lengths[lane], (-ENTRY_REACH, SIGN_RANGE[1]))
            stop_s[lane] = lengths[lane] if kinds[lane] != SignalKind.NONE else NO_STOP
    return stop_s, kinds, groups


def _may_cross(points: np.ndarray, starts: np.ndarray, segments: list[np.ndarray]) -> np.ndarray:
    """Which lanes may cross which segments [2, 2], longer than painted, since their bounds overlap, bool [l, k]."""
    ends = np.array(segments).reshape(-1, 2, 2)
    more = PAINTED_SHORT * np.abs(ends[:, 1] - ends[:, 0])
    lows, highs = ends.min(axis=1) - more, ends.max(axis=1) + more
    if not len(points):
        return np.zeros((0, len(ends)), bool)
    low = np.minimum.reduceat(points[:, :2], starts[:-1])
    high = np.maximum.reduceat(points[:, :2], starts[:-1])
    return np.asarray(np.all((low[:, None] <= highs) & (high[:, None] >= lows), axis=-1))


def _crossed_at(lane: np.ndarray, segment: np.ndarray) -> float | None:
    """Arc length at which a lane [k, 3] crosses a segment [2, 2] [m]; None where it does not."""
    step = np.hypot(*(lane[1, :2] - lane[0, :2]))
    a, along = lane[:-1, :2], np.diff(lane[:, :2], axis=0)
    b, across = segment[0], segment[1] - segment[0]
    cross = along[:, 0] * across[1] - along[:, 1] * across[0]
    d, safe = b - a, np.where(np.abs(cross) < 1e-9, np.inf, cross)
    t = (d[:, 0] * across[1] - d[:, 1] * across[0]) / safe
    u = (d[:, 0] * along[:, 1] - d[:, 1] * along[:, 0]) / safe
    on_line = (u > -PAINTED_SHORT) & (u < 1 + PAINTED_SHORT)
    hit = np.flatnonzero((t >= 0) & (t <= 1) & on_line & np.isfinite(safe))
    return None if not len(hit) else float((hit[0] + t[hit[0]]) * step)


def _seen_from(layout: Layout, rows: np.ndarray, lane: np.ndarray, s: float) -> tuple[np.ndarray, ...]:
    """How far ahead of the place at `s` on a lane and beside it boxes are [m], and how far they are turned away from
    who comes along it [rad], each [rows]."""
    step = np.hypot(*(lane[1, :2] - lane[0, :2]))
    x, y, yaw = lane[min(int(s / step), len(lane) - 1)]
    d = layout.boxes[rows, :2] - (x, y)
    ahead = np.cos(yaw) * d[:, 0] + np.sin(yaw) * d[:, 1]
    aside = np.cos(yaw) * d[:, 1] - np.sin(yaw) * d[:, 0]
    return ahead, aside, np.abs(wrap_angle(layout.boxes[rows, BoxColumn.YAW] - yaw - np.pi))


def _find_light(layout: Layout, lane: np.ndarray, s: float) -> int:
    """The light group of the nearest heads that face who waits at `s` on a lane, -1 for none."""
    rows = np.flatnonzero((layout.box_kinds == LayoutKind.LIGHT) & (layout.box_signals >= 0))
    ahead, aside, turned = _seen_from(layout, rows, lane, s)
    near = (ahead >= HEAD_RANGE[0]) & (ahead <= HEAD_RANGE[1]) & (np.abs(aside) <= HEAD_SIDE) & (turned <= HEAD_TURN)
    if not near.any():
        return -1
    return int(layout.box_signals[rows[np.where(near, np.hypot(ahead, aside), np.inf).argmin()]])


def _find_sign(layout: Layout, lane: np.ndarray, s: float, reach: tuple[float, float]) -> SignalKind:
    """STOP or YIELD where such a sign faces who comes to `s` on a lane, else NONE."""
    is_sign = (layout.box_signs == SignFace.STOP) | (layout.box_signs == SignFace.YIELD)
    rows = np.flatnonzero((layout.box_kinds == LayoutKind.SIGN) & is_sign)
    ahead, aside, turned = _seen_from(layout, rows, lane, s)
    near = (ahead >= reach[0]) & (ahead <= reach[1]) & (np.abs(aside) <= SIGN_SIDE) & (turned <= HEAD_TURN)
    if not near.any():
        return SignalKind.NONE
    face = layout.box_signs[rows[np.where(near, np.hypot(ahead, aside), np.inf).argmin()]]
    return SignalKind.STOP if face == SignFace.STOP else SignalKind.YIELD
