"""Who is on the road, as the rasteriser takes it, and the templates of cars, trucks, people and barriers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from worldsim.datatypes.layout import BOX_NAMES, BoxColumn
from worldsim.datatypes.scene import ObjectKind
from worldsim.gbuffer.classes import Part
from worldsim.gbuffer.templates import (
    EXTRA,
    HEIGHT,
    LENGTH,
    METRE,
    NUM_PARAMETERS,
    OWN,
    SECOND,
    WIDTH,
    ZERO,
    Template,
    TemplateBuilder,
)

UNKNOWN_COLOR = 127.5
"""Red, green and blue of road users whose colour is not known: 0 in a SurfaceMap."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadUsers:
    """`n` road users at an instant, in the ground frame.

    Args:
        kinds: ObjectKind, int64 [n]; EMPTY ones are not drawn.
        boxes: BOX_NAMES, float64 [n, 7].
        colors: of paint or clothes, RGB [0, 255], [n, 3].
        braking: whose brake lights are on, bool [n].
        phases: of pedestrians' strides [rad], float64 [n].

    Raises:
        ValueError: the rows do not match.
    """

    kinds: np.ndarray
    boxes: np.ndarray
    colors: np.ndarray
    braking: np.ndarray
    phases: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.kinds)
        shapes = (self.boxes.shape, self.colors.shape, self.braking.shape, self.phases.shape)
        if shapes != ((n, len(BOX_NAMES)), (n, 3), (n,), (n,)):
            raise ValueError(f"{n} road users must have boxes, colours, brakes and phases of as many, got {shapes}")

    @staticmethod
    def concatenate(parts: Sequence[RoadUsers]) -> RoadUsers:
        """All of them, in that order."""
        return RoadUsers(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(RoadUsers)})

    @staticmethod
    def none() -> RoadUsers:
        """An empty road."""
        return RoadUsers(
            kinds=np.zeros(0, np.int64),
            boxes=np.zeros((0, len(BOX_NAMES))),
            colors=np.zeros((0, 3)),
            braking=np.zeros(0, bool),
            phases=np.zeros(0),
        )


UNKNOWN_COLOR = 128.0
"""Red, green and blue of road users whose colour nobody knows."""


class UserTemplate(IntEnum):
    """Index of a template in USER_TEMPLATES; -1 draws nothing."""

    SALOON = 0
    VAN = 1
    TRUCK = 2
    PEDESTRIAN = 3
    BARRIER = 4


_DARK, _TYRE = (46.0, 47.0, 50.0), (30.0, 31.0, 33.0)
_HAIR = (62.0, 48.0, 40.0)
STRIDE = 0.36
"""Greatest swing of a leg over a person's height."""


def choose_templates(users: RoadUsers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each road user: its UserTemplate int64 [n], parameters float64 [n, 6] and two colours float64 [n, 2, 3]."""
    kinds, boxes = users.kinds, users.boxes
    length, height = boxes[:, BoxColumn.LENGTH], boxes[:, BoxColumn.HEIGHT]
    chosen = np.full(len(kinds), -1, np.int64)
    chosen[kinds == ObjectKind.CAR] = UserTemplate.SALOON
    chosen[(kinds == ObjectKind.CAR) & ((height > 1.85) | (length < 3.9))] = UserTemplate.VAN
    chosen[kinds == ObjectKind.TRUCK] = UserTemplate.TRUCK
    chosen[kinds == ObjectKind.PEDESTRIAN] = UserTemplate.PEDESTRIAN
    chosen[kinds == ObjectKind.STATIC] = UserTemplate.BARRIER

    parameters = np.empty((len(kinds), NUM_PARAMETERS))
    parameters[:, 0] = 1.0
    parameters[:, 1:4] = boxes[:, BoxColumn.LENGTH :]
    walks = kinds == ObjectKind.PEDESTRIAN
    parameters[:, 4] = np.where(walks, STRIDE * np.sin(users.phases) * height, np.minimum(2.2, 0.3 * length))
    parameters[:, 5] = 0.0

    colors = np.empty((len(kinds), 2, 3))
    colors[:, 0] = users.colors
    # trousers go with the shirt; a truck's tarpaulin is a pale shade of its cab
    colors[:, 1] = np.where(
        walks[:, None], 0.35 * colors[:, 0, ::-1] + 24.0, 0.25 * colors[:, 0] + [169.5, 169.5, 166.5]
    )
    return chosen, parameters, colors


def _wheels(b: TemplateBuilder, axles: tuple, y, radius, part: Part) -> None:
    """Hexagons, in two halves each, just outside of the sides."""
    for x in axles:
        wide, narrow, middle = radius, 0.5 * radius, radius
        for low, high, base, top in ((ZERO, middle, narrow, wide), (middle, 2 * radius, wide, narrow)):
            left = [(x + base, y, low), (x - base, y, low), (x - top, y, high), (x + top, y, high)]
            right = [(x - base, -y, low), (x + base, -y, low), (x + top, -y, high), (x - top, -y, high)]
            for corners in (left, right):
                b.face(corners, part, (0.0, 0.0), _TYRE)


def _car(boxy: bool) -> Template:
    b = TemplateBuilder()
    x, y = 0.5 * LENGTH, 0.5 * WIDTH
    belt, floor, sill = 0.58 * HEIGHT, 0.13 * HEIGHT, 0.2 * HEIGHT
    hood = 0.2 * LENGTH
    rear_base, roof_rear = (-0.49 if boxy else -0.40) * LENGTH, (-0.45 if boxy else -0.29) * LENGTH
    roof_front, nose, deck = 0.05 * LENGTH, 0.84 * belt, 0.97 * belt
    b.box(-0.97 * x, 0.97 * x, -0.94 * y, 0.94 * y, floor, sill + 0.05 * METRE, (Part.CAR_UNDERSIDE,), (0.0, 0.0),
          _DARK, top=False)  # fmt: skip
    for s in (1.0, -1.0):
        parts = [[(-x, s * y, sill), (hood, s * y, sill), (hood, s * y, belt), (-x, s * y, deck)],
                 [(hood, s * y, sill), (x, s * y, sill), (x, s * y, nose), (hood, s * y, belt)]]  # fmt: skip
        for corners in parts:
            if s > 0:  # from the left, front is on the left
                corners = [corners[1], corners[0], corners[3], corners[2]]
            b.face(corners, Part.CAR_SIDE)
    b.face([(-x, y, sill), (-x, -y, sill), (-x, -y, deck), (-x, y, deck)], Part.CAR_REAR)
    b.face([(x, -y, sill), (x, y, sill), (x, y, nose), (x, -y, nose)], Part.CAR_FRONT)
    b.face([(x, -y, nose), (x, y, nose), (hood, y, belt), (hood, -y, belt)], Part.CAR_PANEL)
    if not boxy:
        b.face([(-x, y, deck), (-x, -y, deck), (rear_base, -y, belt), (rear_base, y, belt)], Part.CAR_PANEL)

    # the cabin, narrower at the roof
    base, roof = 0.95 * y, 0.76 * y
    b.face([(hood, base, belt), (rear_base, base, belt), (roof_rear, roof, HEIGHT), (roof_front, roof, HEIGHT)],
           Part.CAR_WINDOWS)  # fmt: skip
    b.face([(rear_base, -base, belt), (hood, -base, belt), (roof_front, -roof, HEIGHT), (roof_rear, -roof, HEIGHT)],
           Part.CAR_WINDOWS)  # fmt: skip
    b.face([(rear_base, base, belt), (rear_base, -base, belt), (roof_rear, -roof, HEIGHT), (roof_rear, roof, HEIGHT)],
           Part.CAR_REAR_WINDOW)  # fmt: skip
    b.face([(hood, -base, belt), (hood, base, belt), (roof_front, roof, HEIGHT), (roof_front, -roof, HEIGHT)],
           Part.CAR_WINDSCREEN)  # fmt: skip
    b.face([(roof_rear, -roof, HEIGHT), (roof_front, -roof, HEIGHT), (roof_front, roof, HEIGHT),
            (roof_rear, roof, HEIGHT)], Part.CAR_PANEL)  # fmt: skip
    # the ledges beside the cabin
    for corners in (
        [(-x, -y, deck), (hood, -y, belt), (hood, -base, belt), (-x, -base, deck)],
        [(hood, y, belt), (-x, y, deck), (-x, base, deck), (hood, base, belt)],
    ):
        b.face(corners, Part.CAR_PANEL)
    _wheels(b, (-0.3 * LENGTH, 0.31 * LENGTH), 1.005 * y, 0.215 * HEIGHT, Part.CAR_WHEEL)
    return b.build()


def _truck() -> Template:
    """A cargo box and a cab (EXTRA long) on a chassis."""
    b = TemplateBuilder()
    x, y, deck = 0.5 * LENGTH, 0.5 * WIDTH, 0.27 * HEIGHT
    split = x - EXTRA
    b.box(
        -0.99 * x, 0.97 * x, -0.9 * y, 0.9 * y, 0.12 * HEIGHT, deck, (Part.TRUCK_PLAIN,), (0.0, 0.0), _DARK, top=False
    )
    cargo = (Part.TRUCK_CARGO, Part.TRUCK_CARGO, Part.TRUCK_DOORS, Part.TRUCK_CARGO, Part.TRUCK_PLAIN)
    b.box(-x, split - 0.15 * METRE, -y, y, deck, HEIGHT, cargo, SECOND)
    bar = [(-x, y, 0.6 * deck), (-x, -y, 0.6 * deck), (-x, -y, deck), (-x, y, deck)]
    b.face(bar, Part.TRUCK_BAR, (0.0, 0.0), (24.0, 24.0, 26.0))
    b.box(split, x, -0.97 * y, 0.97 * y, 0.16 * HEIGHT, 0.86 * HEIGHT,
          (Part.TRUCK_FRONT, Part.TRUCK_CAB_SIDE, Part.TRUCK_PLAIN, Part.TRUCK_CAB_SIDE, Part.TRUCK_PLAIN))  # fmt: skip
    _wheels(b, (-0.62 * x, -0.36 * x, 0.72 * x), 1.0 * y, 0.14 * HEIGHT, Part.TRUCK_WHEEL)
    return b.build()


def _pedestrian() -> Template:
    """Legs and arms swing by EXTRA, opposite to each other."""
    b = TemplateBuilder()
    h, swing = HEIGHT, EXTRA
    for side in (1.0, -1.0):
        y = 0.055 * side * h
        _limb(b, (ZERO, y, 0.5 * h), (0.5 * side * swing, y, ZERO), 0.052 * h, SECOND)
        _limb(b, (ZERO, 0.13 * side * h, 0.8 * h), (-0.4 * side * swing, 0.145 * side * h, 0.46 * h), 0.03 * h,
              (0.86, 0.0))  # fmt: skip
    b.ball((ZERO, ZERO, 0.65 * h), 0.115 * h, 0.2 * h, Part.CLOTHES, OWN)
    b.ball((ZERO, ZERO, 0.925 * h), 0.066 * h, 0.075 * h, Part.HEAD, (0.0, 0.0), _HAIR)
    return b.build()


def _limb(b: TemplateBuilder, top: tuple, end: tuple, half, paint: tuple) -> None:
    """An upright box whose lower end is moved along x."""
    (x, y, z), (u, v, w) = top, end
    upper = [(x + half, y - half, z), (x + half, y + half, z), (x - half, y + half, z), (x - half, y - half, z)]
    lower = [(u + half, v - half, w), (u + half, v + half, w), (u - half, v + half, w), (u - half, v - half, w)]
    for k in range(4):
        n = (k + 1) % 4
        b.face([lower[k], lower[n], upper[n], upper[k]], Part.CLOTHES, paint)


def _barrier() -> Template:
    b = TemplateBuilder()
    x, y = 0.5 * LENGTH, 0.5 * WIDTH
    b.box(-x, x, -y, y, ZERO, HEIGHT, (Part.BARRIER,))
    return b.build()


USER_TEMPLATES: tuple[Template, ...] = (_car(False), _car(True), _truck(), _pedestrian(), _barrier())
