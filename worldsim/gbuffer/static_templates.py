"""Templates of what stands beside the road, one or a few for each LayoutKind."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from worldsim.datatypes.layout import BoxColumn, Layout, LayoutKind, SignFace
from worldsim.gbuffer.classes import Part
from worldsim.gbuffer.templates import (
    EXTRA,
    EXTRA_2,
    HEIGHT,
    LENGTH,
    METRE,
    NUM_PARAMETERS,
    SECOND,
    WIDTH,
    ZERO,
    Template,
    TemplateBuilder,
)


class StaticTemplate(IntEnum):
    """Index of a template in STATIC_TEMPLATES."""

    FLAT_BUILDING = 0
    GABLED_BUILDING = 1
    BROADLEAF = 2
    CONIFER = 3
    POST = 4
    LAMP_POST = 5
    MAST = 6
    SIGN = 7
    SIGNAL_HEAD = 11
    WALL = 12
    OTHER = 13


DEFAULT_COLORS = {
    LayoutKind.BUILDING: (196, 182, 164),
    LayoutKind.TREE: (88, 124, 66),
    LayoutKind.POLE: (110, 114, 118),
    LayoutKind.SIGN: (168, 170, 172),
    LayoutKind.LIGHT: (34, 36, 38),
    LayoutKind.WALL: (150, 144, 134),
    LayoutKind.OTHER: (140, 138, 134),
}
"""Of boxes whose colour is not known."""
ROOF_COLORS = np.array([(142, 84, 70), (104, 88, 84), (92, 98, 108), (126, 98, 78)], float)
"""A gabled building's roof has one of these, by its seed."""
TRUNK_COLOR = (98.0, 78.0, 60.0)
EAVES = 0.4
"""Roofs reach this far over walls [m]."""
MIN_ARM = 1.0
"""Poles longer than this are a post with an arm [m]."""
MIN_GABLE_HEIGHT, MAX_GABLE_HEIGHT = 4.0, 11.0
"""Buildings between these heights may have a gable roof [m]."""
SIGNAL_SCALE = 1.35
"""Heads of traffic lights are drawn so much larger, to be read in a small picture."""


def is_gabled(heights: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Which buildings have a gable roof, bool [n]: low ones, by their seed."""
    return (heights > MIN_GABLE_HEIGHT) & (heights < MAX_GABLE_HEIGHT) & (seeds % 8 != 0)


def roof_rise(lengths: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Height of a gable roof above the walls [m], [n]; its ridge runs along the building's width."""
    return np.minimum(np.minimum(0.4 * lengths, 3.4), 0.45 * heights)


def choose_templates(layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each box: its StaticTemplate int64 [n], parameters float64 [n, 6] and two colours float64 [n, 2, 3]."""
    boxes, kinds = layout.boxes, layout.box_kinds
    seeds = layout.box_seeds.astype(np.int64)
    length, width, height = (boxes[:, c] for c in (BoxColumn.LENGTH, BoxColumn.WIDTH, BoxColumn.HEIGHT))

    chosen = np.full(len(boxes), StaticTemplate.OTHER, np.int64)
    gabled = is_gabled(height, seeds)
    chosen[kinds == LayoutKind.BUILDING] = StaticTemplate.FLAT_BUILDING
    chosen[(kinds == LayoutKind.BUILDING) & gabled] = StaticTemplate.GABLED_BUILDING
    chosen[kinds == LayoutKind.TREE] = StaticTemplate.BROADLEAF
    chosen[(kinds == LayoutKind.TREE) & (seeds % 4 == 0)] = StaticTemplate.CONIFER
    chosen[kinds == LayoutKind.POLE] = StaticTemplate.POST
    chosen[(kinds == LayoutKind.POLE) & (length > MIN_ARM)] = StaticTemplate.MAST
    chosen[(kinds == LayoutKind.POLE) & (length > MIN_ARM) & (seeds > 0)] = StaticTemplate.LAMP_POST
    is_sign = kinds == LayoutKind.SIGN
    shown = np.where(layout.box_signs == SignFace.NONE, SignFace.OTHER, layout.box_signs)
    chosen[is_sign] = StaticTemplate.SIGN + shown[is_sign] - 1
    chosen[kinds == LayoutKind.LIGHT] = StaticTemplate.SIGNAL_HEAD
    chosen[kinds == LayoutKind.WALL] = StaticTemplate.WALL

    parameters = np.zeros((len(boxes), NUM_PARAMETERS))
    parameters[:, 0], parameters[:, 1:4] = 1.0, boxes[:, BoxColumn.LENGTH :]
    parameters[:, 4] = np.where(kinds == LayoutKind.BUILDING, roof_rise(length, height), 0.0)
    # a crown keeps room for the trunk below it
    crown = np.minimum(0.25 * (length + width), 0.45 * height)
    parameters[:, 4] = np.where(kinds == LayoutKind.TREE, crown, parameters[:, 4])
    # a sign that hangs has no post
    standing = is_sign & (height > 1.2 * width + 0.3)
    parameters[:, 4] = np.where(is_sign, np.minimum(height, np.maximum(width, 0.3)), parameters[:, 4])
    parameters[:, 5] = np.where(standing, height - 0.5 * parameters[:, 4], 0.0)
    # eaves go on with the roof's slope
    slope = roof_rise(length, height) / np.maximum(0.5 * length, 0.1)
    parameters[:, 5] = np.where(kinds == LayoutKind.BUILDING, EAVES * slope, parameters[:, 5])

    colors = np.zeros((len(boxes), 2, 3))
    for kind, color in DEFAULT_COLORS.items():
        colors[kinds == kind, 0] = color
    known = layout.box_color_valid
    colors[known, 0] = layout.box_colors[known]
    colors[:, 1] = np.where(gabled[:, None], ROOF_COLORS[seeds // 8 % len(ROOF_COLORS)], 0.55 * colors[:, 0] + 60.0)
    return chosen, parameters, colors


def _flat_building() -> Template:
    b = TemplateBuilder()
    x, y = 0.5 * LENGTH, 0.5 * WIDTH
    b.box(-x, x, -y, y, ZERO, HEIGHT, (Part.FRONT, Part.SIDE, Part.SIDE, Part.SIDE), top=False)
    b.face([(-x, -y, HEIGHT), (x, -y, HEIGHT), (x, y, HEIGHT), (-x, y, HEIGHT)], Part.FLAT_ROOF, SECOND)
    return b.build()


def _gabled_building() -> Template:
    """The ridge runs across the heading, so that the eaves look at the road."""
    b = TemplateBuilder()
    x, y, rise = 0.5 * LENGTH, 0.5 * WIDTH, EXTRA
    wall = HEIGHT - rise
    b.box(-x, x, -y, y, ZERO, wall, (Part.FRONT, Part.SIDE, Part.SIDE, Part.SIDE), top=False)
    b.face([(x, y, wall), (-x, y, wall), (ZERO, y, HEIGHT), (ZERO, y, HEIGHT)], Part.GABLE)
    b.face([(-x, -y, wall), (x, -y, wall), (ZERO, -y, HEIGHT), (ZERO, -y, HEIGHT)], Part.GABLE)
    e, drop = EAVES * METRE, EXTRA_2
    for s in (1.0, -1.0):
        out, side, low = s * (x + e), s * (y + e), wall - drop
        b.face(
            [(out, -side, low), (out, side, low), (ZERO, side, HEIGHT), (ZERO, -side, HEIGHT)], Part.SLOPED_ROOF, SECOND
        )
    # undersides of the eaves, so that nobody looks through them
    for s in (1.0, -1.0):
        out, inner, side, low = s * (x + e), s * x, s * (y + e), wall - drop
        b.face([(out, side, low), (out, -side, low), (inner, -side, wall), (inner, side, wall)], Part.POST, (0.3, 0.0))
    return b.build()


def _tree_trunk(b: TemplateBuilder, top) -> None:
    radius = 0.11 * METRE + 0.014 * HEIGHT
    b.box(-radius, radius, -radius, radius, ZERO, top, (Part.TRUNK,), (0.0, 0.0), TRUNK_COLOR, top=False)


def _broadleaf() -> Template:
    b = TemplateBuilder()
    crown = EXTRA
    _tree_trunk(b, HEIGHT - 1.1 * crown)
    for k, (rise, size) in enumerate(((1.32, 0.68), (1.16, 0.7), (1.24, 0.66))):
        angle = 2 * np.pi * k / 3
        x, y = 0.38 * np.cos(angle) * crown, 0.38 * np.sin(angle) * crown
        b.ball((x, y, HEIGHT - rise * crown), size * crown, 0.92 * size * crown, Part.CROWN, (0.95, 0.0))
    b.ball((ZERO, ZERO, HEIGHT - 0.8 * crown), 0.8 * crown, 0.8 * crown, Part.CROWN)
    return b.build()


def _conifer() -> Template:
    b = TemplateBuilder()
    crown = EXTRA
    _tree_trunk(b, 0.4 * HEIGHT)
    for rise, size, tall in ((0.33, 1.0, 0.17), (0.55, 0.74, 0.18), (0.79, 0.46, 0.21)):
        b.ball((ZERO, ZERO, rise * HEIGHT), 0.8 * size * crown, tall * HEIGHT, Part.CROWN, (0.9, 0.0))
    return b.build()


def _post() -> Template:
    b = TemplateBuilder()
    x, y = 0.5 * LENGTH, 0.5 * WIDTH
    b.box(-x, x, -y, y, ZERO, HEIGHT, (Part.POST,))
    return b.build()


def _mast(lamp: bool) -> Template:
    """A post at the rear end and an arm to the front end."""
    b = TemplateBuilder()
    foot, r = -0.5 * LENGTH + 0.1 * METRE, 0.09 * METRE
    tip = 0.5 * LENGTH
    b.box(foot - r, foot + r, -r, r, ZERO, HEIGHT, (Part.POST,))
    b.box(foot, tip, -0.05 * METRE, 0.05 * METRE, HEIGHT - 0.14 * METRE, HEIGHT, (Part.POST,))
    if lamp:
        low, high = HEIGHT - 0.26 * METRE, HEIGHT - 0.06 * METRE
        x0, x1, y = tip - 0.6 * METRE, tip, 0.16 * METRE
        b.box(x0, x1, -y, y, low, high, (Part.LAMP,), (0.0, 0.0), (206.0, 206.0, 198.0))
        b.face([(x0, y, low), (x1, y, low), (x1, -y, low), (x0, -y, low)], Part.LAMP, (0.0, 0.0), (206.0, 206.0, 198.0))
    return b.build()


def _sign(part: Part) -> Template:
    """A plate as high as wide at the top (EXTRA), on a post (EXTRA_2)."""
    b = TemplateBuilder()
    y, front = 0.5 * WIDTH, 0.06 * METRE
    low = HEIGHT - EXTRA
    back = 0.04 * METRE
    b.face([(front, -y, low), (front, y, low), (front, y, HEIGHT), (front, -y, HEIGHT)], part)
    b.face([(back, y, low), (back, -y, low), (back, -y, HEIGHT), (back, y, HEIGHT)], Part.SIGN_BACK)
    r = 0.04 * METRE
    b.box(-r, r, -r, r, ZERO, EXTRA_2, (Part.POST,), (0.0, 0.0), (128.0, 132.0, 134.0))
    return b.build()


def _signal_head() -> Template:
    b = TemplateBuilder()
    x, y = 0.5 * LENGTH, 0.5 * SIGNAL_SCALE * WIDTH
    margin = 0.5 * (SIGNAL_SCALE - 1.0) * HEIGHT
    low, high = -margin, HEIGHT + margin
    b.box(-x, x, -y, y, low, high, (Part.SIGNAL_FACE, Part.SIGNAL_HOUSING))
    return b.build()


def _wall() -> Template:
    b = TemplateBuilder()
    x, y = 0.5 * LENGTH, 0.5 * WIDTH
    b.box(-x, x, -y, y, ZERO, HEIGHT, (Part.WALL,))
    return b.build()


def _other() -> Template:
    b = TemplateBuilder()
    x, y = 0.5 * LENGTH, 0.5 * WIDTH
    b.box(-x, x, -y, y, ZERO, HEIGHT, (Part.OTHER,))
    return b.build()


STATIC_TEMPLATES: tuple[Template, ...] = (
    _flat_building(), _gabled_building(), _broadleaf(), _conifer(), _post(), _mast(True), _mast(False),
    _sign(Part.STOP_SIGN), _sign(Part.YIELD_SIGN), _sign(Part.SPEED_SIGN), _sign(Part.OTHER_SIGN),
    _signal_head(), _wall(), _other(),
)  # fmt: skip
