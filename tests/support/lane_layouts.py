"""Layouts of lanes: a straight road, and a T of which the stem comes from the south."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from worldsim.datatypes.layout import AreaKind, Layout, LayoutKind, LineKind, SignFace, join_polylines


def _arc(start: tuple[float, float], end: tuple[float, float], corner: tuple[float, float]) -> np.ndarray:
    """A turn as a quadratic curve around a corner."""
    t = np.linspace(0.0, 1.0, 13)[:, None]
    return (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(corner) + t**2 * np.array(end)


def layout_with_lanes(lanes: list[np.ndarray], stops: list[np.ndarray], junction: np.ndarray | None = None) -> Layout:
    """Lanes [n, 2], stop lines [2, 2] and the outline of a junction [k, 2]; each lane 4 m wide is drivable."""
    line_points, line_starts = join_polylines([*lanes, *stops])
    areas = [np.concatenate([_beside(lane, 2.0), _beside(lane, -2.0)[::-1]]) for lane in lanes]
    kinds = [int(AreaKind.DRIVABLE)] * len(areas)
    if junction is not None:
        areas, kinds = [*areas, junction], [*kinds, int(AreaKind.JUNCTION)]
    area_points, area_starts = join_polylines(areas)
    num = len(lanes) + len(stops)
    return Layout(
        area_points=area_points,
        area_starts=area_starts,
        area_kinds=np.array(kinds),
        line_points=line_points,
        line_starts=line_starts,
        line_kinds=np.array([int(LineKind.LANE_CENTRE)] * len(lanes) + [int(LineKind.STOP_LINE)] * len(stops)),
        line_colors=np.full(num, 2),
        line_widths=np.zeros(num, np.float32),
    )


def _beside(lane: np.ndarray, offset: float) -> np.ndarray:
    steps = np.diff(lane, axis=0)
    steps = np.concatenate([steps, steps[-1:]])
    return lane + offset * np.stack([-steps[:, 1], steps[:, 0]], axis=-1) / np.hypot(*steps.T)[:, None]


EASTWARD, WESTWARD, NORTHWARD = 0, 4, 2
"""Lanes of `tee` that lead into its junction; 1 goes on east, 5 west."""
STRAIGHT_ON, LEFT_OF_STEM, RIGHT_OF_STEM = 6, 7, 8
"""Lanes in its junction: eastward straight on; from the stem west, and east."""


def tee(*, lights: bool = False, stop_sign: bool = False) -> Layout:
    """A T at the origin: the main road along x, its stem from the south. With lights group 0 is the main road's and
    group 1 the stem's; their stop lines, and the stem's under a stop sign, lie a metre before the junction."""
    lanes = [
        np.array([(-60.0, -2.0), (-10.0, -2.0)]),
        np.array([(10.0, -2.0), (60.0, -2.0)]),
        np.array([(2.0, -60.0), (2.0, -10.0)]),
        np.array([(-2.0, -10.0), (-2.0, -60.0)]),
        np.array([(60.0, 2.0), (10.0, 2.0)]),
        np.array([(-10.0, 2.0), (-60.0, 2.0)]),
        np.array([(-10.0, -2.0), (10.0, -2.0)]),
        _arc((2.0, -10.0), (-10.0, 2.0), (2.0, 2.0)),
        _arc((2.0, -10.0), (10.0, -2.0), (2.0, -2.0)),
        np.array([(10.0, 2.0), (-10.0, 2.0)]),
    ]
    stops = []
    if lights:
        stops = [np.array([(-11.0, -3.5), (-11.0, -0.5)]), np.array([(11.0, 3.5), (11.0, 0.5)])]
    if lights or stop_sign:
        stops.append(np.array([(0.5, -11.0), (3.5, -11.0)]))
    junction = np.array([(-10.0, -10.0), (10.0, -10.0), (10.0, 6.0), (-10.0, 6.0)])
    layout = layout_with_lanes(lanes, stops, junction)
    rows: list[tuple[float, float, float, int, int]] = []
    if lights:
        rows = [(12.0, -5.0, np.pi, 0, 0), (-12.0, 5.0, 0.0, 0, 0), (4.0, 10.0, -np.pi / 2, 1, 0)]
    if stop_sign:
        rows.append((5.0, -11.0, -np.pi / 2, -1, int(SignFace.STOP)))
    n = len(rows)
    return replace(
        layout,
        boxes=np.array([(x, y, 3.0, yaw, 0.3, 0.3, 0.9) for x, y, yaw, *_ in rows]).reshape(-1, 7),
        box_kinds=np.array([int(LayoutKind.SIGN if sign else LayoutKind.LIGHT) for *_, sign in rows], np.int64),
        box_colors=np.zeros((n, 3), np.uint8),
        box_color_valid=np.ones(n, bool),
        box_seeds=np.zeros(n, np.uint32),
        box_signals=np.array([group for *_, group, _ in rows], np.int64),
        box_signs=np.array([sign for *_, sign in rows], np.int64),
    )
