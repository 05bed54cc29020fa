"""What the camera shows of a tracked drive: where it stands, the road users around it, and what the lights show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from worldsim.actors.actors import (
    BRAKE_LIGHTS,
    COLOR,
    STANDING,
    STRIDE_LENGTH,
    ActorColumn,
    TraitColumn,
    match_objects,
    object_states,
)
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BOX_NAMES, FOOTPRINT_COLUMNS, BoxColumn
from worldsim.datatypes.scene import BOX_COLUMNS, ObjectKind
from worldsim.datatypes.start_clip import USER_RANGE, StartClip
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import UNKNOWN_COLOR, RoadUsers
from worldsim.gbuffer.view import View
from worldsim.surroundings import GroundColumn, Surroundings

if TYPE_CHECKING:
    from worldsim.scene_tracker import TrackedState


def camera_scene(state: TrackedState, slot: int) -> CameraScene:
    """What the picture of a slot shows beside its surroundings' layout; road users keep their ids from step to step."""
    own, time = state.surroundings[slot], float(state.times[slot])
    actors, ids = _actors(state, slot)
    z, grade = state.ground[slot, [GroundColumn.Z, GroundColumn.GRADE]].tolist()
    return _scene(own, actors, ids, state.vehicles[slot], z, grade, time)


def context_scenes(state: TrackedState, slot: int, clip: StartClip) -> list[CameraScene]:
    """What the pictures of a clip show, frame by frame, of whose newest frame `state` is.

    Road users were where the clip's scenes have them; whom these do not list drove steadily.
    """
    own = state.surroundings[slot]
    users, ids = _actors(state, slot)
    z = float(state.ground[slot, GroundColumn.Z])
    found = [camera_scene(state, slot)]
    for k in range(len(clip.vehicles) - 2, -1, -1):
        users = _moved_back(users, clip, k, own)
        z, grade = own.ground_under(clip.vehicles[k], z)
        time = float(state.times[slot]) - clip.dt * (len(clip.vehicles) - 1 - k)
        found.append(_scene(own, users, ids, clip.vehicles[k], z, grade, time))
    return found[::-1]


def known_road_users(state: TrackedState, slot: int) -> KnownRoadUsers | None:
    """All others, as a start clip tells of them; None where only those are known whom SceneState lists."""
    parked = state.surroundings[slot].parked
    if parked is None:
        return None
    return KnownRoadUsers.concatenate([_actors(state, slot)[0], parked])


def _actors(state: TrackedState, slot: int) -> tuple[KnownRoadUsers, np.ndarray]:
    """A slot's actors, and who each of them is, int64 [n]."""
    rows = np.flatnonzero(state.actors.kinds[slot] > 0)
    states, traits = state.actors.states[slot, rows], state.actors.traits[slot, rows]
    boxes = np.zeros((len(rows), len(BOX_NAMES)))
    boxes[:, FOOTPRINT_COLUMNS] = states[:, BOX_COLUMNS]
    z = traits[:, TraitColumn.Z]
    boxes[:, BoxColumn.Z] = np.where(np.isfinite(z), z, state.ground[slot, GroundColumn.Z])
    boxes[:, BoxColumn.HEIGHT] = traits[:, TraitColumn.HEIGHT]
    users = KnownRoadUsers(
        kinds=state.actors.kinds[slot, rows],
        boxes=boxes,
        speeds=states[:, ActorColumn.SPEED],
        colors=255.0 * traits[:, COLOR],
        braking=state.actors.braking[slot, rows],
        phases=traits[:, TraitColumn.PHASE],
        parked=states[:, ActorColumn.DRIVES] == 0,
    )
    return users, traits[:, TraitColumn.ID].astype(np.int64)


def _scene(
    own: Surroundings, users: KnownRoadUsers, ids: np.ndarray, vehicle: np.ndarray, z: float, grade: float, time: float
) -> CameraScene:
    """Of those of the users and the parked whom a camera on `vehicle` [6] may see."""
    x, y, yaw = vehicle[:3].tolist()
    if own.parked is not None:
        users, ids = KnownRoadUsers.concatenate([users, own.parked]), np.concatenate([ids, own.parked_ids])
    view = View(x=x, y=y, yaw=yaw, z=z, grade=grade)
    near = view.rows_in_sight(users.boxes[:, :2], users.boxes[:, BoxColumn.LENGTH], USER_RANGE)
    shown = users[near]
    boxes = shown.boxes
    boxes[:, BoxColumn.HEIGHT] = shown.heights
    boxes[:, BoxColumn.Z] = 0.0 if own.is_flat else np.where(np.isnan(boxes[:, BoxColumn.Z]), z, boxes[:, BoxColumn.Z])
    return CameraScene(
        view=view,
        users=RoadUsers(
            kinds=shown.kinds,
            boxes=boxes,
            colors=np.where(np.isnan(shown.colors), UNKNOWN_COLOR, shown.colors),
            braking=shown.braking,
            phases=shown.phases,
        ),
        user_ids=ids[near],
        lights=own.lights(time),
        sun=own.sun,
    )


def _moved_back(users: KnownRoadUsers, clip: StartClip, frame: int, own: Surroundings) -> KnownRoadUsers:
    """Road users at `frame` of a clip, who are given as they are one frame later."""
    now = np.zeros((len(users), len(ActorColumn)))
    now[:, BOX_COLUMNS], now[:, ActorColumn.SPEED] = users.boxes[:, FOOTPRINT_COLUMNS], users.speeds
    listed = object_states(clip.scenes[frame], clip.vehicles[frame])
    match = match_objects(listed, clip.scenes.object_kinds[frame], now, users.kinds, clip.dt, 1.0)
    heading = np.stack([np.cos(now[:, ActorColumn.YAW]), np.sin(now[:, ActorColumn.YAW])], axis=-1)

    before = now.copy()
    before[:, :2] -= clip.dt * users.speeds[:, None] * heading
    before[match >= 0] = listed[match[match >= 0]]
    speeds = before[:, ActorColumn.SPEED]
    boxes = users.boxes.copy()
    boxes[:, FOOTPRINT_COLUMNS] = before[:, BOX_COLUMNS]
    boxes[:, BoxColumn.YAW] = wrap_angle(boxes[:, BoxColumn.YAW])
    boxes[:, BoxColumn.Z] = own.heights(boxes[:, :2], boxes[:, BoxColumn.Z])
    slows = ((users.speeds - speeds) / clip.dt < BRAKE_LIGHTS) | (speeds < STANDING)
    drives = (users.kinds != ObjectKind.PEDESTRIAN) & (users.kinds != ObjectKind.STATIC) & ~users.parked
    walked = np.where(users.kinds == ObjectKind.PEDESTRIAN, clip.dt * users.speeds, 0.0)
    return replace(
        users,
        boxes=boxes,
        speeds=speeds,
        braking=np.where(match >= 0, drives & slows, users.braking),
        phases=users.phases - 2 * np.pi / STRIDE_LENGTH * walked,
    )
