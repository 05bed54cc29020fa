"""How far a car is from what is solid beside the road. Compiled: it is asked for in every step."""

from __future__ import annotations

import numpy as np

from worldsim.compiled import compiled

SOLID_RANGE = 5.0
"""Things farther away than this do not matter [m]."""


def gap_to_solids(box: np.ndarray, solids: np.ndarray) -> float:
    """How far a box [5] is from the nearest of `solids` [k, 5] [m]: negative where they overlap, inf where none is in
    SOLID_RANGE."""
    return _nearest(box, solids, SOLID_RANGE)


@compiled
def _nearest(box, solids, reach):
    nearest = np.inf
    cos, sin = np.cos(box[2]), np.sin(box[2])
    own = 0.5 * np.hypot(box[3], box[4])
    for k in range(len(solids)):
        dx, dy = solids[k, 0] - box[0], solids[k, 1] - box[1]
        far = reach + own + 0.5 * (solids[k, 3] + solids[k, 4])
        if abs(dx) > far or abs(dy) > far:
            continue
        turn = solids[k, 2] - box[2]
        c, s = abs(np.cos(turn)), abs(np.sin(turn))
        length, width = 0.5 * solids[k, 3], 0.5 * solids[k, 4]
        other_cos, other_sin = np.cos(solids[k, 2]), np.sin(solids[k, 2])
        # of two rectangles that are apart, one of their four axes shows a gap
        gap = max(
            abs(cos * dx + sin * dy) - (0.5 * box[3] + c * length + s * width),
            abs(cos * dy - sin * dx) - (0.5 * box[4] + s * length + c * width),
            abs(other_cos * dx + other_sin * dy) - (length + c * 0.5 * box[3] + s * 0.5 * box[4]),
            abs(other_cos * dy - other_sin * dx) - (width + s * 0.5 * box[3] + c * 0.5 * box[4]),
        )
        nearest = min(nearest, gap)
    return nearest if nearest <= reach else np.inf
