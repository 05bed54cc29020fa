"""Colours of the objects that SceneState lists: as the recording tells them, or else as its frames show them."""

from __future__ import annotations

import numpy as np

from training.data.recorded_clips import SAME_SIZE
from training.data.recorded_scenes import RecordedScenes
from training.data.validity import known_of
from worldsim.conditioning.user_colors import read_user_colors
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.scene import ObjectColumn
from worldsim.gbuffer.camera_scene import CameraScene

MOST_PICTURES = 8
"""Pictures of a road user of which its colour is read: those in which it is nearest."""


def read_object_colors(scenes: RecordedScenes, positions: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """RGB in [0, 1], float64 [m, 3], NaN for those that no picture of their episode shows. Kind and size tell who is
    who.

    Args:
        scenes: what the recording's frames show.
        positions: of frames in its store, int64 [m].
        slots: of the objects in their scenes, int64 [m].
    """
    store = scenes.store
    pictured = known_of(store.rows.valid).picture
    objects, kinds = store.rows.scenes.objects, store.rows.scenes.object_kinds
    colors = np.full((len(positions), 3), np.nan)
    episodes = np.searchsorted(store.starts, positions, side="right") - 1
    for episode in np.unique(episodes).tolist():
        start, length = int(store.starts[episode]), int(store.lengths[episode])
        shown = store.camera_scenes(episode)
        told = store.has_camera_scenes(episode)
        everyone = [shown[frame] for frame in range(length)]
        for k in np.flatnonzero(episodes == episode).tolist():
            position, slot = int(positions[k]), int(slots[k])
            size = objects[position, slot, [ObjectColumn.LENGTH, ObjectColumn.WIDTH]]
            rows = [_rows_like(scene, int(kinds[position, slot]), size) for scene in everyone]
            frames = [frame for frame in range(length) if len(rows[frame]) and (told or pictured[start + frame])]
            if not frames:
                continue
            if told:
                colors[k] = everyone[frames[0]].users.colors[rows[frames[0]][0]] / 255.0
            else:
                colors[k] = _read_color(scenes, start, everyone, rows, frames)
    return colors


def _rows_like(scene: CameraScene, kind: int, size: np.ndarray) -> np.ndarray:
    """Road users of a kind and of length and width [2], int64 [k]."""
    sizes = scene.users.boxes[:, [BoxColumn.LENGTH, BoxColumn.WIDTH]]
    return np.flatnonzero((scene.users.kinds == kind) & (np.abs(sizes - size) < SAME_SIZE).all(axis=1))


def _read_color(
    scenes: RecordedScenes, start: int, everyone: list[CameraScene], rows: list[np.ndarray], frames: list[int]
) -> np.ndarray:
    """RGB [3] of the road user in these rows of the scenes of an episode that begins at `start` of the store."""

    def distance(frame: int) -> float:
        scene = everyone[frame]
        box = scene.users.boxes[rows[frame][0]]
        ahead = np.cos(scene.view.yaw) * (box[BoxColumn.X] - scene.view.x)
        ahead += np.sin(scene.view.yaw) * (box[BoxColumn.Y] - scene.view.y)
        return float(ahead) if ahead > 0 else np.inf

    nearest = sorted(frames, key=distance)[:MOST_PICTURES]
    geometries = [scenes.surfaces(start + frame).geometry for frame in nearest]
    pictures = scenes.store.frames[start + np.array(nearest)]
    # who is lost out of sight for a while comes back under another number
    ids = np.unique([everyone[frame].user_ids[rows[frame][0]] for frame in nearest])
    found = read_user_colors(pictures, geometries, ids)
    seen = found[np.isfinite(found).all(axis=1)]
    return np.median(seen, axis=0) if len(seen) else np.full(3, np.nan)
