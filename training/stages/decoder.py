"""The decoder once more, on latents as the dynamics model makes them: what it is given in a drive."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from training.batches.picture_rollouts import PictureBatch, PictureRolloutsConfig
from training.batches.self_rollouts import SelfRolloutClips
from training.data.recorded_scenes import RecordedScenes
from training.stages.loop import LoopConfig, finish_stage, stage_done
from training.stages.vae import LatentSource, PaintingConfig, RawLatents, begin_rollouts, train_painting
from worldsim.networks.vae3d import VAE3D

KNOWN_TO_DYNAMICS = ("encoder", "part_embedding", "style")
"""Beginnings of the names of parameters on which depends what the dynamics model is given."""


@dataclass(frozen=True, kw_only=True)
class DecoderStageConfig:
    """Batch and losses of the decoder's stage.

    Args:
        rollouts: how they end; they begin where the dynamics model's clips do.
        painting: how their pictures are judged.
        latent_dropout: share of the frames without latents.
    """

    loop: LoopConfig
    rollouts: PictureRolloutsConfig = field(default_factory=PictureRolloutsConfig)
    painting: PaintingConfig = field(default_factory=lambda: PaintingConfig(critic_from=0.0, critic_rate=3.0))
    latent_dropout: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.latent_dropout <= 1:
            raise ValueError(f"latent_dropout must lie in [0, 1], got {self.latent_dropout}")


def clip_source(vae: VAE3D, latent_dropout: float) -> LatentSource:
    """The latents of the clips along which rollouts go, but for a share of them."""

    def source(batch: PictureBatch, rng: np.random.Generator, generator: torch.Generator) -> RawLatents:
        assert batch.generated is not None, "these rollouts follow clips"
        raw = batch.generated * vae.latent_std[:, None, None] + vae.latent_mean[:, None, None]
        kept = torch.from_numpy(rng.random(len(batch.rows)) >= latent_dropout).to(raw)
        return RawLatents(raw * kept[:, None, None, None], raw.new_zeros(()))

    return source


def train_decoder(
    vae: VAE3D,
    scenes: RecordedScenes,
    blind: RecordedScenes,
    clips: SelfRolloutClips,
    config: DecoderStageConfig,
    folder: Path,
) -> None:
    """Train the decoder in place, or load the finished stage; resumable. Latents and styles, which the dynamics model
    knows, stay what they are.

    Args:
        vae: of which the decoder is trained.
        scenes: the recording.
        blind: the same with the layout hidden.
        clips: of the dynamics model, on that recording.
        config: how.
        folder: gets the result.
    """
    result = folder / "vae.safetensors"
    if stage_done(vae, result):
        return
    for name, p in vae.named_parameters():
        p.requires_grad_(not name.startswith(KNOWN_TO_DYNAMICS))
    rollouts = begin_rollouts(vae, scenes, blind, config.rollouts, clips)
    source = clip_source(vae, config.latent_dropout)
    train_painting(vae, rollouts, source, config.painting, config.loop, folder, "decoder")
    vae.requires_grad_(True)
    finish_stage(vae, result)
