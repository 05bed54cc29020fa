"""Grids of pixels on the ground, on which polygons are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SEAM = 0.1
"""Areas are drawn so much larger, to seal the seam to their neighbours [m]."""
OVERDRAW = 1.35
"""cv2.fillPoly with smooth edges makes a shape so much wider [px]."""
_SHIFT = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class GroundGrid:
    """Maps ground points to the pixels of a raster, and fills polygons on it.

    Args:
        origin: x and y of the outer corner of pixel (0, 0), float64 [2] [m].
        resolution: size of a pixel [m].
        shape: rows and columns.
    """

    origin: np.ndarray
    resolution: float
    shape: tuple[int, int]

    @staticmethod
    def around(low: np.ndarray, high: np.ndarray, margin: float, finest: float, max_pixels: float) -> GroundGrid:
        """A grid over a rectangle and a margin, as fine as `finest` and `max_pixels` allow."""
        size = np.asarray(high, float) - low + 2 * margin
        resolution = max(finest, float(np.sqrt(size.prod() / max_pixels)))
        columns, rows = np.ceil(size / resolution).astype(int)
        origin = np.asarray(low, float) - margin
        return GroundGrid(origin=origin, resolution=resolution, shape=(int(rows), int(columns)))

    def crop(self, low: np.ndarray, high: np.ndarray) -> tuple[tuple[slice, slice], GroundGrid]:
        """The pixels of a rectangle as an index, and a grid of these alone."""
        first = np.floor((low - self.origin) / self.resolution).astype(int).clip(0)
        last = np.ceil((high - self.origin) / self.resolution).astype(int).clip(None, self.shape[::-1])
        (column, row), (columns, rows) = first.tolist(), (last - first).clip(0).tolist()
        part = GroundGrid(
            origin=self.origin + self.resolution * first, resolution=self.resolution, shape=(rows, columns)
        )
        return np.s_[row : row + rows, column : column + columns], part

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Fixed-point pixel coordinates of ground points [n, 2 or 3], int32 [n, 2]."""
        pixels = (np.asarray(points, float)[:, :2] - self.origin) / self.resolution - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def fill(
        self, image: np.ndarray, outline: np.ndarray, value: float | Sequence[float], *, grow: float = 0.0,
        smooth: bool = True,
    ) -> None:  # fmt: skip
        """Fill a polygon [k, 2 or 3], widened by `grow` [m]; `smooth` covers edge pixels in part."""
        pixels = [self.pixels(outline)]
        line = cv2.LINE_AA if smooth else cv2.LINE_8
        cv2.fillPoly(image, pixels, value, line, _SHIFT)  # type: ignore[call-overload]
        thickness = round(2 * grow / self.resolution)
        if thickness > 0:
            cv2.polylines(image, pixels, True, value, thickness, line, _SHIFT)  # type: ignore[call-overload]


def pyramids(parts: Sequence[tuple[Sequence[np.ndarray], GroundGrid]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Several pyramids of pixels in the same arrays.

    Args:
        parts: images of each, [rows, columns, c], from the finest on, and the grid of the finest.

    Returns:
        Pixels uint8 [n, c]; first pixel, rows and columns of each level, int64 [parts, levels, 3], without rows where
        there is no such level; x and y of the outer corner of the first pixel and its size, float64 [parts, 3] [m].
    """
    levels = np.zeros((len(parts), max(len(images) for images, _ in parts), 3), np.int64)
    pixels, first = [], 0
    for k, (images, _) in enumerate(parts):
        for j, image in enumerate(images):
            levels[k, j] = first, *image.shape[:2]
            pixels.append(image.reshape(-1, image.shape[2]))
            first += image.shape[0] * image.shape[1]
    places = np.array([[*grid.origin, grid.resolution] for _, grid in parts])
    return np.concatenate(pixels), levels, places
