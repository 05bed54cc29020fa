"""How the learned world drives a recording again: what is replayed, and what is taken away to see what it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from training.evaluation.held_out import HeldOutDrive
from worldsim.datatypes.layout import Layout
from worldsim.frame_decoder import Ablation
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class DriveMode:
    """How recorded drives are driven again.

    Args:
        name: for reports and files.
        title: for people.
        replay: whether views, road users and lights of the pictures are those of the recording; else all but the
            controls is the learned world's own.
        layout: whether it is told what stands and lies around.
        memory: whether it is shown key frames, latents and pictures, of earlier places.
        latents: whether pictures are decoded from latents too.
        last_picture: whether they are made from the last picture too.
    """

    name: str
    title: str
    replay: bool = True
    layout: bool = True
    memory: bool = True
    latents: bool = True
    last_picture: bool = True

    @property
    def ablation(self) -> Ablation:
        """What the frame decoder goes without."""
        return Ablation(latents=self.latents, last_picture=self.last_picture, key_frames=self.memory)

    def live(self) -> DriveMode:
        """The same where nothing can be replayed."""
        return replace(self, replay=False)


REPLAYED = DriveMode(name="replayed", title="road users and lights replayed")
LIVE = DriveMode(name="live", title="live", replay=False)
WITHOUT_MEMORY = DriveMode(name="without_memory", title="without memory", memory=False)
ABLATIONS = (
    DriveMode(name="without_latents", title="without latents", latents=False),
    DriveMode(name="without_last_picture", title="without the fetched last picture", last_picture=False),
    WITHOUT_MEMORY,
    DriveMode(name="without_layout", title="without layout", layout=False),
)


@contextmanager
def ablated(model: WorldModel, mode: DriveMode) -> Iterator[None]:
    """The model's frame decoder goes without what `mode` takes away, as long as this lasts."""
    before = model.frame_decoder.ablation
    model.frame_decoder.ablation = mode.ablation
    try:
        yield
    finally:
        model.frame_decoder.ablation = before


def drive_again(
    model: WorldModel, drives: Sequence[HeldOutDrive], seeds: Sequence[int], mode: DriveMode, bar: tqdm
) -> tuple[np.ndarray, np.ndarray]:
    """Drive recorded drives of one length again, side by side, under their controls.

    Args:
        model: the learned world.
        drives: what was recorded; with `mode.replay` it is known what their frames show.
        seeds: what each one's noise is drawn from.
        mode: how.
        bar: told of every frame.

    Returns:
        Frames uint8 [n, t, h, w, 3], and the ego's motion VEHICLE_NAMES [n, t, 6].
    """
    clips = [drive.clip for drive in drives]
    scenes = [drive.camera_scenes for drive in drives if drive.camera_scenes is not None] if mode.replay else []
    if not mode.layout:  # the sun is hidden with it, as in training
        clips = [replace(clip, layout=Layout.unknown(), sun=None) for clip in clips]
        scenes = [tuple(replace(scene, sun=None) for scene in one) for one in scenes]
    num_context, horizon = drives[0].num_context, len(drives[0])
    frames, vehicles = [], []
    with ablated(model, mode):
        state = model.begin(clips, seeds, camera_scenes=[one[:num_context] for one in scenes] or None)
        for t in range(horizon):
            controls = np.stack([drive.controls[t] for drive in drives])
            shown = [one[num_context + t] for one in scenes] or None
            state, prediction = model.step(state, controls, camera_scenes=shown)
            assert prediction.frames is not None
            frames.append(prediction.frames)
            vehicles.append(state.tracked.vehicles)
            bar.update(len(drives))
    return np.stack(frames, axis=1), np.stack(vehicles, axis=1)
