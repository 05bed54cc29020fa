"""Where the sun stands. numpy only."""

from __future__ import annotations

import numpy as np


def check_sun(sun: np.ndarray) -> None:
    """Refuse what is no direction.

    Raises:
        ValueError: not a unit vector, [3].
    """
    if sun.shape != (3,) or not abs(float(np.linalg.norm(sun)) - 1.0) < 1e-3:
        raise ValueError(f"sun must be a unit vector [3] towards the sun, got {sun}")
