"""Start clips for a checkpoint: ordinary driving in the reference world, or moments of a recording made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from envs.road.road_world import RoadWorld, RoadWorldConfig
from training.data.frame_store import FrameStore
from training.data.starts import clip_at, known_starts
from worldsim.datatypes.starts import save_starts


def make_starts(
    path: Path, *, num_starts: int, first_town: int, num_towns: int, frame_size: tuple[int, int], num_context: int
) -> None:
    """Write start clips of the reference world to `path`; does nothing if the file exists.

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
        world.reset(seed=10_000_000 + k, options={"town": town})
        clips.append(world.start_clip())
    world.close()
    save_starts(clips, path)


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
