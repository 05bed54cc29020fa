"""Cells in blocks are the same cells, and plain ground takes no room."""

import numpy as np

from worldsim.gbuffer.blocks import BLOCK, FIRST, TILE, TILES, TOP, cell_at, crop_blocks, pack_blocks


def random_images() -> tuple[list[list[np.ndarray]], np.ndarray, np.ndarray]:
    """Two sheets of up to two levels, with plain parts: images, and what `pack_blocks` takes."""
    rng = np.random.default_rng(0)
    sizes = [[(50, 37), (25, 18)], [(5, 16), (0, 0)]]
    images = [[rng.integers(0, 8, (*size, 2), np.uint8) for size in sheet] for sheet in sizes]
    images[0][0][16:, 16:] = (3, 0)
    images[1][0][:] = (3, 0)
    levels, first = np.zeros((2, 2, 3), np.int64), 0
    for sheet in range(2):
        for level in range(2):
            levels[sheet, level] = first, *sizes[sheet][level]
            first += images[sheet][level].size // 2
    return images, np.concatenate([i.reshape(-1, 2) for s in images for i in s]), levels


def cells_of(
    packed: tuple[np.ndarray, np.ndarray, np.ndarray], sheet: int, level: int, rows: slice, columns: slice
) -> np.ndarray:
    """Cells of a level, [rows, columns, 2]."""
    cells, blocks, levels = packed
    at = [
        [cell_at(blocks, levels[sheet], level, r, c) for c in range(columns.start, columns.stop)]
        for r in range(rows.start, rows.stop)
    ]
    return cells[at]


def test_every_cell_is_found_again():
    images, cells, levels = random_images()
    packed = pack_blocks(cells, levels)
    assert np.array_equal(packed[2][..., 1:TOP], levels[..., 1:])
    for sheet in range(2):
        for level, image in enumerate(images[sheet]):
            rows, columns = (slice(0, n) for n in image.shape[:2])
            assert np.array_equal(cells_of(packed, sheet, level, rows, columns).reshape(image.shape), image)


def test_parts_of_levels_hold_the_same_cells_and_nothing_else():
    images, cells, levels = random_images()
    packed = pack_blocks(cells, levels)
    parts = np.zeros((2, 2, 4), np.int64)
    parts[0, 0] = 1, 0, 3, 2
    parts[0, 1] = 0, 1, 1, 2
    part = crop_blocks(*packed, parts)
    assert np.array_equal(cells_of(part, 0, 0, slice(16, 48), slice(0, 32)), images[0][0][16:48, :32])
    assert np.array_equal(cells_of(part, 0, 1, slice(0, 16), slice(16, 18)), images[0][1][:16, 16:18])
    assert part[2][0, :, FIRST].tolist() == [4 * TILES, 4 * TILES + 4]
    assert len(part[1]) == 4 * TILES + 5  # five blocks, two of which are plain
    assert len(part[0]) <= (3 * TILES + 1) * TILE * TILE
    assert len(part[0]) < len(packed[0])


def test_what_is_alike_is_kept_once():
    side = 10 * BLOCK
    image = np.full((side, side, 2), (3, 0), np.uint8)
    image[0, 5] = image[0, 5 + 3 * TILE] = image[BLOCK, 5] = (65, 80)  # the same place of three tiles in two blocks
    packed, blocks, levels = pack_blocks(image.reshape(-1, 2), np.array([[[0, side, side]]]))
    assert len(packed) == 2 * TILE * TILE
    assert len(blocks) == 100 + 4 * TILES  # plain ones share their entries
    found = [cell_at(blocks, levels[0], 0, r, c) for r, c in ((0, 5), (0, 17), (16, 5), (0, 6), (150, 150))]
    assert packed[found].tolist() == [[65, 80]] * 3 + [[3, 0]] * 2


def test_numbers_take_two_bytes_until_there_are_too_many():
    side = 1100
    image = np.random.default_rng(0).integers(0, 256, (side, side, 2), np.uint8)
    few, many = (pack_blocks(i.reshape(-1, 2), np.array([[[0, *i.shape[:2]]]])) for i in (image[:100], image))
    assert (few[1].dtype, many[1].dtype) == (np.uint16, np.int32)
    for row, column in ((0, 0), (731, 1099), (1099, 3)):
        assert many[0][cell_at(many[1], many[2][0], 0, row, column)].tolist() == image[row, column].tolist()
    part = crop_blocks(*many, np.array([[[60, 60, 62, 62]]]))
    assert part[1].dtype == np.uint16
    assert np.array_equal(cells_of(part, 0, 0, slice(960, 992), slice(960, 992)), image[960:992, 960:992])
