"""Paint on the ground: the polygons that a Layout's lines and crosswalks are made of. numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.layout import AreaKind, Layout, LineColor, LineKind
from worldsim.gbuffer.classes import SemanticClass

DASH_LENGTH, DASH_GAP = 3.0, 4.5
"""Of broken lines whose own are not known [m]."""
DOT_LENGTH, DOT_GAP = 0.15, 1.2
"""Of raised dots [m]."""
MIN_WIDTH, MAX_WIDTH = 0.14, 0.5
"""Of a stripe; narrower ones could not be seen [m]."""
KERB_WIDTH = 0.3
"""Of a kerb, which lies over the seam between road and sidewalk [m]."""
STRIPE_GAP = 0.14
"""From the middle of a double line to the middle of each of its stripes [m]."""
ZEBRA_PERIOD, ZEBRA_STRIPE = 1.1, 0.54
"""Of a crosswalk [m]."""

_STRIPES = {
    LineKind.SOLID: ("solid",),
    LineKind.BROKEN: ("broken",),
    LineKind.SOLID_SOLID: ("solid", "solid"),
    LineKind.SOLID_BROKEN: ("solid", "broken"),
    LineKind.BROKEN_SOLID: ("broken", "solid"),
    LineKind.BROKEN_BROKEN: ("broken", "broken"),
    LineKind.BOTTS_DOTS: ("dots",),
    LineKind.CURB: ("solid",),
    LineKind.STOP_LINE: ("solid",),
    LineKind.OTHER: ("solid",),
}
_CLASSES = {LineKind.CURB: SemanticClass.CURB, LineKind.STOP_LINE: SemanticClass.STOP_LINE}


@dataclass(frozen=True, kw_only=True, eq=False)
class Patch:
    """A painted polygon.

    Args:
        outline: float64 [k, 3] [m].
        kind: MARKING, CROSSWALK, STOP_LINE or CURB.
        color: of the paint; NONE is a kerb's stone.
    """

    outline: np.ndarray
    kind: SemanticClass
    color: LineColor


def paint_patches(layout: Layout, thinner: float = 0.0) -> Iterator[Patch]:
    """All paint of a layout, in the order in which it lies over each other.

    Args:
        layout: whose lines and crosswalks.
        thinner: by so much each stripe is made narrower, for painters that draw too wide [m].
    """
    for outline, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True):
        if kind == AreaKind.CROSSWALK:
            for stripe in zebra_stripes(outline, ZEBRA_STRIPE - thinner):
                yield Patch(outline=stripe, kind=SemanticClass.CROSSWALK, color=LineColor.WHITE)
    columns = (layout.line_kinds, layout.line_colors, layout.line_widths, layout.line_dashes)
    attributes = zip(*(column.tolist() for column in columns), strict=True)
    for line, (kind, color, width, dashes) in zip(layout.lines(), attributes, strict=True):
        stripes = _STRIPES.get(LineKind(kind))
        if stripes is None or len(line) < 2:
            continue
        semantic = _CLASSES.get(LineKind(kind), SemanticClass.MARKING)
        width = KERB_WIDTH if kind == LineKind.CURB else float(np.clip(width, MIN_WIDTH, MAX_WIDTH))
        offsets = (0.0,) if len(stripes) == 1 else (STRIPE_GAP, -STRIPE_GAP)
        for stripe, offset in zip(stripes, offsets, strict=True):
            points = shift_line(line, offset)
            for piece in _pieces(points, stripe, dashes):
                outline = ribbon(piece, max(width - thinner, 1e-3))
                yield Patch(outline=outline, kind=semantic, color=LineColor(color))


def left_normals(points: np.ndarray) -> np.ndarray:
    """Unit vectors to the left of a line [n, 2 or 3] at its points, [n, 2]."""
    steps = np.diff(points[:, :2], axis=0)
    steps = steps / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
    tangent = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def shift_line(points: np.ndarray, offset: float) -> np.ndarray:
    """A line [n, 3] moved to its left by `offset` [m]."""
    if offset == 0.0:
        return points
    moved = points.copy()
    moved[:, :2] += offset * left_normals(points)
    return moved


def ribbon(points: np.ndarray, width: float) -> np.ndarray:
    """Outline [2n, 3] of a stripe of `width` [m] along a line [n, 3]."""
    side = np.zeros_like(points)
    side[:, :2] = 0.5 * width * left_normals(points)
    return np.concatenate([points + side, (points - side)[::-1]])


def zebra_stripes(outline: np.ndarray, width: float) -> list[np.ndarray]:
    """Stripes [4, 3] of `width` [m] of a crosswalk [k, 3], side by side along its longer direction."""
    centre = outline.mean(axis=0)
    # the longest edge tells the direction: crosswalks are close to rectangles
    edges = np.roll(outline, -1, axis=0) - outline
    lengths = np.linalg.norm(edges[:, :2], axis=1)
    u = edges[int(np.argmax(lengths)), :2] / max(float(lengths.max()), 1e-9)
    v = np.array([-u[1], u[0]])
    across = (outline[:, :2] - centre[:2]) @ np.stack([u, v], axis=1)
    (low_u, low_v), (high_u, high_v) = across.min(axis=0), across.max(axis=0)
    count = max(1, int((high_u - low_u) // ZEBRA_PERIOD))
    period = (high_u - low_u) / count
    stripes = []
    for k in range(count):
        middle = low_u + (k + 0.5) * period
        corners = [(-1, low_v), (1, low_v), (1, high_v), (-1, high_v)]
        stripe = [centre[:2] + (middle + 0.5 * s * width) * u + w * v for s, w in corners]
        stripes.append(np.column_stack([np.array(stripe), np.full(4, centre[2])]))
    return stripes


def _pieces(points: np.ndarray, stripe: str, dashes: Sequence[float]) -> list[np.ndarray]:
    """The painted pieces of a line [n, 3]; `dashes` are the line's own length and gap, 0 for unknown."""
    if stripe == "solid":
        return [points]
    length, gap = DOT_LENGTH, DOT_GAP
    if stripe == "broken":
        length, gap = dashes if dashes[0] > 0 else (DASH_LENGTH, DASH_GAP)
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))])
    pieces = []
    for start in np.arange(0.5 * gap, s[-1], length + gap):
        stop = min(start + length, s[-1])
        at = np.concatenate([[start], s[(s > start) & (s < stop)], [stop]])
        pieces.append(np.stack([np.interp(at, s, points[:, k]) for k in range(3)], axis=1))
    return pieces
