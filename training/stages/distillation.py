"""Distillation: a causal teacher's many sampling steps into the student's few.

The teacher goes the way from noise to data in many small steps; the student is asked at the few flow times that it will
be asked at when driving, and learns where the teacher's way leads from there. With a larger causal teacher, before the
student has learned to drive, this is its initialisation on the teacher's trajectories; with a frozen copy of itself
afterwards it is what makes fewer steps enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from training.batches.latent_windows import LatentBatch, LatentWindows
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.student import DiTStageConfig, SelfRollouts
from worldsim.dynamics.denoiser import Denoiser, shift_previous


@dataclass(frozen=True, kw_only=True)
class DistillStageConfig:
    """Steps and weights of a distillation; batch, rollouts and restarts are those of the student's stage.

    Args:
        teacher_steps: Euler steps of the teacher; a multiple of each of student_steps.
        student_steps: numbers of sampling steps that the student shall do with; one of these drawn each time.
        own_fraction: share of the steps whose context is the student's own rollout, else it is the truth.
        velocity_weight: of |v(z_k) - (z_k+1 - z_k) / (tau_k+1 - tau_k)|^2 along the teacher's way z.
        one_step_weight: of the same from the noise to the data in one step.
        consistency_weight: of the squared difference of both estimates of the data at z_k; it draws a leap back to the
            mean of where it may lead, so it is for a student with as many steps as its teacher.
    """

    loop: LoopConfig
    teacher_steps: int = 4
    student_steps: tuple[int, ...] = (1, 2)
    own_fraction: float = 0.5
    velocity_weight: float = 1.0
    one_step_weight: float = 0.5
    consistency_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.student_steps or any(n < 1 or self.teacher_steps % n for n in self.student_steps):
            raise ValueError(
                f"teacher_steps must be a multiple of each of student_steps, got {self.teacher_steps} "
                f"and {self.student_steps}"
            )
        if not 0 <= self.own_fraction <= 1:
            raise ValueError(f"own_fraction must lie in [0, 1], got {self.own_fraction}")


class FrozenContext:
    """Frames of clips that a denoiser is asked about, at one flow time after the other, each knowing the latents before
    it; the first is clean context.

    Args:
        denoiser: who is asked.
        seen: latents before each frame are taken from here, [b, t, c, h, w].
        batch: conditions and what is retrieved.
    """

    def __init__(self, denoiser: Denoiser, seen: Float[Tensor, "b t c h w"], batch: LatentBatch) -> None:
        self.denoiser, self.seen, self.conditions = denoiser, seen, batch.conditions
        self.times = torch.arange(seen.shape[1], device=seen.device)
        self.previous = shift_previous(seen, denoiser.dit.config.num_previous)
        self.inputs = denoiser.inputs(self.previous, batch.conditions, batch.retrieved)

    def predict(self, noisy: Float[Tensor, "b t c h w"], tau: float) -> Float[Tensor, "b t c h w"]:
        """The estimate of the data of `noisy` at flow time `tau`; of the first frame what is known of it."""
        b, t = noisy.shape[:2]
        noisy = torch.cat([self.seen[:, :1], noisy[:, 1:]], dim=1)
        at = torch.full((b, t), tau, device=noisy.device)
        at[:, 0] = 1.0
        data = self.denoiser(noisy, at, self.previous, self.conditions, self.times, inputs=self.inputs).data
        return torch.cat([self.seen[:, :1], data[:, 1:]], dim=1)


def trajectory(
    teacher: FrozenContext, noise: Float[Tensor, "b t c h w"], num_steps: int
) -> tuple[list[Tensor], list[Tensor]]:
    """The teacher's way z_0 (noise) to z_num_steps (data), and its estimates of the data at all but the last."""
    way, estimates, x = [noise], [], noise
    for k in range(num_steps):
        tau = k / num_steps
        data = teacher.predict(x, tau)
        x = data if k == num_steps - 1 else x + (data - x) / (num_steps * (1 - tau))
        way.append(x)
        estimates.append(data)
    return way, estimates


def distill_losses(
    student: Denoiser,
    teacher: Denoiser,
    batch: LatentBatch,
    own: Tensor | None,
    config: DistillStageConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The named losses of a batch and their weighted sum, in units of the data's step_std.

    Args:
        own: the student's rollout of the batch, [b, t, c, h, w]; None: context is the truth.
    """
    device = student.step_std.device
    batch = batch.on(device)
    seen = batch.latents if own is None else own
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    with torch.no_grad():
        way, estimates = trajectory(FrozenContext(teacher, seen, batch), noise, config.teacher_steps)
    asked = FrozenContext(student, seen, batch)
    num = config.student_steps[int(torch.randint(len(config.student_steps), (), generator=generator))]
    stride, k = config.teacher_steps // num, int(torch.randint(num, (), generator=generator))
    tau, here, there = k / num, way[k * stride], way[(k + 1) * stride]
    std = student.step_std[:, None, None]

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return ((a - b) / std)[:, 1:].square().mean()

    data = asked.predict(here, tau)
    at_start = data if k == 0 else asked.predict(way[0], 0.0)
    terms = {
        "velocity": apart((data - here) / (1 - tau), (there - here) * num),
        "one_step": apart(at_start, way[-1]),
        "consistency": apart(data, estimates[k * stride]),
    }
    loss = (
        config.velocity_weight * terms["velocity"]
        + config.one_step_weight * terms["one_step"]
        + config.consistency_weight * terms["consistency"]
    )
    return {"loss": loss} | terms


def train_distill(
    student: Denoiser,
    teacher: Denoiser,
    windows: LatentWindows,
    config: DistillStageConfig,
    student_config: DiTStageConfig,
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
    own = SelfRollouts(windows, student_config)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = step_rng(config.loop.seed, step)
        if torch.rand((), generator=generator).item() < config.own_fraction:
            batch, rollout = own.advance(student, rng, generator)
            return distill_losses(student, teacher, batch, rollout.latents, config, generator)
        batch = windows.sample(student_config.batch_size, rng)
        return distill_losses(student, teacher, batch, None, config, generator)

    TrainLoop(student, loss_function, config.loop, folder, own.carried).run("distillation")
    finish_stage(student, result)
