"""Room for those who are put among the traffic: whoever would be where they are, comes later and elsewhere."""

from __future__ import annotations

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT
from envs.road.traffic.traffic import Traffic
from worldsim.datatypes.boxes import overlap


def make_room(traffic: Traffic, boxes: np.ndarray, heights: np.ndarray) -> None:
    """Take drivers, pedestrians and the parked off the places of these boxes [n, 5] whose ground is at these heights
    [n] [m]; who is above or below stays. Drivers and pedestrians appear again in the next steps, where spawn points are
    free."""
    on_level = np.abs(traffic.heights_of_ground[:, None] - heights) <= LEVEL_HEIGHT
    hit = np.any(overlap(traffic.objects.boxes[:, None], boxes[None]) & on_level, axis=1)
    for i in np.flatnonzero(hit[: len(traffic.vehicles)]).tolist():
        traffic.vehicles.paths.remove(i)
    first = traffic.external_rows.stop
    for i in np.flatnonzero(hit[first : first + len(traffic.pedestrians)]).tolist():
        traffic.pedestrians.paths.remove(i)
    parked = hit[traffic.parked_rows]
    if parked.any():
        traffic.park(traffic.known_users()[np.arange(len(hit))[traffic.parked_rows][~parked]])
