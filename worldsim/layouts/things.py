"""Things beside a street: boxes of a Layout in the coordinates of the street's side, and back. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import BOX_NAMES, NO_SIGNAL, BoxColumn, Layout, LayoutKind, SignFace
from worldsim.layouts.street import Street


class ThingKind(IntEnum):
    """What stands beside a street; a LayoutKind is divided by what its seeds show."""

    FLAT_HOUSE = 0
    GABLED_HOUSE = 1
    BROADLEAF = 2
    CONIFER = 3
    LAMP = 4
    HEDGE = 5
    WALL = 6
    SIGN = 7
    OTHER = 8


NUM_KINDS = len(ThingKind)
HOUSES = (ThingKind.FLAT_HOUSE, ThingKind.GABLED_HOUSE)
FENCES = (ThingKind.HEDGE, ThingKind.WALL)
NUM_ROOFS = 4
"""Roof colours that a house's seed tells apart."""
NUM_VARIANTS = max(NUM_ROOFS, len(SignFace))
"""Of a kind: the roof of a house, the face of a sign."""

THING_NAMES = ("s", "offset", "turn", "length", "width", "height")
"""Arc length along the street, distance from the outer edge of the sidewalk to the middle (of a house: to its front),
heading relative to the direction towards the road; extents as in BOX_NAMES; [m, m, rad, m, m, m]."""


class ThingColumn(IntEnum):
    """Columns of THING_NAMES."""

    S = 0
    OFFSET = 1
    TURN = 2
    LENGTH = 3
    WIDTH = 4
    HEIGHT = 5


SIZE = slice(ThingColumn.LENGTH, ThingColumn.HEIGHT + 1)
TRUNK, POST = 0.5, 0.25
"""Of a tree and a lamp only so much is solid, length and width [m]."""
_LAYOUT_KIND = {
    ThingKind.FLAT_HOUSE: LayoutKind.BUILDING,
    ThingKind.GABLED_HOUSE: LayoutKind.BUILDING,
    ThingKind.BROADLEAF: LayoutKind.TREE,
    ThingKind.CONIFER: LayoutKind.TREE,
    ThingKind.LAMP: LayoutKind.POLE,
    ThingKind.HEDGE: LayoutKind.WALL,
    ThingKind.WALL: LayoutKind.WALL,
    ThingKind.SIGN: LayoutKind.SIGN,
    ThingKind.OTHER: LayoutKind.OTHER,
}
_SEED_PERIOD = 8
"""Seeds that are equal modulo this show a house alike."""
_TREE_PERIOD = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Things:
    """`n` things along one side of a street, by arc length.

    Args:
        rows: THING_NAMES, float64 [n, 6].
        kinds: ThingKind, int64 [n].
        variants: in [0, NUM_VARIANTS), int64 [n].
        colors: RGB, uint8 [n, 3].
        seeds: of what their surfaces show beside kind and variant, uint32 [n].
    """

    rows: np.ndarray
    kinds: np.ndarray
    variants: np.ndarray
    colors: np.ndarray
    seeds: np.ndarray

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: np.ndarray) -> Things:
        return Things(
            rows=self.rows[index],
            kinds=self.kinds[index],
            variants=self.variants[index],
            colors=self.colors[index],
            seeds=self.seeds[index],
        )


def thing_kinds(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """ThingKind and variant of each box, int64 [n] each; a kind of -1 for what belongs to a junction: its lights with
    their poles, stop and yield signs."""
    kinds, seeds, signs = layout.box_kinds, layout.box_seeds.astype(np.int64), layout.box_signs
    found = np.full(len(kinds), int(ThingKind.OTHER))
    variants = np.zeros(len(kinds), np.int64)
    houses, trees = kinds == LayoutKind.BUILDING, kinds == LayoutKind.TREE
    found[houses] = np.where(seeds[houses] % _SEED_PERIOD, ThingKind.GABLED_HOUSE, ThingKind.FLAT_HOUSE)
    variants[houses] = seeds[houses] // _SEED_PERIOD % NUM_ROOFS
    found[trees] = np.where(seeds[trees] % _TREE_PERIOD, ThingKind.BROADLEAF, ThingKind.CONIFER)
    found[kinds == LayoutKind.POLE] = ThingKind.LAMP
    found[kinds == LayoutKind.WALL] = np.where(seeds > 0, ThingKind.HEDGE, ThingKind.WALL)[kinds == LayoutKind.WALL]
    found[kinds == LayoutKind.SIGN] = ThingKind.SIGN
    variants[kinds == LayoutKind.SIGN] = signs[kinds == LayoutKind.SIGN]
    ruling = (kinds == LayoutKind.SIGN) & np.isin(signs, (SignFace.STOP, SignFace.YIELD))
    found[(kinds == LayoutKind.LIGHT) | ((kinds == LayoutKind.POLE) & (seeds == 0)) | ruling] = -1
    return found, variants


def things_beside(layout: Layout, boxes: np.ndarray, street: Street, side: int) -> Things:
    """Boxes of a layout, given by index int64 [n], as things along a side of a street."""
    kinds, variants = thing_kinds(layout)
    rows = layout.boxes[boxes]
    s, t, _ = street.coordinates(rows[:, : BoxColumn.Z])
    offset = side * t - street.edge - _half_depth(kinds[boxes], rows[:, BoxColumn.LENGTH])
    turn = wrap_angle(rows[:, BoxColumn.YAW] - _towards_road(street, s, side))
    order = np.argsort(s, kind="stable")
    things = Things(
        rows=np.column_stack([s, offset, turn, rows[:, BoxColumn.LENGTH :]]),
        kinds=kinds[boxes],
        variants=variants[boxes],
        colors=layout.box_colors[boxes],
        seeds=layout.box_seeds[boxes],
    )
    return things[order]


def to_layout(things: Things, street: Street, side: int) -> Layout:
    """Boxes alone, on flat ground."""
    s, rows = things.rows[:, ThingColumn.S], things.rows
    t = side * (street.edge + rows[:, ThingColumn.OFFSET] + _half_depth(things.kinds, rows[:, ThingColumn.LENGTH]))
    boxes = np.zeros((len(things), len(BOX_NAMES)))
    boxes[:, : BoxColumn.Z] = street.offset(s, t)
    boxes[:, BoxColumn.YAW] = wrap_angle(_towards_road(street, s, side) + rows[:, ThingColumn.TURN])
    boxes[:, BoxColumn.LENGTH :] = rows[:, SIZE]
    is_sign = things.kinds == ThingKind.SIGN
    return Layout(
        boxes=boxes,
        box_kinds=np.array([_LAYOUT_KIND[ThingKind(kind)] for kind in things.kinds], np.int64),
        box_colors=things.colors,
        box_color_valid=~is_sign,
        box_seeds=things.seeds,
        box_signals=np.full(len(things), NO_SIGNAL, np.int64),
        box_signs=np.where(is_sign, np.minimum(things.variants, max(SignFace)), 0),
    )


def seed_of(kind: int, variant: int, detail: int) -> int:
    """A box's seed that shows a kind and a variant; `detail` in [0, 2^24) is what else it shows."""
    if kind == ThingKind.FLAT_HOUSE:
        return _SEED_PERIOD * (NUM_ROOFS * detail + variant)
    if kind == ThingKind.GABLED_HOUSE:
        return _SEED_PERIOD * (NUM_ROOFS * detail + variant) + 1 + detail % (_SEED_PERIOD - 1)
    if kind == ThingKind.CONIFER:
        return _TREE_PERIOD * (detail + 1)
    if kind == ThingKind.BROADLEAF:
        return _TREE_PERIOD * (detail + 1) + 1 + detail % (_TREE_PERIOD - 1)
    return int(kind in (ThingKind.LAMP, ThingKind.HEDGE))


def _half_depth(kinds: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """From the front of houses to their middle [n] [m], 0 for all else."""
    return np.where(np.isin(kinds, HOUSES), 0.5 * lengths, 0.0)


def _towards_road(street: Street, s: np.ndarray, side: int) -> np.ndarray:
    """Heading from a side of a street to its centre line [n] [rad]."""
    return street.poses(s)[:, 2] - side * np.pi / 2


def footprints(boxes: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """The solid part of things on the ground, (x, y, yaw, length, width) [n, 5]: of trees the trunk, of lamps the post
    at the rear end of the arm.

    Args:
        boxes: the same five of the whole things, [n, 5].
        kinds: ThingKind [n].
    """
    solid = boxes.copy()
    trees, lamps = np.isin(kinds, (ThingKind.BROADLEAF, ThingKind.CONIFER)), kinds == ThingKind.LAMP
    back = 0.5 * solid[lamps, 3] - 0.1
    solid[lamps, 0] -= back * np.cos(solid[lamps, 2])
    solid[lamps, 1] -= back * np.sin(solid[lamps, 2])
    solid[trees, 3:], solid[lamps, 3:] = TRUNK, POST
    return solid
