"""Classes of the ground seen from above, as a pyramid of resolutions: what lies there, and paint by its coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from worldsim.datatypes.layout import AreaKind, Layout
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.paint import paint_patches

FINEST_RESOLUTION = 0.1
"""Size of a cell of level 0 [m], coarser where the map would take more than MAX_CELLS."""
MAX_CELLS = 25e6
MARGIN = 10.0
"""Ground beyond the outermost point of the layout [m]."""
NUM_LEVELS = 7
SEAM = 0.1
"""Areas are drawn so much larger, to seal the seam to their neighbours [m]."""
_SHIFT = 5
OVERDRAW = 1.35
"""cv2.fillPoly with smooth edges makes a shape so much wider [px]."""

CLASS_OF_AREA = {
    AreaKind.OTHER: SemanticClass.GROUND,
    AreaKind.MEDIAN: SemanticClass.GROUND,
    AreaKind.SIDEWALK: SemanticClass.SIDEWALK,
    AreaKind.SHOULDER: SemanticClass.ROAD,
    AreaKind.PARKING: SemanticClass.ROAD,
    AreaKind.DRIVABLE: SemanticClass.ROAD,
    AreaKind.JUNCTION: SemanticClass.ROAD,
}
"""From the lowest to the topmost."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GroundRaster:
    """Cells of the ground; rows grow with y, columns with x.

    Args:
        cells: level after level, row after row: class of the ground, class of paint on it, coverage by it [0, 255];
            uint8 [n, 3].
        levels: first cell, rows and columns of each level, int64 [k, 3]; a level has half the resolution of the last.
        place: x and y of the outer corner of the first cell, and its size, float64 [3] [m].
    """

    cells: np.ndarray
    levels: np.ndarray
    place: np.ndarray

    @staticmethod
    def nothing() -> GroundRaster:
        """Ground of which nothing is known."""
        return _NOTHING

    @staticmethod
    def of_layout(layout: Layout) -> GroundRaster:
        """The ground of a layout."""
        points = np.concatenate([layout.area_points[:, :2], layout.line_points[:, :2]])
        if not len(points):
            return _NOTHING
        grid = GroundGrid.around(points.min(axis=0), points.max(axis=0), MARGIN, FINEST_RESOLUTION, MAX_CELLS)
        base = np.full(grid.shape, SemanticClass.GROUND, np.uint8)
        outlines = layout.areas()
        for kind, semantic in CLASS_OF_AREA.items():
            for k in np.flatnonzero(layout.area_kinds == kind):
                grid.fill(base, outlines[k], int(semantic), grow=SEAM, smooth=False)
        paint, coverage = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
        for patch in paint_patches(layout, OVERDRAW * grid.resolution):
            grid.fill(coverage, patch.outline, 255)
            grid.fill(paint, patch.outline, int(patch.kind), grow=grid.resolution, smooth=False)
        return _pyramid(base, paint, coverage, grid)


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


def _pyramid(base: np.ndarray, paint: np.ndarray, coverage: np.ndarray, grid: GroundGrid) -> GroundRaster:
    """Each level halves the last: coverage is averaged, the class of paint is that of any, the ground's is picked."""
    levels, parts, first = [], [], 0
    for _ in range(NUM_LEVELS):
        rows, columns = base.shape
        levels.append((first, rows, columns))
        parts.append(np.stack([base, paint, coverage], axis=-1).reshape(-1, 3))
        first += rows * columns
        even = np.s_[: rows - rows % 2, : columns - columns % 2]
        if min(rows, columns) < 4:
            break
        size = (columns // 2, rows // 2)
        coverage = cv2.resize(coverage[even], size, interpolation=cv2.INTER_AREA)
        blocks = paint[even].reshape(rows // 2, 2, columns // 2, 2)
        base, paint = base[even][::2, ::2], blocks.max(axis=(1, 3))
    place = np.array([*grid.origin, grid.resolution])
    return GroundRaster(cells=np.concatenate(parts), levels=np.array(levels, np.int64), place=place)


_NOTHING = GroundRaster(
    cells=np.array([[SemanticClass.GROUND, 0, 0]], np.uint8),
    levels=np.array([[0, 1, 1]], np.int64),
    place=np.array([0.0, 0.0, 1.0]),
)
