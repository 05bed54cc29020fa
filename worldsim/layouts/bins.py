"""Numbers as classes: bins of equal counts, in which a value that many share has bins of its own. numpy only."""

from __future__ import annotations

import numpy as np


def fit_bins(values: np.ndarray, num_bins: int) -> np.ndarray:
    """Edges [num_bins + 1] of bins that hold equally many of `values` [n]; zeros of no values."""
    if not len(values):
        return np.zeros(num_bins + 1)
    return np.quantile(values, np.linspace(0.0, 1.0, num_bins + 1))


def bin_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of each value [n], int64 [n]; of one that is an edge many times over a bin of no width."""
    low, high = (np.searchsorted(edges[1:-1], values, side=side) for side in ("left", "right"))  # type: ignore[arg-type]
    return np.where(high - low >= 2, low + 1, high)


def value_in(edges: np.ndarray, index: int, share: float) -> float:
    """The value at a share of the way through a bin."""
    return float(edges[index] + share * (edges[index + 1] - edges[index]))
