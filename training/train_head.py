"""The scene head's stage: SceneState from true and slightly noisy latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.latents import LatentBatch, LatentWindows
from training.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.processes import step_rng
from worldsim.heads import SceneHead, scene_loss
from worldsim.rollout import NUM_KEPT


@dataclass(frozen=True, kw_only=True)
class HeadStageConfig:
    """Batch and noise of the scene head's stage.

    Args:
        batch_size: frames a step, each with the ones before it that the head reads.
        latent_noise: standard deviation, up to, of noise on the latents, a stand-in for what the dynamics gets wrong.
    """

    loop: LoopConfig
    batch_size: int = 96
    latent_noise: float = 0.3


def head_losses(
    head: SceneHead, batch: LatentBatch, config: HeadStageConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """The named losses of the last frames of windows of NUM_KEPT latents."""
    device = next(head.parameters()).device
    truth = batch.latents
    strength = config.latent_noise * torch.rand((len(truth), 1, 1, 1, 1), generator=generator)
    latents = truth + strength * torch.randn(truth.shape, generator=generator)
    estimate = head(latents.flip(1)[:, None].to(device))
    targets = batch.targets.map(lambda v: v.to(device)[:, -1:])
    terms = scene_loss(estimate, targets, torch.ones(len(truth), 1, device=device))
    return {"loss": torch.stack(list(terms.values())).sum()} | terms


def train_head(head: SceneHead, windows: LatentWindows, config: HeadStageConfig, folder: Path) -> None:
    """Train `head` in place on windows of NUM_KEPT latents, or load the finished stage; resumable.

    Events and objects of which the recording tells nothing anywhere are denied: nothing has taught what they look like.

    Raises:
        ValueError: the windows have another length.
    """
    if windows.num_frames != NUM_KEPT:
        raise ValueError(f"the head reads {NUM_KEPT} latents, got windows of {windows.num_frames}")
    result = folder / "head.safetensors"
    if stage_done(head, result):
        return

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = windows.sample(config.batch_size, step_rng(config.loop.seed, step))
        return head_losses(head, batch, config, generator)

    TrainLoop(head, loss_function, config.loop, folder).run("SceneHead")
    known = windows.known
    told = {"present": known.objects, "lead_present": known.lead, "collision": known.collision}
    told |= {"off_road": known.off_road}
    head.deny(name for name, rows in told.items() if not rows.any())
    finish_stage(head, result)
