"""Whether a drive may begin where it does: only on the road, and in contact with nothing, it says something about who
drives."""

from __future__ import annotations

import numpy as np

from envs.world import EVENT_THRESHOLD


def is_fair_start(collision: np.ndarray | float, off_road: np.ndarray | float) -> np.ndarray:
    """Of starts with these probabilities, as worlds answer them at reset, bool of their shape."""
    return (np.asarray(collision) <= EVENT_THRESHOLD) & (np.asarray(off_road) <= EVENT_THRESHOLD)


def why_no_start(collision: float, off_road: float) -> str:
    """What is wrong with a start of these probabilities; "" if it is fair."""
    for name, probability in (("in contact with something", collision), ("off the road", off_road)):
        if not is_fair_start(probability, 0.0):
            return f"no fair start: it begins {name} ({probability:.2f} at step 0)"
    return ""
