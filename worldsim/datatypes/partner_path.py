"""PartnerPath: where a road user drives that crosses the ego's route. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class PartnerPath:
    """The path of scripted road users that come from another road than the ego.

    Args:
        points: its centreline in the ground frame, one point a metre, float64 [n, 2] [m].
        meeting: arc length at which it meets the ego's route [m].

    Raises:
        ValueError: a shape does not fit.
    """

    points: np.ndarray
    meeting: float

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2 or len(self.points) < 2:
            raise ValueError(f"points of a partner's path must be [n, 2] with n >= 2, got {self.points.shape}")
