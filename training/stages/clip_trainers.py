"""Trainers of a VideoDenoiser on clips with controls: self-forcing, and distillation of many sampling steps into one.

The losses are those of the driving model's stages (training.stages.student, training.stages.distillation). What differs
is that batches come from a loader and the optimiser is the caller's. Both follow one schedule over `total_steps`, T:
λ(t) = max(0, 1 - t/T).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from training.batches.latent_windows import LatentBatch
from training.stages.distillation import DistillStageConfig, distill_losses
from training.stages.loop import LoopConfig, step_generator
from training.stages.student import StudentStageConfig, student_losses
from training.stages.video_vae import descend
from worldsim.configs import InferenceConfig
from worldsim.dynamics.streaming import check_pair, stream_latents
from worldsim.dynamics.video_denoiser import VideoDenoiser
from worldsim.networks.video_vae import VideoVAE

ClipBatch = Mapping[str, Tensor]
"""Of a loader: `frames` float32 [b, t, 3, h, w] in [-1, 1] and `controls` float32 [b, t, 4], see ControlledClips."""


def remaining_share(step: int, total_steps: int) -> float:
    """λ(t) = max(0, 1 - t/T)."""
    return max(0.0, 1.0 - step / total_steps)


class ClipTrainer(ABC):
    """An epoch is a pass over a loader; each batch is one step of the optimiser.

    Args:
        student: is trained.
        vae: makes the latents, is not trained.
        optimizer: of the student's parameters.
        device: to which both are moved.
        total_steps: T of the schedule.
        num_context: frames that a self-rollout begins with.
        num_steps: sampling steps of it.
        clip_norm: limit of the gradient's norm.
        seed: step k draws from a generator seeded with (seed, k).

    Attributes:
        step: steps made so far.

    Raises:
        ValueError: the two do not fit, the optimiser holds none of the student's parameters, or a number is below 1.
    """

    def __init__(
        self,
        student: VideoDenoiser,
        vae: VideoVAE,
        optimizer: torch.optim.Optimizer,
        device: str | torch.device,
        total_steps: int,
        num_context: int,
        num_steps: int,
        clip_norm: float,
        seed: int,
    ) -> None:
        check_pair(student, vae)
        for name, value in (("total_steps", total_steps), ("num_context", num_context), ("num_steps", num_steps)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.student, self.vae = student.to(device), vae.to(device)
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not any(id(p) in held for p in self.student.parameters()):
            raise ValueError("the optimizer holds none of the student_model's parameters")
        self.optimizer, self.device = optimizer, torch.device(device)
        self.total_steps, self.num_context, self.clip_norm, self.seed = total_steps, num_context, clip_norm, seed
        self.sampling = InferenceConfig(num_steps=num_steps)
        self.student_config = StudentStageConfig(loop=LoopConfig(num_steps=total_steps))
        self.step = 0

    @abstractmethod
    def losses(self, batch: LatentBatch, controls: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Named values; the one called "loss" is minimised."""

    def train_epoch(self, loader: Iterable[ClipBatch]) -> dict[str, float]:
        """The named values' means over a pass, all of which are losses or shares.

        Raises:
            ValueError: a batch has another shape, the loader is empty, or the loss is not finite.
        """
        values: dict[str, list[float]] = defaultdict(list)
        for batch in loader:
            for name, value in self.train_step(batch).items():
                values[name].append(value)
        if not values:
            raise ValueError("the loader holds no batch")
        return {name: float(np.mean(found)) for name, found in values.items()}

    def train_step(self, batch: ClipBatch) -> dict[str, float]:
        """One step of the optimiser; errors as of `train_epoch`."""
        latents, controls = self._encode(batch)
        retrieved = None if self.student.bank is None else self.student.bank.read_clip(latents)[0]
        windows = LatentBatch(
            latents=latents,
            conditions=self.student.conditions(controls),
            first=np.zeros(len(latents), np.int64),
            retrieved=retrieved,
        )
        values = self.losses(windows, controls, step_generator(self.seed, self.step))
        descend(values["loss"], self.student, self.optimizer, self.clip_norm, self.step)
        self.step += 1
        return {name: float(value.detach()) for name, value in values.items()}

    @torch.no_grad()
    def self_rollout(
        self, latents: Float[Tensor, "b t c h w"], controls: Float[Tensor, "b t 4"], generator: torch.Generator
    ) -> Float[Tensor, "b t c h w"]:
        """The clips as the student goes on with their first `num_context` latents."""
        context = latents[:, : self.num_context]
        noise = torch.randn(latents[:, self.num_context :].shape, generator=generator).to(latents)
        made = stream_latents(self.student, context, controls, noise, self.sampling)
        return torch.cat([context, *made], dim=1)

    @torch.no_grad()
    def _encode(self, batch: ClipBatch) -> tuple[Float[Tensor, "b t c h w"], Float[Tensor, "b t 4"]]:
        for name in ("frames", "controls"):
            if name not in batch:
                there = ", ".join(batch)
                raise ValueError(f"a batch needs frames and controls, got {there}: load_controls must be True")
        frames, controls = batch["frames"].to(self.device), batch["controls"].to(self.device)
        expected = (3, *self.student.frame_size)
        if frames.dim() != 5 or tuple(frames.shape[2:]) != expected:
            raise ValueError(f"frames must be [b, t, 3, {expected[1]}, {expected[2]}], got {list(frames.shape)}")
        if controls.shape[:2] != frames.shape[:2]:
            raise ValueError(f"controls must be one a frame, {list(frames.shape[:2])}, got {list(controls.shape[:2])}")
        if frames.shape[1] <= self.num_context:
            raise ValueError(
                f"clips of {frames.shape[1]} frames are too short for a context of {self.num_context}: lower "
                "num_context, or take longer ones"
            )
        latents = self.vae.encode(rearrange(frames, "b t c h w -> b c t h w"))
        return rearrange(latents, "b c t h w -> b t c h w"), controls


class SelfForcingTrainer(ClipTrainer):
    """Diffusion forcing, whose context is at first the truth and more and more often the student's own rollout (Huang
    et al. 2025): the truth with probability λ(t). The target is always the truth.

    Args: see ClipTrainer.
    """

    def __init__(
        self,
        student_model: VideoDenoiser,
        vae_model: VideoVAE,
        optimizer: torch.optim.Optimizer,
        device: str | torch.device = "cpu",
        total_steps: int = 10_000,
        num_context: int = 2,
        num_steps: int = 2,
        clip_norm: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            student_model, vae_model, optimizer, device, total_steps, num_context, num_steps, clip_norm, seed
        )

    def losses(self, batch: LatentBatch, controls: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The student's losses, with "truth_share" for λ(t)."""
        share, context = remaining_share(self.step, self.total_steps), None
        if torch.rand((), generator=generator).item() >= share:
            context = self.self_rollout(batch.latents, controls, generator)
            if self.student.bank is not None:  # what is remembered is what was made
                batch = LatentBatch(
                    latents=batch.latents,
                    conditions=batch.conditions,
                    first=batch.first,
                    retrieved=self.student.bank.read_clip(context)[0],
                )
        found = student_losses(self.student, batch, context, self.student_config, generator)
        return {"loss": found["loss"], "flow": found["flow"], "truth_share": torch.tensor(share)}


class DistillationTrainer(ClipTrainer):
    """A teacher's many sampling steps become the student's one, then the student learns from its own rollouts.

    loss = λ(t) · distillation + (1 - λ(t)) · self-forcing: where one step leads is held against where `teacher_steps`
    of the teacher lead from the same noise, and, more and more, the student's flow with its own rollout as context
    against the truth.

    Args: see ClipTrainer; and
        teacher_model: is not trained; makes the same latents, and has no memory bank.
        teacher_steps: its sampling steps.

    Raises:
        ValueError: also, the teacher's latents are others, or it has a memory bank.
    """

    def __init__(
        self,
        teacher_model: VideoDenoiser,
        student_model: VideoDenoiser,
        vae_model: VideoVAE,
        optimizer: torch.optim.Optimizer,
        device: str | torch.device = "cpu",
        total_steps: int = 10_000,
        teacher_steps: int = 4,
        num_context: int = 2,
        clip_norm: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(student_model, vae_model, optimizer, device, total_steps, num_context, 1, clip_norm, seed)
        if teacher_model.latent_shape != student_model.latent_shape:
            shapes = teacher_model.latent_shape, student_model.latent_shape
            raise ValueError(f"the teacher's latents are {shapes[0]}, the student's {shapes[1]}; they must be the same")
        if teacher_model.bank is not None:
            raise ValueError("the teacher has a memory bank, which sees what the student's does: give one without")
        self.teacher = teacher_model.to(device)
        self.distillation = DistillStageConfig(
            loop=self.student_config.loop, teacher_steps=teacher_steps, student_steps=(1,), one_step_weight=0.0
        )

    def losses(self, batch: LatentBatch, controls: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Both losses and their weighted sum, with "lambda" for λ(t)."""
        share = remaining_share(self.step, self.total_steps)
        zero = torch.zeros((), device=self.device)
        distillation = own = zero
        if share > 0:
            found = distill_losses(self.student, self.teacher, batch, None, self.distillation, generator)
            distillation = found["loss"]
        if share < 1:
            context = self.self_rollout(batch.latents, controls, generator)
            own = student_losses(self.student, batch, context, self.student_config, generator)["loss"]
        loss = share * distillation + (1 - share) * own
        return {"loss": loss, "distillation": distillation, "self_forcing": own, "lambda": torch.tensor(share)}
