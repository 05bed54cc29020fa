"""Where the vehicle that carries the camera stands. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.route import rotate


@dataclass(frozen=True, kw_only=True)
class View:
    """Where the vehicle that carries the camera stands.

    Args:
        x: its centre in the ground frame [m].
        y: [m].
        yaw: [rad].
        z: of the road under it [m].
        grade: of the road, nose up positive [rad].

    Raises:
        ValueError: not finite.
    """

    x: float
    y: float
    yaw: float
    z: float = 0.0
    grade: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.x, self.y, self.yaw, self.z, self.grade]).all():
            raise ValueError(f"a pose must be finite, got {self}")

    def to_ground_frame(self, points: np.ndarray) -> np.ndarray:
        """Points [n, 3] of the vehicle frame in the ground frame [m]."""
        level = np.stack([rotate(points[:, [0, 2]], self.grade)[:, 0], points[:, 1]], axis=-1)
        up = rotate(points[:, [0, 2]], self.grade)[:, 1]
        return np.column_stack([np.array([self.x, self.y]) + rotate(level, self.yaw), self.z + up])

    def rows_in_sight(self, xy: np.ndarray, lengths: np.ndarray, reach: float) -> np.ndarray:
        """Which road users a camera that looks ahead may show, int64 [k].

        Args:
            xy: where their middles are in the ground frame, [n, 2] [m].
            lengths: theirs, [n] [m].
            reach: how far it sees [m].
        """
        gap = rotate(xy - np.array([self.x, self.y]), -self.yaw)
        return np.flatnonzero((gap[:, 0] > -lengths) & (np.hypot(gap[:, 0], gap[:, 1]) < reach))
