"""The student's stage: causal DiT by diffusion forcing, early on its own rollouts, with the scene head beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.latents import LatentBatch, LatentWindows
from training.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.denoiser import Denoiser, shift_previous
from worldsim.dit import Conditions
from worldsim.flow import interpolate, sample_times
from worldsim.heads import SceneHead, scene_loss
from worldsim.rollout import NUM_KEPT, roll_out
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class DiTStageConfig:
    """Batch, schedule and loss weights of the student's stage.

    Args:
        batch_size: windows a step.
        num_frames: latents a window.
        clean_fraction: share of frames that are clean context; on them the scene head learns.
        previous_noise: standard deviation, up to, of noise on the stacked previous latents.
        self_from: fraction of the steps after which windows are continued from the model's own rollouts.
        self_fraction: share of steps, from then on, that do so.
        self_steps: sampling steps of those rollouts, one of these drawn each time.
        scene_weight: of the scene head's loss against the flow loss.
    """

    loop: LoopConfig
    batch_size: int = 6
    num_frames: int = 8
    clean_fraction: float = 0.3
    previous_noise: float = 0.15
    self_from: float = 0.45
    self_fraction: float = 0.6
    self_steps: tuple[int, ...] = (1, 2)
    scene_weight: float = 0.3

    def __post_init__(self) -> None:
        if self.num_frames < 4:
            raise ValueError(f"num_frames must be at least 4, got {self.num_frames}")
        for name in ("clean_fraction", "self_from", "self_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


class Student(nn.Module):
    """What this stage trains: the denoiser and the scene head."""

    def __init__(self, model: WorldModel) -> None:
        super().__init__()
        self.denoiser: Denoiser = model.denoiser
        self.head: SceneHead = model.head


@torch.no_grad()
def own_rollout(
    denoiser: Denoiser,
    batch: LatentBatch,
    conditions: Conditions,
    self_steps: tuple[int, ...],
    generator: torch.Generator,
) -> Tensor:
    """The windows with all but their first few latents generated; the number of true ones is drawn, from 2."""
    latents = batch.latents.to(denoiser.step_std.device)
    num_context = int(torch.randint(2, latents.shape[1] - 1, (), generator=generator))
    num_steps = self_steps[int(torch.randint(len(self_steps), (), generator=generator))]
    noise = torch.randn(batch.latents.shape, generator=generator).to(latents.device)
    return roll_out(denoiser, latents[:, :num_context], conditions, noise, num_steps)


def student_losses(
    student: Student, batch: LatentBatch, config: DiTStageConfig, use_own: bool, generator: torch.Generator
) -> dict[str, Tensor]:
    """The named losses of a batch.

    The context of each frame (previous latents, clean frames) is the truth, or with `use_own` the model's own rollout;
    the target is always the truth. "copy_ratio" is the squared error of the one-step estimate from pure noise over
    that of repeating the previous latent.
    """
    denoiser = student.denoiser
    device = denoiser.step_std.device
    conditions = Conditions(*(value.to(device) for value in batch.conditions))
    truth = batch.latents.to(device)
    seen = own_rollout(denoiser, batch, conditions, config.self_steps, generator) if use_own else truth
    b, t = truth.shape[:2]
    tau = sample_times((b, t), generator, config.clean_fraction)
    tau[:, 0] = 1.0
    tau = tau.to(device)
    clean = (tau == 1.0).float()
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    noisy = interpolate(noise, torch.where(clean[..., None, None, None] > 0, seen, truth), tau)
    strength = config.previous_noise * torch.rand((b, 1, 1, 1, 1, 1), generator=generator).to(device)
    previous = shift_previous(seen, NUM_KEPT - 1)
    jitter = torch.randn(previous.shape, generator=generator).to(device)
    stacked = (previous + strength * jitter)[:, :, : denoiser.dit.config.num_previous]
    out = denoiser(noisy, tau, stacked, conditions, torch.arange(t, device=device))
    rest = (truth - out.mean) / out.std
    noised = 1 - clean
    flow = ((out.rest - rest) ** 2).mean((2, 3, 4))
    flow_loss = (flow * noised).sum() / noised.sum().clamp(min=1)
    terms = _scene_terms(student.head, torch.cat([noisy[:, :, None], previous], dim=2), out.tokens, batch, clean)
    scene = torch.stack(list(terms.values())).sum()
    with torch.no_grad():
        start = (tau == 0).float()
        error = ((out.data - truth) ** 2).mean((2, 3, 4))
        copy = ((shift_previous(truth, 1)[:, :, 0] - truth) ** 2).mean((2, 3, 4))
        ratio = (error * start).sum() / (copy * start).sum().clamp(min=1e-6)
    loss = flow_loss + config.scene_weight * scene
    values = {"loss": loss, "flow": flow_loss, "copy_ratio_own" if use_own else "copy_ratio": ratio}
    return values | {f"scene_{name}": value for name, value in terms.items()}


def _scene_terms(
    head: SceneHead, latents: Tensor, tokens: Tensor, batch: LatentBatch, clean: Tensor
) -> dict[str, Tensor]:
    """The scene head's losses on the clean frames from the third on; only these are passed through it."""
    known = clean.clone()
    known[:, : NUM_KEPT - 1] = 0
    chosen = known.flatten().nonzero()[:, 0]
    estimate = head(latents.flatten(0, 1)[chosen][None], tokens.flatten(0, 1)[chosen][None])
    target = batch.targets.map(lambda v: v.to(latents.device).flatten(0, 1)[chosen][None])
    return scene_loss(estimate, target, torch.ones(1, len(chosen), device=latents.device))


@torch.no_grad()
def measure_steps(denoiser: Denoiser, windows: LatentWindows, seed: int) -> None:
    """Set step_std: how far the next latent is from its prior, per channel, with room for drifted rollouts."""
    batch = windows.sample(128, np.random.default_rng([seed, 10**6]))
    device = denoiser.step_std.device
    latents = batch.latents.to(device)
    conditions = Conditions(*(value.to(device) for value in batch.conditions))
    prior = denoiser.prior(shift_previous(latents, 1), conditions)
    rest = (latents - prior)[:, 1:]
    denoiser.step_std.copy_(1.25 * (rest**2).mean((0, 1, 3, 4)).sqrt())


def train_dit(model: WorldModel, windows: LatentWindows, config: DiTStageConfig, folder: Path) -> None:
    """Train the model's denoiser and head in place, or load the finished stage; resumable."""
    student = Student(model)
    result = folder / "student.safetensors"
    if stage_done(student, result):
        return
    measure_steps(model.denoiser, windows, config.loop.seed)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = windows.sample(config.batch_size, np.random.default_rng([config.loop.seed, step]))
        late = step >= config.self_from * config.loop.num_steps
        use_own = late and torch.rand((), generator=generator).item() < config.self_fraction
        return student_losses(student, batch, config, use_own, generator)

    TrainLoop(student, loss_function, config.loop, folder).run("CausalDiT")
    finish_stage(student, result)
