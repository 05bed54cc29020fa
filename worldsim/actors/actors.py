"""The tracked road users around the egos, from and to SceneStates. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from worldsim.actors.route_frame import LANE_HALF_WIDTH, RouteFrame, to_frenet
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_NAMES, OBJECT_RANGE, ObjectColumn, SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn

ACTOR_NAMES = ("x", "y", "yaw", "speed", "length", "width", "yaw_rate", "drives", "lane", "acceleration")
"""Ground frame [m, m, rad], [m/s], [m, m], [rad/s]; 1 for who has moved before or stands in a lane, 0 for the parked;
offset from the ego's route that it keeps, positive left [m], NaN for who keeps none; [m/s²]."""


class ActorColumn(IntEnum):
    """Columns of ACTOR_NAMES; the first six are those of OBJECT_NAMES."""

    X = 0
    Y = 1
    YAW = 2
    SPEED = 3
    LENGTH = 4
    WIDTH = 5
    YAW_RATE = 6
    DRIVES = 7
    LANE = 8
    ACCELERATION = 9


SIZE = slice(ActorColumn.LENGTH, ActorColumn.WIDTH + 1)
"""Length and width of an actor or object."""
STANDING = 0.15
"""Slower actors stand and do not turn [m/s]."""


@dataclass(frozen=True, kw_only=True)
class Actors:
    """The actors around `b` egos, `s` slots each.

    Args:
        states: ACTOR_NAMES, float64 [b, s, 10].
        kinds: ObjectKind, EMPTY in free slots, int64 [b, s].
        vacant: free slots that a new arrival may take, bool [b, s]; the others stay free, as they were at the start.
        colours: RGB in [0, 1], float64 [b, s, 3]; NaN where unknown.
    """

    states: np.ndarray
    kinds: np.ndarray
    vacant: np.ndarray
    colours: np.ndarray

    def take(self, rows: Sequence[int]) -> Actors:
        """The given worlds, in that order, in memory of their own."""
        index = list(rows)
        return Actors(
            states=self.states[index],
            kinds=self.kinds[index],
            vacant=self.vacant[index],
            colours=self.colours[index],
        )

    @staticmethod
    def concat(many: Sequence[Actors]) -> Actors:
        """The worlds of all of them, in that order."""
        return Actors(
            states=np.concatenate([actors.states for actors in many]),
            kinds=np.concatenate([actors.kinds for actors in many]),
            vacant=np.concatenate([actors.vacant for actors in many]),
            colours=np.concatenate([actors.colours for actors in many]),
        )

    def in_ego_frame(self, vehicles: np.ndarray) -> np.ndarray:
        """ACTOR_NAMES with position and yaw in the frames of `vehicles` [b, 6]; float64 [b, s, 10]."""
        ego_yaw = vehicles[:, VehicleColumn.YAW, None]
        local = self.states.copy()
        local[..., :2] = rotate(self.states[..., :2] - vehicles[:, None, :2], -ego_yaw)
        local[..., ActorColumn.YAW] = wrap_angle(self.states[..., ActorColumn.YAW] - ego_yaw)
        return np.where(self.kinds[..., None] > 0, local, 0.0)

    @staticmethod
    def from_clips(clips: Sequence[StartClip]) -> Actors:
        """The objects at the newest frames of `clips`; their rates are those since the frame before."""
        states = np.zeros((len(clips), NUM_OBJECTS, len(ACTOR_NAMES)))
        kinds = np.stack([clip.scenes.object_kinds[-1] for clip in clips])
        for k, clip in enumerate(clips):
            states[k] = object_states(clip.scenes[-1], clip.vehicles[-1])
            if len(clip.frames) > 1:
                before = object_states(clip.scenes[-2], clip.vehicles[-2])
                match = match_objects(before, clip.scenes.object_kinds[-2], states[k], kinds[k], clip.dt, 1.0)
                states[k] = with_rates(states[k], before, match, clip.dt)
            # one that stands in a lane is waiting, one beside it is parked
            pose = to_frenet(RouteFrame.from_scenes(clip.scenes[-1:]), clip.scenes.objects[-1:].astype(np.float64))
            in_lane = pose.on[0] & (np.abs(pose.lateral[0]) < LANE_HALF_WIDTH)
            states[k, :, ActorColumn.DRIVES] = in_lane | (states[k, :, ActorColumn.SPEED] > STANDING)
        return Actors(
            states=states,
            kinds=kinds,
            vacant=np.zeros(kinds.shape, bool),
            colours=np.full((*kinds.shape, 3), np.nan),
        )


def object_states(scene: SceneState, vehicle: np.ndarray) -> np.ndarray:
    """ACTOR_NAMES [..., s, 10] of the objects of a scene around `vehicle` [..., 6]; the last four are not known."""
    objects = scene.objects.astype(np.float64)
    ego_yaw = vehicle[..., VehicleColumn.YAW, None]
    ground = vehicle[..., None, :2] + rotate(objects[..., :2], ego_yaw)
    yaw = wrap_angle(objects[..., ObjectColumn.YAW] + ego_yaw)
    unknown = np.broadcast_to([0.0, 0.0, np.nan, 0.0], (*yaw.shape, 4))
    return np.concatenate([ground, yaw[..., None], objects[..., ObjectColumn.SPEED :], unknown], axis=-1)


def match_objects(
    before: np.ndarray, kinds_before: np.ndarray, after: np.ndarray, kinds: np.ndarray, seconds: float, within: float
) -> np.ndarray:
    """For each object [..., s] the index of the same one `seconds` before, -1 where there is none.

    The same one has kind and size in common and lies within `within` [m] of where its mean speed would have brought it.
    """
    yaw = after[..., ActorColumn.YAW]
    heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    mean_speed = 0.5 * (after[..., :, None, ActorColumn.SPEED] + before[..., None, :, ActorColumn.SPEED])
    expected = after[..., :, None, :2] - seconds * mean_speed[..., None] * heading[..., :, None, :]
    miss = np.hypot(*np.moveaxis(expected - before[..., None, :, :2], -1, 0))
    size, size_before = after[..., SIZE], before[..., SIZE]
    resized = np.abs(size[..., :, None, :] - size_before[..., None, :, :]).max(-1)
    same = (kinds[..., :, None] == kinds_before[..., None, :]) & (kinds[..., :, None] > 0) & (resized < 1e-3)
    miss = np.where(same & (miss < within), miss, np.inf)
    return np.where(np.isfinite(miss.min(-1)), miss.argmin(-1), -1)


def with_rates(states: np.ndarray, before: np.ndarray, match: np.ndarray, dt: float) -> np.ndarray:
    """`states` [..., s, 10] with yaw rate and acceleration since `before`, where `match` [..., s] tells who is who."""
    known = match >= 0
    old = np.take_along_axis(before, np.maximum(match, 0)[..., None], axis=-2)
    yaw_rate = wrap_angle(states[..., ActorColumn.YAW] - old[..., ActorColumn.YAW]) / dt
    moves = states[..., ActorColumn.SPEED] > STANDING
    acceleration = (states[..., ActorColumn.SPEED] - old[..., ActorColumn.SPEED]) / dt
    new = states.copy()
    new[..., ActorColumn.YAW_RATE] = np.where(known & moves, yaw_rate, 0.0)
    new[..., ActorColumn.ACCELERATION] = np.where(known, acceleration, 0.0)
    return new


def scene_objects(actors: Actors, vehicles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SceneState's objects [b, NUM_OBJECTS, 6] and kinds, nearest first and within OBJECT_RANGE."""
    in_ego_frame = actors.in_ego_frame(vehicles)
    distance = np.hypot(in_ego_frame[..., ActorColumn.X], in_ego_frame[..., ActorColumn.Y])
    listed = (actors.kinds > 0) & (distance <= OBJECT_RANGE)
    order = np.argsort(np.where(listed, distance, np.inf), axis=1, kind="stable")
    rows = np.arange(len(in_ego_frame))[:, None]
    kinds = np.where(listed, actors.kinds, 0)[rows, order]
    objects = np.where(kinds[..., None] > 0, in_ego_frame[rows, order][..., : len(OBJECT_NAMES)], 0.0)
    return objects.astype(np.float32), kinds
