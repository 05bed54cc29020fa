"""Images that are the same value nearly everywhere, kept in tiles of which plain ones take no room."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from worldsim.compiled import compiled

SHIFT = 3
TILE = 1 << SHIFT
"""Pixels of a tile along either side."""


class SparseImage(NamedTuple):
    """An image of one channel; compiled code takes it as it is.

    tiles: those that differ, and one of each plain kind, uint8 [n, TILE, TILE]. places: which of them stands where,
    int32 [rows / TILE, columns / TILE], rounded up. rows, columns: size of the image [px].
    """

    tiles: np.ndarray
    places: np.ndarray
    rows: int
    columns: int


def pack_image(image: np.ndarray) -> SparseImage:
    """The same image, uint8 [rows, columns], in tiles."""
    rows, columns = image.shape
    padded = np.pad(image, ((0, -rows % TILE), (0, -columns % TILE)), mode="edge")
    across = padded.shape[1] // TILE
    tiles = padded.reshape(-1, TILE, across, TILE).swapaxes(1, 2).reshape(-1, TILE, TILE)

    corners = tiles[:, 0, 0]
    is_plain = (tiles == corners[:, None, None]).all(axis=(1, 2))
    kinds, first = np.unique(corners[is_plain], return_index=True)
    differing = np.flatnonzero(~is_plain)
    places = np.empty(len(tiles), np.int32)
    places[is_plain] = np.searchsorted(kinds, corners[is_plain])
    places[differing] = len(kinds) + np.arange(len(differing))
    kept = np.concatenate([np.flatnonzero(is_plain)[first], differing])
    return SparseImage(tiles[kept], places.reshape(-1, across), rows, columns)


@compiled
def pixel_at(image, row, column):
    """A pixel of a SparseImage."""
    return image.tiles[image.places[row >> SHIFT, column >> SHIFT], row & (TILE - 1), column & (TILE - 1)]
