"""Traffic lights, stop and yield signs of a CARLA server: where they count, and what they show. Part of the session's
process."""

from __future__ import annotations

from typing import Any

import carla
import numpy as np

from envs.carla.coordinates import pose_from_carla
from envs.carla.messages import MapSignals
from worldsim.datatypes.signals import SignalKind

SIGN_TYPES = {"206": SignalKind.STOP, "205": SignalKind.YIELD}
"""OpenDRIVE types of landmarks (the German catalogue's numbers, by which CARLA's maps go)."""
_STATES = {
    carla.TrafficLightState.Red: SignalKind.RED,
    carla.TrafficLightState.Yellow: SignalKind.YELLOW,
    carla.TrafficLightState.Green: SignalKind.GREEN,
}


class ServerSignals:
    """The signals of a server's map.

    Args:
        world: in synchronous mode, with a frame computed since its map was entered.

    Attributes:
        lights: traffic light actors, by their ids.
    """

    def __init__(self, world: carla.World) -> None:
        self._map = world.get_map()
        self.lights: list[Any] = sorted(world.get_actors().filter("traffic.traffic_light*"), key=lambda light: light.id)

    def places(self) -> MapSignals:
        """Where they count: a light at the API's stop waypoints, a sign beside its landmark on every driving lane for
        which that is valid."""
        rows = []
        for index, light in enumerate(self.lights):
            rows += [(*_pose(point), int(SignalKind.RED), index) for point in light.get_stop_waypoints()]
        for sign_type, kind in SIGN_TYPES.items():
            for landmark in self._map.get_all_landmarks_of_type(sign_type):
                rows += [(*_pose(point), int(kind), -1) for point in self._lanes_of(landmark)]
        table = np.array(rows, np.float64).reshape(-1, 5)
        return MapSignals(
            poses=table[:, :3],
            kinds=table[:, 3].astype(np.int64),
            lights=table[:, 4].astype(np.int64),
            greens=np.array([light.get_green_time() for light in self.lights], np.float64),
            yellows=np.array([light.get_yellow_time() for light in self.lights], np.float64),
        )

    def states(self) -> np.ndarray:
        """What each of `lights` shows in the newest snapshot: SignalKind, NONE of one that is off, int64 [n]."""
        return np.array([_STATES.get(light.get_state(), SignalKind.NONE) for light in self.lights], np.int64)

    def _lanes_of(self, landmark: carla.Landmark) -> list[carla.Waypoint]:
        found = []
        for first, last in landmark.get_lane_validities():
            for lane in range(min(first, last), max(first, last) + 1):
                point = self._map.get_waypoint_xodr(landmark.road_id, lane, landmark.s) if lane else None
                if point is not None and point.lane_type == carla.LaneType.Driving:
                    found.append(point)
        return found


def _pose(point: carla.Waypoint) -> tuple[float, float, float]:
    """x, y [m] and yaw [rad] of a lane's centre in its direction of travel."""
    place = point.transform
    return pose_from_carla(place.location.x, place.location.y, place.rotation.yaw)
