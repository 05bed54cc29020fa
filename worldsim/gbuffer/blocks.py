"""Pyramids of cells kept in blocks of tiles, of which those that are alike are kept once: most of a map is plain
ground, and the edges of roads and their paint look alike in many places."""

from __future__ import annotations

import numpy as np

from worldsim.compiled import compiled

SHIFT, TILE_SHIFT = 4, 2
BLOCK, TILE = 1 << SHIFT, 1 << TILE_SHIFT
"""Cells of a block and of a tile along either side."""
TILES = (BLOCK // TILE) ** 2
"""Of a block."""
_CELLS_SHIFT, _TILES_SHIFT, _ACROSS_SHIFT = 2 * TILE_SHIFT, 2 * (SHIFT - TILE_SHIFT), SHIFT - TILE_SHIFT
_MAX_COLUMNS = 2
"""Of cells."""
_HASH = 0x9E3779B1
FIRST, ROWS, COLUMNS, TOP, LEFT, ACROSS = range(6)
"""Of a level: its first block, its rows and columns in cells, and in blocks which part of it is there: the first row
and column, and how many columns. Its blocks lie row after row."""
NUM_LEVEL = 6


def pack_blocks(cells: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep pyramids, as `pyramids` makes them, in blocks.

    Args:
        cells: uint8 [n, c], of one column or two.
        levels: first cell, rows and columns of each level, int64 [sheets, k, 3].

    Returns:
        Cells tile by tile, uint8 [m, c]. Blocks, uint16 [b], or int32 where numbers are too large for that: first the
        entries of blocks that differ, TILES each, which are the numbers of their tiles, row by row; then of each block,
        level by level and row by row, the number of its entries. FIRST to ACROSS of each level, which is there as a
        whole, int64 [sheets, k, NUM_LEVEL].
    """
    assert cells.shape[1] <= _MAX_COLUMNS
    across = -(-levels[..., 1:] // BLOCK)
    num_entries = TILES * _count_kept(cells, levels)
    # what is not filled takes no memory
    packed = np.empty((num_entries << _CELLS_SHIFT, cells.shape[1]), np.uint8)
    blocks = np.empty(num_entries + int(across.prod(axis=-1).sum()), np.int32)
    packed_levels = np.zeros((*levels.shape[:2], NUM_LEVEL), np.int64)
    packed_levels[..., :TOP], packed_levels[..., ACROSS] = levels, across[..., 1]
    known = np.full(1 << (2 * num_entries).bit_length(), -1, np.int32)
    num_tiles = _pack(cells, packed_levels, packed, blocks, num_entries, known)
    return packed[: num_tiles << _CELLS_SHIFT].copy(), _shortened(blocks), packed_levels


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
    cropped = levels.copy()
    cropped[..., TOP], cropped[..., LEFT], cropped[..., ACROSS] = parts[..., 0], parts[..., 1], size[..., 1]
    num_tiles = len(cells) >> _CELLS_SHIFT
    entries_of, tile_of = np.full(len(blocks) >> _TILES_SHIFT, -1, np.int32), np.full(num_tiles, -1, np.int32)
    index, entries = np.empty(int(size.prod(axis=-1).sum()), np.int32), np.empty(len(blocks), np.int32)
    tiles = np.empty(num_tiles, np.int32)
    num_entries, num_kept = _crop(blocks, levels, cropped, size, entries_of, tile_of, index, entries, tiles)
    cropped[..., FIRST] += num_entries
    kept = cells.reshape(num_tiles, -1)[tiles[:num_kept]].reshape(-1, cells.shape[1])
    return kept, _shortened(np.concatenate([entries[:num_entries], index])), cropped


def _shortened(blocks: np.ndarray) -> np.ndarray:
    """The same numbers in two bytes each, if they all fit."""
    fit = not len(blocks) or blocks.max() <= np.iinfo(np.uint16).max
    return blocks.astype(np.uint16 if fit else np.int32)


@compiled
def cell_at(blocks, levels, level, row, column):
    """Index of a cell of a level of a sheet, which must be there."""
    block_row, block_column = (row >> SHIFT) - levels[level, TOP], (column >> SHIFT) - levels[level, LEFT]
    number = np.int64(blocks[levels[level, FIRST] + block_row * levels[level, ACROSS] + block_column])
    inner_row, inner_column = (row & (BLOCK - 1)) >> TILE_SHIFT, (column & (BLOCK - 1)) >> TILE_SHIFT
    tile = np.int64(blocks[(number << _TILES_SHIFT) + (inner_row << _ACROSS_SHIFT) + inner_column])
    return (tile << _CELLS_SHIFT) + ((row & (TILE - 1)) << TILE_SHIFT) + (column & (TILE - 1))


@compiled
def _crop(blocks, levels, cropped, size, entries_of, tile_of, index, entries, tiles):
    """Fill the index of blocks, the entries that are kept and the numbers that their tiles had, turn levels' first
    blocks into theirs in the index.

    Args:
        entries_of: the number that entries have now, by the one that they had, -1 where they have none yet.
        tile_of: likewise of tiles.

    Returns:
        How many entries there are, and how many tiles.
    """
    count, num_entries, num_tiles = 0, 0, 0
    for sheet in range(levels.shape[0]):
        for level in range(levels.shape[1]):
            top, left = cropped[sheet, level, TOP], cropped[sheet, level, LEFT]
            first, across = levels[sheet, level, FIRST], levels[sheet, level, ACROSS]
            cropped[sheet, level, FIRST] = count
            for row in range(top, top + size[sheet, level, 0]):
                for column in range(left, left + size[sheet, level, 1]):
                    number = np.int64(blocks[first + row * across + column])
                    if entries_of[number] < 0:
                        entries_of[number] = num_entries >> _TILES_SHIFT
                        for k in range(TILES):
                            tile = np.int64(blocks[(number << _TILES_SHIFT) + k])
                            if tile_of[tile] < 0:
                                tile_of[tile] = num_tiles
                                tiles[num_tiles] = tile
                                num_tiles += 1
                            entries[num_entries] = tile_of[tile]
                            num_entries += 1
                    index[count] = entries_of[number]
                    count += 1
    return num_entries, num_tiles


@compiled
def _number_of(cell):
    """Tells cells apart."""
    number = 0
    for k in range(len(cell)):
        number = (number << 8) + cell[k]
    return number


@compiled
def _count_kept(cells, levels):
    """How many blocks have cells that differ, or are the first of plain ones of their kind."""
    plain = np.zeros(1 << (8 * _MAX_COLUMNS), np.bool_)
    count = 0
    for sheet in range(levels.shape[0]):
        for level in range(levels.shape[1]):
            first, rows, columns = levels[sheet, level, 0], levels[sheet, level, 1], levels[sheet, level, 2]
            for top in range(0, rows, BLOCK):
                for left in range(0, columns, BLOCK):
                    kind = _number_of(cells[first + top * columns + left])
                    if not _is_plain(cells, first, rows, columns, top, left):
                        count += 1
                    elif not plain[kind]:
                        plain[kind] = True
                        count += 1
    return count


@compiled
def _pack(cells, levels, packed, blocks, num_entries, known):
    """Fill entries, the index of blocks and cells, turn levels' first cells into first blocks.

    Args:
        known: numbers of the tiles that there are, by hash, -1 where none is.

    Returns:
        How many tiles there are.
    """
    plain = np.full(1 << (8 * _MAX_COLUMNS), -1, np.int32)
    tiles, count, entries = 0, num_entries, 0
    for sheet in range(levels.shape[0]):
        for level in range(levels.shape[1]):
            first = levels[sheet, level, FIRST]
            rows, columns = levels[sheet, level, ROWS], levels[sheet, level, COLUMNS]
            levels[sheet, level, FIRST] = count
            for top in range(0, rows, BLOCK):
                for left in range(0, columns, BLOCK):
                    kind = _number_of(cells[first + top * columns + left])
                    is_plain = _is_plain(cells, first, rows, columns, top, left)
                    if is_plain and plain[kind] >= 0:
                        blocks[count] = plain[kind]
                    else:
                        blocks[count] = entries >> _TILES_SHIFT
                        if is_plain:
                            plain[kind] = blocks[count]
                        for r in range(top, top + BLOCK, TILE):
                            for k in range(left, left + BLOCK, TILE):
                                _copy_tile(cells, first, rows, columns, r, k, packed, tiles)
                                blocks[entries] = _find_tile(packed, tiles, known)
                                tiles += blocks[entries] == tiles
                                entries += 1
                    count += 1
    return tiles


@compiled
def _copy_tile(cells, first, rows, columns, top, left, packed, tile):
    for r in range(TILE):
        for k in range(TILE):
            # beyond the edge, which nobody asks for, the tile goes on
            row, column = min(top + r, rows - 1), min(left + k, columns - 1)
            packed[(tile << _CELLS_SHIFT) + r * TILE + k] = cells[first + row * columns + column]


@compiled
def _find_tile(packed, tile, known):
    """Number of the tile that is like this one: this one itself if it is new."""
    num, mask, at = TILE * TILE, len(known) - 1, tile << _CELLS_SHIFT
    place = np.int64(0)
    for i in range(num):
        for j in range(packed.shape[1]):
            place = ((place ^ packed[at + i, j]) * _HASH) & 0xFFFFFFFF
    place = (place ^ (place >> 15)) & mask
    while known[place] >= 0:
        other, same = np.int64(known[place]) << _CELLS_SHIFT, True
        for i in range(num):
            for j in range(packed.shape[1]):
                same = same and packed[at + i, j] == packed[other + i, j]
        if same:
            return known[place]
        place = (place + 1) & mask
    known[place] = tile
    return known[place]


@compiled
def _is_plain(cells, first, rows, columns, top, left):
    """Whether all cells of a block are alike."""
    corner = cells[first + top * columns + left]
    for row in range(top, min(top + BLOCK, rows)):
        for column in range(left, min(left + BLOCK, columns)):
            for k in range(cells.shape[1]):
                if cells[first + row * columns + column, k] != corner[k]:
                    return False
    return True
