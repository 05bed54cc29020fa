"""Start clips for a checkpoint: ordinary driving in the reference world, or moments of a recording made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from envs.road.road_world import RoadWorld, RoadWorldConfig
from training.data.frame_store import FrameStore
from training.data.starts import clip_at, known_starts
from training.recipes import Recipe
from worldsim.datatypes.starts import save_starts


def make_starts(recipe: Recipe, path: Path) -> None:
    """Write `recipe.num_starts` start clips, one town after another, to `path`; done before, nothing happens."""
    if path.is_file():
        return
    config = recipe.train_data
    world = RoadWorld(RoadWorldConfig(frame_size=config.frame_size, num_context=recipe.model.num_context))
    clips = []
    for k in tqdm(range(recipe.num_starts), desc="start clips", unit="clip"):
        town = config.first_town + k // 2 * 2 * config.num_towns // recipe.num_starts  # a town serves two clips
        world.reset(seed=10_000_000 + k, options={"town": town})
        clips.append(world.start_clip())
    world.close()
    save_starts(clips, path)


def cut_starts(store: FrameStore, recipe: Recipe, path: Path) -> None:
    """Write `recipe.num_starts` clips, evenly spread over a recording, to `path`; done before, nothing happens.

    Raises:
        ValueError: nowhere is enough known to start from.
    """
    if path.is_file():
        return
    num_context = recipe.model.num_context
    positions = np.concatenate(known_starts(store, num_context))
    if not len(positions):
        raise ValueError(f"nowhere are picture, control and motion of {num_context} frames in a row known")
    chosen = positions[np.linspace(0, len(positions) - 1, recipe.num_starts).round().astype(np.int64)]
    save_starts([clip_at(store, int(position), num_context) for position in chosen], path)
