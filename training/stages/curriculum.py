"""What the dynamics model goes through: trajectories, student, teacher, distribution matching, distillation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from training.stages.distillation import DistillStageConfig
from training.stages.distribution_matching import MatchStageConfig
from training.stages.student import StudentStageConfig
from training.stages.teacher import TeacherStageConfig
from worldsim.configs import DiTConfig, WorldModelConfig
from worldsim.dynamics.denoiser import Denoiser


@dataclass(frozen=True, kw_only=True)
class TrajectoryStageConfig:
    """The student's initialisation on the trajectories of a causal teacher.

    Causal, because a student initialised by a teacher that sees the future imitates decisions it has no evidence for.

    Args:
        dit: the causal teacher's shape.
        teacher: its stage; the truth is its context throughout if `self_from` is 1.
        distill: how the student learns from it.
    """

    teacher: StudentStageConfig
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
        student: diffusion forcing, then more and more self-forcing.
        match: distribution matching against the teacher.
        distill: many sampling steps into few, from the student as it then is.
    """

    student: StudentStageConfig
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


def build_causal_teacher(config: WorldModelConfig, recipe: TrajectoryStageConfig) -> Denoiser:
    """The causal teacher for the dynamics model of a world of that config, with random weights.

    Raises:
        ValueError: it has a memory and the student has none.
    """
    if recipe.dit.use_memory and not config.dit.use_memory:
        raise ValueError("the causal teacher has use_memory=True, and the student, whose windows it reads, has not")
    teacher = Denoiser(replace(config, dit=recipe.dit))
    teacher.dit.recompute = recipe.teacher.recompute
    return teacher
