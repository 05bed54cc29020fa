"""LaneFollower: pure pursuit of the route and IDM behind the lead, from the SceneState alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind, SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envs.driving_env import DrivingEnv

DEFAULT_SPEED_LIMIT = 8.0
"""Assumed where the scene knows no limit [m/s]."""
STANDSTILL_SPEED, STANDSTILL_ACCELERATION, STANDSTILL_PEDAL = 0.2, 0.3, -0.3
"""Slower than this and wanting no more than that, it holds the brake [m/s], [m/s²], pedal."""


@dataclass(frozen=True, kw_only=True)
class LaneFollowerConfig:
    """How the lane follower drives.

    Args:
        lookahead_time: pure pursuit looks this far ahead [s].
        min_lookahead: and at least this far [m].
        speed_factor: desired speed as a fraction of the limit.
        max_speed: desired speed never exceeds this [m/s].
        lateral_acceleration: comfortable in curves [m/s²].
        acceleration: IDM maximum a [m/s²].
        comfortable_braking: IDM b [m/s²].
        max_braking: hardest braking it asks for [m/s²].
        min_gap: IDM standstill gap s0 [m].
        headway: IDM time gap T [s].
        offset: drives so far left of the route [m].
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
        steer = pursuit_steer(
            scene,
            self.vehicle_model,
            lookahead_time=self.config.lookahead_time,
            min_lookahead=self.config.min_lookahead,
            offset=self.config.offset,
        )
        acceleration, speed = follow_acceleration(scene, self.config), float(scene.speed)
        waits = speed < STANDSTILL_SPEED and acceleration < STANDSTILL_ACCELERATION
        pedal = STANDSTILL_PEDAL if waits else pedal_for(acceleration, speed, self.vehicle_model)
        return np.array([steer, pedal], np.float32)


def pursuit_steer(
    scene: SceneState,
    vehicle_model: VehicleModel,
    *,
    lookahead_time: float = 0.9,
    min_lookahead: float = 5.0,
    offset: float = 0.0,
) -> float:
    """Steer in [-1, 1], positive left, on the circle through a route point ahead (pure pursuit).

    Coulter 1992, geared to the vehicle model's reference point; with no valid route point it steers straight.

    Args:
        scene: a single instant.
        vehicle_model: supplies wheelbase and full steer angle.
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
    curvature = 2 * y / max(x * x + y * y, 1e-6)
    return float(np.clip(steer_for(curvature, vehicle_model), -1.0, 1.0))


def steer_for(curvature: float, vehicle_model: VehicleModel) -> float:
    """Steer that drives a circle of this curvature [1/m], positive left; not clipped."""
    return float(np.arctan(vehicle_model.wheelbase * curvature) / vehicle_model.max_steer_angle)


def pedal_for(acceleration: float, speed: float, vehicle_model: VehicleModel) -> float:
    """Pedal in [-1, 1] (throttle positive, brake negative) that settles at `acceleration` [m/s²] at `speed` [m/s]."""
    return float(vehicle_model.acceleration_command(acceleration, speed))


def idm_acceleration(
    speed: float,
    desired_speed: float,
    gap: float | None = None,
    lead_speed: float = 0.0,
    *,
    acceleration: float = 1.5,
    comfortable_braking: float = 3.0,
    min_gap: float = 2.5,
    headway: float = 1.5,
    exponent: float = 4.0,
) -> float:
    """Acceleration [m/s²] of the Intelligent Driver Model (Treiber, Hennecke, Helbing 2000, eq. 2); unbounded below.

    Args:
        speed: own [m/s].
        desired_speed: v0 [m/s].
        gap: bumper to bumper [m]; None with a free road.
        lead_speed: along the route [m/s].
        acceleration: a [m/s²].
        comfortable_braking: b [m/s²].
        min_gap: s0 [m].
        headway: T [s].
        exponent: δ.
    """
    free = 1.0 - (max(speed, 0.0) / max(desired_speed, 0.1)) ** exponent
    if gap is None:
        return acceleration * max(free, -comfortable_braking / acceleration)
    closing = speed * (speed - lead_speed) / (2 * np.sqrt(acceleration * comfortable_braking))
    wanted = min_gap + max(0.0, speed * headway + closing)
    return float(acceleration * (max(free, -comfortable_braking / acceleration) - (wanted / max(gap, 0.1)) ** 2))


def curve_speed(scene: SceneState, lateral_acceleration: float, braking: float = 1.5) -> float:
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


def follow_acceleration(scene: SceneState, config: LaneFollowerConfig) -> float:
    """Acceleration [m/s²] that keeps limit, curves, lead and crossing pedestrians in mind; a single instant."""
    limit = float(scene.speed_limit) if scene.lane_valid[3] else DEFAULT_SPEED_LIMIT
    speed = float(scene.speed)
    desired = min(config.speed_factor * limit, config.max_speed, curve_speed(scene, config.lateral_acceleration))
    obstacles: list[tuple[float, float] | None] = [None]
    if scene.lead_valid:
        obstacles.append((float(scene.lead[0]), float(scene.lead[1])))
    if config.yield_to_pedestrians:
        obstacles += [(gap, 0.0) for gap in pedestrian_gaps(scene)]
    return max(
        -config.max_braking,
        min(
            idm_acceleration(
                speed,
                desired,
                obstacle and obstacle[0],
                obstacle[1] if obstacle else 0.0,
                acceleration=config.acceleration,
                comfortable_braking=config.comfortable_braking,
                min_gap=config.min_gap,
                headway=config.headway,
            )
            for obstacle in obstacles
        ),
    )


def pedestrian_gaps(
    scene: SceneState, *, horizon: float = 3.0, half_corridor: float = 1.6, nose: float = 2.3
) -> list[float]:
    """Distances [m] from the ego's nose to pedestrians who are, or within `horizon` will be, on the route ahead.

    Args:
        scene: a single instant.
        horizon: pedestrians are moved on at constant velocity this far [s].
        half_corridor: counted as on the route when closer to it than this [m].
        nose: ego centre to front bumper [m].
    """
    walkers = scene.objects[scene.object_kinds == ObjectKind.PEDESTRIAN].astype(np.float64)
    route = np.concatenate([np.zeros((1, 2)), scene.route[scene.route_valid]]).astype(np.float64)
    if len(walkers) == 0 or len(route) < 2:
        return []
    reach = np.concatenate([[0.0], np.asarray(ROUTE_DISTANCES)[scene.route_valid]])
    dense = np.arange(0.0, reach[-1], 0.5)
    path = np.stack([np.interp(dense, reach, route[:, i]) for i in range(2)], axis=-1)
    gaps = []
    for x, y, yaw, speed, length, _ in walkers:
        times = np.linspace(0.0, horizon, 13)[:, None]
        walk = np.array([x, y]) + times * speed * np.array([np.cos(yaw), np.sin(yaw)])
        apart = np.linalg.norm(path[None] - walk[:, None], axis=-1)
        if x > 0 and apart.min() < half_corridor:
            gaps.append(float(dense[np.unravel_index(apart.argmin(), apart.shape)[1]]) - nose - length / 2)
    return [gap for gap in gaps if gap > -nose]


def _left_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals to the left of a polyline from the origin through `points`, [n, 2]."""
    tangents = np.diff(np.concatenate([np.zeros((1, 2)), points]), axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-9)
    return np.stack([-tangents[:, 1], tangents[:, 0]], axis=-1)
