"""The road users of a recorded episode as tracks: who was where from frame to frame, how fast, and where to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.frame_store import FrameStore
from training.data.validity import known_of
from worldsim.actors.actors import ACTOR_NAMES, STANDING, ActorColumn, object_states
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS
from worldsim.datatypes.scene import BOX_COLUMNS, ObjectKind
from worldsim.gbuffer.camera_scene import CameraScene

SAME_PLACE = 0.3
"""An object of a scene this near to a road user in the camera is that one [m]."""
JUMP = 4.0
"""A number that is this far from where it was a frame ago is another one's now [m]."""
MOVED = 0.5
"""Whoever is ever faster than this drives [m/s]."""
GOAL, LEAST_GOAL = 25.0, 8.0
"""A goal is the first place that is as far from where one is, or the last one that is at least as far as that [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedTraffic:
    """All sightings of road users in an episode, one a row [m], by track and frame.

    Args:
        frames: of the episode, int64 [m].
        tracks: number of the track, int64 [m]; a gap of a frame begins another.
        kinds: ObjectKind, int64 [m].
        states: ACTOR_NAMES in the ground frame, [m, 10]; rates are 0 where a track begins.
        goals: places that they later come to, [m, 2], NaN where they do not get far.
    """

    frames: np.ndarray
    tracks: np.ndarray
    kinds: np.ndarray
    states: np.ndarray
    goals: np.ndarray

    @staticmethod
    def of(store: FrameStore, episode: int) -> RecordedTraffic:
        """Whom the pictures of an episode show, and whom its scenes list beside these."""
        frames, ids, kinds, boxes = _sightings(store, episode)
        order = np.lexsort((frames, ids))
        frames, ids, kinds, boxes = frames[order], ids[order], kinds[order], boxes[order]
        apart = np.hypot(*np.diff(boxes[:, :2], axis=0).T) if len(boxes) else np.zeros(0)
        goes_on = (np.diff(ids) == 0) & (np.diff(frames) == 1) & (apart < JUMP)
        tracks = np.concatenate([[0], np.cumsum(~goes_on)])[: len(frames)]
        states = _states(boxes, np.concatenate([[False], goes_on])[: len(frames)], store.dt)
        fastest = np.zeros(int(tracks.max(initial=-1)) + 1)
        np.maximum.at(fastest, tracks, states[:, ActorColumn.SPEED])
        states[:, ActorColumn.DRIVES] = fastest[tracks] > MOVED
        return RecordedTraffic(
            frames=frames, tracks=tracks, kinds=kinds, states=states, goals=_goals(boxes[:, :2], tracks)
        )

    def later(self, ahead: int) -> np.ndarray:
        """The row of each one `ahead` frames later, -1 where its track has ended, int64 [m]."""
        rows = np.arange(len(self.frames)) + ahead
        inside = np.minimum(rows, len(self.frames) - 1)
        same = (rows < len(self.frames)) & (self.tracks[inside] == self.tracks)
        return np.where(same, inside, -1)


def _sightings(store: FrameStore, episode: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames, numbers, kinds and boxes [m, 5] of all that pictures and scenes show."""
    first, length = int(store.starts[episode]), int(store.lengths[episode])
    scenes = store.camera_scenes(episode)
    shown = [scenes[k] for k in range(length)]
    frames = np.repeat(np.arange(length), [len(one.user_ids) for one in shown])
    ids = np.concatenate([np.zeros(0, np.int64), *(one.user_ids for one in shown)])
    kinds = np.concatenate([np.zeros(0, np.int64), *(one.users.kinds for one in shown)])
    boxes = np.concatenate([np.zeros((0, 5)), *(one.users.boxes[:, FOOTPRINT_COLUMNS] for one in shown)])

    more = _listed(store, first, shown)
    if not len(more):
        return frames, ids, kinds, boxes
    listed = more[:, 2:7]
    # whom only a scene lists has the number of who has his kind and size, in pictures before or after
    numbers, num = [], int(ids.max(initial=-1)) + 1
    sizes: dict[tuple[int, ...], int] = {}
    for kind, length_cm, width_cm, number in zip(kinds, *np.round(boxes[:, 3:] * 100).astype(int).T, ids, strict=True):
        key = (int(kind), int(length_cm), int(width_cm))
        sizes[key] = int(number) if sizes.get(key, number) == number else -1
    for kind, (length_m, width_m) in zip(more[:, 1], listed[:, 3:], strict=True):
        key = (int(kind), round(100 * float(length_m)), round(100 * float(width_m)))
        if sizes.setdefault(key, num) == num:
            num += 1
        numbers.append(sizes[key])
    known = np.array(numbers) >= 0
    return (
        np.concatenate([frames, more[known, 0].astype(np.int64)]),
        np.concatenate([ids, np.array(numbers)[known]]),
        np.concatenate([kinds, more[known, 1].astype(np.int64)]),
        np.concatenate([boxes, listed[known]]),
    )


def _listed(store: FrameStore, first: int, shown: Sequence[CameraScene]) -> np.ndarray:
    """Frame, kind and box, [k, 7], of those whom scenes list and pictures do not show."""
    rows = slice(first, first + len(shown))
    scenes, known = store.rows.scenes[rows], known_of(store.rows.valid[rows]).objects
    states = object_states(scenes, store.rows.vehicles[rows])
    found = [np.zeros((0, 7))]
    for frame, slot in zip(*np.nonzero((scenes.object_kinds != ObjectKind.EMPTY) & known[:, None]), strict=True):
        users = shown[frame].users
        box, kind = states[frame, slot, BOX_COLUMNS], scenes.object_kinds[frame, slot]
        near = np.hypot(users.boxes[:, 0] - box[0], users.boxes[:, 1] - box[1]) < SAME_PLACE
        if not (near & (users.kinds == kind)).any():
            found.append(np.array([[frame, kind, *box]]))
    return np.concatenate(found)


def _states(boxes: np.ndarray, goes_on: np.ndarray, dt: float) -> np.ndarray:
    """ACTOR_NAMES [m, 10] of boxes [m, 5], each of which may go on from the one before."""
    states = np.zeros((len(boxes), len(ACTOR_NAMES)))
    states[:, BOX_COLUMNS], states[:, ActorColumn.LANE] = boxes, np.nan
    before = np.maximum(np.arange(len(boxes)) - 1, 0)
    step = boxes - boxes[before]
    middle = boxes[:, 2] - 0.5 * wrap_angle(step[:, 2])
    speed = (np.cos(middle) * step[:, 0] + np.sin(middle) * step[:, 1]) / dt
    # a track's first frame has the speed that the next two lead back to
    after = np.append(speed[1:], 0.0) * np.append(goes_on[1:], False)
    twice_after = np.append(goes_on[2:], [False, False])[: len(speed)]
    back = np.where(twice_after, 2 * after - np.append(after[1:], 0.0), after)
    speed = np.where(goes_on, speed, np.maximum(back, 0.0))
    speed = np.where(np.abs(speed) < STANDING / 2, 0.0, speed)
    twice = goes_on & goes_on[before]
    states[:, ActorColumn.SPEED] = speed
    states[:, ActorColumn.ACCELERATION] = np.where(twice, (speed - speed[before]) / dt, 0.0)
    moves = goes_on & (speed > STANDING)
    states[:, ActorColumn.YAW_RATE] = np.where(moves, wrap_angle(step[:, 2]) / dt, 0.0)
    return states


def _goals(places: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    goals = np.full_like(places, np.nan)
    bounds = np.flatnonzero(np.diff(tracks, prepend=-1, append=tracks[-1] + 1 if len(tracks) else 0))
    for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        own = places[first:end]
        if np.hypot(*(own.max(axis=0) - own.min(axis=0))) < LEAST_GOAL:
            continue
        far = np.hypot(*np.moveaxis(own[None] - own[:, None], -1, 0))
        far[np.tril_indices(len(own))] = 0.0
        reached = far >= GOAL
        at = np.where(reached.any(axis=1), reached.argmax(axis=1), len(own) - 1)
        chosen = own[at]
        goals[first:end] = np.where((far[np.arange(len(own)), at] >= LEAST_GOAL)[:, None], chosen, np.nan)
    return goals
