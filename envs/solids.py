"""Shapes of everything that stands on the ground, as flat polygons and balls: buildings, trees, cars, people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

NEVER = 1e9
"""A fade distance that is never reached [m]."""

ALWAYS = 2.0
"""The glow of a light that does not wait for the dusk."""

GLASS = (62.0, 78.0, 96.0)
LAMP_LIGHT = (255.0, 222.0, 158.0)


@dataclass(frozen=True, eq=False)
class Shape:
    """Flat four-cornered faces and balls, in the order in which they cover each other.

    Args:
        quads: corners, float [q, 4, 3] [m].
        normals: outward unit normals, float [q, 3]; zero for a face seen from both sides.
        colors: RGB [0, 255], float [q, 3].
        far_colors: what the colour becomes with distance, float [q, 3].
        fades: distance at which that has happened and the face is left out [m], float [q].
        lamps: RGB the face has where its light is on, float [q, 3].
        glow: how far the light is on when lamps are on, [0, 1]; ALWAYS shines by day as well, float [q].
        balls: centre and radius, float [b, 4] [m].
        ball_colors: RGB [0, 255], float [b, 3].
        ball_glow: like `glow`, float [b].
    """

    quads: np.ndarray
    normals: np.ndarray
    colors: np.ndarray
    far_colors: np.ndarray
    fades: np.ndarray
    lamps: np.ndarray
    glow: np.ndarray
    balls: np.ndarray
    ball_colors: np.ndarray
    ball_glow: np.ndarray

    def placed(self, x: float, y: float, yaw: float) -> Shape:
        """The same shape turned by `yaw` and moved to (x, y)."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        balls = self.balls.copy()
        balls[:, :3] = balls[:, :3] @ turn + (x, y, 0.0)
        return Shape(
            self.quads @ turn + (x, y, 0.0), self.normals @ turn, self.colors, self.far_colors, self.fades,
            self.lamps, self.glow, balls, self.ball_colors, self.ball_glow,
        )  # fmt: skip

    def chosen(self, faces: np.ndarray, balls: np.ndarray) -> Shape:
        """The faces and balls at these indices."""
        by_face = (self.quads, self.normals, self.colors, self.far_colors, self.fades, self.lamps, self.glow)
        by_ball = (self.balls, self.ball_colors, self.ball_glow)
        return Shape(*(a[faces] for a in by_face), *(a[balls] for a in by_ball))

    def flattened(self, face_shares: np.ndarray, ball_shares: np.ndarray) -> Shape:
        """The same shape with heights scaled by a share for each face [q] and ball [b]."""
        quads, balls = self.quads.copy(), self.balls.copy()
        quads[..., 2] *= face_shares[:, None]
        balls[:, 2:] *= ball_shares[:, None]
        return replace(self, quads=quads, balls=balls)

    @staticmethod
    def concatenate(shapes: Sequence[Shape]) -> Shape:
        """All shapes as one, in their order."""
        names = Shape.__dataclass_fields__
        return Shape(*(np.concatenate([getattr(s, name) for s in shapes]) for name in names))


class ShapeBuilder:
    """Collects faces and balls into a Shape."""

    def __init__(self):
        self._faces: list[tuple] = []
        self._balls: list[tuple] = []

    def face(
        self, corners, outward, color, *, far_color=None, fade: float = NEVER, lamp=LAMP_LIGHT, glow: float = 0.0
    ) -> np.ndarray:
        """Add a face; `outward` is any vector on its outer side, or None if it has two sides. Returns its corners."""
        corners = np.asarray(corners, float)
        normal = np.zeros(3)
        if outward is not None:
            normal = np.cross(corners[2] - corners[0], corners[3] - corners[1])
            normal /= max(float(np.linalg.norm(normal)), 1e-9)
            normal *= 1.0 if normal @ np.asarray(outward, float) >= 0 else -1.0
        self._faces.append((corners, normal, color, color if far_color is None else far_color, fade, lamp, glow))
        return corners

    def ball(self, centre, radius: float, color, glow: float = 0.0):
        """Add a ball."""
        self._balls.append(((*centre, radius), color, glow))

    def box(self, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, color, top_color=None):
        """Add the sides and top of an upright box."""
        for side in box_sides(x0, x1, y0, y1, z0, z1):
            self.face(side, side.mean(0) - (0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.5 * (z0 + z1)), color)
        top = [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)]
        self.face(top, (0, 0, 1), color if top_color is None else top_color)

    def build(self) -> Shape:
        """What was collected."""
        faces = zip(*self._faces, strict=True) if self._faces else [[]] * 7
        balls = zip(*self._balls, strict=True) if self._balls else [[]] * 3
        f, b = [np.array(column, float) for column in faces], [np.array(column, float) for column in balls]
        shapes = [(-1, 4, 3), (-1, 3), (-1, 3), (-1, 3), (-1,), (-1, 3), (-1,)]
        f = [column.reshape(shape) for column, shape in zip(f, shapes, strict=True)]
        b = [column.reshape(shape) for column, shape in zip(b, [(-1, 4), (-1, 3), (-1,)], strict=True)]
        return Shape(*f, *b)


def box_sides(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> list[np.ndarray]:
    """The four upright faces of a box, each from lower left to upper left along its base."""
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return [np.array([(*a, z0), (*b, z0), (*b, z1), (*a, z1)]) for a, b in pairs]


def inset(corners: np.ndarray, left: float, right: float, bottom: float, top: float) -> np.ndarray:
    """The part of a face between shares `left`..`right` of its base and `bottom`..`top` of its height."""
    a, b, c, d = corners

    def at(u: float, v: float) -> np.ndarray:
        return (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)

    return np.array([at(left, bottom), at(right, bottom), at(right, top), at(left, top)])


# ---------------------------------------------------------------------------------------------------- vehicles

_TYRE, _DARK, _BLACK = (30.0, 31.0, 33.0), (46.0, 47.0, 50.0), (24.0, 24.0, 26.0)
_TAIL, _TAIL_DIM, _TAIL_ON = (132.0, 22.0, 24.0), (176.0, 24.0, 26.0), (255.0, 54.0, 40.0)
_HEAD, _HEAD_ON, _PLATE = (228.0, 230.0, 222.0), (255.0, 250.0, 226.0), (216.0, 216.0, 206.0)


def _wheels(b: ShapeBuilder, centres: Sequence[float], half_width: float, radius: float):
    for side in (-1.0, 1.0):
        y = side * half_width * 1.005
        for x in centres:
            for sign in (-1.0, 1.0):
                z1 = radius + sign * radius
                wide, narrow = radius, 0.5 * radius
                corners = [(x - wide, y, radius), (x + wide, y, radius), (x + narrow, y, z1), (x - narrow, y, z1)]
                b.face(corners, (0, side, 0), _TYRE, fade=70.0, far_color=_DARK)


@lru_cache(maxsize=512)
def car(length: float, width: float, height: float, color: tuple[int, int, int], braking: bool) -> Shape:
    """A passenger car or van around its centre, front along x."""
    b = ShapeBuilder()
    x1, y1, h = 0.5 * length, 0.5 * width, height
    boxy = h > 1.85 or length < 3.9
    belt, floor, sill = 0.58 * h, 0.13 * h, 0.2 * h
    hood, rear_base = 0.2 * length, (-0.49 if boxy else -0.40) * length
    roof_front, roof_rear = 0.05 * length, (-0.45 if boxy else -0.29) * length
    nose = 0.84 * belt
    paint = np.array(color, float)
    for side in box_sides(-0.97 * x1, 0.97 * x1, -0.94 * y1, 0.94 * y1, floor, sill + 0.05):
        b.face(side, side.mean(0) * (1, 1, 0), _DARK)
    for s in (-1.0, 1.0):
        y = s * y1
        b.face([(-x1, y, sill), (hood, y, sill), (hood, y, belt), (-x1, y, 0.97 * belt)], (0, s, 0), paint)
        b.face([(hood, y, sill), (x1, y, sill), (x1, y, nose), (hood, y, belt)], (0, s, 0), paint)
    rear = b.face(
        [(-x1, -y1, sill), (-x1, y1, sill), (-x1, y1, 0.97 * belt), (-x1, -y1, 0.97 * belt)], (-1, 0, 0), paint
    )
    front = b.face([(x1, y1, sill), (x1, -y1, sill), (x1, -y1, nose), (x1, y1, nose)], (1, 0, 0), paint)
    b.face([(hood, -y1, belt), (x1, -y1, nose), (x1, y1, nose), (hood, y1, belt)], (0, 0, 1), paint)
    b.face([(-x1, -y1, 0.97 * belt), (hood, -y1, belt), (hood, y1, belt), (-x1, y1, 0.97 * belt)], (0, 0, 1), paint)
    b.face(inset(rear, 0.0, 1.0, 0.0, 0.3), (-1, 0, 0), 0.45 * paint + 20)
    b.face(inset(front, 0.12, 0.88, 0.05, 0.5), (1, 0, 0), _DARK)
    lamp, glow = (_TAIL_ON, ALWAYS) if braking else (_TAIL_DIM, 1.0)
    for left, right in ((0.03, 0.27), (0.73, 0.97)):
        b.face(inset(rear, left, right, 0.52, 0.9), (-1, 0, 0), _TAIL, lamp=lamp, glow=glow)
        b.face(inset(front, left, right, 0.55, 0.9), (1, 0, 0), _HEAD, lamp=_HEAD_ON, glow=1.0)
    b.face(inset(rear, 0.36, 0.64, 0.34, 0.58), (-1, 0, 0), _PLATE, far_color=paint, fade=45.0)
    _wheels(b, (-0.3 * length, 0.31 * length), y1, 0.215 * h)
    _cabin(b, (rear_base, hood, belt, 0.95 * y1), (roof_rear, roof_front, h, 0.76 * y1), paint, braking)
    return b.build()


def _cabin(b: ShapeBuilder, base, roof, paint: np.ndarray, braking: bool):
    """The glazed upper part between two rectangles (x0, x1, z, half width)."""
    xa, xb, za, ya = base
    xc, xd, zb, yb = roof
    for s in (-1.0, 1.0):
        side = b.face([(xa, s * ya, za), (xb, s * ya, za), (xd, s * yb, zb), (xc, s * yb, zb)], (0, s, 0.2), paint)
        for left, right in ((0.07, 0.47), (0.53, 0.9)):
            b.face(inset(side, left, right, 0.1, 0.86), (0, s, 0.2), GLASS)
    back = b.face([(xa, -ya, za), (xa, ya, za), (xc, yb, zb), (xc, -yb, zb)], (-1, 0, 0.2), paint)
    screen = b.face([(xb, ya, za), (xb, -ya, za), (xd, -yb, zb), (xd, yb, zb)], (1, 0, 0.2), paint)
    b.face(inset(back, 0.08, 0.92, 0.14, 0.86), (-1, 0, 0.2), GLASS)
    b.face(inset(screen, 0.06, 0.94, 0.06, 0.9), (1, 0, 0.2), GLASS)
    b.face([(xc, -yb, zb), (xd, -yb, zb), (xd, yb, zb), (xc, yb, zb)], (0, 0, 1), paint)
    if braking:
        b.face(inset(back, 0.36, 0.64, 0.88, 0.99), (-1, 0, 0.2), _TAIL_ON, lamp=_TAIL_ON, glow=ALWAYS)


@lru_cache(maxsize=128)
def truck(
    length: float, width: float, height: float, color: tuple[int, int, int], braking: bool, behind: bool
) -> Shape:
    """A lorry: a cargo box and a cab; `behind` says that it is seen from behind, so that the box covers the cab."""
    b = ShapeBuilder()
    x1, y1 = 0.5 * length, 0.5 * width
    split, deck = x1 - min(2.2, 0.3 * length), 0.27 * height
    paint = np.array(color, float)
    lamp, glow = (_TAIL_ON, ALWAYS) if braking else (_TAIL_DIM, 1.0)

    def chassis():
        b.box(-0.99 * x1, 0.97 * x1, -0.9 * y1, 0.9 * y1, 0.12 * height, deck, _DARK)
        axles = (-0.62 * x1, -0.36 * x1, 0.72 * x1) if length > 7 else (-0.55 * x1, 0.62 * x1)
        _wheels(b, axles, 0.96 * y1, 0.14 * height)

    def cargo():
        cloth = 0.25 * paint + 0.75 * np.array((226.0, 226.0, 222.0))
        b.box(-x1, split - 0.15, -y1, y1, deck, height, cloth)
        rear = np.array([(-x1, -y1, deck), (-x1, y1, deck), (-x1, y1, height), (-x1, -y1, height)])
        b.face(inset(rear, 0.49, 0.51, 0.02, 0.98), (-1, 0, 0), 0.7 * cloth, far_color=cloth, fade=50.0)
        b.face(inset(rear, 0.0, 1.0, 0.0, 0.035), (-1, 0, 0), 0.6 * cloth, far_color=cloth, fade=60.0)
        bar = np.array([(-x1, -y1, 0.6 * deck), (-x1, y1, 0.6 * deck), (-x1, y1, deck), (-x1, -y1, deck)])
        b.face(bar, (-1, 0, 0), _BLACK)
        for left, right in ((0.03, 0.2), (0.8, 0.97)):
            b.face(inset(bar, left, right, 0.1, 0.9), (-1, 0, 0), _TAIL, lamp=lamp, glow=glow)

    def cab():
        top = 0.86 * height
        b.box(split, x1, -0.97 * y1, 0.97 * y1, 0.16 * height, top, paint)
        front = np.array([(x1, y1, 0.16 * height), (x1, -y1, 0.16 * height), (x1, -y1, top), (x1, y1, top)]) * (
            1,
            0.97,
            1,
        )
        b.face(inset(front, 0.06, 0.94, 0.52, 0.9), (1, 0, 0), GLASS)
        b.face(inset(front, 0.1, 0.9, 0.12, 0.36), (1, 0, 0), _DARK)
        for left, right in ((0.04, 0.2), (0.8, 0.96)):
            b.face(inset(front, left, right, 0.02, 0.11), (1, 0, 0), _HEAD, lamp=_HEAD_ON, glow=1.0)
        for s in (-1.0, 1.0):
            y = 0.97 * s * y1
            side = np.array([(split, y, 0.16 * height), (x1, y, 0.16 * height), (x1, y, top), (split, y, top)])
            b.face(inset(side, 0.35, 0.95, 0.52, 0.88), (0, s, 0), GLASS)

    chassis()
    for part in (cab, cargo) if behind else (cargo, cab):
        part()
    return b.build()


# ---------------------------------------------------------------------------------------- people and small things

_SKIN = (206.0, 162.0, 132.0)


def pedestrian(height: float, color: Sequence[float], phase: float, view: np.ndarray) -> Shape:
    """A walking person around its feet, front along x.

    Args:
        height: [m].
        color: of the clothes above the waist, RGB.
        phase: of the walk [rad]; legs and arms swing by its sine.
        view: direction from the person to the camera in the person's frame, (x, y).
    """
    b = ShapeBuilder()
    shirt = np.array(color, float)
    trousers, hair = 0.35 * shirt[::-1] + 24, np.array((62.0, 48.0, 40.0))
    swing = 0.36 * np.sin(phase)
    across = np.array([-view[1], view[0], 0.0]) / max(float(np.hypot(*view)), 1e-9)

    def limb(start, end, thick_start: float, thick_end: float, paint):
        p, q = np.array(start, float) * height, np.array(end, float) * height
        wide_p, wide_q = 0.5 * thick_start * height * across, 0.5 * thick_end * height * across
        b.face([p - wide_p, p + wide_p, q + wide_q, q - wide_q], None, paint)

    near = 1.0 if view[1] > 0 else -1.0
    for side in (-near, near):
        s = swing * side
        shade = 0.85 if side != near else 1.0
        limb((0, 0.055 * side, 0.5), (0.5 * s, 0.055 * side, 0.02 + 0.05 * max(0.0, -s)), 0.11, 0.075, shade * trousers)
        if side != near:
            limb((0, 0.12 * side, 0.8), (-0.4 * s, 0.14 * side, 0.46), 0.075, 0.055, 0.8 * shirt)
    limb((0, 0, 0.47), (0, 0, 0.83), 0.17, 0.23 - 0.03 * abs(view[1]) / max(float(np.hypot(*view)), 1e-9), shirt)
    limb((0, 0.12 * near, 0.8), (-0.4 * swing * near, 0.14 * near, 0.46), 0.075, 0.055, 0.88 * shirt)
    b.ball((0, 0, 0.925 * height), 0.068 * height, hair)
    toward = np.array([view[0], view[1]]) / max(float(np.hypot(*view)), 1e-9)
    facing = 0.03 * height * max(0.0, toward[0])
    b.ball((facing * toward[0], facing * toward[1], 0.905 * height), (0.035 + 0.022 * toward[0]) * height, _SKIN)
    return b.build()


@lru_cache(maxsize=128)
def barrier(length: float, width: float, height: float, color: tuple[int, int, int]) -> Shape:
    """A box with a bright band around it: whatever stands on the road without moving."""
    b = ShapeBuilder()
    x1, y1 = 0.5 * length, 0.5 * width
    b.box(-x1, x1, -y1, y1, 0.0, height, np.array(color, float))
    for side in box_sides(-x1, x1, -y1, y1, 0.0, height):
        b.face(inset(side, 0.0, 1.0, 0.55, 0.8), side.mean(0) * (1, 1, 0), (238.0, 236.0, 228.0))
    return b.build()


# ------------------------------------------------------------------------------------------------ static things


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
