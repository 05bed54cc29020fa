"""The fifteen proposals of PDM-Closed: the lane at three offsets and five speeds, driven ahead for four seconds.

Other road users go on at constant velocity. All proposals are driven at once, by the controls that would then be given
to the car, so that what is scored is what would be driven.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.idm import IDMConfig, idm
from policies.pdm_closed.lane_path import LanePath
from policies.rule_based import DEFAULT_SPEED_LIMIT, choose_pedal
from policies.stop_lines import bound_yield_speed, find_stop_gap
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import (
    NUM_OBJECTS,
    EgoColumn,
    LaneColumn,
    ObjectColumn,
    SceneState,
    control_from_action,
)
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel, pursuit_curvature

YELLOW_BRAKING = 3.0
"""A yellow light asks for a stop where no more than this is needed [m/s²]."""


@dataclass(frozen=True, kw_only=True)
class ProposalConfig:
    """What is proposed, and how it is driven. Numbers of the PDM planner (Dauner et al. 2023).

    Args:
        speed_factors: desired speeds as fractions of the limit.
        offsets: to the left of the lane's centre [m]; on equal scores an earlier one is chosen.
        horizon: [s].
        dt: [s].
        acceleration: IDM a [m/s²].
        comfortable_braking: IDM b [m/s²].
        hardest_braking: [m/s²].
        standstill_gap: IDM s0 [m].
        headway: IDM T [s].
        exponent: IDM δ.
        side_gap: who is closer to the car's side than this is in its way [m].
        lookahead_time: pure pursuit aims at a point this far ahead [s].
        min_lookahead: and at least this far [m].

    Raises:
        ValueError: there is no proposal, or a number that must be positive is not.
    """

    speed_factors: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    offsets: tuple[float, ...] = (0.0, -1.0, 1.0)
    horizon: float = 4.0
    dt: float = 0.1
    acceleration: float = 1.5
    comfortable_braking: float = 3.0
    hardest_braking: float = 6.0
    standstill_gap: float = 1.0
    headway: float = 1.5
    exponent: float = 10.0
    side_gap: float = 0.2
    lookahead_time: float = 0.9
    min_lookahead: float = 5.0

    def __post_init__(self) -> None:
        if not self.speed_factors or not self.offsets:
            raise ValueError(f"a speed and an offset are needed, got {self.speed_factors} and {self.offsets}")
        for name in ("horizon", "dt", "acceleration", "comfortable_braking", "hardest_braking", "min_lookahead"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    @property
    def num_steps(self) -> int:
        """Of a proposal."""
        return max(1, round(self.horizon / self.dt))

    @property
    def idm_config(self) -> IDMConfig:
        """Parameters of the Intelligent Driver Model."""
        return IDMConfig(
            acceleration=self.acceleration,
            comfortable_braking=self.comfortable_braking,
            hardest_braking=self.hardest_braking,
            standstill_gap=self.standstill_gap,
            exponent=self.exponent,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """n proposals of h steps.

    Args:
        actions: steer and acceleration, [n, h, 2].
        vehicles: VEHICLE_NAMES at each instant in the vehicle frame of now, which is the first, [n, h + 1, 6].
        scenes: leading dims [n, h + 1]; ego, lane and objects are filled in.
        arcs: along the lane from beside the ego, [n, h + 1] [m].
    """

    actions: np.ndarray
    vehicles: np.ndarray
    scenes: SceneState
    arcs: np.ndarray

    @property
    def progress(self) -> np.ndarray:
        """Along the lane, [n] [m]."""
        return self.arcs[:, -1] - self.arcs[:, 0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Obstacles:
    """What may be in the way: k road users at t instants, and a line to stop at as one more that never moves.

    Args:
        rear: arc length of the end that the ego would reach first, [k, t] [m].
        centre: likewise of the centre, [k, t] [m].
        speed: along the path, [k, t] [m/s].
        left: offset of the centre, positive left, [k, t] [m].
        half_width: across the path, [k, t] [m]; infinite of the line.
    """

    rear: np.ndarray
    centre: np.ndarray
    speed: np.ndarray
    left: np.ndarray
    half_width: np.ndarray


def propose(scene: SceneState, config: ProposalConfig, vehicle_model: VehicleModel) -> Proposals:
    """The proposals from a scene, a single one with at least one valid route point: all speeds at the first offset,
    then at the next."""
    c, path = config, LanePath(scene)
    objects = forecast(scene, c)
    obstacles = find_obstacles(scene, path, objects, c, vehicle_model)
    offsets = np.repeat(c.offsets, len(c.speed_factors))
    desired = np.tile(c.speed_factors, len(c.offsets)) * _speed_limit(scene)
    desired = np.minimum(desired, float(bound_yield_speed(scene)))

    n, h = len(offsets), c.num_steps
    actions, vehicles = np.zeros((n, h, 2)), np.zeros((n, h + 1, 6))
    lane = np.zeros((n, h + 1, 3))  # arc, offset, heading error
    vehicles[:, 0, VehicleColumn.SPEED :] = scene.ego[[EgoColumn.SPEED, EgoColumn.ACCELERATION, EgoColumn.STEER_ANGLE]]
    in_way = np.abs(obstacles.left - offsets[:, None, None]) < (
        obstacles.half_width + vehicle_model.width / 2 + c.side_gap
    )
    lane[:, 0] = _locate(path, np.zeros(n), vehicles[:, 0])
    for t in range(h):
        state, arc = vehicles[:, t], lane[:, t, 0]
        speed = state[:, VehicleColumn.SPEED]
        acceleration = _follow(speed, arc, desired, in_way[..., t], obstacles, t, c, vehicle_model)
        actions[:, t, 0] = _steer(path, state, arc, offsets, c, vehicle_model)
        actions[:, t, 1] = choose_pedal(acceleration, speed, vehicle_model)
        vehicles[:, t + 1] = vehicle_model.step(state, control_from_action(actions[:, t]), c.dt, num_substeps=1)
        lane[:, t + 1] = _locate(path, arc + c.dt * speed, vehicles[:, t + 1])

    return Proposals(
        actions=actions,
        vehicles=vehicles,
        scenes=_predict_scenes(scene, vehicles, lane, objects, vehicle_model),
        arcs=lane[..., 0],
    )


def forecast(scene: SceneState, config: ProposalConfig) -> np.ndarray:
    """The listed road users at constant velocity, OBJECT_NAMES [k, h + 1, 6] in the vehicle frame of now."""
    listed = scene.objects[scene.object_valid].astype(np.float64)
    objects = np.repeat(listed[:, None], config.num_steps + 1, axis=1)
    way = listed[:, ObjectColumn.SPEED, None] * config.dt * np.arange(config.num_steps + 1)
    objects[..., ObjectColumn.X] += way * np.cos(listed[:, ObjectColumn.YAW, None])
    objects[..., ObjectColumn.Y] += way * np.sin(listed[:, ObjectColumn.YAW, None])
    return objects


def find_obstacles(
    scene: SceneState, path: LanePath, objects: np.ndarray, config: ProposalConfig, vehicle_model: VehicleModel
) -> Obstacles:
    """The road users [k, t, 6] beside the path, and the line to stop at."""
    k, t = objects.shape[:2]
    arc, left, yaw = (values.reshape(k, t) for values in path.project(objects[..., :2].reshape(-1, 2)))
    turned = objects[..., ObjectColumn.YAW] - yaw
    c, s = np.cos(turned), np.sin(turned)
    half = objects[..., [ObjectColumn.LENGTH, ObjectColumn.WIDTH]] / 2
    half_length = half[..., 0] * np.abs(c) + half[..., 1] * np.abs(s)
    half_width = half[..., 0] * np.abs(s) + half[..., 1] * np.abs(c)

    stop = float(find_stop_gap(scene, YELLOW_BRAKING, config.standstill_gap)) if scene.signal_valid else np.inf
    line = np.full((1, t), stop + vehicle_model.length / 2)
    still = np.zeros((1, t))
    return Obstacles(
        rear=np.concatenate([arc - half_length, line]),
        centre=np.concatenate([arc, line]),
        speed=np.concatenate([objects[..., ObjectColumn.SPEED] * c, still]),
        left=np.concatenate([left, still]),
        half_width=np.concatenate([half_width, still + np.inf]),
    )


def _follow(
    speed: np.ndarray,
    arc: np.ndarray,
    desired: np.ndarray,
    in_way: np.ndarray,
    obstacles: Obstacles,
    t: int,
    config: ProposalConfig,
    vehicle_model: VehicleModel,
) -> np.ndarray:
    """Accelerations [n] by IDM behind the nearest of those in the way, bool [n, k], at instant `t`."""
    ahead = in_way & (obstacles.centre[:, t] > arc[:, None])
    gaps = np.where(ahead, obstacles.rear[:, t] - arc[:, None] - vehicle_model.length / 2, np.inf)
    nearest = gaps.argmin(axis=1)
    gap = gaps[np.arange(len(gaps)), nearest]
    lead_speed = np.where(np.isfinite(gap), obstacles.speed[nearest, t], 0.0)
    return idm(speed, desired, gap, lead_speed, config.headway, config.idm_config)


def _steer(
    path: LanePath,
    vehicles: np.ndarray,
    arc: np.ndarray,
    offsets: np.ndarray,
    config: ProposalConfig,
    vehicle_model: VehicleModel,
) -> np.ndarray:
    """Steer [n] in [-1, 1] by pure pursuit of a point on the path, `offsets` [n] to its left."""
    lookahead = np.maximum(config.min_lookahead, config.lookahead_time * vehicles[:, VehicleColumn.SPEED])
    point, tangent = path.at(arc + lookahead)
    x = point[:, 0] - offsets * tangent[:, 1] - vehicles[:, VehicleColumn.X]
    y = point[:, 1] + offsets * tangent[:, 0] - vehicles[:, VehicleColumn.Y]
    c, s = np.cos(vehicles[:, VehicleColumn.YAW]), np.sin(vehicles[:, VehicleColumn.YAW])
    steer = vehicle_model.steer_command(pursuit_curvature(c * x + s * y, c * y - s * x))
    return np.minimum(np.maximum(steer, -1.0), 1.0)


def _locate(path: LanePath, arc: np.ndarray, vehicles: np.ndarray) -> np.ndarray:
    """Arc length, offset to the left and heading error [n, 3] of vehicles [n, 6] that are about at arc lengths `arc`
    [n]."""
    point, tangent = path.at(arc)
    away = vehicles[:, :2] - point
    located = np.empty((len(arc), 3))
    located[:, 0] = arc + away[:, 0] * tangent[:, 0] + away[:, 1] * tangent[:, 1]
    located[:, 1] = tangent[:, 0] * away[:, 1] - tangent[:, 1] * away[:, 0]
    turned = vehicles[:, VehicleColumn.YAW] - np.arctan2(tangent[:, 1], tangent[:, 0])
    located[:, 2] = (turned + np.pi) % (2 * np.pi) - np.pi
    return located


def _predict_scenes(
    scene: SceneState, vehicles: np.ndarray, lane: np.ndarray, objects: np.ndarray, vehicle_model: VehicleModel
) -> SceneState:
    """The scenes [n, t] that the ego's vehicles [n, t, 6], on its lane [n, t, 3], and the road users [k, t, 6] make."""
    n, t = vehicles.shape[:2]
    predicted = SceneState.empty((n, t))
    predicted.ego[..., EgoColumn.SPEED] = vehicles[..., VehicleColumn.SPEED]
    predicted.ego[..., EgoColumn.ACCELERATION] = vehicles[..., VehicleColumn.ACCELERATION]
    predicted.ego[..., EgoColumn.YAW_RATE] = vehicle_model.yaw_rate(vehicles)
    predicted.ego_valid[:] = True
    predicted.lane[:] = scene.lane
    predicted.lane[..., [LaneColumn.LATERAL_OFFSET, LaneColumn.HEADING_ERROR]] = lane[..., 1:]
    predicted.lane_valid[:] = scene.lane_valid

    others = np.moveaxis(objects, 0, 1)[None]  # [1, t, k, 6]
    yaw = vehicles[..., None, VehicleColumn.YAW]
    k = len(objects)
    assert k <= NUM_OBJECTS
    predicted.objects[..., :k, :2] = rotate(others[..., :2] - vehicles[..., None, :2], -yaw)
    predicted.objects[..., :k, ObjectColumn.YAW] = others[..., ObjectColumn.YAW] - yaw
    predicted.objects[..., :k, ObjectColumn.SPEED :] = others[..., ObjectColumn.SPEED :]
    predicted.object_kinds[..., :k] = scene.object_kinds[scene.object_valid]
    return predicted


def _speed_limit(scene: SceneState) -> float:
    known = bool(scene.lane_valid[LaneColumn.SPEED_LIMIT])
    return max(float(scene.speed_limit), 1.0) if known else DEFAULT_SPEED_LIMIT
