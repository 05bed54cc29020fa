"""LaneFollower: pure pursuit of the route, IDM behind the lead, stops at red, gives way; from the SceneState alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from envs.idm import IDMConfig, idm
from policies.right_of_way import find_crossing_gap
from policies.route_ahead import interpolate_rows, left_normals, space_route, valid_order, valid_points
from policies.stop_lines import bound_yield_speed, find_stop_gap
from worldsim.datatypes.scene import ROUTE_DISTANCES, LaneColumn, LeadColumn, ObjectColumn, ObjectKind, SceneState
from worldsim.datatypes.vehicle import VehicleModel, pursuit_curvature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envs.driving_env import DrivingEnv

DEFAULT_SPEED_LIMIT = 8.0
"""Assumed where the scene knows no limit [m/s]."""
STANDSTILL_SPEED, STANDSTILL_ACCELERATION, STANDSTILL_PEDAL = 0.2, 0.3, -0.3
"""Below this speed [m/s], and with less acceleration wanted than this [m/s²], the pedal holds the brake."""
PEDESTRIAN_TIMES = np.linspace(0.0, 3.0, 13)
"""Instants at which a pedestrian's straight walk is checked against the route [s]."""
PATH_STEP = 0.5
"""Between the points of the route that pedestrians are checked against [m]."""


@dataclass(frozen=True, kw_only=True)
class LaneFollowerConfig:
    """How the lane follower drives.

    Args:
        lookahead_time: pure pursuit aims at a route point this far ahead [s].
        min_lookahead: and at least this far [m].
        speed_factor: desired speed as a fraction of the limit.
        max_speed: desired speed never exceeds this [m/s].
        lateral_acceleration: comfortable in curves [m/s²].
        acceleration: IDM maximum a [m/s²].
        comfortable_braking: IDM b [m/s²].
        max_braking: hardest braking it asks for [m/s²].
        min_gap: IDM standstill gap s0 [m].
        headway: IDM time gap T [s].
        offset: drives this far left of the route [m].
        yield_to_pedestrians: also brake for pedestrians who are about to enter the corridor.
        give_way: wait at junctions for vehicles with priority, and for those that will not stop any more.
        obey_signals: stop at red lights, at yellow ones where `comfortable_braking` is enough, and at stop signs, and
            slow down for yield signs, as far as the scene knows them.
    """

    lookahead_time: float = 0.9
    min_lookahead: float = 5.0
    speed_factor: float = 1.0
    max_speed: float = 30.0
    lateral_acceleration: float = 2.0
    acceleration: float = 1.8
    comfortable_braking: float = 3.0
    max_braking: float = 7.5
    min_gap: float = 2.5
    headway: float = 1.5
    offset: float = 0.0
    yield_to_pedestrians: bool = True
    give_way: bool = True
    obey_signals: bool = True

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name not in ("offset", "yield_to_pedestrians", "give_way", "obey_signals") and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")

    @property
    def idm_config(self) -> IDMConfig:
        """Parameters of the Intelligent Driver Model."""
        return IDMConfig(
            acceleration=self.acceleration,
            comfortable_braking=self.comfortable_braking,
            hardest_braking=self.max_braking,
            standstill_gap=self.min_gap,
        )


class LaneFollower:
    """Follows the route in its lane and keeps its distance; a competent baseline, not a perfect driver.

    Args:
        config: how it drives.
        vehicle_model: the car it inverts to turn curvature and acceleration into steer and pedal.
    """

    memoryless = True

    def __init__(self, config: LaneFollowerConfig | None = None, vehicle_model: VehicleModel | None = None) -> None:
        self.config = config or LaneFollowerConfig()
        self.vehicle_model = vehicle_model or VehicleModel()

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Nothing to prepare: the lane follower is a function of the scene."""

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2] for `info["scene"]`."""
        return self.action(SceneState.from_vector(info["scene"]))

    def action(self, scene: SceneState) -> np.ndarray:
        """Steer and acceleration, float32 [2] in [-1, 1], for a single instant."""
        return self.actions(scene[None])[0]

    def actions(self, scenes: SceneState) -> np.ndarray:
        """Steer and acceleration, float32 [n, 2] in [-1, 1], for each of the scenes [n]."""
        steer = steer_along_route(
            scenes,
            self.vehicle_model,
            lookahead_time=self.config.lookahead_time,
            min_lookahead=self.config.min_lookahead,
            offset=self.config.offset,
        )
        pedal = choose_pedal(choose_acceleration(scenes, self.config), scenes.speed, self.vehicle_model)
        return np.stack([steer, pedal], axis=-1).astype(np.float32)


def choose_pedal(
    acceleration: np.ndarray | float, speed: np.ndarray | float, vehicle_model: VehicleModel
) -> np.ndarray:
    """Pedal in [-1, 1] that yields `acceleration` [m/s²] at `speed` [m/s], and holds a car at rest."""
    pedal = vehicle_model.acceleration_command(acceleration, speed)
    # A car at rest coasts under a pedal near zero, so it would creep; hold it with the brake.
    holds = (np.asarray(speed) < STANDSTILL_SPEED) & (np.asarray(acceleration) < STANDSTILL_ACCELERATION)
    return np.where(holds, STANDSTILL_PEDAL, pedal)


def steer_along_route(
    scenes: SceneState,
    vehicle_model: VehicleModel,
    *,
    lookahead_time: float = 0.9,
    min_lookahead: float = 5.0,
    offset: float = 0.0,
) -> np.ndarray:
    """Steer [n] in [-1, 1], positive left, by pure pursuit of a route point ahead; straight on if no point is valid.

    Args:
        scenes: [n].
        vehicle_model: the car that is steered.
        lookahead_time: the point lies this far ahead at the present speed [s].
        min_lookahead: and at least this far [m].
        offset: aim this far left of the route [m].
    """
    points, count = valid_points(scenes)
    if offset:
        points = points + offset * left_normals(points)
        last = np.minimum(np.arange(points.shape[1]), np.maximum(count - 1, 0)[:, None])
        points = np.take_along_axis(points, last[..., None], axis=1)

    distances = np.maximum.accumulate(np.hypot(points[..., 0], points[..., 1]), axis=1)
    lookahead = np.maximum(min_lookahead, lookahead_time * scenes.speed.astype(np.float64))
    x, y = interpolate_rows(lookahead[:, None], distances, points)[:, 0].T
    steer = np.clip(vehicle_model.steer_command(pursuit_curvature(x, y)), -1.0, 1.0)
    return np.where(count > 0, steer, 0.0)


def choose_acceleration(scenes: SceneState, config: LaneFollowerConfig) -> np.ndarray:
    """Acceleration [n] [m/s²] that respects limit, curves, lead, crossing pedestrians, lights and signs."""
    known = scenes.lane_valid[:, LaneColumn.SPEED_LIMIT]
    limit = np.where(known, scenes.speed_limit.astype(np.float64), DEFAULT_SPEED_LIMIT)
    curve_speed = bound_curve_speed(scenes, config.lateral_acceleration)
    desired_speed = np.minimum(np.minimum(config.speed_factor * limit, config.max_speed), curve_speed)

    if config.obey_signals:
        desired_speed = np.minimum(desired_speed, bound_yield_speed(scenes))

    # gap and speed of what to keep clear of; a gap of infinity is the free road.
    speed, idm_config = scenes.speed.astype(np.float64), config.idm_config
    lead = np.where(scenes.lead_valid[:, None], scenes.lead.astype(np.float64), (np.inf, 0.0))
    obstacles = [(lead[:, LeadColumn.GAP], lead[:, LeadColumn.SPEED])]
    if config.yield_to_pedestrians:
        obstacles.append((find_pedestrian_gap(scenes), np.zeros(len(limit))))
    if config.obey_signals and scenes.signal_valid.any():
        braking = min(config.comfortable_braking, config.max_braking)
        obstacles.append((find_stop_gap(scenes, braking, config.min_gap), np.zeros(len(limit))))
    if config.give_way:
        gap = find_crossing_gap(scenes, desired_speed, idm_config) + config.min_gap
        obstacles.append((gap, np.zeros(len(limit))))

    free = idm(speed, desired_speed, np.full(len(limit), np.inf), np.zeros(len(limit)), config.headway, idm_config)
    for gap, obstacle_speed in obstacles:
        free = np.minimum(free, idm(speed, desired_speed, gap, obstacle_speed, config.headway, idm_config))
    return free


def bound_curve_speed(scenes: SceneState, lateral_acceleration: float, braking: float = 1.5) -> np.ndarray:
    """Speed [n] [m/s] now from which every curve of the known route is reached at `lateral_acceleration` [m/s²].

    Args:
        scenes: [n].
        lateral_acceleration: allowed in the curve [m/s²].
        braking: deceleration counted on before the curve [m/s²].
    """
    points, count = valid_points(scenes)
    a, b, c = points[:, :-4], points[:, 2:-2], points[:, 4:]  # two points apart: decoded routes are noisy
    cross = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    sides = np.linalg.norm(b - a, axis=-1) * np.linalg.norm(c - b, axis=-1) * np.linalg.norm(c - a, axis=-1)
    curvature = 2 * np.abs(cross) / np.maximum(sides, 1e-6)  # Menger: 1/radius of the circle through three points

    distance = np.take_along_axis(np.asarray(ROUTE_DISTANCES)[None], valid_order(scenes), axis=1)[:, :-4]
    limit = lateral_acceleration / np.maximum(curvature, 1e-4) + 2 * braking * (distance - distance[:, :1])
    known = np.arange(limit.shape[1]) + 4 < count[:, None]
    return np.sqrt(np.where(known, limit, np.inf).min(axis=1))


def find_pedestrian_gap(scenes: SceneState, *, half_corridor: float = 1.6, nose: float = 2.3) -> np.ndarray:
    """Distance [n] [m] from the ego's nose to the nearest pedestrian who is on the route ahead, or soon will be; inf
    without one.

    Pedestrians are moved on at constant velocity over PEDESTRIAN_TIMES.

    Args:
        scenes: [n].
        half_corridor: a pedestrian closer to the route than this is on it [m].
        nose: ego centre to front bumper [m].
    """
    gaps = np.full(len(scenes.objects), np.inf)
    ahead = (scenes.object_kinds == ObjectKind.PEDESTRIAN) & (scenes.objects[..., ObjectColumn.X] > 0)
    scene, slot = np.nonzero(ahead & (scenes.route_valid.sum(axis=1) > 0)[:, None])
    if not len(scene):
        return gaps

    shared, path_of = np.unique(scene, return_inverse=True)
    arc, path = space_route(scenes[shared], PATH_STEP)

    pedestrian = scenes.objects[scene, slot].astype(np.float64)
    yaw, speed = pedestrian[:, ObjectColumn.YAW, None], pedestrian[:, ObjectColumn.SPEED, None]
    x = pedestrian[:, ObjectColumn.X, None] + PEDESTRIAN_TIMES * speed * np.cos(yaw)
    y = pedestrian[:, ObjectColumn.Y, None] + PEDESTRIAN_TIMES * speed * np.sin(yaw)
    path = path[path_of, None]
    apart = np.hypot(path[..., 0] - x[..., None], path[..., 1] - y[..., None])
    nearest = apart.reshape(len(scene), -1).argmin(1)
    meeting = arc[nearest % len(arc)]
    gap = meeting - nose - pedestrian[:, ObjectColumn.LENGTH] / 2

    matters = (apart.reshape(len(scene), -1).min(1) < half_corridor) & (gap > -nose)
    np.minimum.at(gaps, scene[matters], gap[matters])
    return gaps
