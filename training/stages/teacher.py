"""The teacher's stage: a bidirectional diffusion transformer over whole clips, which knows what drives look like.

The student goes from frame to frame and cannot take back what it did. The teacher sees a clip at once, so its score
says where a whole clip is unlike real ones: what `train_match` holds the student's own rollouts against.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.batches.latent_windows import LatentWindows
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.configs import DiTConfig, WorldModelConfig
from worldsim.diffusion.guidance import guide
from worldsim.dynamics.denoiser import Denoiser, shift_previous
from worldsim.dynamics.flow import FLOW, posterior
from worldsim.networks.dit import Conditions


@dataclass(frozen=True, kw_only=True)
class TeacherStageConfig:
    """Shape, batch and dropout of the teacher's stage.

    Args:
        dit: the teacher's shape; `causal` and `use_memory` are set to False.
        batch_size: windows a step.
        num_frames: latents a window.
        most_context: a window begins with up to so many clean frames.
        control_dropout: share of the windows whose controls and motion are hidden, for guidance.
    """

    loop: LoopConfig
    dit: DiTConfig = field(default_factory=DiTConfig)
    batch_size: int = 6
    num_frames: int = 9
    most_context: int = 3
    control_dropout: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.most_context < self.num_frames:
            raise ValueError(f"most_context must lie in [0, {self.num_frames}), got {self.most_context}")
        if not 0 <= self.control_dropout < 1:
            raise ValueError(f"control_dropout must lie in [0, 1), got {self.control_dropout}")


class Teacher(nn.Module):
    """Estimates a clip from a noisy one, every frame seeing every other: the student's network, another mask.

    Args:
        config: of the world model that it teaches.
        dit: its own shape; it sees whole clips and needs no memory.
    """

    def __init__(self, config: WorldModelConfig, dit: DiTConfig) -> None:
        super().__init__()
        self.denoiser = Denoiser(replace(config, dit=replace(dit, causal=False, use_memory=False)))

    def posterior(self, noisy: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the data given `noisy`, latents being of zero mean and unit variance."""
        return posterior(noisy, tau, torch.ones_like(noisy[:1, :1, :, :1, :1]))

    def rest(
        self, noisy: Float[Tensor, "b t c h w"], tau: Float[Tensor, "b t"], conditions: Conditions
    ) -> Float[Tensor, "b t c h w"]:
        """The standardised rest of the data, (data - mean) / std of the posterior."""
        previous = shift_previous(noisy, self.denoiser.dit.config.num_previous)
        inputs = self.denoiser.prepare_inputs(previous, conditions)
        times = torch.arange(noisy.shape[1], device=noisy.device)
        return self.denoiser.dit(self.denoiser.stack(noisy, previous, inputs), tau, conditions, times).rest

    def forward(
        self,
        noisy: Float[Tensor, "b t c h w"],
        tau: Float[Tensor, "b t"],
        conditions: Conditions,
        guidance: float = 1.0,
    ) -> Float[Tensor, "b t c h w"]:
        """The estimate of the data of clips at flow times `tau`, 1 in frames that are clean.

        Args:
            guidance: scale of classifier-free guidance on controls and motion (Ho and Salimans 2022); 1 is none.
        """
        mean, std = self.posterior(noisy, tau)
        rest = self.rest(noisy, tau, conditions)
        if guidance != 1.0:
            free = self.rest(noisy, tau, without_controls(conditions))
            rest = guide(rest, free, guidance)
        return mean + std * rest


def without_controls(conditions: Conditions, windows: Tensor | None = None) -> Conditions:
    """The conditions with controls and motion not known, in all windows or in those where `windows` [b] is True."""
    hidden = torch.ones_like(conditions.known) if windows is None else windows[:, None].expand_as(conditions.known)
    return conditions._replace(known=conditions.known & ~hidden)


def noised_clips(
    clean: Float[Tensor, "b t c h w"], most_context: int, generator: torch.Generator
) -> tuple[Float[Tensor, "b t c h w"], Float[Tensor, "b t"]]:
    """Clips with up to `most_context` clean frames and the others at one flow time, and these times."""
    b, t = clean.shape[:2]
    num_clean = torch.randint(0, most_context + 1, (b, 1), generator=generator)
    tau = torch.rand((b, 1), generator=generator).expand(b, t)
    tau = torch.where(torch.arange(t) < num_clean, 1.0, tau).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    return FLOW.interpolate(clean, noise, tau), tau


def teacher_losses(
    teacher: Teacher,
    clean: Float[Tensor, "b t c h w"],
    conditions: Conditions,
    config: TeacherStageConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The named losses of clips: the squared error of the standardised rest in noised frames."""
    noisy, tau = noised_clips(clean, config.most_context, generator)
    hidden = (torch.rand(len(clean), generator=generator) < config.control_dropout).to(clean.device)
    mean, std = teacher.posterior(noisy, tau)
    rest = teacher.rest(noisy, tau, without_controls(conditions, hidden))
    error = (rest - (clean - mean) / std).square().mean((2, 3, 4))
    noised = (tau < 1).float()
    return {"loss": (error * noised).sum() / noised.sum().clamp(min=1)}


def train_teacher(teacher: Teacher, windows: LatentWindows, config: TeacherStageConfig, folder: Path) -> None:
    """Train `teacher` in place, or load the finished stage; resumable."""
    result = folder / "teacher.safetensors"
    if stage_done(teacher, result):
        return
    device = teacher.denoiser.step_std.device

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = windows.sample(config.batch_size, step_rng(config.loop.seed, step)).on(device)
        return teacher_losses(teacher, batch.latents, batch.conditions, config, generator)

    TrainLoop(teacher, loss_function, config.loop, folder).run("teacher")
    finish_stage(teacher, result)
