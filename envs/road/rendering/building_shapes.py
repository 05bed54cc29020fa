"""Shapes of what stands beside the road: buildings, trees, lamp posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.road.rendering.shapes import LAMP_LIGHT, Shape, ShapeBuilder, box_sides, inset


@dataclass(frozen=True, kw_only=True)
class Facade:
    """How a building looks.

    Args:
        wall: RGB.
        roof: RGB.
        num_floors: rows of windows.
        floor_height: [m].
        pitched: has a gable roof along its front instead of a flat one.
        seed: of its lit windows.
    """

    wall: tuple[float, float, float]
    roof: tuple[float, float, float]
    num_floors: int
    floor_height: float
    pitched: bool
    seed: int


WINDOW_FADE = 85.0
"""Distance at which windows have melted into the wall [m]."""


def building(width: float, depth: float, facade: Facade) -> Shape:
    """A building around its centre: `depth` along x, `width` along y."""
    b = ShapeBuilder()
    rng = np.random.default_rng([facade.seed, 7003])
    wall, roof = np.array(facade.wall), np.array(facade.roof)
    height = facade.num_floors * facade.floor_height + 0.6
    x1, y1 = 0.5 * depth, 0.5 * width
    b.face([(-x1, -y1, height), (x1, -y1, height), (x1, y1, height), (-x1, y1, height)], (0, 0, 1), roof)
    for side in box_sides(-x1, x1, -y1, y1, 0.0, height):
        outward = side.mean(0) * (1, 1, 0)
        b.face(side, outward, wall)
        b.face(inset(side, 0, 1, 0, 0.7 / height), outward, 0.78 * wall, far_color=wall, fade=120.0)
        if not facade.pitched:
            b.face(inset(side, 0, 1, 1 - 0.45 / height, 1), outward, 0.82 * roof + 24, far_color=wall, fade=160.0)
        _windows(b, side, outward, facade, height, rng)
    if facade.pitched:
        _gable_roof(b, x1, y1, height, min(0.8 * x1, 3.4), wall, roof)
    return b.build()


def _windows(b: ShapeBuilder, side: np.ndarray, outward, facade: Facade, height: float, rng: np.random.Generator):
    """Rows of windows: a dark band a floor, cut by posts in the colour of the wall."""
    wall = np.array(facade.wall)
    length = float(np.linalg.norm(side[1] - side[0]))
    count = max(2, round(length / 3.0))
    margin = 0.9 / length
    for floor in range(facade.num_floors):
        bottom = (floor * facade.floor_height + 1.2) / height
        lit = float(rng.random() < 0.55)
        band = inset(side, margin, 1 - margin, bottom, bottom + 0.5 * facade.floor_height / height)
        b.face(band, outward, (74, 90, 108), far_color=0.93 * wall, fade=WINDOW_FADE, glow=0.8 * lit)
    posts = np.linspace(margin, 1 - margin, count + 1)[1:-1]
    for u in posts:
        half = 0.55 / length
        b.face(inset(side, u - half, u + half, 0.75 / height, 1 - 0.45 / height), outward, wall, fade=WINDOW_FADE)


def _gable_roof(b: ShapeBuilder, x1: float, y1: float, z: float, rise: float, wall: np.ndarray, roof: np.ndarray):
    e = 0.4
    for s in (-1.0, 1.0):
        b.face([(-x1, s * y1, z), (x1, s * y1, z), (0, s * y1, z + rise), (0, s * y1, z + rise)], (0, s, 0), wall)
        drop = z - e * rise / x1
        eaves, ridge = s * (x1 + e), z + rise
        b.face(
            [(eaves, -y1 - e, drop), (eaves, y1 + e, drop), (0, y1 + e, ridge), (0, -y1 - e, ridge)], (s, 0, 0.5), roof
        )


def tree(height: float, crown: float, color: Sequence[float] | np.ndarray, conifer: bool, seed: int) -> Shape:
    """A tree around its foot; `crown` is the radius of its crown [m]."""
    b = ShapeBuilder()
    rng = np.random.default_rng([seed, 7004])
    trunk, leaves = np.array((98.0, 78.0, 60.0)), np.array(color, float)
    radius = 0.13 + 0.012 * height
    b.box(-radius, radius, -radius, radius, 0.0, height - crown, trunk)
    if conifer:
        for share, size in ((0.3, 1.0), (0.48, 0.8), (0.64, 0.6), (0.8, 0.38)):
            b.ball((0, 0, share * height), 0.62 * crown * size + 0.2, leaves)
    else:
        for k in range(3):
            angle = 2 * np.pi * (k / 3 + rng.random() / 4)
            offset = 0.42 * crown
            centre = (offset * np.cos(angle), offset * np.sin(angle), height - crown * (1.35 - 0.2 * rng.random()))
            b.ball(centre, 0.72 * crown, 0.94 * leaves)
        b.ball((0, 0, height - 0.8 * crown), 0.8 * crown, leaves)
    return b.build()


def lamp_post(height: float, reach: float) -> Shape:
    """A street lamp around its foot; its arm reaches along x [m]."""
    b = ShapeBuilder()
    grey, r = (110.0, 114.0, 118.0), 0.09
    b.box(-r, r, -r, r, 0.0, height, grey)
    b.box(0.0, reach, -0.05, 0.05, height - 0.12, height, grey)
    b.box(reach - 0.5, reach + 0.25, -0.14, 0.14, height - 0.2, height - 0.04, (206.0, 206.0, 198.0))
    b.ball((reach - 0.1, 0, height - 0.22), 0.16, LAMP_LIGHT, glow=1.0)
    return b.build()
