"""Where the lane follower would go from each recorded state: it takes the wheel there, and drives for two seconds.

The recordings' own drivers are good and bad; the expert is asked about the states that they got into, as DAgger does
(Ross et al. 2011), but for a path instead of an action. It drives along the route as it was seen in that state, among
road users, pedestrians and lights that do as they were recorded to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from policies.rule_based import LaneFollower
from training.data.rollouts import Rows
from worldsim.datatypes.route import rotate
from worldsim.datatypes.route_signals import STOP_SPEED, STOP_WITHIN
from worldsim.datatypes.scene import (
    ROUTE_DISTANCES,
    EgoColumn,
    LeadColumn,
    ObjectColumn,
    ObjectKind,
    SceneState,
    control_from_action,
)
from worldsim.datatypes.signals import SIGNAL_BEHIND, SignalKind
from worldsim.datatypes.vehicle import VehicleColumn, motion_between

SPACING = 0.5
"""Between the points of the route that is driven along [m]."""
SAME_LINE = 2.0
"""A stop line is the same one if it is told this close to where it was [m]."""
PASSED = -4.0
"""A lead whose gap is less than this has been passed [m]."""
CHUNK = 4096


def plan_expert(
    rows: Rows,
    scenes: SceneState,
    positions: np.ndarray,
    times: tuple[float, ...],
    dt: float,
    expert: LaneFollower,
    walkers: np.ndarray | None = None,
) -> np.ndarray:
    """Where the expert's ego is at `times` [s] after each position, in the vehicle frame there, float32 [p, times, 2].

    Args:
        rows: the recording, [n].
        scenes: what the expert knows in the beginning, [p]: those of the positions, or less.
        positions: in `rows`, int64 [p]; what is recorded up to the last of `times` after them is of the same episode.
        times: multiples of `dt`.
        dt: of the recording [s].
        expert: the lane follower.
        walkers: a pedestrian each who was not there, and walks straight on, in the place of the farthest object:
            OBJECT_NAMES in the vehicle frame of the position, float32 [p, 6]; NaN for none.
    """
    if walkers is None:
        walkers = np.full((len(positions), len(ObjectColumn)), np.nan, np.float32)
    arcs = np.cumsum(rows.progress.astype(np.float64))
    chunks = [slice(k, k + CHUNK) for k in range(0, len(positions), CHUNK)]
    plans = [
        _Drive(rows, arcs, scenes[part], positions[part], dt, walkers[part]).follow(expert, times) for part in chunks
    ]
    return np.concatenate(plans).astype(np.float32)


def put_walkers(scenes: SceneState, walkers: np.ndarray, time: float) -> None:
    """Write pedestrians [p, 6], NaN for none, into the last slots of scenes [p], where they are after `time` [s]."""
    there = ~np.isnan(walkers).any(axis=1)
    now = walkers[there].copy()
    reach, yaw = now[:, ObjectColumn.SPEED] * time, now[:, ObjectColumn.YAW]
    now[:, : ObjectColumn.YAW] += reach[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    scenes.objects[there, -1], scenes.object_kinds[there, -1] = now, ObjectKind.PEDESTRIAN


class _Drive:
    """The expert at the wheel from positions [p] of a recording on; all that moves does so in the frame there."""

    def __init__(
        self,
        rows: Rows,
        arcs: np.ndarray,
        scenes: SceneState,
        positions: np.ndarray,
        dt: float,
        walkers: np.ndarray,
    ) -> None:
        self._walkers = walkers
        self._rows, self._arcs, self._known, self._positions, self._dt = rows, arcs, scenes, positions, dt
        self._route = _Route(rows.scenes[positions], scenes.route_valid)
        self._vehicle = np.zeros((len(positions), len(VehicleColumn)))
        self._vehicle[:, VehicleColumn.SPEED :] = rows.vehicles[positions][:, VehicleColumn.SPEED :]
        self._signal = scenes.signal.copy()

    def follow(self, expert: LaneFollower, times: tuple[float, ...]) -> np.ndarray:
        """Places [p, times, 2] of the ego."""
        model, wanted = expert.vehicle_model, [round(time / self._dt) for time in times]
        places = []
        for step in range(max(wanted)):
            actions = expert.actions(self._scene(step))
            self._vehicle = model.step(self._vehicle, control_from_action(actions), self._dt)
            if step + 1 in wanted:
                places.append(self._vehicle[:, : VehicleColumn.YAW].copy())
        return np.stack(places, axis=1)

    def _scene(self, step: int) -> SceneState:
        """What the expert is shown after `step` steps."""
        recorded = self._rows.scenes[self._positions + step]
        covered = self._arcs[self._positions + step] - self._arcs[self._positions]
        s = self._route.project(self._vehicle)
        scene = recorded.copy()
        scene.ego[:, EgoColumn.SPEED] = self._vehicle[:, VehicleColumn.SPEED]
        scene.lane[:], scene.lane_valid[:] = self._known.lane, self._known.lane_valid
        points, scene.route_valid[:] = self._route.ahead(s)
        scene.route[:] = rotate(points - self._vehicle[:, None, :2], -self._vehicle[:, None, VehicleColumn.YAW])

        scene.lead[:, LeadColumn.GAP] += covered - s
        scene.lead_valid[:] &= scene.lead[:, LeadColumn.GAP] > PASSED
        self._place_objects(scene, step)
        self._show_signal(scene, recorded, covered, s)
        return scene

    def _place_objects(self, scene: SceneState, step: int) -> None:
        """Objects as recorded, as the expert's ego sees them."""
        before, now = (self._rows.vehicles[self._positions + k] for k in (0, step))
        moved = motion_between(before, now)  # of the recorded ego, in the frame of the positions
        places = rotate(scene.objects[..., : ObjectColumn.YAW], moved[:, None, 2]) + moved[:, None, :2]
        scene.objects[..., : ObjectColumn.YAW] = places
        scene.objects[..., ObjectColumn.YAW] += moved[:, None, 2]
        put_walkers(scene, self._walkers, step * self._dt)

        yaw = self._vehicle[:, None, VehicleColumn.YAW]
        places = scene.objects[..., : ObjectColumn.YAW] - self._vehicle[:, None, :2]
        scene.objects[..., : ObjectColumn.YAW] = rotate(places, -yaw)
        scene.objects[..., ObjectColumn.YAW] -= yaw

    def _show_signal(self, scene: SceneState, recorded: SceneState, covered: np.ndarray, s: np.ndarray) -> None:
        """The line that was next in the beginning: what it shows now, and how far it is from the expert's ego."""
        line = self._known.signal_distance.astype(np.float64)
        sign = (self._signal == SignalKind.STOP) | (self._signal == SignalKind.YIELD)
        same = np.abs(recorded.signal_distance + covered - line) < SAME_LINE
        told = ~sign & recorded.signal_valid & (recorded.signal != SignalKind.NONE) & same
        self._signal = np.where(told & (self._signal != SignalKind.NONE), recorded.signal, self._signal)

        gap = line - s
        speed = self._vehicle[:, VehicleColumn.SPEED]
        stopped = (self._signal == SignalKind.STOP) & (gap >= 0) & (gap <= STOP_WITHIN) & (speed < STOP_SPEED)
        self._signal[stopped] = SignalKind.YIELD
        counts = gap >= np.where(sign, 0.0, -SIGNAL_BEHIND)
        scene.signal[:] = np.where(counts, self._signal, SignalKind.NONE)
        scene.signal_distance[:] = np.where(scene.signal == SignalKind.NONE, 0.0, gap)
        scene.signal_valid[:] = self._known.signal_valid


class _Route:
    """The routes ahead in scenes [p] as smooth curves; lane and the nearer route points must be known."""

    def __init__(self, scenes: SceneState, valid: np.ndarray) -> None:
        offset, error = (x.astype(np.float64)[:, None] for x in (scenes.lateral_offset, scenes.heading_error))
        beside = -offset * np.concatenate([np.sin(error), np.cos(error)], axis=1)
        points = np.concatenate([beside[:, None], _extended(scenes.route.astype(np.float64), valid)], axis=1)

        # a spline through the points that begins in the lane's direction and does not bend at its end
        begin, end = np.concatenate([np.cos(error), -np.sin(error)], axis=1), np.zeros((len(points), 2))
        ends: Any = ((1, begin), (2, end))
        curve = CubicSpline((0.0, *ROUTE_DISTANCES), points, axis=1, bc_type=ends)
        arcs = np.arange(0.0, ROUTE_DISTANCES[-1] + SPACING, SPACING)
        self._points = curve(arcs)
        tangents = curve(arcs, 1)
        self._tangents = tangents / np.maximum(np.linalg.norm(tangents, axis=-1, keepdims=True), 1e-9)
        count = valid.sum(axis=1)
        self._length = np.array((0.0, *ROUTE_DISTANCES))[count]

    def project(self, vehicles: np.ndarray) -> np.ndarray:
        """Arc lengths [p] of the places nearest to the egos [p, 6] [m]."""
        rows = np.arange(len(vehicles))
        apart = vehicles[:, None, :2] - self._points
        nearest = np.argmin((apart**2).sum(-1), axis=1)
        along = (apart[rows, nearest] * self._tangents[rows, nearest]).sum(-1)
        return SPACING * nearest + np.clip(along, -SPACING, SPACING)

    def ahead(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points [p, r, 2] at ROUTE_DISTANCES from arc lengths [p] on, and which of them are known, bool [p, r]."""
        wanted = s[:, None] + np.asarray(ROUTE_DISTANCES)
        known = wanted <= self._length[:, None] + 1e-6
        last = self._points.shape[1] - 1
        index = np.clip(wanted / SPACING, 0.0, last)
        low = np.minimum(index.astype(np.int64), last - 1)
        rows, share = np.arange(len(s))[:, None], (index - low)[..., None]
        return (1 - share) * self._points[rows, low] + share * self._points[rows, low + 1], known


def _extended(points: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Route points [p, r, 2] of which the first ones are valid, going straight on after these."""
    points, distances = points.copy(), np.asarray(ROUTE_DISTANCES)
    for k in range(2, points.shape[1]):
        direction = (points[:, k - 1] - points[:, k - 2]) / (distances[k - 1] - distances[k - 2])
        straight = points[:, k - 1] + direction * (distances[k] - distances[k - 1])
        points[:, k] = np.where(valid[:, k, None], points[:, k], straight)
    return points
