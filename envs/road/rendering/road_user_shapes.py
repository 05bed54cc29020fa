"""Shapes of who is on the road: cars, trucks, people, barriers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from envs.road.rendering.shapes import ALWAYS, GLASS, Shape, ShapeBuilder, box_sides, inset

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
