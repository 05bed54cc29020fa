"""Classes of the ground seen from above, as a pyramid of resolutions: what lies there, and paint by its coverage.

A town at a tenth of a metre is tens of millions of cells, and nearly all of them lie amid others like them. So a raster
is made of small tiles, of which each is kept once however often it occurs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from worldsim.datatypes.layout import AreaKind, Layout
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.decks import DeckTile
from worldsim.gbuffer.ground_grid import OVERDRAW, SEAM, GroundGrid
from worldsim.gbuffer.paint import paint_patches

FINEST_RESOLUTION = 0.1
"""Size of a cell of level 0 [m], coarser where the map would take more than MAX_CELLS."""
MAX_CELLS = 25e6
MARGIN = 10.0
"""Ground beyond the outermost point of the layout [m]."""
NUM_LEVELS = 7
TILE_BITS = 3
TILE = 2**TILE_BITS
"""Cells of a tile in either direction."""
PAINT_SHIFT, BASE_MASK = 5, 31
"""A cell's first byte holds the class of the ground in its lower bits, and that of the paint on it above these."""

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
    """Cells of the ground in sheets: of the base, and of each tile of its decks; rows grow with y, columns with x.

    Args:
        cells: of the tiles that differ: classes of ground and paint, see PAINT_SHIFT, and the paint's coverage
            [0, 255]; uint8 [t, TILE, TILE, 2].
        tiles: which of them lies where, sheet after sheet, level after level, row after row of tiles, int32 [n].
        levels: index of the first tile, rows and columns of cells of each level of each sheet, int64 [sheets, k, 3]; a
            level has half the resolution of the last, and no rows where a sheet has no such level.
        places: x and y of the outer corner of the first cell, and its size, float64 [sheets, 3] [m].
    """

    cells: np.ndarray
    tiles: np.ndarray
    levels: np.ndarray
    places: np.ndarray

    @staticmethod
    def nothing() -> GroundRaster:
        """Ground of which nothing is known."""
        return _NOTHING

    @staticmethod
    def of_layout(layout: Layout, tiles: Sequence[DeckTile] = ()) -> GroundRaster:
        """The ground of a layout, whose decks are given."""
        points = np.concatenate([layout.area_points[:, :2], layout.line_points[:, :2]])
        if not len(points):
            return _NOTHING
        grid = GroundGrid.around(points.min(axis=0), points.max(axis=0), MARGIN, FINEST_RESOLUTION, MAX_CELLS)
        base = _cells(layout, grid, SemanticClass.GROUND)
        decks = []
        for tile in tiles:
            window, part = grid.crop(tile.low, tile.high)
            hidden = tile.hides(part)
            base[window][hidden] = _cells(tile.below, part, SemanticClass.GROUND)[hidden]
            decks.append((_halvings(_cells(tile.on, part, SemanticClass.OTHER)), part))
        return _tiled([(_halvings(base), grid), *decks])


def _cells(layout: Layout, grid: GroundGrid, elsewhere: SemanticClass) -> np.ndarray:
    """Columns of GroundRaster.cells at the finest resolution, uint8 [rows, columns, 3]."""
    base = np.full(grid.shape, elsewhere, np.uint8)
    outlines = layout.areas()
    for kind, semantic in CLASS_OF_AREA.items():
        for k in np.flatnonzero(layout.area_kinds == kind):
            grid.fill(base, outlines[k], int(semantic), grow=SEAM, smooth=False)
    paint, coverage = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    for patch in paint_patches(layout, OVERDRAW * grid.resolution):
        grid.fill(coverage, patch.outline, 255)
        grid.fill(paint, patch.outline, int(patch.kind), grow=grid.resolution, smooth=False)
    return np.stack([base, paint, coverage], axis=-1)


def _halvings(cells: np.ndarray) -> list[np.ndarray]:
    """Each level halves the last: coverage is averaged, the class of paint is that of any, the ground's is picked."""
    levels = [cells]
    while len(levels) < NUM_LEVELS and min(levels[-1].shape[:2]) >= 4:
        rows, columns = levels[-1].shape[:2]
        base, paint, coverage = np.moveaxis(levels[-1][: rows - rows % 2, : columns - columns % 2], -1, 0)
        coverage = cv2.resize(np.ascontiguousarray(coverage), (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        paint = paint.reshape(rows // 2, 2, columns // 2, 2).max(axis=(1, 3))
        levels.append(np.stack([base[::2, ::2], paint, coverage], axis=-1))
    return levels


def _tiled(sheets: Sequence[tuple[Sequence[np.ndarray], GroundGrid]]) -> GroundRaster:
    """The raster of sheets' levels, finest first, [rows, columns, 3] as of `_cells`, and the grid of the finest."""
    levels = np.zeros((len(sheets), max(len(images) for images, _ in sheets), 3), np.int64)
    tiles, num_tiles = [], 0
    for k, (images, _) in enumerate(sheets):
        for j, image in enumerate(images):
            rows, columns = image.shape[:2]
            packed = np.zeros((-(-rows // TILE) * TILE, -(-columns // TILE) * TILE, 2), np.uint8)
            base, paint, coverage = np.moveaxis(image, -1, 0)
            packed[:rows, :columns, 0] = base | (np.where(coverage > 0, paint, 0) << PAINT_SHIFT)
            packed[:rows, :columns, 1] = coverage
            level = packed.reshape(len(packed) // TILE, TILE, -1, TILE, 2).swapaxes(1, 2).reshape(-1, TILE, TILE, 2)
            levels[k, j] = num_tiles, rows, columns
            tiles.append(level)
            num_tiles += len(level)

    # most tiles are of one kind of cell: only the others are compared byte by byte
    every = np.concatenate(tiles)
    pairs = every.view(np.uint16).reshape(len(every), -1)
    mixed = np.flatnonzero((pairs != pairs[:, :1]).any(1))
    plain, index = np.unique(pairs[:, 0], return_inverse=True)
    as_bytes = np.ascontiguousarray(pairs[mixed]).view(f"V{2 * TILE * TILE}").ravel()
    _, first, which = np.unique(as_bytes, return_index=True, return_inverse=True)
    index[mixed] = len(plain) + which
    uniform = np.broadcast_to(plain[:, None], (len(plain), TILE * TILE))
    cells = np.concatenate([uniform, pairs[mixed][first]]).view(np.uint8).reshape(-1, TILE, TILE, 2)
    places = np.array([[*grid.origin, grid.resolution] for _, grid in sheets])
    return GroundRaster(cells=cells, tiles=index.astype(np.int32), levels=levels, places=places)


_NOTHING = _tiled(
    [
        (
            [np.array([[[SemanticClass.GROUND, 0, 0]]], np.uint8)],
            GroundGrid(origin=np.zeros(2), resolution=1.0, shape=(1, 1)),
        )
    ]
)
