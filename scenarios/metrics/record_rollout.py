"""The DriveRecord of a Rollout: its SceneStates in one ground frame, its objects linked to trajectories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from envs.world import EVENT_THRESHOLD
from policies.drive import Rollout
from scenarios.metrics.drivable_area import distance_outside
from scenarios.metrics.drive_record import DriveRecord
from worldsim.datatypes.layout import AreaKind, Layout
from worldsim.datatypes.scene import OBJECT_NAMES, EgoColumn, LeadColumn, ObjectColumn, SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

SIZE_COLUMNS = [ObjectColumn.LENGTH, ObjectColumn.WIDTH]
SIZE_TOLERANCE = 0.1
"""Road users whose sizes differ by more are different ones [m]."""
LINK_DISTANCE = 2.5
"""A road user is at most this far from where it was expected [m]."""
LINK_TIME = 0.5
"""Who was not seen for longer is a new one [s]."""
UNLINKED = 1e6


def record_rollout(
    rollout: Rollout,
    *,
    approach: StartClip | None = None,
    model: VehicleModel | None = None,
    layout: Layout | None = None,
    route_length: float | None = None,
    reference_progress: float | None = None,
    reference_speed: float | None = None,
) -> DriveRecord:
    """The record of a drive in any world, with the road users that its SceneStates list: the nearest ones, in range.

    Args:
        rollout: the drive.
        approach: the clip from which it began, `rollout.clip`: what reference drivers see before the policy takes over.
        model: the ego's size; None takes that of VehicleModel.
        layout: of the ground frame of `rollout.vehicles`; says where junctions and drivable areas are. None leaves that
            to what the world reports.
        route_length: see DriveRecord.
        reference_progress: see DriveRecord.
        reference_speed: see DriveRecord.

    Raises:
        ValueError: the clip does not end where the drive begins.
    """
    model = VehicleModel() if model is None else model
    if approach is None:
        before, drive = None, _record_motion(rollout.scenes, rollout.vehicles, rollout.dt, model)
    else:
        before = _record_approach(rollout, approach, model)
        drive = _cut(before, len(approach.vehicles) - 1)

    areas = None if layout is None or not layout.ground_known else _areas(layout)
    junctions = None if areas is None else areas[AreaKind.JUNCTION]
    return replace(
        drive,
        in_junction=None if junctions is None else distance_outside(junctions, drive.ego[:, :2]) <= 0,
        drivable=None if areas is None else tuple(areas[AreaKind.DRIVABLE] + areas[AreaKind.JUNCTION]) or None,
        contact=rollout.collision > EVENT_THRESHOLD,
        off_road=rollout.off_road > EVENT_THRESHOLD,
        wrong_way=rollout.wrong_way,
        red_light=rollout.red_light,
        stop_sign_missed=rollout.stop_sign_missed,
        signal_known=rollout.scenes.signal_valid,
        progress=rollout.progress,
        route_length=route_length,
        reference_progress=reference_progress,
        reference_speed=reference_speed,
        approach=before,
    )


def _record_motion(scenes: SceneState, vehicles: np.ndarray, dt: float, model: VehicleModel) -> DriveRecord:
    """What SceneStates [t] and the ego's VEHICLE_NAMES [t, 6] tell, without what a world reports."""
    ego = np.zeros((len(vehicles), len(OBJECT_NAMES)))
    ego[:, : ObjectColumn.SPEED] = vehicles[:, : VehicleColumn.SPEED]
    ego[:, ObjectColumn.SPEED] = scenes.speed
    ego[:, SIZE_COLUMNS] = model.length, model.width
    tracks, known, kinds = link_objects(scenes, vehicles, dt)
    return DriveRecord(
        dt=dt,
        ego=ego,
        ego_acceleration=_known(scenes.ego, scenes.ego_valid)[:, EgoColumn.ACCELERATION],
        ego_yaw_rate=_known(scenes.ego, scenes.ego_valid)[:, EgoColumn.YAW_RATE],
        tracks=tracks,
        track_known=known,
        track_kinds=kinds,
        tracks_complete=True,
        lane=_known(scenes.lane, scenes.lane_valid),
        lead_gap=_known(scenes.lead[:, LeadColumn.GAP], scenes.lead_valid),
    )


def _record_approach(rollout: Rollout, clip: StartClip, model: VehicleModel) -> DriveRecord:
    """The clip and the drive that begins at its last instant, as one."""
    miss = float(np.linalg.norm(clip.vehicles[-1, :2] - rollout.vehicles[0, :2]))
    if miss > LINK_DISTANCE:
        raise ValueError(f"the clip must end where the drive begins, it ends {miss:.1f} m from there")
    scenes = SceneState.concatenate([clip.scenes[:-1], rollout.scenes])
    return _record_motion(scenes, np.concatenate([clip.vehicles[:-1], rollout.vehicles]), rollout.dt, model)


def _cut(record: DriveRecord, begin: int) -> DriveRecord:
    """What is known of motion from an instant on, with the road users that are seen then."""
    later = record.track_known[:, begin:].any(axis=1)
    return replace(
        record,
        ego=record.ego[begin:],
        ego_acceleration=record.ego_acceleration[begin:],
        ego_yaw_rate=record.ego_yaw_rate[begin:],
        tracks=record.tracks[later, begin:],
        track_known=record.track_known[later, begin:],
        track_kinds=record.track_kinds[later],
        lane=record.lane[begin:],
        lead_gap=record.lead_gap[begin:],
    )


def link_objects(scenes: SceneState, vehicles: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trajectories of the objects that SceneStates list without saying who is who.

    A road user is who is of its kind and size and nearest to where it would be at constant velocity.

    Args:
        scenes: leading dim [t].
        vehicles: the ego's VEHICLE_NAMES, [t, 6].
        dt: time between instants [s].

    Returns:
        OBJECT_NAMES in the ground frame, float64 [n, t, 6]; where it is known, bool [n, t]; ObjectKind, int64 [n].
    """
    listed, valid, kinds = objects_in_ground_frame(scenes, vehicles), scenes.object_valid, scenes.object_kinds
    num_instants, patience = len(listed), max(1, round(LINK_TIME / dt))
    followed, clear = _follow(listed, valid, kinds, dt)
    last_seen: list[int] = []
    last_slot: list[int] = []
    track_of = np.full(valid.shape, -1, np.int64)

    for i, slots in enumerate(map(np.flatnonzero, valid)):
        alive = [k for k, seen in enumerate(last_seen) if i - seen <= patience]
        if i and clear[i] and all(last_seen[k] == i - 1 for k in alive):
            before = followed[i, slots]
            tracks = np.where(before >= 0, track_of[i - 1, before], -1)
        else:
            tracks = np.full(len(slots), -1, np.int64)
            if len(slots) and alive:
                seen, slot = (np.array(values)[alive] for values in (last_seen, last_slot))
                cost = _link_cost(listed[seen, slot], (i - seen) * dt, listed[i, slots])
                cost[kinds[seen, slot][:, None] != kinds[i, slots]] = UNLINKED
                linked, chosen = linear_sum_assignment(cost)
                good = cost[linked, chosen] < UNLINKED
                tracks[chosen[good]] = np.array(alive)[linked[good]]

        for slot, track in zip(slots.tolist(), tracks.tolist(), strict=True):
            if track < 0:
                track_of[i, slot] = len(last_seen)
                last_seen.append(i)
                last_slot.append(slot)
            else:
                track_of[i, slot], last_seen[track], last_slot[track] = track, i, slot

    instants, slots = np.nonzero(valid)
    tracks = track_of[instants, slots]
    rows = np.zeros((len(last_seen), num_instants, len(OBJECT_NAMES)))
    known = np.zeros(rows.shape[:2], bool)
    rows[tracks, instants], known[tracks, instants] = listed[instants, slots], True
    track_kinds = np.zeros(len(rows), np.int64)
    track_kinds[tracks] = kinds[instants, slots]
    return rows, known, track_kinds


def _follow(listed: np.ndarray, valid: np.ndarray, kinds: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Who of one instant may be who of the next, where that is beyond doubt, so that nothing needs to be weighed.

    Args:
        listed: OBJECT_NAMES [t, k, 6].
        valid: bool [t, k].
        kinds: ObjectKind [t, k].
        dt: time between instants [s].

    Returns:
        The place in the list of the instant before, -1 of who comes anew, int64 [t, k]; where all of an instant is
        beyond doubt, bool [t].
    """
    followed, clear = np.full(valid.shape, -1, np.int64), np.zeros(len(valid), bool)
    linked = _link_cost(listed[:-1], np.full(1, dt), listed[1:]) < UNLINKED
    linked &= valid[:-1, :, None] & valid[1:, None, :] & (kinds[:-1, :, None] == kinds[1:, None, :])
    clear[1:] = np.all(linked.sum(axis=1) <= 1, axis=1) & np.all(linked.sum(axis=2) <= 1, axis=1)
    followed[1:] = np.where(linked.any(axis=1), linked.argmax(axis=1), -1)
    return followed, clear


def objects_in_ground_frame(scenes: SceneState, vehicles: np.ndarray) -> np.ndarray:
    """OBJECT_NAMES [t, NUM_OBJECTS, 6] in the frame of the ego's VEHICLE_NAMES [t, 6]."""
    objects = scenes.objects.astype(np.float64)
    yaw = vehicles[:, None, VehicleColumn.YAW]
    x, y = objects[..., ObjectColumn.X], objects[..., ObjectColumn.Y]
    objects[..., ObjectColumn.X], objects[..., ObjectColumn.Y] = (
        vehicles[:, None, VehicleColumn.X] + np.cos(yaw) * x - np.sin(yaw) * y,
        vehicles[:, None, VehicleColumn.Y] + np.sin(yaw) * x + np.cos(yaw) * y,
    )
    objects[..., ObjectColumn.YAW] += yaw
    return objects


def _link_cost(last: np.ndarray, elapsed: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """How far objects [..., m, 6] are from where tracks [..., k, 6] would be after `elapsed` [k] or [1] [s],
    [..., k, m] [m]."""
    travelled = last[..., ObjectColumn.SPEED] * elapsed
    yaw = last[..., ObjectColumn.YAW]
    x, y = (last[..., ObjectColumn.X] + travelled * np.cos(yaw), last[..., ObjectColumn.Y] + travelled * np.sin(yaw))
    miss = np.hypot(
        x[..., None] - objects[..., None, :, ObjectColumn.X], y[..., None] - objects[..., None, :, ObjectColumn.Y]
    )
    other_size = np.zeros(miss.shape, bool)
    for column in SIZE_COLUMNS:
        other_size |= np.abs(last[..., :, None, column] - objects[..., None, :, column]) > SIZE_TOLERANCE
    return np.where(other_size | (miss > LINK_DISTANCE), UNLINKED, miss)


def _known(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return np.where(valid, values.astype(np.float64), np.nan)


def _areas(layout: Layout) -> dict[int, list[np.ndarray]]:
    outlines = [outline[:, :2] for outline in layout.areas()]
    return {
        int(kind): [outlines[k] for k in np.flatnonzero(layout.area_kinds == kind)]
        for kind in (AreaKind.DRIVABLE, AreaKind.JUNCTION)
    }
