"""Pictures of endless drives, made anew: `python docs/make_endless.py`. Needs neither a display nor a recording.

`endless`: ten minutes of the lane follower at fifty times their speed, beside the town that is made as it drives.
`towns`: made towns from above beside recorded ones that no model was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import tyro
from make_traffic_film import BACKGROUND, TopView
from picture_files import PicturesConfig, write_pictures
from tqdm import tqdm

import drivedit
from policies.rule_based import LaneFollower
from training.recipes import HELD_OUT_TOWNS
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.layout import (
    FOOTPRINT_COLUMNS,
    AreaKind,
    BoxColumn,
    Layout,
    LayoutKind,
    LineColor,
    LineKind,
)

Name = Literal["endless", "towns"]
START, DRIVE_STEPS, INTERVAL = 0, 6000, 50
"""Start clip of the long drive, its steps, and the steps between two frames that are shown."""
FOUND_STEPS = 1200
"""Of the drives after which made towns are shown: by then nothing recorded is in sight."""
NUM_TOWNS = 4
SIDE, SPAN, GAP = 224, 260.0, 4
"""Pictures are shown at this size [px]; so much of the ground across is seen from above [m]; between pictures [px]."""
AREAS = {
    AreaKind.SIDEWALK: (168, 164, 156),
    AreaKind.PARKING: (110, 110, 116),
    AreaKind.SHOULDER: (124, 122, 116),
    AreaKind.MEDIAN: (128, 150, 108),
    AreaKind.DRIVABLE: (84, 84, 90),
    AreaKind.JUNCTION: (84, 84, 90),
    AreaKind.CROSSWALK: (206, 206, 206),
}
"""Colours by kind, in the order in which they cover each other."""
LINES = {LineColor.WHITE: (225, 225, 225), LineColor.YELLOW: (235, 200, 70)}
EGO, TRACK = (250, 80, 40), (250, 190, 60)
TREE_HEIGHT = 1e3
"""Crowns are drawn last, as if so high: they hang over what they stand beside [m]."""


@dataclass(frozen=True, kw_only=True)
class EndlessConfig(PicturesConfig):
    """What to make; `only` takes these and no others."""

    only: tuple[Name, ...] = get_args(Name)


def endless(config: EndlessConfig) -> np.ndarray:
    """The camera's frames beside the layout around the ego; [t, h, w, 3]."""
    env = _endless_env(config, obs="pixels")
    driver = LaneFollower()
    frame, info = env.reset(seed=START, options={"start_index": START, "endless": True})
    driver.reset(env, START)
    track, frames = [], []
    for step in tqdm(range(DRIVE_STEPS), desc="endless", unit="frame"):
        frame, _, ended, _, info = env.step(driver.act(frame, info))
        track.append(info["vehicle"][:2].copy())
        if ended:
            raise RuntimeError(f"the drive ended at step {step + 1} of {DRIVE_STEPS}")
        if step % INTERVAL == 0:
            above = draw_layout(_layout(env), track[-1])
            view = TopView(centre=track[-1], scale=SIDE / SPAN, size=SIDE)
            view.line(above, np.array(track), TRACK, 2)
            cv2.circle(above, (SIDE // 2, SIDE // 2), 4, EGO, -1, cv2.LINE_AA)
            minutes, seconds = divmod(int(step * env.world.dt), 60)
            cv2.putText(
                above, f"{minutes}:{seconds:02d}", (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,) * 3, 1, cv2.LINE_AA
            )
            large = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            frames.append(np.concatenate([large, above], axis=1))
    return np.stack(frames)


def towns(config: EndlessConfig) -> np.ndarray:
    """Recorded towns above, made ones below."""
    road = drivedit.make_road_env(obs="state")
    learned = _endless_env(config, obs="state")
    recorded, made = [], []
    for k in tqdm(range(NUM_TOWNS), desc="towns"):
        _, info = road.reset(seed=k, options={"town": HELD_OUT_TOWNS + k})
        recorded.append(draw_layout(_layout(road), info["vehicle"][:2]))
        made.append(_made_town(learned, k))
    framed = [
        [np.pad(one, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=255) for one in row] for row in (recorded, made)
    ]
    return np.concatenate([np.concatenate(row, axis=1) for row in framed])


def _made_town(env: drivedit.DrivingEnv, seed: int) -> np.ndarray:
    """From above, where a drive through a made town has come to."""
    driver = LaneFollower()
    frame, info = env.reset(seed=seed, options={"start_index": seed, "endless": True})
    driver.reset(env, seed)
    for step in range(FOUND_STEPS):
        frame, _, ended, _, info = env.step(driver.act(frame, info))
        if ended:
            raise RuntimeError(f"the drive of start {seed} ended at step {step + 1} of {FOUND_STEPS}")
    return draw_layout(_layout(env), info["vehicle"][:2])


def draw_layout(layout: Layout, centre: np.ndarray) -> np.ndarray:
    """A layout from above, north up, uint8 [SIDE, SIDE, 3]."""
    view = TopView(centre=np.asarray(centre, np.float64), scale=SIDE / SPAN, size=SIDE)
    image = np.full((SIDE, SIDE, 3), BACKGROUND, np.uint8)
    for kind, color in AREAS.items():
        for area, own in zip(layout.areas(), layout.area_kinds, strict=True):
            if own == kind:
                view.fill(image, area[:, :2], color)
    unseen = (LineKind.LANE_CENTRE, LineKind.EDGE, LineKind.CURB)
    for line, kind, color in zip(layout.lines(), layout.line_kinds, layout.line_colors, strict=True):
        if kind not in unseen:
            view.line(image, line[:, :2], LINES[LineColor(color)], 1)

    outlines = corners(layout.boxes[:, FOOTPRINT_COLUMNS])
    trees = layout.box_kinds == LayoutKind.TREE
    for i in np.argsort(layout.boxes[:, BoxColumn.HEIGHT] + TREE_HEIGHT * trees):
        color = tuple(layout.box_colors[i].tolist()) if layout.box_color_valid[i] else (128, 128, 128)
        if trees[i]:
            middle, reach = layout.boxes[i, : BoxColumn.Z], 0.5 * layout.boxes[i, BoxColumn.WIDTH]
            angles = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
            view.fill(image, middle + reach * np.stack([np.cos(angles), np.sin(angles)], axis=-1), color)
        else:
            view.fill(image, outlines[i], color)
    return image


def _endless_env(config: EndlessConfig, obs: Literal["pixels", "state"]) -> drivedit.DrivingEnv:
    return drivedit.make_learned_env(checkpoint=config.checkpoint, obs=obs, max_episode_seconds=2 * DRIVE_STEPS)


def _layout(env: drivedit.DrivingEnv) -> Layout:
    """What stands and lies around the ego."""
    assert isinstance(env.world, drivedit.RoadWorld | drivedit.LearnedWorld)
    return env.world.layout()


PICTURES = {"endless": endless, "towns": towns}


def make_endless(config: EndlessConfig) -> None:
    """Make and write them, each whole or not at all."""
    write_pictures(PICTURES, config)


if __name__ == "__main__":
    make_endless(tyro.cli(EndlessConfig, description=__doc__))
