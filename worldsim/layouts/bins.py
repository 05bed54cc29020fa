"""Numbers as classes: bins of equal counts, in which a value that many share has bins of its own. numpy only."""

from __future__ import annotations

import numpy as np

TAIL = np.array([0.0, 0.001, 0.003, 0.007, 0.015, 0.03])
"""Where the outermost bins begin, in shares of all values: a tail within one bin would be spread evenly over it."""


def fit_bins(values: np.ndarray, num_bins: int) -> np.ndarray:
    """Edges [num_bins + 1] of bins that hold equally many of `values` [n] but in the tails; zeros of no values.

    Raises:
        ValueError: too few bins for the tails.
    """
    if num_bins < 2 * len(TAIL):
        raise ValueError(f"num_bins must be at least {2 * len(TAIL)}, got {num_bins}")
    if not len(values):
        return np.zeros(num_bins + 1)
    middle = np.linspace(TAIL[-1], 1 - TAIL[-1], num_bins + 3 - 2 * len(TAIL))[1:-1]
    return np.quantile(values, np.concatenate([TAIL, middle, 1 - TAIL[::-1]]))


def bin_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of each value [n], int64 [n]; of one that is an edge many times over a bin of no width."""
    low, high = (np.searchsorted(edges[1:-1], values, side=side) for side in ("left", "right"))  # type: ignore[arg-type]
    return np.where(high - low >= 2, low + 1, high)


def value_in(edges: np.ndarray, index: int, share: float) -> float:
    """The value at a share of the way through a bin."""
    return float(edges[index] + share * (edges[index + 1] - edges[index]))
