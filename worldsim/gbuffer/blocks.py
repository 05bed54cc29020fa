"""Pyramids of cells kept in blocks, of which those of one value are kept once: most of a map is plain ground."""

from __future__ import annotations

import numpy as np

from worldsim.compiled import compiled
from worldsim.gbuffer.classes import SemanticClass

SHIFT = 4
BLOCK = 1 << SHIFT
"""Cells of a block along either side."""
_NUM_CLASSES = len(SemanticClass)


def pack_blocks(cells: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep pyramids, as `pyramids` makes them, in blocks.

    Args:
        cells: uint8 [n, 3].
        levels: first cell, rows and columns of each level, int64 [sheets, k, 3].

    Returns:
        Cells block by block, uint8 [m, 3]; first cell of each block, level by level and row by row, int32 [b]; first
        block, and rows and columns in cells, of each level, int64 [sheets, k, 3].
    """
    across = -(-levels[..., 1:] // BLOCK)
    num_blocks = int(across.prod(axis=-1).sum())
    packed = np.empty((num_blocks * BLOCK * BLOCK, cells.shape[1]), np.uint8)  # what is not filled takes no memory
    blocks, packed_levels = np.empty(num_blocks, np.int32), levels.copy()
    used = _pack(cells, packed_levels, packed, blocks)
    return packed[:used].copy(), blocks, packed_levels


@compiled
def cell_at(blocks, first, columns, row, column):
    """Index of a cell of the level that begins with block `first` and has so many columns."""
    across = (columns + BLOCK - 1) >> SHIFT
    block = blocks[first + (row >> SHIFT) * across + (column >> SHIFT)]
    return block + ((row & (BLOCK - 1)) << SHIFT) + (column & (BLOCK - 1))


@compiled
def _pack(cells, levels, packed, blocks):
    """Fill blocks and their cells, turn levels' first cells into first blocks; returns how many cells there are."""
    plain = np.full((_NUM_CLASSES, _NUM_CLASSES, 256), -1, np.int32)
    used, count = 0, 0
    for sheet in range(levels.shape[0]):
        for level in range(levels.shape[1]):
            first, rows, columns = levels[sheet, level, 0], levels[sheet, level, 1], levels[sheet, level, 2]
            levels[sheet, level, 0] = count
            for top in range(0, rows, BLOCK):
                for left in range(0, columns, BLOCK):
                    corner = cells[first + top * columns + left]
                    a, b, c = corner[0], corner[1], corner[2]
                    known = plain[a, b, c] if _is_plain(cells, first, rows, columns, top, left) else -2
                    if known >= 0:
                        blocks[count] = known
                    else:
                        if known == -1:
                            plain[a, b, c] = used
                        blocks[count] = used
                        for r in range(BLOCK):
                            for k in range(BLOCK):
                                # beyond the edge, which nobody asks for, the block goes on
                                row, column = min(top + r, rows - 1), min(left + k, columns - 1)
                                packed[used + r * BLOCK + k] = cells[first + row * columns + column]
                        used += BLOCK * BLOCK
                    count += 1
    return used


@compiled
def _is_plain(cells, first, rows, columns, top, left):
    """Whether all cells of a block are alike."""
    corner = cells[first + top * columns + left]
    a, b, c = corner[0], corner[1], corner[2]
    for row in range(top, min(top + BLOCK, rows)):
        for column in range(left, min(left + BLOCK, columns)):
            cell = cells[first + row * columns + column]
            if cell[0] != a or cell[1] != b or cell[2] != c:
                return False
    return True
