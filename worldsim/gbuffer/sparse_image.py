"""Images that are the same value nearly everywhere, of which plain parts take no room."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from worldsim.compiled import compiled
from worldsim.gbuffer.blocks import cell_at, pack_blocks


class SparseImage(NamedTuple):
    """An image of one channel; compiled code takes it as it is.

    pixels: tile by tile, uint8 [n, 1]. blocks: which tiles its blocks consist of, as `cell_at` reads them. levels: the
    only one, int64 [1, NUM_LEVEL]. rows, columns: size of the image [px].
    """

    pixels: np.ndarray
    blocks: np.ndarray
    levels: np.ndarray
    rows: int
    columns: int


def pack_image(image: np.ndarray) -> SparseImage:
    """The same image, uint8 [rows, columns], in blocks."""
    rows, columns = image.shape
    pixels, blocks, levels = pack_blocks(image.reshape(-1, 1), np.array([[[0, rows, columns]]], np.int64))
    return SparseImage(pixels, blocks, levels[0], rows, columns)


@compiled
def pixel_at(image, row, column):
    """A pixel of a SparseImage."""
    return image.pixels[cell_at(image.blocks, image.levels, 0, row, column), 0]
