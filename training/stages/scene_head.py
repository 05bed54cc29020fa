"""The scene head's stage: SceneState from latents, recorded ones with some noise and those of self-rollouts.

Both have what was recorded as target: a few frames after a true start a self-rollout still shows the same place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.batches.latent_windows import LatentBatch, LatentWindows
from training.batches.self_rollouts import SelfRolloutClips
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.dynamics.rollout import NUM_KEPT
from worldsim.networks.scene_head import SceneHead, scene_loss


@dataclass(frozen=True, kw_only=True)
class HeadStageConfig:
    """Batch and noise of the scene head's stage.

    Args:
        batch_size: frames a step, each with the ones before it that the head reads.
        self_rollout_fraction: share of the frames that come from self-rollouts.
        latent_noise: standard deviation, up to, of noise on all latents, a stand-in for what drifts later.
    """

    loop: LoopConfig
    batch_size: int = 96
    self_rollout_fraction: float = 0.5
    latent_noise: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.self_rollout_fraction <= 1:
            raise ValueError(f"self_rollout_fraction must lie in [0, 1], got {self.self_rollout_fraction}")


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


def mixed_batch(
    windows: LatentWindows, self_rollouts: SelfRolloutClips, config: HeadStageConfig, rng: np.random.Generator
) -> LatentBatch:
    """Windows of NUM_KEPT latents, `self_rollout_fraction` of them cut from self-rollouts; their last frame is a
    generated one."""
    num_generated = round(config.self_rollout_fraction * config.batch_size)
    firsts, hidden = windows.draw(config.batch_size, rng)
    chosen = rng.integers(0, len(self_rollouts.firsts), num_generated)
    oldest = max(0, self_rollouts.num_context + 1 - NUM_KEPT)
    offset = rng.integers(oldest, self_rollouts.latents.shape[1] - NUM_KEPT + 1, num_generated)
    firsts[:num_generated] = self_rollouts.firsts[chosen] + offset

    batch = windows.at(firsts, hidden)
    cut = [self_rollouts.latents[n, o : o + NUM_KEPT] for n, o in zip(chosen, offset, strict=True)]
    if cut:
        generated = torch.from_numpy(np.stack(cut).astype(np.float32))
        batch = replace(batch, latents=torch.cat([generated, batch.latents[num_generated:]]))
    return batch


def train_head(
    head: SceneHead, windows: LatentWindows, self_rollouts: SelfRolloutClips, config: HeadStageConfig, folder: Path
) -> None:
    """Train `head` in place on windows of NUM_KEPT latents and on self-rollouts, or load the finished stage; resumable.

    Kinds of events and objects that the recording has no labels of are denied: the head cannot have learned them.

    Raises:
        ValueError: the windows have another length, or the clips are shorter.
    """
    if windows.num_frames != NUM_KEPT or self_rollouts.latents.shape[1] < NUM_KEPT:
        lengths = f"windows of {windows.num_frames}, clips of {self_rollouts.latents.shape[1]}"
        raise ValueError(f"the head reads {NUM_KEPT} latents, got {lengths}")
    result = folder / "head.safetensors"
    if stage_done(head, result):
        return

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = mixed_batch(windows, self_rollouts, config, step_rng(config.loop.seed, step))
        return head_losses(head, batch, config, generator)

    TrainLoop(head, loss_function, config.loop, folder).run("SceneHead")
    known = windows.known
    labelled = {"present": known.objects, "lead_present": known.lead, "collision": known.collision}
    labelled |= {"off_road": known.off_road}
    head.deny(name for name, rows in labelled.items() if not rows.any())
    finish_stage(head, result)
