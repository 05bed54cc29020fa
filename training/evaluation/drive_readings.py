"""What is read off the pictures of held-out drives, and what is true there, as arrays that can be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from training.data.frame_store import FrameStore
from training.data.visible_users import concatenate, find_visible_users
from training.evaluation.scene_reading import ReadScene, TrueScene, read_pictures
from worldsim.conditioning.object_grid import VisibleObjects
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.scene import SCENE_SIZE, SceneState
from worldsim.networks.scene_reader import NUM_READ
from worldsim.scene_decoder import SceneDecoder

READ_FROM, READ_EVERY = 1.0, 0.5
"""Pictures are read from this time after the start on, and so often [s]."""


class Readings(NamedTuple):
    """Of the `r` pictures of a drive that are read, or of what is true in them.

    scenes: vectors of SceneState, float32 [r, SCENE_SIZE]. ego: speed and yaw rate as they were read, [r, 2]; empty of
    what is true. events: collision and off-road, probabilities or 0 and 1, [r, 2].
    """

    scenes: np.ndarray
    ego: np.ndarray
    events: np.ndarray


NOTHING_READ = Readings(np.zeros((0, SCENE_SIZE), np.float32), np.zeros((0, 2)), np.zeros((0, 2)))


def reading_steps(num_steps: int, dt: float) -> np.ndarray:
    """Steps [r] of a drive of so many after which pictures are read, each with those before it."""
    first = max(round(READ_FROM / dt), NUM_READ) - 1
    return np.arange(first, num_steps, max(1, round(READ_EVERY / dt)))


def read_drive(decoder: SceneDecoder, frames: np.ndarray, steps: np.ndarray) -> Readings:
    """What the frames uint8 [t, h, w, 3] of a drive show after `steps` [r]."""
    if not len(steps):
        return NOTHING_READ
    windows = frames[steps[:, None] + np.arange(1 - NUM_READ, 1)]
    read = read_pictures(decoder, windows)
    return Readings(read.scene.to_vector(), read.ego, np.stack([read.collision, read.off_road], axis=-1))


def true_readings(store: FrameStore, positions: np.ndarray) -> Readings:
    """What is true of the frames at these positions [r] of a store."""
    if not len(positions):
        return NOTHING_READ
    rows = store.rows
    events = np.stack([rows.collision[positions], rows.off_road[positions]], axis=-1) > 0.5
    return Readings(rows.scenes[positions].to_vector(), np.zeros((0, 2)), events)


def visible_users(store: FrameStore, positions: np.ndarray, camera: CameraGeometry) -> VisibleObjects:
    """The road users that the frames at these positions [r] of a store show; `pictures` counts them from 0 on."""
    return find_visible_users(store, positions, camera) if len(positions) else concatenate([])


def join_readings(parts: Sequence[Readings]) -> ReadScene:
    """What was read off the pictures of many drives, one after the other."""
    collision, off_road = np.concatenate([part.events for part in parts]).T
    scene = SceneState.from_vector(np.concatenate([part.scenes for part in parts]))
    return ReadScene(scene, np.concatenate([part.ego for part in parts]), collision, off_road)


def join_truth(parts: Sequence[Readings], visible: Sequence[VisibleObjects]) -> TrueScene:
    """What is true of them, with the road users that are visible in each drive."""
    collision, off_road = np.concatenate([part.events for part in parts]).T
    counts = np.array([len(part.scenes) for part in parts])
    firsts = np.cumsum(counts) - counts
    moved = [replace(one, pictures=one.pictures + first) for one, first in zip(visible, firsts, strict=True)]
    return TrueScene(
        scene=SceneState.from_vector(np.concatenate([part.scenes for part in parts])),
        visible=concatenate(moved),
        collision=collision,
        off_road=off_road,
    )
