"""Outlines of the paved areas of junctions: cracks between lanes closed, islands kept."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from envs.maps.geometry import PAVED_KINDS, LanePolygon

_CELL = 0.25
_MOST_CELLS = 16e6
_CRACK_CELLS = 9
SMALLEST_ISLAND = 2.5
"""A hole in which a circle of this radius fits is an island, a smaller one a gap between turning lanes [m]."""


def outline_junction(polygons: Sequence[LanePolygon]) -> tuple[np.ndarray, ...]:
    """Outlines of the paved area of one junction, each float64 [k, 2]; an island is cut out by a slit that leads to it.

    Args:
        polygons: the lanes of the junction.
    """
    paved = [p.outline for p in polygons if p.kind in PAVED_KINDS]
    unpaved = [p.outline for p in polygons if p.kind not in PAVED_KINDS]
    if not paved:
        return ()
    points = np.concatenate(paved)
    origin = points.min(0) - 5
    extent = points.max(0) + 5 - origin
    cell = max(_CELL, float(np.sqrt(extent.prod() / _MOST_CELLS)))
    size = np.ceil(extent / cell).astype(int)

    def fill(outlines: Sequence[np.ndarray]) -> np.ndarray:
        mask = np.zeros((size[1], size[0]), np.uint8)
        for outline in outlines:
            cv2.fillPoly(mask, [np.rint((outline - origin) / cell * 16).astype(np.int32)], 255, shift=4)
        return mask

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_CRACK_CELLS, _CRACK_CELLS))
    mask = cv2.morphologyEx(fill(paved), cv2.MORPH_CLOSE, kernel)
    contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is None:
        return ()
    beside = fill(unpaved)
    outlines = []
    for i, contour in enumerate(contours):
        if hierarchy[0, i, 3] >= 0:
            continue
        outline = _simplify(contour)
        hole = int(hierarchy[0, i, 2])
        while hole >= 0:
            if _is_island(contours[hole], mask.shape, beside, cell):
                outline = _cut_out(outline, _simplify(contours[hole]))
            hole = int(hierarchy[0, hole, 0])
        if len(outline) >= 3:
            outlines.append(outline * cell + origin)
    return tuple(outlines)


def _simplify(contour: np.ndarray) -> np.ndarray:
    return cv2.approxPolyDP(contour, 0.6, True)[:, 0].astype(np.float64)


def _is_island(contour: np.ndarray, shape: Sequence[int], beside: np.ndarray, cell: float) -> bool:
    """Whether a hole is large, or mostly covered by lanes that are not paved."""
    hole = np.zeros(shape, np.uint8)
    cv2.drawContours(hole, [contour], -1, 255, -1)
    hole = cv2.erode(hole, np.ones((3, 3), np.uint8))  # the contour of a hole runs on the pavement around it
    x, y, width, height = cv2.boundingRect(contour)
    window = (slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1))
    inside = hole[window]
    if not inside.any():
        return False
    covered = np.count_nonzero(inside & beside[window]) / np.count_nonzero(inside)
    radius = float(cv2.distanceTransform(inside, cv2.DIST_L2, 5).max()) * cell
    return radius >= SMALLEST_ISLAND or bool(covered > 0.5 and radius >= 2 * cell)


def _cut_out(outline: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The outline with a slit from its corner nearest to the hole, round the hole and back."""
    gaps = np.linalg.norm(outline[:, None] - hole[None], axis=-1)
    i, j = np.unravel_index(int(gaps.argmin()), gaps.shape)
    around = np.concatenate([hole[j:], hole[: j + 1]])
    return np.concatenate([outline[: i + 1], around, outline[i:]])
