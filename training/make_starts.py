"""Start clips for a checkpoint: moments of ordinary driving in the reference world, one town after another."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from envs.road_world import RoadWorld, RoadWorldConfig
from training.recipes import Recipe
from worldsim.starts import save_starts


def make_starts(recipe: Recipe, path: Path) -> None:
    """Write `recipe.num_starts` start clips to `path`; done before, nothing happens."""
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
