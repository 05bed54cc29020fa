"""How dense the traffic of recordings is: road users that the camera shows per metre of lane that it shows."""

from __future__ import annotations

import numpy as np

from training.data.recorded_traffic import RecordedTraffic
from worldsim.actors.actors import ActorColumn
from worldsim.actors.lane_graph import LANE_STEP, LaneGraph
from worldsim.datatypes.scene import OBJECT_RANGE, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn

VIEW_ANGLE = 0.65
"""Half of the view in which traffic is counted [rad]."""
NEAREST = 10.0
"""Traffic is counted from here on [m]: nobody drives where the ego does."""


def count_traffic(
    traffic: RecordedTraffic, frames: np.ndarray, vehicles: np.ndarray, lanes: LaneGraph
) -> tuple[np.ndarray, float]:
    """Drivers and pedestrians in view [2], and the length of the lanes in view [m], added up over frames [n].

    Args:
        traffic: of an episode.
        frames: its numbers, ascending.
        vehicles: the ego in these frames, [n, 6].
        lanes: of the episode.
    """
    places = np.searchsorted(frames, traffic.frames)
    rows = np.flatnonzero(np.isin(traffic.frames, frames))
    in_view = _is_in_view(traffic.states[rows, :2], vehicles[places[rows]])
    walks = traffic.kinds[rows] == ObjectKind.PEDESTRIAN
    drives = ~walks & (traffic.kinds[rows] != ObjectKind.STATIC) & (traffic.states[rows, ActorColumn.DRIVES] > 0)
    length = LANE_STEP * sum(float(_is_in_view(lanes.points[:, :2], vehicle).sum()) for vehicle in vehicles)
    return np.array([(in_view & drives).sum(), (in_view & walks).sum()], np.float64), length


def _is_in_view(places: np.ndarray, vehicles: np.ndarray) -> np.ndarray:
    """Which of places [n, 2] egos [n, 6] or [6] have in view, bool [n]."""
    d = places - vehicles[..., :2]
    yaw = vehicles[..., VehicleColumn.YAW]
    ahead, aside = np.cos(yaw) * d[..., 0] + np.sin(yaw) * d[..., 1], np.cos(yaw) * d[..., 1] - np.sin(yaw) * d[..., 0]
    distance = np.hypot(ahead, aside)
    return (np.abs(np.arctan2(aside, ahead)) < VIEW_ANGLE) & (distance > NEAREST) & (distance < OBJECT_RANGE)
