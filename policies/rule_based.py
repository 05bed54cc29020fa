"""LaneFollower: pure pursuit of the route and IDM behind the lead, from the SceneState alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from envs.idm import IDMConfig, idm
from worldsim.datatypes.scene import ROUTE_DISTANCES, LaneColumn, LeadColumn, ObjectColumn, ObjectKind, SceneState
from worldsim.datatypes.vehicle import VehicleModel, pursuit_curvature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envs.driving_env import DrivingEnv

DEFAULT_SPEED_LIMIT = 8.0
"""Assumed where the scene knows no limit [m/s]."""
STANDSTILL_SPEED, STANDSTILL_ACCELERATION, STANDSTILL_PEDAL = 0.2, 0.3, -0.3
"""Below this speed [m/s], and with less acceleration wanted than this [m/s²], the pedal holds the brake."""
PEDESTRIAN_TIMES = np.linspace(0.0, 3.0, 13)[:, None]
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

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name not in ("offset", "yield_to_pedestrians") and not value > 0:
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
        steer = steer_along_route(
            scene,
            self.vehicle_model,
            lookahead_time=self.config.lookahead_time,
            min_lookahead=self.config.min_lookahead,
            offset=self.config.offset,
        )
        speed = float(scene.speed)
        acceleration = choose_acceleration(scene, self.config)
        pedal = float(self.vehicle_model.acceleration_command(acceleration, speed))

        # A car at rest coasts under a pedal near zero, so it would creep; hold it with the brake.
        if speed < STANDSTILL_SPEED and acceleration < STANDSTILL_ACCELERATION:
            pedal = STANDSTILL_PEDAL
        return np.array([steer, pedal], np.float32)


def steer_along_route(
    scene: SceneState,
    vehicle_model: VehicleModel,
    *,
    lookahead_time: float = 0.9,
    min_lookahead: float = 5.0,
    offset: float = 0.0,
) -> float:
    """Steer in [-1, 1], positive left, by pure pursuit of a route point ahead; straight on if no point is valid.

    Args:
        scene: a single instant.
        vehicle_model: the car that is steered.
        lookahead_time: the point lies this far ahead at the present speed [s].
        min_lookahead: and at least this far [m].
        offset: aim this far left of the route [m].
    """
    points = scene.route[scene.route_valid].astype(np.float64)
    if len(points) == 0:
        return 0.0

    points = points + offset * _left_normals(points)
    distances = np.maximum.accumulate(np.hypot(points[:, 0], points[:, 1]))
    lookahead = max(min_lookahead, lookahead_time * float(scene.speed))
    x = float(np.interp(lookahead, distances, points[:, 0]))
    y = float(np.interp(lookahead, distances, points[:, 1]))
    return float(np.clip(vehicle_model.steer_command(pursuit_curvature(x, y)), -1.0, 1.0))


def choose_acceleration(scene: SceneState, config: LaneFollowerConfig) -> float:
    """Acceleration [m/s²] that respects limit, curves, lead and crossing pedestrians; a single instant."""
    limit = float(scene.speed_limit) if scene.lane_valid[LaneColumn.SPEED_LIMIT] else DEFAULT_SPEED_LIMIT
    curve_speed = bound_curve_speed(scene, config.lateral_acceleration)
    desired_speed = min(config.speed_factor * limit, config.max_speed, curve_speed)

    # Gap and speed of everything to keep clear of; a gap of infinity is the free road.
    obstacles = [(np.inf, 0.0)]
    if scene.lead_valid:
        obstacles.append((float(scene.lead[LeadColumn.GAP]), float(scene.lead[LeadColumn.SPEED])))
    if config.yield_to_pedestrians:
        obstacles += [(gap, 0.0) for gap in find_pedestrian_gaps(scene)]

    speed, idm_config = float(scene.speed), config.idm_config
    return min(
        float(idm(speed, desired_speed, gap, obstacle_speed, config.headway, idm_config))
        for gap, obstacle_speed in obstacles
    )


def bound_curve_speed(scene: SceneState, lateral_acceleration: float, braking: float = 1.5) -> float:
    """Speed [m/s] now from which every curve of the known route is reached at `lateral_acceleration` [m/s²].

    Args:
        scene: a single instant.
        lateral_acceleration: allowed in the curve [m/s²].
        braking: deceleration counted on before the curve [m/s²].
    """
    points = scene.route[scene.route_valid].astype(np.float64)
    if len(points) < 5:
        return float("inf")

    a, b, c = points[:-4], points[2:-2], points[4:]  # two points apart: decoded routes are noisy
    cross = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    sides = np.linalg.norm(b - a, axis=1) * np.linalg.norm(c - b, axis=1) * np.linalg.norm(c - a, axis=1)
    curvature = 2 * np.abs(cross) / np.maximum(sides, 1e-6)  # Menger: 1/radius of the circle through three points

    distance = np.asarray(ROUTE_DISTANCES)[scene.route_valid][:-4]
    limit = lateral_acceleration / np.maximum(curvature, 1e-4)
    return float(np.sqrt(np.min(limit + 2 * braking * (distance - distance[0]))))


def find_pedestrian_gaps(scene: SceneState, *, half_corridor: float = 1.6, nose: float = 2.3) -> list[float]:
    """Distances [m] from the ego's nose to pedestrians who are on the route ahead, or soon will be.

    Pedestrians are moved on at constant velocity over PEDESTRIAN_TIMES.

    Args:
        scene: a single instant.
        half_corridor: a pedestrian closer to the route than this is on it [m].
        nose: ego centre to front bumper [m].
    """
    pedestrians = scene.objects[scene.object_kinds == ObjectKind.PEDESTRIAN].astype(np.float64)
    route = np.concatenate([np.zeros((1, 2)), scene.route[scene.route_valid]]).astype(np.float64)
    if len(pedestrians) == 0 or len(route) < 2:
        return []

    reach = np.concatenate([[0.0], np.asarray(ROUTE_DISTANCES)[scene.route_valid]])
    arc = np.arange(0.0, reach[-1], PATH_STEP)
    path = np.stack([np.interp(arc, reach, route[:, i]) for i in range(2)], axis=-1)

    gaps = []
    for pedestrian in pedestrians:
        xy, yaw = pedestrian[[ObjectColumn.X, ObjectColumn.Y]], pedestrian[ObjectColumn.YAW]
        heading = np.array([np.cos(yaw), np.sin(yaw)])
        walk = xy + PEDESTRIAN_TIMES * pedestrian[ObjectColumn.SPEED] * heading
        apart = np.linalg.norm(path[None] - walk[:, None], axis=-1)
        if xy[0] > 0 and apart.min() < half_corridor:
            meeting = float(arc[np.unravel_index(apart.argmin(), apart.shape)[1]])
            gaps.append(meeting - nose - pedestrian[ObjectColumn.LENGTH] / 2)
    return [gap for gap in gaps if gap > -nose]


def _left_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals to the left of a polyline from the origin through `points`, [n, 2]."""
    tangents = np.diff(np.concatenate([np.zeros((1, 2)), points]), axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-9)
    return np.stack([-tangents[:, 1], tangents[:, 0]], axis=-1)
