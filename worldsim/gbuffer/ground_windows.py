"""Ground that is kept deflated, and as a raster where cameras look: most of a layout is behind them, or too far away to
be seen as finely as it is told."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from worldsim.gbuffer.blocks import BLOCK, COLUMNS, ROWS, crop_blocks
from worldsim.gbuffer.ground import COARSER, GroundRaster
from worldsim.gbuffer.kernels import AXES, COS_HALF, FOCAL, MIDDLE_X, MIDDLE_Y, POSITION

SQUARE = 16.0
"""A window serves all cameras in a square so large [m] ..."""
SECTOR = math.pi / 4
"""... that look into one sector of the horizon so wide [rad]."""


@dataclass
class _Window:
    """What cameras in one square see in one sector, and which one of all questions asked for it last."""

    ground: GroundRaster
    asked: int


class GroundWindows:
    """The ground of a layout for cameras that see little of it at a time.

    Args:
        ground: all of it; it is not kept.
    """

    def __init__(self, ground: GroundRaster) -> None:
        # values of one column are more alike than those of one cell
        self._columns = [zlib.compress(column.tobytes()) for column in ground.cells.T]
        self._blocks, self._blocks_type = zlib.compress(ground.blocks.tobytes()), ground.blocks.dtype
        self._levels, self._places = ground.levels, ground.places
        self._windows: dict[tuple[int, int, int, float, float], _Window] = {}
        self._asked = 0

    def whole(self) -> GroundRaster:
        """All of the ground."""
        columns = [np.frombuffer(zlib.decompress(column), np.uint8) for column in self._columns]
        cells, blocks = np.stack(columns, axis=1), np.frombuffer(zlib.decompress(self._blocks), self._blocks_type)
        return GroundRaster(cells=cells, blocks=blocks, levels=self._levels, places=self._places)

    def near(self, camera: np.ndarray) -> GroundRaster:
        """Ground of which this camera sees the same as of the whole; it is kept as long as cameras there ask for it.

        Args:
            camera: numbers of `kernels.NUM_CAMERA`.
        """
        x, y, focal = camera[POSITION], camera[POSITION + 1], camera[FOCAL]
        reach = focal * math.sqrt(1.0 + (camera[MIDDLE_X] ** 2 + camera[MIDDLE_Y] ** 2) / focal**2)
        heading = math.atan2(camera[AXES + 7], camera[AXES + 6])
        sector = round(heading / SECTOR) % round(2 * math.pi / SECTOR)
        key = (math.floor(x / SQUARE), math.floor(y / SQUARE), sector, reach, camera[COS_HALF])
        self._asked += 1
        if key not in self._windows:
            corner, ahead = SQUARE * np.array(key[:2]), _box_ahead(SECTOR * sector, camera[COS_HALF])
            self._windows[key] = _Window(self._crop(corner, ahead, reach), self._asked)
        self._windows[key].asked = self._asked
        # drives in the same layout ask by turns: a window that nobody has asked for in a round has been left
        left = [old for old, window in self._windows.items() if self._asked - window.asked > len(self._windows)]
        for old in left:
            del self._windows[old]
        return self._windows[key].ground

    def _crop(self, corner: np.ndarray, ahead: tuple[np.ndarray, np.ndarray], reach: float) -> GroundRaster:
        """What cameras see from the square with its first corner at x, y, if they see no more than what is `ahead`
        times as far as they see; `reach` is how far a thing that is seen over a metre by a sample of the canvas is away
        at most."""
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
                    low, high = (COARSER * size * reach * side for side in ahead)
                    low = np.floor((corner + low - 2 * size - place[:2]) / size / BLOCK)
                    high = np.floor((corner + SQUARE + high + 2 * size - place[:2]) / size / BLOCK) + 1
                    parts[sheet, level, :2] = np.clip(low[::-1], 0, last)
                    parts[sheet, level, 2:] = np.clip(high[::-1], 0, last)
        cells, blocks, levels = crop_blocks(whole.cells, whole.blocks, whole.levels, parts)
        return GroundRaster(cells=cells, blocks=blocks, levels=levels, places=whole.places)


def _box_ahead(heading: float, cos_half: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x and y, [2] each, of what cameras see up to a distance of 1, whose heading differs by no more
    than half a SECTOR from this one [rad], and whose rays turn away from it as their `kernels.COS_HALF` tells."""
    # a camera that looks down sees behind itself too
    half = math.acos(cos_half) + 0.5 * SECTOR if cos_half > 1e-6 else math.pi
    # the outermost points lie at the ends of the arc, on an axis, or where the camera is
    angles = np.array([-half, half, *(0.5 * math.pi * np.arange(-8, 9) - heading)])
    angles = heading + angles[np.abs(angles) <= half]
    points = np.concatenate([np.zeros((1, 2)), np.stack([np.cos(angles), np.sin(angles)], axis=1)])
    return points.min(axis=0), points.max(axis=0)
