"""How rare each moment's behaviour is in a dataset, as weights for sampling."""

from __future__ import annotations

import numpy as np

from training.data.rollouts import Rows
from worldsim.datatypes.scene import ControlColumn
from worldsim.datatypes.vehicle import VehicleColumn

_EDGES = {
    "steer": (-0.3, -0.1, -0.03, 0.03, 0.1, 0.3),
    "throttle": (0.05, 0.5),
    "brake": (0.05, 0.5),
    "speed": (0.5, 4.0, 8.0, 12.0, 16.0, 22.0, 28.0),
}
"""Borders of the bins of a behaviour; controls as in CONTROL_NAMES, speed in [m/s]."""


def behaviours(rows: Rows) -> np.ndarray:
    """The behaviour of each row: the bins of its controls and speed, collision and off-road; int64 [t].

    What is not known has a bin of its own.
    """
    values = {
        "steer": rows.controls[:, ControlColumn.STEER],
        "throttle": rows.controls[:, ControlColumn.THROTTLE],
        "brake": rows.controls[:, ControlColumn.BRAKE],
        "speed": np.abs(rows.vehicles[:, VehicleColumn.SPEED]),
    }
    label = np.zeros(len(rows), np.int64)
    for name, edges in _EDGES.items():
        bins = np.where(rows.is_valid(name), 1 + np.searchsorted(edges, values[name]), 0)
        label = label * (len(edges) + 2) + bins
    for name, event in (("collision", rows.collision), ("off_road", rows.off_road)):
        label = label * 2 + (rows.is_valid(name) & (event > 0.5))
    return label


def rarity_weights(labels: np.ndarray, strength: float = 0.5, highest: float = 10.0) -> np.ndarray:
    """Weights [t] of mean 1 that favour rare labels [t].

    Args:
        labels: of any integers.
        strength: 0 treats all moments alike, 1 gives each label the same share.
        highest: no moment weighs more than this many times the most common ones.

    Raises:
        ValueError: strength is out of [0, 1], or highest below 1.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be in [0, 1], got {strength}")
    if not highest >= 1:
        raise ValueError(f"highest must be at least 1, got {highest}")
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = np.minimum((counts.max() / counts) ** strength, highest)[inverse.reshape(-1)]
    return weights / weights.mean()
