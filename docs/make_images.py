"""The pictures of README and docs, made anew: `python docs/make_images.py`. Needs neither a display nor a recording.

Each is a function of the shipped world alone; `--only viewer approach` makes some of them. What is held against truth
is recorded first, in towns that training has not seen; `--data` takes a recording that is there. Pictures that move
are animated WebP, the others JPEG.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import cv2
import gymnasium
import numpy as np
import tyro
from picture_files import PicturesConfig, write_pictures
from tqdm import tqdm

import drivedit
from policies.rule_based import LaneFollower
from scenarios.actors import BrakingLead
from scenarios.overlay import annotate_rollout
from training.data.frame_store import FrameStore
from training.evaluation.closed_loop import follow_lane
from training.evaluation.evaluate import open_recording
from training.evaluation.films import arrange_sheet
from training.evaluation.held_out import choose_long_starts, held_out_drive
from training.evaluation.loop_closure import drive_loops, make_loop, view_rows
from training.evaluation.measures import view_frames
from training.evaluation.modes import LIVE, REPLAYED, WITHOUT_MEMORY, drive_again
from training.recipes import HELD_OUT_TOWNS
from training.recording.behaviours import BehaviourMixture
from training.recording.record import RecordConfig, record
from worldsim.datatypes.starts import STARTS_NAME, load_starts
from worldsim.world_model import DEFAULT_CHECKPOINT, WorldModel

Name = Literal[
    "drive", "side_by_side", "side_by_side_256", "long", "approach", "revisits", "viewer", "reference", "traffic"
]
DRIVE_START, DRIVE_SECONDS = 28, 10.0
"""Start clip and length of the drive that README shows [s]: by day, and it turns left at a green light."""
APPROACH_START = 9
"""Start clip of the approach: a straight road, and a car that one can tell from it."""
LOOP_TOWNS = tuple(HELD_OUT_TOWNS + k for k in (0, 2, 4, 6))
"""Towns in which blocks are driven around."""
NUM_RECORDED, RECORDED_SECONDS = 3, 60.0
"""Drives beside truth in frames of the model's size, and their length [s]."""
LARGE_FRAME, NUM_LARGE, LARGE_SECONDS = (256, 256), 2, 20.0
"""Larger frames than the model was trained on [px]; drives in them, and their length [s]."""
NUM_LONG, LONG_STEPS, LONG_INTERVAL = 6, 600, 50
"""Drives without truth, their steps, and the steps between two frames that are shown."""


@dataclass(frozen=True, kw_only=True)
class ImagesConfig(PicturesConfig):
    """What to make.

    Args:
        only: these and no others.
        data: recording of long drives in frames of the model's size, for side_by_side; None records some first.
    """

    only: tuple[Name, ...] = get_args(Name)
    data: Path | None = None


def drive(config: ImagesConfig) -> np.ndarray:
    """The lane follower in the learned world, beside what the world tracks seen from above; [t, h, w, 3]."""
    env = drivedit.make_learned_env(checkpoint=config.checkpoint, max_episode_seconds=DRIVE_SECONDS)
    rollout = drivedit.drive(env, LaneFollower(), seed=0, options={"start_index": DRIVE_START})
    return annotate_rollout(rollout)


def side_by_side(config: ImagesConfig) -> np.ndarray:
    """Recorded drives above, the learned world below."""
    return _beside_truth(WorldModel.load(config.checkpoint), config.data, NUM_RECORDED, RECORDED_SECONDS)


def side_by_side_256(config: ImagesConfig) -> np.ndarray:
    """The same in larger frames, of which the networks saw none in training."""
    trained = WorldModel.load(config.checkpoint)
    model = WorldModel(replace(trained.config, frame_size=LARGE_FRAME))
    model.load_state_dict(trained.state_dict())
    return _beside_truth(model.eval().requires_grad_(False), None, NUM_LARGE, LARGE_SECONDS)


def _beside_truth(model: WorldModel, data: Path | None, num: int, seconds: float) -> np.ndarray:
    """Held-out drives, road users and lights replayed: of each a row of truth above what was made, at VIEW_SECONDS.

    Raises:
        ValueError: the recording does not tell what its frames show, or has other frames than the model.
    """
    horizon, num_context = round(seconds / model.config.dt), model.config.num_context
    with _recording(model, data, num, seconds) as store:
        positions = choose_long_starts(store, num, num_context, horizon, np.random.default_rng(0)).tolist()
        drives = [held_out_drive(store, position, num_context, horizon) for position in positions]
        if any(drive.camera_scenes is None for drive in drives):
            raise ValueError(f"{data} has no camera scenes: what its frames show cannot be replayed")
        with tqdm(total=num * horizon, desc=f"beside truth, {model.config.frame_size[0]} px", unit="frame") as bar:
            made, _ = drive_again(model, drives, positions, REPLAYED, bar)
    rows = []
    for drive, own in zip(drives, made, strict=True):
        rows += [view_frames(frames[: drive.num_valid], model.config.dt) for frames in (drive.frames, own)]
    return arrange_sheet(rows)


@contextmanager
def _recording(model: WorldModel, data: Path | None, num: int, seconds: float) -> Iterator[FrameStore]:
    """The recording `data`, or one of that many drives of the lane follower in as many held-out towns."""
    with TemporaryDirectory() as folder:
        if data is None:
            least = seconds + (model.config.num_context + 1) * model.config.dt
            made = RecordConfig(
                out=Path(folder) / "held_out",
                num_episodes=num,
                seconds_per_episode=1.25 * least,
                min_seconds=least,
                first_town=HELD_OUT_TOWNS,
                num_towns=num,
                episodes_per_town=1,
                frame_size=model.config.frame_size,
                num_workers=0,
                seed=1,
                mixture=BehaviourMixture.only("lane_following"),
            )
            record(made)
        yield open_recording(model, made.out if data is None else data)


def long(config: ImagesConfig) -> np.ndarray:
    """Drives of 60 s under the lane follower from the first start clips on, a drive a row, every 5 s."""
    model = WorldModel.load(config.checkpoint)
    starts = load_starts((config.checkpoint or DEFAULT_CHECKPOINT) / STARTS_NAME)
    clips = [starts[k] for k in range(NUM_LONG)]
    columns = [np.stack([clip.frames[-1] for clip in clips])]
    state = model.begin(clips, list(range(NUM_LONG)))
    for step, (_, prediction) in enumerate(follow_lane(model, state, LONG_STEPS, "long"), start=1):
        if step % LONG_INTERVAL == 0:
            columns.append(prediction.frames)
    return arrange_sheet(list(np.stack(columns, axis=1)))


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
    """Around blocks and back, two views of each: as first seen and a lap later, without the memory and with it."""
    model = WorldModel.load(config.checkpoint)
    towns = (make_loop(town, model.config.frame_size, model.config.num_context, 0) for town in LOOP_TOWNS)
    loops = [loop for loop in towns if loop is not None]
    rows = []
    for mode in (WITHOUT_MEMORY, LIVE):
        drives = drive_loops(model, loops, 1200, mode)
        pairs = [view_rows(*one, count=2) for one in zip(loops, drives.frames, drives.views, strict=True)]
        rows += [np.concatenate(row) for row in zip(*(pair for pair in pairs if pair), strict=True)]
    return arrange_sheet(rows)


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


PICTURES: dict[str, Callable[[ImagesConfig], np.ndarray]] = {
    "drive": drive,
    "side_by_side": side_by_side,
    "side_by_side_256": side_by_side_256,
    "long": long,
    "approach": approach,
    "revisits": revisits,
    "viewer": viewer,
    "reference": reference,
    "traffic": traffic,
}


def make_images(config: ImagesConfig) -> None:
    """Make and write them, each whole or not at all."""
    write_pictures(PICTURES, config)


if __name__ == "__main__":
    make_images(tyro.cli(ImagesConfig, description=__doc__))
