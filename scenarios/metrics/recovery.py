"""How fast a policy brings its car back to the lane's centre after a disturbance."""

from __future__ import annotations

import numpy as np

from policies.disturbance import Disturbance
from worldsim.datatypes.scene import SceneState

RECOVERED = 0.25
"""A car is back when it stays this near to the lane's centre [m]."""


def recovery_time(scenes: SceneState, disturbance: Disturbance, dt: float, longest: float) -> float | None:
    """Time from the disturbance until the car stays within RECOVERED of the lane's centre [s]; None if the drive ended
    before the car was pushed as far as it should have been.

    Args:
        scenes: of the drive, leading dim [t].
        disturbance: that the car suffered.
        dt: time between instants [s].
        longest: counts for a car that is not back when the drive ends [s]; no time counts more.
    """
    reached = np.flatnonzero(disturbance.reached(scenes.lateral_offset))
    if not len(reached):
        return None
    outside = np.flatnonzero(np.abs(scenes.lateral_offset) > RECOVERED)
    if outside[-1] == len(scenes.lateral_offset) - 1:
        return longest
    return min(longest, float(outside[-1] + 1 - reached[0]) * dt)
