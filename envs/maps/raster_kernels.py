"""Rasters of a map, compiled. Imported when first used, for numba is slow to load."""

from __future__ import annotations

import math

import numpy as np

from worldsim.compiled import compiled


@compiled
def read_cells(mask: np.ndarray, x_min: float, y_min: float, cell: float, xy: np.ndarray) -> np.ndarray:
    """Whether points [n, 2] lie in a cell of `mask` [rows, columns] that is not 0, bool [n]; False outside it.

    Args:
        mask: rows from the least y on, columns from the least x on.
        x_min: where its first column begins [m].
        y_min: where its first row begins [m].
        cell: size of a cell [m].
        xy: [m].
    """
    rows, columns = mask.shape
    found = np.zeros(len(xy), np.bool_)
    for k in range(len(xy)):
        column, row = math.floor((xy[k, 0] - x_min) / cell), math.floor((xy[k, 1] - y_min) / cell)
        if 0 <= column < columns and 0 <= row < rows:
            found[k] = mask[int(row), int(column)] > 0
    return found
