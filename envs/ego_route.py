"""The ego's route where the map is known: keeping it, following it while the context is driven, handing it on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from envs.ground_truth import points_at
from envs.history import Instant, Show, clip_of
from envs.idm import IDMConfig, idm
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.partner_path import PartnerPath
from worldsim.datatypes.route import ROUTE_LANE_NAMES, RouteLaneColumn, to_vehicle_frame
from worldsim.datatypes.scene import SceneState, control_from_action
from worldsim.datatypes.start_clip import LAYOUT_RADIUS, StartClip, cycles_of_layout, users_along
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel, pursuit_curvature

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route

ROUTE_LENGTH = 600.0
"""Length of the routes given to the ego; prolonged long before their end [m]."""
ROUTE_AHEAD = 120.0
"""Less route than this ahead, and it is prolonged [m]."""
ROUTE_BEYOND = 60.0
"""Route that a start must have beyond what is asked for [m]."""
CLIP_ROUTE = 600
"""Longest route in a start clip, one point a metre [m]."""
EDGE_RANGE, EDGE_STEP = 15.0, 0.1
"""How far to either side the road's edges are looked for, and how finely [m]."""
LAYOUT_STEP = 8
"""Every so manieth point of a route, one a metre, says where the layout around it is wanted."""
CONTEXT_HEADWAY = 1.2
"""Time gap to a lead while the context is driven [s]."""


def start_clip(
    past: Sequence[Instant],
    show: Show | None,
    route: Route,
    s: float,
    dt: float,
    road_map: RoadMap,
    layout: Layout,
    *,
    signals: np.ndarray | None = None,
    light_cycles: np.ndarray | None = None,
    road_users: KnownRoadUsers | None = None,
    ego_z: float = np.nan,
    sun: np.ndarray | None = None,
    partner_path: PartnerPath | None = None,
    pictures: bool = True,
) -> StartClip:
    """The past, newest last, as a start clip with the route and its lanes ahead.

    Args:
        past: the instants.
        show: makes those frames that nobody has looked at yet.
        route: of the ego.
        s: where the ego is on it [m].
        dt: time between instants [s].
        road_map: of the ground.
        layout: around the route.
        signals: ROUTE_SIGNAL_NAMES [k, 6] from there and from now on; None where not known.
        light_cycles: of the whole map's light groups, LIGHT_CYCLE_NAMES [g, 4], from now on; None where not known.
        road_users: all others now, of whom those are taken that a picture may show; None where not known.
        ego_z: height of the road under the ego [m]; NaN where not known.
        sun: unit vector towards the sun in the ground frame, [3]; None where not known.
        partner_path: of scripted road users that come from another road; None without them.
        pictures: False makes a state-only clip.
    """
    ahead = np.arange(CLIP_ROUTE + 1.0)
    arcs = s + ahead[s + ahead <= route.length]
    points = to_vehicle_frame(past[-1].vehicle, points_at(route, arcs))
    lanes = lanes_along(route, arcs, road_map)
    if road_users is not None:
        road_users = users_along(road_users, past[-1].vehicle, points_at(route, arcs[::LAYOUT_STEP]))
    return clip_of(
        past,
        show,
        points,
        dt,
        lanes,
        signals,
        layout=layout,
        light_cycles=cycles_of_layout(layout, light_cycles),
        road_users=road_users,
        ego_z=ego_z,
        sun=sun,
        partner_path=partner_path,
        pictures=pictures,
    )


class LayoutAlong:
    """A map's layout around the ego's route, cut out anew only when the route or the layout is another."""

    def __init__(self) -> None:
        self._route: Route | None = None
        self._whole: Layout | None = None
        self._layout = Layout.unknown()

    def of(self, route: Route, layout: Layout) -> Layout:
        """What of `layout` lies within LAYOUT_RADIUS of the route."""
        if self._route is not route or self._whole is not layout:
            places = route.points[::LAYOUT_STEP]
            self._route, self._whole, self._layout = (
                route,
                layout,
                layout.crop(places, LAYOUT_RADIUS + 0.5 * LAYOUT_STEP),
            )
        return self._layout


def lanes_along(route: Route, arcs: np.ndarray, road_map: RoadMap) -> np.ndarray:
    """ROUTE_LANE_NAMES float32 [n, 4] at arc lengths `arcs` [n] [m] of a route; edges up to EDGE_RANGE away, on its own
    level where its lanes, and so its heights, are known."""
    index = np.clip((arcs + 0.5).astype(np.int64), 0, len(route.points) - 1)
    points, yaw = points_at(route, arcs), route.yaw[index]
    left = np.stack([-np.sin(yaw), np.cos(yaw)], axis=-1)

    # how far one gets from the centre to either side before the drivable area ends
    steps = EDGE_STEP * np.arange(1, round(EDGE_RANGE / EDGE_STEP) + 1)
    offsets = np.stack([steps, -steps])
    beside = points[:, None, None] + offsets[..., None] * left[:, None, None]
    z = np.broadcast_to(route.z[index, None, None], beside.shape[:-1]).ravel() if (route.lanes >= 0).all() else None
    drivable = road_map.drivable(beside.reshape(-1, 2), z).reshape(beside.shape[:-1])
    edges = EDGE_STEP * np.logical_and.accumulate(drivable, axis=-1).sum(-1)

    lanes = np.empty((len(arcs), len(ROUTE_LANE_NAMES)), np.float32)
    lanes[:, RouteLaneColumn.HALF_WIDTH] = route.half_width[index]
    lanes[:, RouteLaneColumn.SPEED_LIMIT] = route.speed_limit[index]
    lanes[:, [RouteLaneColumn.LEFT_EDGE, RouteLaneColumn.RIGHT_EDGE]] = edges
    return lanes


def keep_route(
    route: Route,
    s: float,
    lateral: float,
    vehicle: np.ndarray,
    road_map: RoadMap,
    rng: np.random.Generator,
    z: float | None = None,
) -> tuple[Route, float]:
    """The route to follow and where the ego is on it [m].

    A route that ends soon is prolonged, unless the road ends there; an ego that has changed to another lane of its
    direction gets one there. Junctions are exempt: there the lanes overlap.

    Args:
        route: followed so far.
        s: where the ego is on it [m].
        lateral: how far it is to the left of it [m].
        vehicle: the ego [6].
        road_map: of the ground.
        rng: chooses at forks.
        z: height of the road under the ego [m]; with it only lanes on that level count.
    """
    half_width = route.half_width[min(int(s), len(route.points) - 1)]
    ends = route.length - s < ROUTE_AHEAD and route.length >= ROUTE_LENGTH - 1.0  # a shorter one ends with its road
    if not ends and abs(lateral) < half_width + 0.3:
        return route, s
    lane = road_map.lane_at(vehicle[:2], z)
    if lane is None or lane.in_junction or lane.distance > lane.half_width:
        return route, s
    if abs(wrap_angle(lane.yaw - vehicle[VehicleColumn.YAW])) > np.pi / 3:
        return route, s
    route = road_map.route_from(lane, ROUTE_LENGTH, rng)
    return route, float(route.project(vehicle[:2], None)[0])


def keep_lane(scene: SceneState, model: VehicleModel, target_speed: float, *, mind_lead: bool) -> np.ndarray:
    """The control that follows the route at `target_speed`, by pure pursuit and IDM; drives the context."""
    x, y = scene.route[2].astype(np.float64).tolist()
    steer = model.steer_command(pursuit_curvature(x, y, least_square=1.0))
    if target_speed == 0.0:
        return control_from_action(np.array([steer, -1.0]))
    lead = scene.lead if mind_lead and scene.lead_valid else (np.inf, 0.0)
    inputs = np.array([[scene.speed], [target_speed], [lead[0]], [lead[1]], [CONTEXT_HEADWAY]], np.float64)
    acceleration = idm(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], IDMConfig())[0]
    return control_from_action(np.array([steer, model.acceleration_command(acceleration, inputs[0, 0])]))
