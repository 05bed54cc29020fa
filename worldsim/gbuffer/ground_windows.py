"""Ground that is kept deflated, and as a raster where cameras are: most of a layout is never near enough to be seen as
finely as it is told."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from worldsim.gbuffer.blocks import BLOCK, COLUMNS, ROWS, crop_blocks
from worldsim.gbuffer.ground import COARSER, GroundRaster
from worldsim.gbuffer.kernels import FOCAL, MIDDLE_X, MIDDLE_Y, POSITION

SQUARE = 16.0
"""A window serves all cameras in a square so large [m]."""


@dataclass
class _Window:
    """What cameras in one square see, and which one of all questions asked for it last."""

    ground: GroundRaster
    asked: int


class GroundWindows:
    """The ground of a layout for cameras that see little of it at a time.

    Args:
        ground: all of it; it is not kept.
    """

    def __init__(self, ground: GroundRaster) -> None:
        self._cells, self._cell_shape = zlib.compress(ground.cells.tobytes()), ground.cells.shape
        self._blocks = zlib.compress(ground.blocks.tobytes())
        self._levels, self._places = ground.levels, ground.places
        self._windows: dict[tuple[int, int, float], _Window] = {}
        self._asked = 0

    def whole(self) -> GroundRaster:
        """All of the ground."""
        cells = np.frombuffer(zlib.decompress(self._cells), np.uint8).reshape(self._cell_shape)
        blocks = np.frombuffer(zlib.decompress(self._blocks), np.int32)
        return GroundRaster(cells=cells, blocks=blocks, levels=self._levels, places=self._places)

    def near(self, camera: np.ndarray) -> GroundRaster:
        """Ground of which this camera sees the same as of the whole; it is kept as long as cameras there ask for it.

        Args:
            camera: numbers of `kernels.NUM_CAMERA`.
        """
        x, y, focal = camera[POSITION], camera[POSITION + 1], camera[FOCAL]
        reach = focal * math.sqrt(1.0 + (camera[MIDDLE_X] ** 2 + camera[MIDDLE_Y] ** 2) / focal**2)
        key = (math.floor(x / SQUARE), math.floor(y / SQUARE), reach)
        self._asked += 1
        if key not in self._windows:
            self._windows[key] = _Window(self._crop(SQUARE * np.array(key[:2]), reach), self._asked)
        self._windows[key].asked = self._asked
        # drives in the same layout ask by turns: a window that nobody has asked for in a round has been left
        left = [old for old, window in self._windows.items() if self._asked - window.asked > len(self._windows)]
        for old in left:
            del self._windows[old]
        return self._windows[key].ground

    def _crop(self, corner: np.ndarray, reach: float) -> GroundRaster:
        """What cameras see in the square with its first corner at x, y; `reach` is how far a thing that is seen over a
        metre by a sample of the canvas is away at most."""
        whole = self.whole()
        parts = np.zeros((*whole.levels.shape[:2], 4), np.int64)
        for sheet, (levels, place) in enumerate(zip(whole.levels, whole.places, strict=True)):
            num = int((levels[:, ROWS] > 0).sum())
            for level in range(num):
                size = place[2] * 2**level
                last = -(-levels[level, [ROWS, COLUMNS]] // BLOCK)
                parts[sheet, level, 2:] = last
                if level + 1 < num:  # the coarsest one goes on for ever
                    # paint is interpolated between cells
                    margin = COARSER * size * reach + 2 * size
                    low = np.floor((corner - margin - place[:2]) / size / BLOCK)
                    high = np.floor((corner + SQUARE + margin - place[:2]) / size / BLOCK) + 1
                    parts[sheet, level, :2] = np.clip(low[::-1], 0, last)
                    parts[sheet, level, 2:] = np.clip(high[::-1], 0, last)
        cells, blocks, levels = crop_blocks(whole.cells, whole.blocks, whole.levels, parts)
        return GroundRaster(cells=cells, blocks=blocks, levels=levels, places=whole.places)
