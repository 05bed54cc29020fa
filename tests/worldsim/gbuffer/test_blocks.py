"""Cells in blocks are the same cells, and plain ground takes no room."""

import numpy as np

from worldsim.gbuffer.blocks import BLOCK, cell_at, pack_blocks


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


def test_plain_blocks_are_kept_once():
    cells = np.full((BLOCK * BLOCK * 100, 3), (3, 0, 0), np.uint8)
    cells[5] = (1, 4, 80)
    packed, blocks, _ = pack_blocks(cells, np.array([[[0, 10 * BLOCK, 10 * BLOCK]]]))
    assert len(packed) == 2 * BLOCK * BLOCK
    assert blocks.tolist() == [0, *[BLOCK * BLOCK] * 99]
