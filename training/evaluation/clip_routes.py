"""Start clips of the reference world with another route than their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from envs.ego_route import LAYOUT_STEP, lanes_along
from envs.ground_truth import points_at
from envs.maps.road_map import RoadMap
from envs.maps.route import Route
from envs.road.road_world import RoadWorld
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.signals import RouteSignalColumn
from worldsim.datatypes.start_clip import LAYOUT_RADIUS, StartClip, cycles_of_layout, users_along


def on_route(clip: StartClip, world: RoadWorld, road_map: RoadMap, route: Route, signals: np.ndarray) -> StartClip:
    """The clip with another route from where its vehicle is, and what stands and lies along that.

    Args:
        clip: of the world as it is.
        world: that knows everything on the map.
        road_map: of it.
        route: that leads past the vehicle.
        signals: ROUTE_SIGNAL_NAMES of the route from its beginning and from now on, [k, 6].
    """
    vehicle = clip.vehicles[-1]
    s, _, _ = route.project(vehicle[:2], 0.0)
    arcs = np.arange(s, route.length)
    layout = world.layout().crop(route.points[::LAYOUT_STEP], LAYOUT_RADIUS + 0.5 * LAYOUT_STEP)
    signals = signals.copy()
    signals[:, RouteSignalColumn.S] -= s
    users = world.snapshot().traffic.known_users()
    return replace(
        clip,
        route=to_vehicle_frame(vehicle, points_at(route, arcs)).astype(np.float32),
        lanes=lanes_along(route, arcs, road_map),
        signals=signals[signals[:, RouteSignalColumn.S] > 0.0].astype(np.float32),
        layout=layout,
        light_cycles=cycles_of_layout(layout, world.light_cycles()),
        road_users=users_along(users, vehicle, route.points[::LAYOUT_STEP]),
    )
