"""What other road users know of the ego."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.road.traffic.driver_model import PATH_STEP
from envs.road.traffic.paths import NOWHERE
from envs.scripted_actors import ActorState

EGO_BRAKING = 4.0
"""An ego that can stop for a red light with this is expected to [m/s²]."""


@dataclass(frozen=True, kw_only=True)
class Ego:
    """What other road users know of the ego.

    Args:
        box: [5].
        speed: [m/s].
        path: where it is expected to go, [CROSSING_POINTS, 2], PATH_STEP apart [m].
        on_script_route: the ego in coordinates of the scripts' route; None where there are no scripts.
        z: height of the road under it [m].
        red_light: distance from its centre to the stop line of a light ahead that is red, infinite for none [m].
        vehicle: VEHICLE_NAMES float64 [6]; only where there is a director.
    """

    box: np.ndarray
    speed: float
    path: np.ndarray
    on_script_route: ActorState | None
    z: float = 0.0
    red_light: float = np.inf
    vehicle: np.ndarray | None = None

    @property
    def way(self) -> np.ndarray:
        """`path` as far as it will be driven: up to a red light where it can be stopped for."""
        if self.speed**2 / 2 > EGO_BRAKING * max(self.red_light, 0.0):
            return self.path
        beyond = PATH_STEP * np.arange(len(self.path)) > self.red_light
        return np.where(beyond[:, None], NOWHERE, self.path)
