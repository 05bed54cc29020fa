"""Shadows that buildings, trees and walls cast on the ground under one sun, as a coarse raster."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from worldsim.datatypes.boxes import corners
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, BoxColumn, Layout, LayoutKind
from worldsim.gbuffer.ground_grid import GroundGrid
from worldsim.gbuffer.sparse_image import SparseImage, pack_image

RESOLUTION = 0.4
"""[m/px], coarser on large maps."""
MAX_PIXELS = 8e6
MAX_LENGTH = 35.0
"""Longest shadow; the light of a sun so low is faint anyway [m]."""
SOFTNESS = 0.35
"""Of a shadow's rim [m]."""
MARGIN = 30.0
_CROWN_POINTS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class SunShadow:
    """How much of the sun's light is kept from the ground.

    Args:
        image: 255 is all of it; rows grow with y, columns with x.
        place: x and y of the outer corner of the first pixel, and its size, float64 [3] [m].
    """

    image: SparseImage
    place: np.ndarray

    @staticmethod
    def cast(layout: Layout, sun_direction: np.ndarray) -> SunShadow:
        """The shadows of a layout's boxes.

        Args:
            layout: whose boxes stand in the light.
            sun_direction: unit vector towards the sun, [3].
        """
        boxes = layout.boxes
        kinds = layout.box_kinds
        if not len(boxes) or sun_direction[2] <= 0:  # by night there is no sun's light to keep away
            return SunShadow(image=pack_image(np.zeros((2, 2), np.uint8)), place=np.array([0.0, 0.0, 1.0]))
        low, high = boxes[:, :2].min(axis=0), boxes[:, :2].max(axis=0)
        grid = GroundGrid.around(low, high, MARGIN, RESOLUTION, MAX_PIXELS)
        image = np.zeros(grid.shape, np.uint8)
        away = -sun_direction[:2] / max(float(sun_direction[2]), 0.05)
        footprints = boxes[:, FOOTPRINT_COLUMNS]
        heights = boxes[:, BoxColumn.HEIGHT]
        outlines = corners(footprints)

        for k in np.flatnonzero(np.isin(kinds, (LayoutKind.BUILDING, LayoutKind.WALL, LayoutKind.OTHER))):
            # the footprint swept along the shadow
            swept = np.concatenate([outlines[k], outlines[k] + _shift(away, 0.9 * heights[k])])
            grid.fill(image, _convex_hull(swept), 255)
        angles = np.arange(_CROWN_POINTS) * (2 * np.pi / _CROWN_POINTS)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        for k in np.flatnonzero(kinds == LayoutKind.TREE):
            radius = 0.25 * (boxes[k, BoxColumn.LENGTH] + boxes[k, BoxColumn.WIDTH])
            crown = boxes[k, :2] + radius * ring
            lower, upper = crown + _shift(away, heights[k] - 1.6 * radius), crown + _shift(away, heights[k] - radius)
            grid.fill(image, _convex_hull(np.concatenate([lower, upper])), 215)
        image = cv2.GaussianBlur(image, (0, 0), SOFTNESS / grid.resolution)
        return SunShadow(image=pack_image(image), place=np.array([*grid.origin, grid.resolution]))


def _convex_hull(points: np.ndarray) -> np.ndarray:
    """The outline [k, 2] of the convex hull of points [n, 2]."""
    # OpenCV takes float32, which has no decimetres far from the origin
    near = (points - points[0]).astype(np.float32)
    return points[cv2.convexHull(near, returnPoints=False)[:, 0]]


def _shift(away: np.ndarray, height: float) -> np.ndarray:
    """Where the shadow of a point at a height lies, relative to the point's foot, [2] [m]."""
    shift = max(height, 0.0) * away
    length = float(np.hypot(*shift))
    return shift * min(1.0, MAX_LENGTH / max(length, 1e-9))
