"""Distance kept to the car ahead."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.scene import LeadColumn, SceneState


def min_gap(scenes: SceneState) -> float | None:
    """The smallest bumper-to-bumper distance to a lead over the instants [t] [m]; None if there never was a lead."""
    gaps = scenes.lead[..., LeadColumn.GAP][scenes.lead_valid]
    return float(gaps.min()) if len(gaps) else None


def r157_following_distance(speed: np.ndarray | float) -> np.ndarray:
    """UN R157's least following distance [m] at ego speeds [m/s], at least 2 m.

    d = max(2 m, v·t_f); t_f = 1 + v_kph/100 from 10 km/h up, below it 1 + (max(2, v) - 2) / 7.8.
    """
    v = np.asarray(speed, np.float64)
    slow = 1.0 + (np.maximum(2.0, v) - 2.0) / 7.8
    return np.maximum(2.0, v * np.where(v * 3.6 >= 10.0, 1.0 + v * 3.6 / 100.0, slow))
