"""The stages that the dynamics go through: teacher, trajectories, student, matching, distillation."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from training.batches.latent_windows import LatentWindows
from training.data.frame_store import FrameStore
from training.stages.distillation import DistillStageConfig, train_distill
from training.stages.distribution_matching import MatchStageConfig, train_match
from training.stages.student import DiTStageConfig, train_denoiser
from training.stages.teacher import Teacher, TeacherStageConfig, train_teacher
from worldsim.configs import DiTConfig
from worldsim.dynamics.denoiser import Denoiser
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class TrajectoryStageConfig:
    """The student's initialisation on the trajectories of a causal teacher.

    A causal one: initialised on trajectories of a teacher that sees the future, a student learns to want what it cannot
    know.

    Args:
        dit: the causal teacher's shape.
        teacher: its stage; the truth is its context throughout if `self_from` is 1.
        distill: how the student learns from it.
    """

    teacher: DiTStageConfig
    distill: DistillStageConfig
    dit: DiTConfig = field(default_factory=DiTConfig)

    def __post_init__(self) -> None:
        if not self.dit.causal:
            raise ValueError("the teacher of trajectories must not see the future: its dit needs causal=True")


@dataclass(frozen=True, kw_only=True)
class DynamicsRecipe:
    """The dynamics' stages, in their order; None leaves one out.

    Args:
        teacher: bidirectional, over whole clips; what `match` needs.
        trajectories: initialisation from a causal teacher.
        student: diffusion forcing, then more and more on own rollouts.
        match: distribution matching against the teacher.
        distill: many sampling steps into few, from the student as it then is.
    """

    student: DiTStageConfig
    teacher: TeacherStageConfig | None = None
    trajectories: TrajectoryStageConfig | None = None
    match: MatchStageConfig | None = None
    distill: DistillStageConfig | None = None

    def __post_init__(self) -> None:
        if self.match is not None and self.teacher is None:
            raise ValueError("match needs a teacher, and the recipe has none")
        if self.trajectories is not None:
            theirs, ours = self.trajectories.teacher.window_length, self.student.window_length
            if theirs != ours:
                raise ValueError(f"the causal teacher needs the student's windows of {ours} frames, got {theirs}")


def train_dynamics(
    model: WorldModel, store: FrameStore, latents: np.ndarray, recipe: DynamicsRecipe, folder: Path
) -> None:
    """Train the model's denoiser in place through the recipe's stages; those that are done are loaded."""
    episodes, config, device = np.arange(len(store.lengths)), model.config, model.device
    windows = LatentWindows(store, latents, config, recipe.student.window_length, episodes)
    model.denoiser.dit.recompute = recipe.student.recompute
    if recipe.trajectories is not None:
        theirs, ours = ((dit.num_retrieved, dit.num_sinks) for dit in (recipe.trajectories.dit, config.dit))
        if theirs not in ((0, 0), ours):
            raise ValueError(f"the causal teacher needs the student's num_retrieved and num_sinks {ours}, got {theirs}")
        causal = Denoiser(replace(config, dit=recipe.trajectories.dit)).to(device)
        causal.dit.recompute = recipe.trajectories.teacher.recompute
        train_denoiser(causal, windows, recipe.trajectories.teacher, folder / "causal_teacher", "causal teacher")
        model.denoiser.step_std.copy_(causal.step_std)
        model.denoiser.style_limit.copy_(causal.style_limit)
        distill = recipe.trajectories.distill
        train_distill(model.denoiser, causal, windows, distill, recipe.student, folder / "trajectories")
    train_denoiser(model.denoiser, windows, recipe.student, folder / "student")
    if recipe.match is not None and recipe.teacher is not None:
        teacher, fake = (Teacher(config, recipe.teacher.dit).to(device) for _ in range(2))
        for one in (teacher, fake):
            one.denoiser.dit.recompute = recipe.student.recompute
        clips = LatentWindows(store, latents, config, recipe.teacher.num_frames, episodes)
        train_teacher(teacher, clips, recipe.teacher, folder / "teacher")
        train_match(
            model.denoiser, teacher, fake, windows, recipe.match, recipe.student, recipe.teacher, folder / "match"
        )
    if recipe.distill is not None:
        before = copy.deepcopy(model.denoiser)
        train_distill(model.denoiser, before, windows, recipe.distill, recipe.student, folder / "distill")
