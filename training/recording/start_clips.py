"""Start clips for a checkpoint: ordinary driving in the reference world, or moments of a recording made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from training.data.frame_store import FrameStore
from training.data.starts import clip_at, known_starts
from worldsim.datatypes.scene import LeadColumn, ObjectColumn, ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.starts import save_starts

NUM_TRIES = 8
"""Starts drawn for a clip before the last one is taken, whatever it shows."""
WISHES = ("any", "signal", "lead", "pedestrian", "signal", "any", "lead", "any")
"""What clips are to show, in turn: a light or sign, a lead or a pedestrian ahead, or whatever comes."""
SIGNAL_NEAR, LEAD_NEAR, PEDESTRIAN_NEAR = 60.0, 35.0, 35.0
"""Up to this far ahead [m]."""


def make_starts(
    path: Path, *, num_starts: int, first_town: int, num_towns: int, frame_size: tuple[int, int], num_context: int
) -> None:
    """Write start clips of the reference world to `path`; does nothing if the file exists.

    Starts are as the world draws them, its weather too: ordinary and fair ones. Of NUM_TRIES in a town the first is
    taken that fits the clip's turn in WISHES.

    Args:
        path: file of the start clips.
        num_starts: how many clips.
        first_town: seed of the first town.
        num_towns: the clips are spread evenly over towns first_town .. first_town + num_towns - 1.
        frame_size: height and width [px].
        num_context: frames of a clip.
    """
    if path.is_file():
        return
    world = RoadWorld(RoadWorldConfig(frame_size=frame_size, num_context=num_context))
    clips = []
    for k in tqdm(range(num_starts), desc="start clips", unit="clip"):
        town = first_town + k // 2 * 2 * num_towns // num_starts  # a town serves two clips
        for attempt in range(NUM_TRIES):
            step = world.reset(seed=10_000_000 + NUM_TRIES * k + attempt, options={"town": town})
            if _fits(step.scene, WISHES[k % len(WISHES)]):
                break
        clips.append(world.start_clip())
    world.close()
    save_starts(clips, path)


def _fits(scene: SceneState, wish: str) -> bool:
    """Whether a start shows what is wished for."""
    if wish == "signal":
        return bool(scene.signal != SignalKind.NONE) and 0 < float(scene.signal_distance) < SIGNAL_NEAR
    if wish == "lead":
        return bool(scene.lead_valid) and float(scene.lead[LeadColumn.GAP]) < LEAD_NEAR
    if wish == "pedestrian":
        x, y = scene.objects[..., ObjectColumn.X], scene.objects[..., ObjectColumn.Y]
        on_foot = scene.object_kinds == ObjectKind.PEDESTRIAN
        return bool((on_foot & (x > 3) & (x < PEDESTRIAN_NEAR) & (np.abs(y) < x)).any())
    return True


def cut_starts(store: FrameStore, path: Path, *, num_starts: int, num_context: int) -> None:
    """Write start clips, evenly spread over a recording, to `path`; does nothing if the file exists.

    Args:
        store: the recording.
        path: file of the start clips.
        num_starts: how many clips.
        num_context: frames of a clip.

    Raises:
        ValueError: nowhere is enough known to start from.
    """
    if path.is_file():
        return
    positions = np.concatenate(known_starts(store, num_context))
    if not len(positions):
        raise ValueError(f"nowhere are picture, control and motion of {num_context} frames in a row known")
    chosen = positions[np.linspace(0, len(positions) - 1, num_starts).round().astype(np.int64)]
    save_starts([clip_at(store, int(position), num_context) for position in chosen], path)
