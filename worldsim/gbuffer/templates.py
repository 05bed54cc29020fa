"""Shapes as functions of a few numbers: faces and ellipsoids whose coordinates are sums of size times coefficient.

One template makes every car and another every lamp post. A coordinate is a vector of coefficients, so that
`0.5 * LENGTH - 0.2 * METRE` reads as it means, and all owners are placed by one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worldsim.gbuffer.classes import Part

METRE, LENGTH, WIDTH, HEIGHT, EXTRA, EXTRA_2 = np.eye(6)
"""Units of a coordinate. The extra ones belong to the template: a roof's rise, the swing of a walk."""
NUM_PARAMETERS = 6
ZERO = np.zeros(NUM_PARAMETERS)

OWN, SECOND = (1.0, 0.0), (0.0, 1.0)
"""Paint: shares of the owner's two colours."""

Color = tuple[float, float, float]
BLACK: Color = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Template:
    """`k` faces and `b` vertical ellipsoids, around the middle of the footprint, x along the heading.

    A face's corners go round anticlockwise as seen from outside, its base first; it is seen from outside only.

    Args:
        corners: coefficients, float64 [k, 4, 3, NUM_PARAMETERS].
        parts: Part, int64 [k].
        paints: shares of the owner's two colours, float64 [k, 2].
        added: colour that is added to them, RGB [0, 255], float64 [k, 3].
        balls: coefficients of centre, radius and half height, float64 [b, 5, NUM_PARAMETERS].
        ball_parts: Part, int64 [b].
        ball_paints: as `paints`, float64 [b, 2].
        ball_added: as `added`, float64 [b, 3].
    """

    corners: np.ndarray
    parts: np.ndarray
    paints: np.ndarray
    added: np.ndarray
    balls: np.ndarray
    ball_parts: np.ndarray
    ball_paints: np.ndarray
    ball_added: np.ndarray


class TemplateBuilder:
    """Collects faces and ellipsoids into a Template."""

    def __init__(self) -> None:
        self._faces: list[tuple] = []
        self._balls: list[tuple] = []

    def face(self, corners: Sequence, part: Part, paint: tuple = OWN, added: Color = BLACK) -> None:
        """Add a face: lower left, lower right, upper right, upper left, as seen from outside."""
        self._faces.append((np.array(corners), part, paint, added))

    def ball(self, centre: Sequence, radius, half_height, part: Part, paint: tuple = OWN, added: Color = BLACK) -> None:
        """Add an ellipsoid with a vertical axis."""
        self._balls.append((np.array([*centre, radius, half_height]), part, paint, added))

    def box(
        self, x0, x1, y0, y1, z0, z1, parts: Sequence[Part], paint: tuple = OWN, added: Color = BLACK, top: bool = True
    ) -> None:
        """Add front, left, rear, right and top of a box; `parts` has one Part for each of them, or one for all."""
        parts = [*parts, *[parts[-1]] * (5 - len(parts))]
        around = [(x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        for (a, b), part in zip(zip(around, [*around[1:], around[0]], strict=True), parts[:4], strict=True):
            self.face([(*a, z0), (*b, z0), (*b, z1), (*a, z1)], part, paint, added)
        if top:
            self.face([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], parts[4], paint, added)

    def build(self) -> Template:
        """What was collected."""
        faces = [np.array(c, float) for c in zip(*self._faces, strict=True)] if self._faces else [np.zeros(0)] * 4
        balls = [np.array(c, float) for c in zip(*self._balls, strict=True)] if self._balls else [np.zeros(0)] * 4
        return Template(
            corners=faces[0].reshape(-1, 4, 3, NUM_PARAMETERS),
            parts=faces[1].astype(np.int64),
            paints=faces[2].reshape(-1, 2),
            added=faces[3].reshape(-1, 3),
            balls=balls[0].reshape(-1, 5, NUM_PARAMETERS),
            ball_parts=balls[1].astype(np.int64),
            ball_paints=balls[2].reshape(-1, 2),
            ball_added=balls[3].reshape(-1, 3),
        )
