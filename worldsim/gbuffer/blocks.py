"""Pyramids of cells kept in blocks of tiles, of which those that are alike are kept once: most of a map is plain
ground, and the edges of roads and their paint look alike in many places."""

from __future__ import annotations

import numpy as np

from worldsim.compiled import compiled
from worldsim.gbuffer.classes import SemanticClass

SHIFT, TILE_SHIFT = 4, 2
BLOCK, TILE = 1 << SHIFT, 1 << TILE_SHIFT
"""Cells of a block and of a tile along either side."""
TILES = (BLOCK // TILE) ** 2
"""Of a block."""
_NUM_CLASSES = len(SemanticClass)
_ACROSS_SHIFT = SHIFT - TILE_SHIFT
_HASH = 0x9E3779B1
FIRST, ROWS, COLUMNS, TOP, LEFT, ACROSS = range(6)
"""Of a level: its first block, its rows and columns in cells, and in blocks which part of it is there: the first row
and column, and how many columns. Its blocks lie row after row."""
NUM_LEVEL = 6


def pack_blocks(cells: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep pyramids, as `pyramids` makes them, in blocks.

    Args:
        cells: uint8 [n, 3].
        levels: first cell, rows and columns of each level, int64 [sheets, k, 3].

    Returns:
        Cells tile by tile, uint8 [m, 3]; of each block, level by level and row by row, where its TILES entries are that
        follow in the same array: the first cell of each of its tiles, row by row; int32 [b]; FIRST to ACROSS of each
        level, which is there as a whole, int64 [sheets, k, NUM_LEVEL].
    """
    across = -(-levels[..., 1:] // BLOCK)
    num_blocks = int(across.prod(axis=-1).sum())
    num_tiles = TILES * _count_kept(cells, levels)
    # what is not filled takes no memory
    packed = np.empty((num_tiles * TILE * TILE, cells.shape[1]), np.uint8)
    blocks, packed_levels = (
        np.empty(num_blocks + num_tiles, np.int32),
        np.zeros((*levels.shape[:2], NUM_LEVEL), np.int64),
    )
    packed_levels[..., :TOP], packed_levels[..., ACROSS] = levels, across[..., 1]
    known = np.full(1 << (2 * num_tiles).bit_length(), -1, np.int32)
    used, entries = _pack(cells, packed_levels, packed, blocks, num_blocks, known)
    return packed[:used].copy(), blocks[:entries].copy(), packed_levels


def crop_blocks(
    cells: np.ndarray, blocks: np.ndarray, levels: np.ndarray, parts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A part of each level.

    Args:
        cells: as `pack_blocks` returns them.
        blocks: likewise.
        levels: likewise, of whole levels.
        parts: rectangles of blocks that are kept: first row and column, and those after the last ones, int64
            [sheets, k, 4].

    Returns:
        The same three, in memory of their own.
    """
    size = np.maximum(parts[..., 2:] - parts[..., :2], 0)
    num = int(size.prod(axis=-1).sum())
    cropped = levels.copy()
    cropped[..., TOP], cropped[..., LEFT], cropped[..., ACROSS] = parts[..., 0], parts[..., 1], size[..., 1]
    entry_of, tile_of = np.full(len(blocks), -1, np.int32), np.full(len(cells) // (TILE * TILE), -1, np.int32)
    kept, tiles = np.empty(len(blocks), np.int32), np.empty(len(tile_of), np.int32)
    num_entries, num_tiles = _crop(blocks, levels, cropped, size, num, entry_of, tile_of, kept, tiles)
    tiles = cells.reshape(-1, TILE * TILE, cells.shape[1])[tiles[:num_tiles]]
    return tiles.reshape(-1, cells.shape[1]), kept[:num_entries].copy(), cropped


@compiled
def cell_at(blocks, levels, level, row, column):
    """Index of a cell of a level of a sheet, which must be there."""
    block_row, block_column = (row >> SHIFT) - levels[level, TOP], (column >> SHIFT) - levels[level, LEFT]
    entry = blocks[levels[level, FIRST] + block_row * levels[level, ACROSS] + block_column]
    inner_row, inner_column = (row & (BLOCK - 1)) >> TILE_SHIFT, (column & (BLOCK - 1)) >> TILE_SHIFT
    tile = blocks[entry + (inner_row << _ACROSS_SHIFT) + inner_column]
    return tile + ((row & (TILE - 1)) << TILE_SHIFT) + (column & (TILE - 1))


@compiled
def _crop(blocks, levels, cropped, size, num_blocks, entry_of, tile_of, kept, tiles):
    """Fill the blocks and entries that are kept, and the numbers of their tiles, turn levels' first blocks into theirs.

    Args:
        entry_of: where entries of blocks are now, by where they were, -1 where they are not yet.
        tile_of: likewise which tile one is now.

    Returns:
        How many blocks and entries there are, and how many tiles.
    """
    count, entries, used = 0, num_blocks, 0
    for sheet in range(levels.shape[0]):
        for level in range(levels.shape[1]):
            top, left = cropped[sheet, level, TOP], cropped[sheet, level, LEFT]
            first, across = levels[sheet, level, FIRST], levels[sheet, level, ACROSS]
            cropped[sheet, level, FIRST] = count
            for row in range(top, top + size[sheet, level, 0]):
                for column in range(left, left + size[sheet, level, 1]):
                    entry = blocks[first + row * across + column]
                    if entry_of[entry] < 0:
                        entry_of[entry] = entries
                        for k in range(TILES):
                            tile = blocks[entry + k] // (TILE * TILE)
                            if tile_of[tile] < 0:
                                tile_of[tile] = used
                                tiles[used] = tile
                                used += 1
                            kept[entries] = tile_of[tile] * (TILE * TILE)
                            entries += 1
                    kept[count] = entry_of[entry]
                    count += 1
    return entries, used


@compiled
def _count_kept(cells, levels):
    """How many blocks have cells that differ, or are the first of plain ones of their kind."""
    plain = np.zeros((_NUM_CLASSES, _NUM_CLASSES, 256), np.bool_)
    count = 0
    for sheet in range(levels.shape[0]):
        for level in range(levels.shape[1]):
            first, rows, columns = levels[sheet, level, 0], levels[sheet, level, 1], levels[sheet, level, 2]
            for top in range(0, rows, BLOCK):
                for left in range(0, columns, BLOCK):
                    corner = cells[first + top * columns + left]
                    a, b, c = corner[0], corner[1], corner[2]
                    if not _is_plain(cells, first, rows, columns, top, left):
                        count += 1
                    elif not plain[a, b, c]:
                        plain[a, b, c] = True
                        count += 1
    return count


@compiled
def _pack(cells, levels, packed, blocks, num_blocks, known):
    """Fill blocks, their entries and cells, turn levels' first cells into first blocks.

    Args:
        known: first cells of the tiles that there are, by hash, -1 where none is.

    Returns:
        How many cells there are, and how many blocks and entries.
    """
    plain = np.full((_NUM_CLASSES, _NUM_CLASSES, 256), -1, np.int32)
    used, count, entries = 0, 0, num_blocks
    for sheet in range(levels.shape[0]):
        for level in range(levels.shape[1]):
            first = levels[sheet, level, FIRST]
            rows, columns = levels[sheet, level, ROWS], levels[sheet, level, COLUMNS]
            levels[sheet, level, FIRST] = count
            for top in range(0, rows, BLOCK):
                for left in range(0, columns, BLOCK):
                    corner = cells[first + top * columns + left]
                    a, b, c = corner[0], corner[1], corner[2]
                    is_plain = _is_plain(cells, first, rows, columns, top, left)
                    if is_plain and plain[a, b, c] >= 0:
                        blocks[count] = plain[a, b, c]
                    else:
                        if is_plain:
                            plain[a, b, c] = entries
                        blocks[count] = entries
                        for r in range(top, top + BLOCK, TILE):
                            for k in range(left, left + BLOCK, TILE):
                                _copy_tile(cells, first, rows, columns, r, k, packed, used)
                                blocks[entries] = _find_tile(packed, used, known)
                                if blocks[entries] == used:
                                    used += TILE * TILE
                                entries += 1
                    count += 1
    return used, entries


@compiled
def _copy_tile(cells, first, rows, columns, top, left, packed, at):
    for r in range(TILE):
        for k in range(TILE):
            # beyond the edge, which nobody asks for, the tile goes on
            row, column = min(top + r, rows - 1), min(left + k, columns - 1)
            packed[at + r * TILE + k] = cells[first + row * columns + column]


@compiled
def _find_tile(packed, at, known):
    """First cell of the tile that is like the one at `at`: that one itself if it is new."""
    num, mask = TILE * TILE, len(known) - 1
    place = np.int64(0)
    for i in range(num):
        for j in range(packed.shape[1]):
            place = ((place ^ packed[at + i, j]) * _HASH) & 0xFFFFFFFF
    place = (place ^ (place >> 15)) & mask
    while known[place] >= 0:
        other, same = known[place], True
        for i in range(num):
            for j in range(packed.shape[1]):
                same = same and packed[at + i, j] == packed[other + i, j]
        if same:
            return other
        place = (place + 1) & mask
    known[place] = at
    return at


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
