"""A training run: its recipe, its folder, and what its stages hand to one another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from training.batches.encoded_store import EncodedStore, encode_store
from training.batches.latent_windows import LatentWindows
from training.batches.self_rollouts import SelfRolloutClips
from training.data.frame_store import FrameStore
from training.data.layout_store import UNKNOWN
from training.data.recorded_scenes import RecordedScenes
from training.data.rollouts import RolloutDataset
from training.recipes import Recipe
from training.recording.record import record
from training.stages.distributed import first_process_first
from training.stages.randomness import seeded
from training.stages.teacher import Teacher
from worldsim.dynamics.denoiser import Denoiser
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.world_model import WorldModel


@dataclass(kw_only=True, eq=False)
class TrainingRun:
    """What the stages of a run share. Data, model and latents are made when a stage first asks for them.

    Args:
        recipe: what is made; the "initial" stage changes its dynamics.
        folder: where all files of the run lie.
        device: torch device.
        recording: made elsewhere, to train on instead of the recipe's own.
        held_out: share of `recording`, at its end, that is not trained on.
        initial: folder of the checkpoint that training goes on from.

    Attributes:
        causal_teacher: made by the stage of that name.
        teacher: the bidirectional one, likewise.
        self_rollouts: likewise.
    """

    recipe: Recipe
    folder: Path
    device: str
    recording: RolloutDataset | None = None
    held_out: float = 0.15
    initial: Path | None = None

    causal_teacher: Denoiser | None = None
    teacher: Teacher | None = None
    self_rollouts: SelfRolloutClips | None = None

    @cached_property
    def dataset(self) -> RolloutDataset:
        """The recording to train on; the recipe's own is recorded to its end."""
        if self.recording is not None:
            return self.recording
        with first_process_first():
            return record(self.recipe.train_data)

    @cached_property
    def _stores(self) -> tuple[FrameStore, FrameStore | None]:
        with first_process_first():
            store = FrameStore(self.dataset)
        return (store, None) if self.recording is None else store.split(self.held_out)

    @property
    def store(self) -> FrameStore:
        """Frames to train on."""
        return self._stores[0]

    @property
    def has_layouts(self) -> bool:
        """Whether the recording tells what stands and lies along its roads; the recipe's own does."""
        return self.recording is None or any(layout.digest != UNKNOWN for layout in self.store.layouts)

    @property
    def held_out_store(self) -> FrameStore | None:
        """The end of a recording made elsewhere; None of the recipe's own, which has towns for that."""
        return self._stores[1]

    @cached_property
    def model(self) -> WorldModel:
        """What is trained, beginning with random weights."""
        with seeded(0):  # initial weights
            model = WorldModel(self.recipe.model).to(self.device)
        model.denoiser.dit.recompute = self.recipe.dynamics.student.recompute
        return model

    @cached_property
    def scenes(self) -> RecordedScenes:
        """What the store's frames show."""
        return self._scenes(hide_layout=False)

    @cached_property
    def blind_scenes(self) -> RecordedScenes:
        """The same with the layout hidden."""
        return self._scenes(hide_layout=True)

    def _scenes(self, *, hide_layout: bool) -> RecordedScenes:
        model = self.recipe.model
        rasterizer = Rasterizer(model.camera.with_frame_size(model.frame_size))
        return RecordedScenes(self.store, rasterizer, 4 if hide_layout else 64, hide_layout=hide_layout)

    @cached_property
    def dynamics_store(self) -> FrameStore:
        """The first frames of the store, as many episodes as the dynamics model learns from."""
        store, most = self.store, self.recipe.dynamics_episodes
        if most is None or most >= len(store.lengths):
            return store
        return store.part(0, int(store.starts[most]))

    @cached_property
    def encoded(self) -> EncodedStore:
        """These frames, by the tokenizer as its stage leaves it."""
        with first_process_first():
            return encode_store(self.model.vae.eval(), self.dynamics_store, self.recipe.model, self.folder / "latents")

    def windows(self, num_frames: int) -> LatentWindows:
        """Windows of so many latents, from all episodes of `dynamics_store`."""
        episodes = np.arange(len(self.dynamics_store.lengths))
        return LatentWindows(self.dynamics_store, self.encoded, self.recipe.model, num_frames, episodes)

    @cached_property
    def student_windows(self) -> LatentWindows:
        """Windows as long as the student's stage takes them."""
        return self.windows(self.recipe.dynamics.student.window_length)
