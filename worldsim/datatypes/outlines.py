"""Outlines of areas, polygons that close by themselves. numpy only."""

from __future__ import annotations

import numpy as np


def is_inside(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Which points [n, 2] an outline [k, 2] goes round, by the even-odd rule, bool [n]."""
    start, end = outline, np.roll(outline, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    crosses = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(start[:, 1] == end[:, 1], 1.0, end[:, 1] - start[:, 1])  # nothing crosses level edges
    at = start[:, 0] + (y - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    return (crosses & (x < at)).sum(axis=1) % 2 == 1
