"""The pictures of README and docs, made anew: `python docs/make_images.py`. Needs neither a display nor a recording.

Each is a function of the shipped world alone; `--only viewer approach` makes some of them. Pictures that move are
animated WebP, the others JPEG.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import cv2
import gymnasium
import numpy as np
import tyro
from PIL import Image
from tqdm import tqdm

import drivedit
from policies.rule_based import LaneFollower
from scenarios.actors import BrakingLead
from scenarios.overlay import annotate_rollout

Name = Literal["drive", "side_by_side", "long", "approach", "revisits", "viewer", "reference", "traffic"]
IMAGES = Path(__file__).parent / "images"
DRIVE_START, DRIVE_SECONDS = 10, 10.0
"""Start clip and length of the drive that README shows [s]: a street with a car ahead."""
APPROACH_START = 9
"""Start clip of the approach: a straight road, and a car that one can tell from it."""
LOOP_TOWNS = (100_000, 100_002, 100_004, 100_006)
"""Towns that training has not seen, in which blocks are driven around."""


@dataclass(frozen=True, kw_only=True)
class ImagesConfig:
    """What to make.

    Args:
        only: these and no others.
        out: folder for them.
        checkpoint: folder of the world model; None takes the one that ships with the package.
    """

    only: tuple[Name, ...] = get_args(Name)
    out: Path = IMAGES
    checkpoint: Path | None = None


def drive(config: ImagesConfig) -> np.ndarray:
    """The lane follower in the learned world, beside what the world tracks seen from above; [t, h, w, 3]."""
    env = drivedit.make_learned_env(checkpoint=config.checkpoint, max_episode_seconds=DRIVE_SECONDS)
    rollout = drivedit.drive(env, LaneFollower(), seed=0, options={"start_index": DRIVE_START})
    return annotate_rollout(rollout)


def side_by_side(config: ImagesConfig) -> np.ndarray:
    """The reference world above, the learned world below, from the same start under the same controls; 6 s each."""
    rows = []
    for seed in (3, 5, 8):
        road, learned = gymnasium.make("DriveDiT-Road-v0"), _learned(config)
        frame, info = road.reset(seed=seed)
        learned.reset(seed=seed, options={"start_clip": road.unwrapped.start_clip()})
        driver, pairs = LaneFollower(), []
        for step in tqdm(range(60), desc=f"side by side, seed {seed}"):
            action = driver.act(frame, info)
            frame, *_, info = road.step(action)
            imagined = learned.step(action)[0]
            if step % 6 == 5:
                pairs.append(np.concatenate([frame, imagined]))
        rows.append(np.concatenate(pairs, axis=1))
    return np.concatenate(rows)


def long(config: ImagesConfig) -> np.ndarray:
    """Six drives of 60 s under the lane follower, a frame every 5 s, a drive a row."""
    rows = []
    for start in range(6):
        env, driver, frames = _learned(config), LaneFollower(), []
        frame, info = env.reset(seed=start, options={"start_index": start})
        for step in tqdm(range(600), desc=f"long, start {start}"):
            if step % 50 == 0:
                frames.append(frame)
            frame, *_, info = env.step(driver.act(frame, info))
        rows.append(np.concatenate(frames, axis=1))
    return np.concatenate(rows)


def approach(config: ImagesConfig) -> np.ndarray:
    """Coming closer to a car that stands in the lane, up to contact; seven frames, the last one the contact's."""
    lead = BrakingLead(gap=25.0, speed=0.0, brake_at=0.0, deceleration=5.0)
    scenario = drivedit.ScriptedActors(scripts=(lead,))
    env, frames = _learned(config), []
    _, info = env.reset(seed=0, options={"start_index": APPROACH_START, "scripted_actors": scenario})
    steering = LaneFollower()
    for _ in tqdm(range(100), desc="approach"):
        action = steering.act(np.empty(0), info)
        action[1] = np.clip(0.4 + 0.3 * (8.0 - info["vehicle"][3]), -1, 1)  # 8 m/s whoever stands there
        frame, _, _, _, info = env.step(action)
        frames.append(frame)
        if info["collision"] > 0.5:
            break
    chosen = [frames[k] for k in np.linspace(0, len(frames) - 1, 7).round().astype(int)]
    return np.concatenate([cv2.resize(f, (224, 224), interpolation=cv2.INTER_CUBIC) for f in chosen], axis=1)


def revisits(config: ImagesConfig) -> np.ndarray:
    """Around a block and back, four drives: views as first seen and a lap later, without the memory and with it."""
    from training.evaluation.loop_closure import drive_loops, make_loop, view_rows
    from training.evaluation.modes import LIVE, WITHOUT_MEMORY
    from worldsim.world_model import WorldModel

    model, rows = WorldModel.load(config.checkpoint), []
    towns = (make_loop(town, model.config.frame_size, model.config.num_context, 0) for town in LOOP_TOWNS)
    loops = [loop for loop in towns if loop is not None]
    for mode in (WITHOUT_MEMORY, LIVE):
        drives = drive_loops(model, loops, 1200, mode)
        for loop, frames, views in zip(loops, drives.frames, drives.views, strict=True):
            rows += view_rows(loop, frames, views, count=4)
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def viewer(config: ImagesConfig) -> np.ndarray:
    """The viewer with both worlds, three seconds after the learned one began in the reference world."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    from envs.viewer.config import PlayConfig
    from envs.viewer.window import play
    from policies.registry import make_policy

    with TemporaryDirectory() as folder:
        shot = Path(folder) / "viewer.png"
        play(
            PlayConfig(
                world="both",
                seed=3,
                policy="lane_follower",
                checkpoint=config.checkpoint,
                screenshot=shot,
                steps=30,
                scale=1.0,
            ),
            lambda name: make_policy(name, checkpoint=config.checkpoint),
        )
        return cv2.cvtColor(cv2.imread(str(shot)), cv2.COLOR_BGR2RGB)


def reference(config: ImagesConfig) -> np.ndarray:
    """What the reference world's camera tells: pictures, depth and semantic classes of six drives."""
    sensors = ("depth", "semantic")
    columns = []
    for seed in tqdm((0, 1, 2, 6, 11, 9), desc="reference"):
        env = gymnasium.make("DriveDiT-Road-v0", extra_obs=sensors)
        obs, info = env.reset(seed=seed)
        driver = LaneFollower()
        for _ in range(60):
            obs, *_, info = env.step(driver.act(obs["pixels"], info))
        near = 1.0 / np.maximum(obs["depth"].astype(np.float64) / 4.0, 1.0)
        depth = cv2.applyColorMap(np.rint(255 * near).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
        hues = np.stack(
            [obs["semantic"] * 9, np.full_like(obs["semantic"], 140), np.full_like(obs["semantic"], 220)], -1
        )
        columns.append(np.concatenate([obs["pixels"], depth, cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)]))
    return np.concatenate(columns, axis=1)


def traffic(config: ImagesConfig) -> np.ndarray:
    """A junction with lights from above, 30 s; [t, h, w, 3]."""
    from make_traffic_film import FilmConfig, film_traffic

    return film_traffic(FilmConfig(town=2, seconds=30.0, size=320, span=80.0))


def _learned(config: ImagesConfig) -> gymnasium.Env:
    """The learned world, whose drives end with nothing but the time."""
    env = drivedit.make_learned_env(checkpoint=config.checkpoint, max_episode_seconds=1000.0)
    env.config = drivedit.DrivingEnvConfig(
        max_episode_seconds=1000.0, end_on_collision=2.0, end_off_road=2.0, end_at_route_end=False
    )
    return env


PICTURES: dict[Name, Callable[[ImagesConfig], np.ndarray]] = {
    "drive": drive,
    "side_by_side": side_by_side,
    "long": long,
    "approach": approach,
    "revisits": revisits,
    "viewer": viewer,
    "reference": reference,
    "traffic": traffic,
}


def make_images(config: ImagesConfig) -> None:
    """Make and write them, each whole or not at all."""
    config.out.mkdir(parents=True, exist_ok=True)
    for name in config.only:
        picture = PICTURES[name](config)
        suffix = ".webp" if picture.ndim == 4 else ".jpg"
        unfinished = config.out / f".{name}{suffix}"
        if picture.ndim == 4:
            write_film(unfinished, picture)
        else:
            cv2.imwrite(str(unfinished), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
        unfinished.replace(config.out / f"{name}{suffix}")


def write_film(path: Path, frames: np.ndarray) -> None:
    """Write uint8 [t, h, w, 3], 10 a second, as an animated WebP that begins again at its end."""
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=100, loop=0, quality=75, method=6)


if __name__ == "__main__":
    make_images(tyro.cli(ImagesConfig, description=__doc__))
