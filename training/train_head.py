"""The scene head's stage: SceneState from true and slightly noisy latents, the dynamics left as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.latents import LatentBatch, LatentWindows
from training.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.denoiser import shift_previous
from worldsim.dit import Conditions
from worldsim.heads import scene_loss
from worldsim.rollout import NUM_KEPT
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class HeadStageConfig:
    """Batch and noise of the scene head's stage.

    Args:
        batch_size: windows a step.
        num_frames: latents a window; the head learns from the third on, where all it reads is known.
        latent_noise: standard deviation, up to, of noise on the latents, a stand-in for what the dynamics gets wrong.
    """

    loop: LoopConfig
    batch_size: int = 8
    num_frames: int = 9
    latent_noise: float = 0.3

    def __post_init__(self) -> None:
        if self.num_frames < NUM_KEPT:
            raise ValueError(f"num_frames must be at least {NUM_KEPT}, got {self.num_frames}")


def head_losses(
    model: WorldModel, batch: LatentBatch, config: HeadStageConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """The named losses of a batch."""
    device = model.device
    truth = batch.latents
    strength = config.latent_noise * torch.rand((len(truth), 1, 1, 1, 1), generator=generator)
    latents = (truth + strength * torch.randn(truth.shape, generator=generator)).to(device)
    conditions = Conditions(*(value.to(device) for value in batch.conditions))
    b, t = latents.shape[:2]
    ones, times = torch.ones(b, t, device=device), torch.arange(t, device=device)
    with torch.no_grad():
        previous = shift_previous(latents, NUM_KEPT - 1)
        stacked = previous[:, :, : model.config.dit.num_previous]
        tokens = model.denoiser(latents, ones, stacked, conditions, times, tokens_only=True).tokens
    read = torch.cat([latents[:, :, None], previous], dim=2)[:, NUM_KEPT - 1 :]
    estimate = model.head(read, tokens[:, NUM_KEPT - 1 :])
    targets = batch.targets.map(lambda v: v.to(device)[:, NUM_KEPT - 1 :])
    terms = scene_loss(estimate, targets, torch.ones(b, t - NUM_KEPT + 1, device=device))
    return {"loss": torch.stack(list(terms.values())).sum()} | terms


def train_head(model: WorldModel, windows: LatentWindows, config: HeadStageConfig, folder: Path) -> None:
    """Train the model's head in place, or load the finished stage; resumable."""
    result = folder / "head.safetensors"
    if stage_done(model.head, result):
        return
    model.denoiser.eval()

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = windows.sample(config.batch_size, np.random.default_rng([config.loop.seed, step]))
        return head_losses(model, batch, config, generator)

    TrainLoop(model.head, loss_function, config.loop, folder).run("SceneHead")
    finish_stage(model.head, result)
