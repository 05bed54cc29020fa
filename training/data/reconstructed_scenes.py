"""Camera scenes of recordings that do not tell them: made of SceneState's objects, on flat ground, without colours."""

from __future__ import annotations

import numpy as np

from training.data.rollouts import Rows
from training.data.validity import known_of
from worldsim.actors.actors import ActorColumn, match_objects, object_states
from worldsim.datatypes.known_road_users import usual_heights
from worldsim.datatypes.layout import BOX_NAMES, FOOTPRINT_COLUMNS, BoxColumn
from worldsim.datatypes.scene import BOX_COLUMNS, EgoColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import UNKNOWN_COLOR, RoadUsers
from worldsim.gbuffer.view import View

SAME_WITHIN = 1.0
"""A road user is found again so far from where its speed would have brought it [m]."""


def reconstruct_scenes(rows: Rows, dt: float) -> list[CameraScene]:
    """What each of consecutive frames shows beside a layout that is not known.

    Where the ego was is integrated from its motion where the recording does not say; where that is unknown too, it has
    stood still. Objects that are not known are left out.

    Args:
        rows: of one episode.
        dt: time between frames [s].
    """
    known = known_of(rows.valid)
    vehicles = integrate_unknown_poses(rows, dt)
    scenes: list[CameraScene] = []
    states, kinds = np.zeros((0, len(ActorColumn))), np.zeros(0, np.int64)
    ids, num_seen = np.zeros(0, np.int64), 0
    for k, vehicle in enumerate(vehicles):
        states_before, kinds_before, ids_before = states, kinds, ids
        shown = (rows.scenes.object_kinds[k] != ObjectKind.EMPTY) & known.objects[k]
        states, kinds = object_states(rows.scenes[k], vehicle)[shown], rows.scenes.object_kinds[k][shown]

        # who was there a frame before keeps the number
        ids = num_seen + np.arange(len(kinds))
        if len(kinds) and len(kinds_before):
            match = match_objects(states_before, kinds_before, states, kinds, dt, SAME_WITHIN)
            ids = np.where(match >= 0, ids_before[match], ids)
        num_seen += len(kinds)
        scenes.append(_scene(vehicle, states, kinds, ids))
    return scenes


def integrate_unknown_poses(rows: Rows, dt: float) -> np.ndarray:
    """Ego motion, VEHICLE_NAMES [t, 6], of consecutive frames with poses where they are not known."""
    known, vehicles = known_of(rows.valid), rows.vehicles
    if known.pose.all():
        return vehicles
    turning = rows.scenes.ego_valid[:, EgoColumn.YAW_RATE] & known.motion
    yaw_rates = np.where(turning, rows.scenes.ego[:, EgoColumn.YAW_RATE], 0.0)
    speeds = np.where(known.motion, vehicles[:, VehicleColumn.SPEED], 0.0)
    x, y, yaw = (vehicles[:, c].copy() for c in (VehicleColumn.X, VehicleColumn.Y, VehicleColumn.YAW))
    for k in np.flatnonzero(~known.pose):
        if k == 0:
            x[k] = y[k] = yaw[k] = 0.0
            continue
        turn, step = dt * yaw_rates[k - 1], dt * speeds[k - 1]
        x[k] = x[k - 1] + step * np.cos(yaw[k - 1] + 0.5 * turn)
        y[k] = y[k - 1] + step * np.sin(yaw[k - 1] + 0.5 * turn)
        yaw[k] = yaw[k - 1] + turn
    placed = vehicles.copy()
    placed[:, VehicleColumn.X], placed[:, VehicleColumn.Y], placed[:, VehicleColumn.YAW] = x, y, yaw
    return placed


def _scene(vehicle: np.ndarray, states: np.ndarray, kinds: np.ndarray, ids: np.ndarray) -> CameraScene:
    n = len(kinds)
    boxes = np.zeros((n, len(BOX_NAMES)))
    boxes[:, FOOTPRINT_COLUMNS] = states[:, BOX_COLUMNS]
    boxes[:, BoxColumn.HEIGHT] = usual_heights(kinds)
    x, y, yaw = (float(vehicle[c]) for c in (VehicleColumn.X, VehicleColumn.Y, VehicleColumn.YAW))
    return CameraScene(
        view=View(x=x, y=y, yaw=yaw),
        users=RoadUsers(
            kinds=kinds.astype(np.int64),
            boxes=boxes,
            colors=np.full((n, 3), UNKNOWN_COLOR),
            braking=np.zeros(n, bool),
            phases=np.zeros(n),
        ),
        user_ids=ids,
    )
