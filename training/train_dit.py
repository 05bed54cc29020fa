"""The student's stage: causal DiT by diffusion forcing, early on its own rollouts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.latents import LatentBatch, LatentWindows
from training.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.denoiser import Denoiser, shift_previous
from worldsim.dit import Conditions
from worldsim.flow import interpolate, sample_times
from worldsim.look import look_distance, look_of
from worldsim.rollout import roll_out
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class DiTStageConfig:
    """Batch, schedule and loss weights of the student's stage.

    Args:
        batch_size: windows a step.
        num_frames: latents a window.
        clean_fraction: share of frames that are clean context.
        previous_noise: standard deviation, up to, of noise on the stacked previous latents.
        self_from: fraction of the steps after which windows are continued from the model's own rollouts.
        self_fraction: share of steps, from then on, that do so.
        self_steps: sampling steps of those rollouts, one of these drawn each time.
        restart_fractions: probability that a rollout begins anew, from a true window, at such a step: of the batch's
            first and of its last; those between lie between. The first stay young, the last learn how they drift.
        object_weight: added to the flow loss's weight of 1 where an actor lies in the picture.
        recompute: see CausalDiT; for networks that do not fit otherwise.
    """

    loop: LoopConfig
    batch_size: int = 6
    num_frames: int = 8
    clean_fraction: float = 0.2
    previous_noise: float = 0.15
    self_from: float = 0.45
    self_fraction: float = 0.6
    self_steps: tuple[int, ...] = (1, 2)
    restart_fractions: tuple[float, float] = (0.5, 0.08)
    object_weight: float = 3.0
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.num_frames < 5:
            raise ValueError(f"num_frames must be at least 5, got {self.num_frames}")
        for name in ("clean_fraction", "self_from", "self_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if len(self.restart_fractions) != 2 or not all(0 < f <= 1 for f in self.restart_fractions):
            raise ValueError(f"restart_fractions must be two numbers in (0, 1], got {self.restart_fractions}")


class OwnRollouts:
    """Rollouts of the model's own that go on from step to step, so that it meets how it drifts in the long run.

    Args:
        windows: where rollouts begin, and the truth that they are held against.
        config: batch, restarts and sampling.

    Attributes:
        carried: latents of the newest window, its first frame and what is hidden of it; written in place.
    """

    def __init__(self, windows: LatentWindows, config: DiTStageConfig) -> None:
        self.windows, self.config = windows, config
        self.restart = np.geomspace(*config.restart_fractions, config.batch_size)
        b, t = config.batch_size, config.num_frames
        self.carried = {
            "latents": torch.zeros((b, t, *windows.latents.shape[1:])),
            "first": torch.full((b,), -1, dtype=torch.int64),
            "hidden": torch.zeros((b, 4), dtype=torch.float64),
        }

    @torch.no_grad()
    def advance(
        self, denoiser: Denoiser, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[LatentBatch, Tensor]:
        """A few frames on: the windows of truth, and what the model made of them."""
        config, device = self.config, denoiser.step_std.device
        latents, first, hidden = (self.carried[name] for name in ("latents", "first", "hidden"))
        num_new = int(rng.integers(2, config.num_frames - 2))
        inside = np.isin(first.numpy() + num_new, self.windows.firsts)
        again = ~inside | (first.numpy() < 0) | (rng.random(len(first)) < self.restart)
        new_first, new_hidden = self.windows.draw(len(first), rng)
        fresh = np.flatnonzero(again)
        first[fresh] = torch.from_numpy(new_first[fresh])
        hidden[fresh] = torch.from_numpy(new_hidden[fresh])
        going = np.flatnonzero(~again)
        first[going] += num_new
        batch = self.windows.at(first.numpy().copy(), hidden.numpy())
        context = batch.latents[:, : config.num_frames - num_new].clone()
        context[going] = latents[going, num_new:]
        conditions = Conditions(*(value.to(device) for value in batch.conditions))
        num_steps = config.self_steps[int(rng.integers(len(config.self_steps)))]
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        seen = roll_out(denoiser, context.to(device), conditions, noise, num_steps)
        latents.copy_(seen.cpu())
        return batch, seen


def student_losses(
    denoiser: Denoiser, batch: LatentBatch, own: Tensor | None, config: DiTStageConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """The named losses of a batch, each frame at a flow time of its own (diffusion forcing).

    The context of each frame (previous latents, clean frames) is the truth, or the model's `own` rollout of it,
    [b, t, c, h, w]; the target is always the truth. "copy_ratio" is the squared error of the one-step estimate from
    pure noise over that of repeating the previous latent.
    """
    device = denoiser.step_std.device
    conditions = Conditions(*(value.to(device) for value in batch.conditions))
    truth = batch.latents.to(device)
    seen = truth if own is None else own
    b, t = truth.shape[:2]
    tau = sample_times((b, t), generator, config.clean_fraction)
    tau[:, 0] = 1.0
    tau = tau.to(device)
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    noisy = interpolate(noise, torch.where((tau == 1.0)[..., None, None, None], seen, truth), tau)
    strength = config.previous_noise * torch.rand((b, 1, 1, 1, 1, 1), generator=generator).to(device)
    previous = shift_previous(seen, denoiser.dit.config.num_previous)
    jitter = torch.randn(previous.shape, generator=generator).to(device)
    stacked = previous + strength * jitter
    given = denoiser.given(stacked, conditions)
    out = denoiser(noisy, tau, stacked, conditions, torch.arange(t, device=device), given=given)
    rest = (truth - out.mean) / out.std
    noised = (tau < 1).float()
    weight = 1 + config.object_weight * (given.coverage > 0.02)
    flow = ((out.rest - rest) ** 2).mean(2)
    flow = (flow * weight).sum((2, 3)) / weight.sum((2, 3))
    flow = 2 * ((1 + flow).sqrt() - 1)  # pseudo-Huber: a rollout gone astray must not outweigh all others
    flow_loss = (flow * noised).sum() / noised.sum().clamp(min=1)
    with torch.no_grad():
        start = (tau == 0).float()
        error = ((out.data - truth) ** 2).mean((2, 3, 4))
        copy = ((shift_previous(truth, 1)[:, :, 0] - truth) ** 2).mean((2, 3, 4))
        ratio = (error * start).sum() / (copy * start).sum().clamp(min=1e-6)
    return {"loss": flow_loss, "copy_ratio" if own is None else "copy_ratio_own": ratio}


@torch.no_grad()
def measure_steps(denoiser: Denoiser, windows: LatentWindows, seed: int) -> None:
    """Set step_std: how far the next latent is from its prior, per channel, with room for drifted rollouts; and
    look_limit, beyond which one frame in ten of the same drive lies."""
    batch = windows.sample(128, np.random.default_rng([seed, 10**6]))
    device = denoiser.step_std.device
    latents = batch.latents.to(device)
    conditions = Conditions(*(value.to(device) for value in batch.conditions))
    prior = denoiser.given(shift_previous(latents, 1), conditions).prior
    rest = (latents - prior)[:, 1:]
    denoiser.step_std.copy_(1.25 * (rest**2).mean((0, 1, 3, 4)).sqrt())
    apart = look_distance(look_of(latents), conditions.look).abs()
    denoiser.look_limit.copy_(apart.flatten(0, 1).quantile(0.9, dim=0))


def train_dit(model: WorldModel, windows: LatentWindows, config: DiTStageConfig, folder: Path) -> None:
    """Train the model's denoiser in place, or load the finished stage; resumable."""
    denoiser = model.denoiser
    result = folder / "student.safetensors"
    if stage_done(denoiser, result):
        return
    measure_steps(denoiser, windows, config.loop.seed)
    denoiser.dit.recompute = config.recompute

    own = OwnRollouts(windows, config)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = np.random.default_rng([config.loop.seed, step])
        late = step >= config.self_from * config.loop.num_steps
        if late and torch.rand((), generator=generator).item() < config.self_fraction:
            batch, seen = own.advance(denoiser, rng, generator)
            return student_losses(denoiser, batch, seen, config, generator)
        return student_losses(denoiser, windows.sample(config.batch_size, rng), None, config, generator)

    TrainLoop(denoiser, loss_function, config.loop, folder, own.carried).run("CausalDiT")
    finish_stage(denoiser, result)
