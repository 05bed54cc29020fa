"""A sparse image has the same pixels, and plain parts take no room."""

import numpy as np
import pytest

from worldsim.gbuffer.blocks import BLOCK, TILE
from worldsim.gbuffer.sparse_image import pack_image, pixel_at


@pytest.mark.parametrize("shape", [(2, 2), (3 * TILE, 2 * TILE), (45, 70)])
def test_every_pixel_is_found_again(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image[: shape[0] // 2], image[shape[0] // 2 :, TILE : 3 * TILE] = 0, 255
    packed = pack_image(image)
    assert (packed.rows, packed.columns) == shape
    assert [[pixel_at(packed, r, c) for c in range(shape[1])] for r in range(shape[0])] == image.tolist()


def test_plain_tiles_are_kept_once() -> None:
    image = np.zeros((10 * BLOCK, 10 * BLOCK), np.uint8)
    image[: 2 * BLOCK] = 255
    image[5 * BLOCK, 5 * BLOCK] = 7
    assert len(pack_image(image).pixels) == 3 * TILE * TILE
