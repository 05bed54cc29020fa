"""The pictures of docs/editing.md, made anew: `python docs/make_editing.py`. Needs neither a display nor a recording.

`editing`: one place in the reference and in the learned world, after one edit and another. `looks`: the reference
world's looks, and the learned world's. `occlusion`: a case of the scenario `occluded_crossing`
without and with its truck, in both worlds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import tyro
from picture_files import PicturesConfig, write_pictures

from drivedit import LearnedWorld, LearnedWorldConfig, RoadWorld, RoadWorldConfig, edit
from policies.policy import ConstantPolicy
from scenarios.case_runner import make_case_runner
from scenarios.catalogue import SCENARIOS
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.editing.edits import LookName

Name = Literal["editing", "looks", "occlusion"]
TOWN, SEED = 200_000, 3
"""A street with a parked car, a tree and houses, in a town that no model was trained on."""
GENTLY = np.array([0.0, 0.15, 0.0, 0.0], np.float32)
LATER = 12
"""Steps after which the edited street is shown again."""
CASE_SEED, CASE_STEPS = 1, (0, 4, 8, 12, 16)
"""Case of the occlusion, and the steps that are shown."""
SIDE = 224
"""Frames are shown at this size [px]."""


@dataclass(frozen=True, kw_only=True)
class EditingConfig(PicturesConfig):
    """What to make; `only` takes these and no others."""

    only: tuple[Name, ...] = get_args(Name)


def editing(config: EditingConfig) -> np.ndarray:
    """Both worlds, one above the other: as it is, then after each edit, then a while later."""
    road, learned = _worlds(config)
    road.reset(SEED, {"town": TOWN})
    clip, layout = road.start_clip(), road.layout()
    tree, house = (_nearest(layout, kind, clip.vehicles[-1]) for kind in (LayoutKind.TREE, LayoutKind.BUILDING))
    steps: list[list[edit.Edit]] = [
        [edit.Remove(place=edit.AlongRoute(ahead=13, left=-3)), _put("truck", 18, -3.2)],
        [_put("barrier", 15, 3.3), _put("hedge", 20, 9)],
        [edit.Remove(place=tree), edit.Repaint(place=house, color=(226, 110, 90))],
    ]
    learned.reset(SEED, {"start_clip": clip})
    rows = []
    for world in (road, learned):
        shown = [world.frame()]
        for edits in steps:
            world.edit(edits)
            shown.append(world.frame())
        for _ in range(LATER):
            world.step(GENTLY)
        rows.append([*shown, world.frame()])
    return _sheet(rows)


def looks(config: EditingConfig) -> np.ndarray:
    """Both worlds, one above the other, a while after one and the same start was given each look."""
    road, learned = _worlds(config)
    road.reset(SEED, {"town": TOWN})
    clip = road.start_clip()
    rows: list[list[np.ndarray]] = [[], []]
    for name in get_args(LookName):
        look = [edit.Look(name=name)]
        road.reset(SEED, {"town": TOWN, "layout": look})
        learned.reset(SEED, {"start_clip": clip, "layout": look})
        for world, row in zip((road, learned), rows, strict=True):
            for _ in range(LATER):
                world.step(GENTLY)
            row.append(world.frame())
    return _sheet(rows)


def occlusion(config: EditingConfig) -> np.ndarray:
    """Four rows: the reference world without and with the truck, then the learned world; nobody brakes."""
    case = SCENARIOS["occluded_crossing"].draw(CASE_SEED)
    rows = []
    for world in ("road", "learned"):
        runner = make_case_runner(world, checkpoint=config.checkpoint)
        for one in (case.without_edits(), case):
            frames = runner.run(one, ConstantPolicy()).frames
            rows.append([frames[min(k, len(frames) - 1)] for k in CASE_STEPS])
        runner.close()
    return _sheet(rows)


PICTURES = {"editing": editing, "looks": looks, "occlusion": occlusion}


def make_editing(config: EditingConfig) -> None:
    """Make and write them, each whole or not at all."""
    write_pictures(PICTURES, config)


def _worlds(config: EditingConfig) -> tuple[RoadWorld, LearnedWorld]:
    learned = LearnedWorld(LearnedWorldConfig(checkpoint=config.checkpoint))
    return RoadWorld(RoadWorldConfig(frame_size=learned.frame_size)), learned


def _put(thing: edit.ThingName, ahead: float, left: float) -> edit.Put:
    return edit.Put(thing=thing, place=edit.AlongRoute(ahead=ahead, left=left))


def _nearest(layout: Layout, kind: LayoutKind, vehicle: np.ndarray) -> edit.OnMap:
    """The place of the nearest box of a kind ahead."""
    d = layout.boxes[:, :2] - vehicle[:2]
    ahead = np.cos(vehicle[2]) * d[:, 0] + np.sin(vehicle[2]) * d[:, 1]
    apart = np.where((layout.box_kinds == kind) & (ahead > 6.0), np.hypot(d[:, 0], d[:, 1]), np.inf)
    x, y = layout.boxes[int(np.argmin(apart)), :2].tolist()
    return edit.OnMap(x=x, y=y)


def _sheet(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Frames beside and above each other, enlarged."""
    big = [[cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for frame in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in big])


if __name__ == "__main__":
    make_editing(tyro.cli(EditingConfig, description=__doc__))
