"""Cells in blocks are the same cells, and plain ground takes no room."""

import numpy as np

from worldsim.gbuffer.blocks import BLOCK, TILE, TILES, cell_at, pack_blocks


def test_every_cell_is_found_again():
    rng = np.random.default_rng(0)
    sizes = [[(50, 37), (25, 18)], [(5, 16), (0, 0)]]
    images = [[rng.integers(0, 8, (*size, 3), np.uint8) for size in sheet] for sheet in sizes]
    images[0][0][16:, 16:] = (3, 0, 0)
    images[1][0][:] = (3, 0, 0)
    levels, first = np.zeros((2, 2, 3), np.int64), 0
    for sheet in range(2):
        for level in range(2):
            levels[sheet, level] = first, *sizes[sheet][level]
            first += images[sheet][level].size // 3
    cells, blocks, packed = pack_blocks(np.concatenate([i.reshape(-1, 3) for s in images for i in s]), levels)
    assert np.array_equal(packed[..., 1:], levels[..., 1:])
    for sheet in range(2):
        for level, image in enumerate(images[sheet]):
            rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
            at = [
                cell_at(blocks, packed[sheet, level, 0], image.shape[1], r, c)
                for r, c in zip(rows.ravel().tolist(), columns.ravel().tolist(), strict=True)
            ]
            assert np.array_equal(cells[at], image.reshape(-1, 3))


def test_what_is_alike_is_kept_once():
    side = 10 * BLOCK
    image = np.full((side, side, 3), (3, 0, 0), np.uint8)
    image[0, 5] = image[0, 5 + 3 * TILE] = image[BLOCK, 5] = (1, 4, 80)  # the same place of three tiles in two blocks
    packed, blocks, levels = pack_blocks(image.reshape(-1, 3), np.array([[[0, side, side]]]))
    assert len(packed) == 2 * TILE * TILE
    assert len(blocks) == 100 + 4 * TILES  # plain ones share their entries
    found = [cell_at(blocks, levels[0, 0, 0], side, r, c) for r, c in ((0, 5), (0, 17), (16, 5), (0, 6), (150, 150))]
    assert packed[found].tolist() == [[1, 4, 80]] * 3 + [[3, 0, 0]] * 2
