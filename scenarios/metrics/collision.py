"""Collision: when, how fast, how severe."""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.5
"""Probability from which an instant counts as a collision, and likewise as off the road."""


def first_event(probability: np.ndarray, threshold: float = THRESHOLD) -> int | None:
    """The first instant of probabilities [t] above the threshold; None if there is none."""
    above = np.flatnonzero(np.asarray(probability) > threshold)
    return int(above[0]) if len(above) else None


def impact_speed(collision: np.ndarray, speed: np.ndarray) -> float | None:
    """Ego speed [m/s] one instant before the first collision; None without one.

    Args:
        collision: probability at each instant, [t].
        speed: at each instant, [t] [m/s].
    """
    at = first_event(collision)
    return None if at is None else float(abs(speed[max(at - 1, 0)]))


def collision_score(impact: float | None, reference_speed: float) -> float:
    """NeuroNCAP's score: 5 without a collision, else 4·max(0, 1 − v_impact / v_reference) (Ljungbergh et al. 2024).

    Args:
        impact: speed at impact [m/s]; None without a collision.
        reference_speed: of an ego that does not react [m/s].
    """
    return 5.0 if impact is None else 4.0 * max(0.0, 1.0 - impact / max(reference_speed, 1e-6))
