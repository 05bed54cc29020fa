"""Small layouts and road users to draw."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from worldsim.datatypes.layout import AreaKind, Layout, LayoutKind, LineColor, LineKind, SignFace, join_polylines
from worldsim.datatypes.scene import ObjectKind
from worldsim.gbuffer.road_users import RoadUsers

Box = tuple[float, float, float, float, float, float, float]


def layout_of(kind: LayoutKind, *boxes: Box, seed: int = 8, signal: int = -1, sign: int = SignFace.NONE) -> Layout:
    """Boxes of one kind, in one colour."""
    n = len(boxes)
    return Layout(
        boxes=np.array(boxes, np.float64).reshape(-1, 7),
        box_kinds=np.full(n, kind, np.int64),
        box_colors=np.full((n, 3), (200, 190, 170), np.uint8),
        box_color_valid=np.ones(n, bool),
        box_seeds=np.full(n, seed, np.uint32),
        box_signals=np.full(n, signal, np.int64),
        box_signs=np.full(n, sign, np.int64),
    )


def with_road(layout: Layout, half_width: float = 3.5) -> Layout:
    """A straight road along x, from -20 to 200, with a sidewalk on its right and a solid white line in the middle."""
    road = np.array([(-20.0, -half_width), (200, -half_width), (200, half_width), (-20, half_width)])
    walk = road * (1, 0) + [(0, -half_width - 2), (0, -half_width - 2), (0, -half_width), (0, -half_width)]
    area_points, area_starts = join_polylines([walk, road])
    line_points, line_starts = join_polylines([np.array([[-20.0, 0.0], [200.0, 0.0]])])
    return dataclasses.replace(
        layout,
        area_points=area_points,
        area_starts=area_starts,
        area_kinds=np.array([AreaKind.SIDEWALK, AreaKind.DRIVABLE]),
        line_points=line_points,
        line_starts=line_starts,
        line_kinds=np.array([LineKind.SOLID]),
        line_colors=np.array([LineColor.WHITE]),
        line_widths=np.array([0.3], np.float32),
    )


def users_of(*users: tuple[ObjectKind, Box], color: Sequence[int] = (250, 20, 20), braking: bool = False) -> RoadUsers:
    """Road users of one colour."""
    n = len(users)
    return RoadUsers(
        kinds=np.array([kind for kind, _ in users], np.int64),
        boxes=np.array([box for _, box in users], float).reshape(-1, 7),
        colors=np.tile(np.array(color, float), (n, 1)),
        braking=np.full(n, braking),
        phases=np.zeros(n),
    )


def car(x: float, y: float = 0.0) -> tuple[ObjectKind, Box]:
    return ObjectKind.CAR, (x, y, 0.0, 0.0, 4.5, 1.8, 1.5)
