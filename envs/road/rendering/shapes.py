"""Shapes of what stands on the ground, as flat polygons and balls, and how they are built up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    def place(self, x: float, y: float, yaw: float) -> Shape:
        """The same shape turned by `yaw` and moved to (x, y)."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        balls = self.balls.copy()
        balls[:, :3] = balls[:, :3] @ turn + (x, y, 0.0)
        return Shape(
            self.quads @ turn + (x, y, 0.0), self.normals @ turn, self.colors, self.far_colors, self.fades,
            self.lamps, self.glow, balls, self.ball_colors, self.ball_glow,
        )  # fmt: skip

    def select(self, faces: np.ndarray, balls: np.ndarray) -> Shape:
        """The faces and balls at these indices."""
        by_face = (self.quads, self.normals, self.colors, self.far_colors, self.fades, self.lamps, self.glow)
        by_ball = (self.balls, self.ball_colors, self.ball_glow)
        return Shape(*(a[faces] for a in by_face), *(a[balls] for a in by_ball))

    def flatten(self, face_shares: np.ndarray, ball_shares: np.ndarray) -> Shape:
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
