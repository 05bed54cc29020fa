"""Distillation: a causal teacher's many sampling steps into the student's few.

The teacher integrates the path from noise to data in many small steps. The student is evaluated only at the few flow
times that it samples at when driving, and learns where the teacher's path leads from there. With a larger causal
teacher, before the student has learned to drive, this is its initialisation on the teacher's trajectories; with a
frozen copy of itself afterwards it is what makes fewer steps enough.

A scoring rule needs no teacher: two samples of one step each are held against the truth by the energy score (Gneiting
and Raftery 2007), which is least on average where samples are distributed as the truth is. Patch by patch, since in
few dimensions a score of two samples tells more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from training.batches.latent_windows import LatentBatch, LatentWindows
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.student import SelfRollouts, StudentStageConfig
from worldsim.dynamics.denoiser import Denoiser, shift_previous

PATCH = 4
"""Cells across and down of a patch that is scored."""


@dataclass(frozen=True, kw_only=True)
class DistillStageConfig:
    """Steps and weights of a distillation; batch, rollouts and restarts are those of the student's stage.

    Args:
        teacher_steps: Euler steps of the teacher; a multiple of each of student_steps.
        student_steps: numbers of sampling steps that are to suffice for the student; one is drawn each time.
        self_rollout_fraction: share of the steps whose context is a self-rollout; in the others it is the truth.
        velocity_weight: of |v(z_k) - (z_k+1 - z_k) / (tau_k+1 - tau_k)|^2 along the teacher's path z.
        one_step_weight: of the same from the noise to the data in one step.
        consistency_weight: of the squared difference of both estimates of the data at z_k; it draws a leap back to the
            mean of where it may lead, so it is for a student with as many steps as its teacher.
        score_weight: of the energy score of two samples of one step. With the other weights 0 there is no teacher.
    """

    loop: LoopConfig
    teacher_steps: int = 4
    student_steps: tuple[int, ...] = (1, 2)
    self_rollout_fraction: float = 0.5
    velocity_weight: float = 1.0
    one_step_weight: float = 0.5
    consistency_weight: float = 0.0
    score_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.student_steps or any(n < 1 or self.teacher_steps % n for n in self.student_steps):
            raise ValueError(
                f"teacher_steps must be a multiple of each of student_steps, got {self.teacher_steps} "
                f"and {self.student_steps}"
            )
        if not 0 <= self.self_rollout_fraction <= 1:
            raise ValueError(f"self_rollout_fraction must lie in [0, 1], got {self.self_rollout_fraction}")
        if not (self.needs_teacher or self.score_weight):
            raise ValueError("at least one of the weights must be positive, got 0 for all")

    @property
    def needs_teacher(self) -> bool:
        """Whether anything is learned from a teacher."""
        return any((self.velocity_weight, self.one_step_weight, self.consistency_weight))


class FrozenContext:
    """All that a denoiser's estimates of a clip depend on but the noisy latents and their flow time.

    Args:
        denoiser: makes the estimates.
        context: gives the latents before each frame, and the first frame, which is clean; [b, t, c, h, w].
        batch: conditions and what is retrieved.
    """

    def __init__(self, denoiser: Denoiser, context: Float[Tensor, "b t c h w"], batch: LatentBatch) -> None:
        self.denoiser, self.context, self.conditions = denoiser, context, batch.conditions
        self.times = torch.arange(context.shape[1], device=context.device)
        self.previous = shift_previous(context, denoiser.dit.config.num_previous)
        self.inputs = denoiser.prepare_inputs(self.previous, batch.conditions, batch.retrieved)

    def predict(self, noisy: Float[Tensor, "b t c h w"], tau: float) -> Float[Tensor, "b t c h w"]:
        """The estimate of the data of `noisy` at flow time `tau`; the first frame is the context's."""
        b, t = noisy.shape[:2]
        noisy = torch.cat([self.context[:, :1], noisy[:, 1:]], dim=1)
        at = torch.full((b, t), tau, device=noisy.device)
        at[:, 0] = 1.0
        data = self.denoiser(noisy, at, self.previous, self.conditions, self.times, inputs=self.inputs).data
        return torch.cat([self.context[:, :1], data[:, 1:]], dim=1)


def sample_trajectory(
    teacher: FrozenContext, noise: Float[Tensor, "b t c h w"], num_steps: int
) -> tuple[list[Tensor], list[Tensor]]:
    """The teacher's path z_0 (noise) to z_num_steps (data), and its estimates of the data at all but the last."""
    path, estimates = [noise], []
    x = noise
    for k in range(num_steps):
        tau = k / num_steps
        data = teacher.predict(x, tau)
        x = data if k == num_steps - 1 else x + (data - x) / (num_steps * (1 - tau))
        path.append(x)
        estimates.append(data)
    return path, estimates


def distill_losses(
    student: Denoiser,
    teacher: Denoiser,
    batch: LatentBatch,
    self_rollout: Tensor | None,
    config: DistillStageConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The named losses of a batch and their weighted sum, in units of the data's step_std.

    Args:
        self_rollout: the student's rollout of the batch, [b, t, c, h, w]; None: context is the truth.
    """
    device = student.step_std.device
    batch = batch.on(device)
    context = batch.latents if self_rollout is None else self_rollout
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    frozen = FrozenContext(student, context, batch)
    at_start = frozen.predict(noise, 0.0)
    loss, terms = torch.zeros((), device=device), {}
    if config.needs_teacher:
        with torch.no_grad():
            path, estimates = sample_trajectory(FrozenContext(teacher, context, batch), noise, config.teacher_steps)
        terms = _teacher_terms(frozen, path, estimates, at_start, config, generator)
        loss = (
            config.velocity_weight * terms["velocity"]
            + config.one_step_weight * terms["one_step"]
            + config.consistency_weight * terms["consistency"]
        )
    if config.score_weight:
        other = torch.randn(noise.shape, generator=generator).to(device)
        samples = (at_start[:, 1:], frozen.predict(other, 0.0)[:, 1:])
        terms["score"] = energy_score(*samples, batch.latents[:, 1:], student.step_std)
        loss = loss + config.score_weight * terms["score"]
    return {"loss": loss} | terms


def _teacher_terms(
    student: FrozenContext,
    path: list[Tensor],
    estimates: list[Tensor],
    at_start: Float[Tensor, "b t c h w"],
    config: DistillStageConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The named losses against a teacher's path and its estimates; `at_start` is the student's from the noise."""
    # one of the student's steps: from `here` on the teacher's path to `there`
    num = config.student_steps[int(torch.randint(len(config.student_steps), (), generator=generator))]
    stride, k = config.teacher_steps // num, int(torch.randint(num, (), generator=generator))
    tau = k / num
    here, there = path[k * stride], path[(k + 1) * stride]
    data = at_start if k == 0 else student.predict(here, tau)
    std = student.denoiser.step_std[:, None, None]

    def mean_error(a: Tensor, b: Tensor) -> Tensor:
        return ((a - b) / std)[:, 1:].square().mean()

    return {
        "velocity": mean_error((data - here) / (1 - tau), (there - here) * num),
        "one_step": mean_error(at_start, path[-1]),
        "consistency": mean_error(data, estimates[k * stride]),
    }


def energy_score(
    sample: Float[Tensor, "b t c h w"],
    other: Float[Tensor, "b t c h w"],
    truth: Float[Tensor, "b t c h w"],
    unit: Float[Tensor, "c"],
) -> Float[Tensor, ""]:
    """E|x - y| - E|x - x'| / 2 of two samples x, x' and the truth y, patch by patch; |.| is the RMS over a patch, in
    units of `unit`."""

    def mean_distance(a: Tensor, b: Tensor) -> Tensor:
        squared = ((a - b) / unit[:, None, None]).square().mean(2).flatten(0, 1)
        # without the summand the root of 0 has no gradient
        return (F.avg_pool2d(squared[:, None], PATCH, ceil_mode=True) + 1e-6).sqrt().mean()

    to_truth = 0.5 * (mean_distance(sample, truth) + mean_distance(other, truth))
    return to_truth - 0.5 * mean_distance(sample, other)


def train_distill(
    student: Denoiser,
    teacher: Denoiser,
    windows: LatentWindows,
    config: DistillStageConfig,
    student_config: StudentStageConfig,
    folder: Path,
) -> None:
    """Train `student` in place, or load the finished stage; resumable.

    Args:
        teacher: causal; frozen here.
    """
    result = folder / "student.safetensors"
    if stage_done(student, result):
        return
    teacher.eval().requires_grad_(False)
    self_rollouts = SelfRollouts(windows, student_config)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = step_rng(config.loop.seed, step)
        if torch.rand((), generator=generator).item() < config.self_rollout_fraction:
            batch, rollout = self_rollouts.advance(student, rng, generator)
            return distill_losses(student, teacher, batch, rollout.latents, config, generator)
        batch = windows.sample(student_config.batch_size, rng)
        return distill_losses(student, teacher, batch, None, config, generator)

    TrainLoop(student, loss_function, config.loop, folder, self_rollouts.carried).run("distillation")
    finish_stage(student, result)
