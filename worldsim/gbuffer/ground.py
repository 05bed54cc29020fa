"""Classes of the ground seen from above, as a pyramid of resolutions: what lies there, and paint by its coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from worldsim.datatypes.layout import AreaKind, Layout, LineColor
from worldsim.gbuffer.blocks import TILE, TILES, pack_blocks
from worldsim.gbuffer.classes import PAINT, YELLOW, SemanticClass
from worldsim.gbuffer.decks import DeckTile
from worldsim.gbuffer.ground_grid import OVERDRAW, SEAM, GroundGrid, pyramids
from worldsim.gbuffer.paint import paint_patches

FINEST_RESOLUTION = 0.1
"""Size of a cell of level 0 [m], coarser where the map would take more than MAX_CELLS."""
MAX_CELLS = 25e6
MARGIN = 10.0
"""Ground beyond the outermost point of the layout [m]."""
NUM_LEVELS = 7
COARSER = 1.5
"""A level serves for what is seen over so many of its cells, and the next one beyond."""

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
        cells: tile by tile: class of the ground plus PAINT times that of paint on it, coverage by it [0, 255]; uint8
            [n, 2].
        blocks: which tiles each block consists of, sheet after sheet, level after level, row after row, uint16 or int32
            [b]; as `cell_at` reads them.
        levels: FIRST to ACROSS of each level of each sheet, int64 [sheets, k, NUM_LEVEL]; a level has half the
            resolution of the last, and no rows where a sheet has no such level.
        places: x and y of the outer corner of the first cell, and its size, float64 [sheets, 3] [m].
    """

    cells: np.ndarray
    blocks: np.ndarray
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
            decks.append((_pyramid(_cells(tile.on, part, SemanticClass.OTHER)), part))
        cells, levels, places = pyramids([(_pyramid(base), grid), *decks])
        cells, blocks, levels = pack_blocks(cells, levels)
        return GroundRaster(cells=cells, blocks=blocks, levels=levels, places=places)


def _cells(layout: Layout, grid: GroundGrid, elsewhere: SemanticClass) -> np.ndarray:
    """Class of the ground, class of paint and coverage by it at the finest resolution, uint8 [rows, columns, 3]."""
    base = np.full(grid.shape, elsewhere, np.uint8)
    outlines = layout.areas()
    for kind, semantic in CLASS_OF_AREA.items():
        for k in np.flatnonzero(layout.area_kinds == kind):
            grid.fill(base, outlines[k], int(semantic), grow=SEAM, smooth=False)
    paint, coverage = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    for patch in paint_patches(layout, OVERDRAW * grid.resolution):
        grid.fill(coverage, patch.outline, 255)
        kind = int(patch.kind) + (YELLOW if patch.color == LineColor.YELLOW else 0)
        grid.fill(paint, patch.outline, kind, grow=grid.resolution, smooth=False)
    return np.stack([base, paint, coverage], axis=-1)


def _pyramid(cells: np.ndarray) -> list[np.ndarray]:
    """Columns of GroundRaster.cells of all levels, uint8 [rows, columns, 2] each, of what `_cells` makes."""
    made = []
    for base, paint, coverage in (np.moveaxis(level, -1, 0) for level in _halvings(cells)):
        # where nothing is covered nobody asks by which paint, and tiles without that are more alike
        made.append(np.stack([base + PAINT * np.where(coverage > 0, paint, np.uint8(0)), coverage], axis=-1))
    return made


def _halvings(cells: np.ndarray) -> list[np.ndarray]:
    """Each level halves the last: coverage is averaged, the class of paint is that of any, the ground's is picked."""
    levels = [cells]
    while len(levels) < NUM_LEVELS and min(levels[-1].shape[:2]) >= 4:
        rows, columns = levels[-1].shape[:2]
        base, paint, coverage = np.moveaxis(levels[-1][: rows - rows % 2, : columns - columns % 2], -1, 0)
        coverage = cv2.resize(np.ascontiguousarray(coverage), (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        upper, lower = np.maximum(paint[::2, ::2], paint[::2, 1::2]), np.maximum(paint[1::2, ::2], paint[1::2, 1::2])
        paint = np.maximum(upper, lower)
        levels.append(np.stack([base[::2, ::2], paint, coverage], axis=-1))
    return levels


_NOTHING = GroundRaster(
    cells=np.full((TILE * TILE, 2), (SemanticClass.GROUND, 0), np.uint8),
    blocks=np.zeros(TILES + 1, np.uint16),
    levels=np.array([[[TILES, 1, 1, 0, 0, 1]]], np.int64),
    places=np.array([[0.0, 0.0, 1.0]]),
)
