"""How recorded drives are driven again: what each mode lets the world know."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from known_clips import clip_with
from known_drives import turning_car
from layouts import layout_of, with_road

from training.evaluation.held_out import HeldOutDrive
from training.evaluation.modes import LIVE, REPLAYED, DriveMode, drive_again
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.frame_decoder import Ablation

SUN = np.array([0.0, 0.6, 0.8])
CONTEXT, HORIZON = 3, 2
WITHOUT_LAYOUT = DriveMode(name="without_layout", title="without layout", layout=False)


class Witness:
    """A world model that notes what it is told."""

    def __init__(self) -> None:
        self.frame_decoder = SimpleNamespace(ablation=Ablation())
        self.clips: list = []
        self.scenes: list = []

    def begin(self, clips: list, seeds: list, camera_scenes: list | None) -> Any:
        self.clips, self.scenes = clips, [scene for one in camera_scenes or [] for scene in one]
        return None

    def step(self, state: Any, controls: np.ndarray, camera_scenes: list | None) -> Any:
        self.scenes += camera_scenes or []
        tracked = SimpleNamespace(vehicles=np.zeros((1, 6)))
        return SimpleNamespace(tracked=tracked), SimpleNamespace(frames=np.zeros((1, 8, 8, 3), np.uint8))


def told(mode: DriveMode) -> Witness:
    """What a world is told of a drive on a road with a house under the sun."""
    layout = replace(
        with_road(layout_of(LayoutKind.BUILDING, (30.0, 12.0, 0.0, 0.0, 20.0, 10.0, 8.0))), boxes_known=True
    )
    store = turning_car(CONTEXT + HORIZON)
    drive = HeldOutDrive(
        town=1,
        clip=clip_with(CONTEXT, layout=layout, sun=SUN),
        positions=np.arange(CONTEXT, CONTEXT + HORIZON),
        controls=store.rows.controls[CONTEXT:],
        rows=store.rows[CONTEXT:],
        frames=store.frames[CONTEXT:],
        valid=np.ones(HORIZON, bool),
        camera_scenes=tuple(replace(scene, sun=SUN) for scene in store.camera_scenes(0)),
    )
    witness, bar = Witness(), SimpleNamespace(update=lambda num: None)
    drive_again(witness, [drive], [0], mode, bar)  # type: ignore[arg-type]
    return witness


@pytest.mark.parametrize("mode", [WITHOUT_LAYOUT, WITHOUT_LAYOUT.live()])
def test_without_a_layout_the_sun_is_hidden_too_as_in_training(mode: DriveMode) -> None:
    witness = told(mode)
    assert [(clip.layout == Layout.unknown(), clip.sun) for clip in witness.clips] == [(True, None)]
    assert len(witness.scenes) == (CONTEXT + HORIZON) * mode.replay
    assert all(scene.sun is None for scene in witness.scenes)


@pytest.mark.parametrize("mode", [REPLAYED, LIVE])
def test_with_a_layout_the_world_knows_the_sun(mode: DriveMode) -> None:
    witness = told(mode)
    assert len(witness.clips[0].layout.boxes) == 1
    assert len(witness.scenes) == (CONTEXT + HORIZON) * mode.replay
    for one in (*witness.clips, *witness.scenes):
        assert np.array_equal(one.sun, SUN)
