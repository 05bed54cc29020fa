"""Pictures as a world makes them along recorded drives, stored once: what its reader meets beside recorded ones."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from tqdm import tqdm

from training.batches.picture_rollouts import PictureRolloutsConfig
from training.batches.scene_pictures import MadePictures
from training.data.recorded_scenes import RecordedScenes
from training.data.stored_tensors import make_or_load
from training.stages.vae import begin_rollouts, posterior_source, unroll
from worldsim.checkpoint import weights_checksum
from worldsim.networks.scene_reader import NUM_READ
from worldsim.networks.vae3d import VAE3D, frames_to_uint8


@dataclass(frozen=True, kw_only=True)
class MadePicturesConfig:
    """How many pictures are made, and how.

    Args:
        num_steps: how often some of the rollouts go on by NUM_READ frames; about every fourth time one of them ends
            with a frame that the reader may be asked for.
        rollouts: how they end; they go on by NUM_READ frames whatever this says.
        latent_fraction: share of the pictures that are made from latents of the true ones; the others from none.
        seed: of what is drawn.
    """

    num_steps: int = 240
    rollouts: PictureRolloutsConfig = field(
        default_factory=lambda: PictureRolloutsConfig(num=24, oldest=(250, 250), layout_dropout=0.0)
    )
    latent_fraction: float = 0.5
    seed: int = 4

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {self.num_steps}")
        if not 0 <= self.latent_fraction <= 1:
            raise ValueError(f"latent_fraction must lie in [0, 1], got {self.latent_fraction}")


@torch.no_grad()
def make_pictures(
    vae: VAE3D, scenes: RecordedScenes, positions: np.ndarray, config: MadePicturesConfig, path: Path
) -> MadePictures:
    """Pictures that are up to hundreds of frames old, of recorded frames at some of `positions` [n] of the store; read
    from `path` if the same weights and config made them for the same positions.

    Raises:
        ValueError: none of what was made is at one of these positions, or the file at `path` is damaged.
    """
    made_from = asdict(config) | {
        "positions": zlib.crc32(np.ascontiguousarray(positions, np.int64).tobytes()),
        "vae": weights_checksum(vae),
    }
    made = make_or_load(path, made_from, lambda: _make(vae, scenes, positions, config))
    return MadePictures(positions=made["positions"].numpy(), frames=made["frames"].numpy())


def _make(
    vae: VAE3D, scenes: RecordedScenes, positions: np.ndarray, config: MadePicturesConfig
) -> dict[str, torch.Tensor]:
    """Positions int64 [k] and frames uint8 [k, NUM_READ, h, w, 3] of MadePictures."""
    rollouts = _Rollouts(vae, scenes, config)
    found = [rollouts.go_on() for _ in tqdm(range(config.num_steps), desc="made pictures", unit="step")]
    at, frames = (np.concatenate(parts) for parts in zip(*found, strict=True))
    asked = np.isin(at, positions)
    if not asked.any():
        raise ValueError(f"none of {len(at)} made pictures is at one of the positions: num_steps is too small")
    return {"positions": torch.from_numpy(at[asked]), "frames": torch.from_numpy(frames[asked])}


class _Rollouts:
    """Rollouts of pictures that go on by NUM_READ frames."""

    def __init__(self, vae: VAE3D, scenes: RecordedScenes, config: MadePicturesConfig) -> None:
        self.vae = vae
        self.rollouts = begin_rollouts(vae, scenes, scenes, replace(config.rollouts, num_frames=NUM_READ))
        self.source = posterior_source(vae, config.latent_fraction)
        self.rng = np.random.default_rng([config.seed, 10**6])
        self.generator = torch.Generator().manual_seed(config.seed)

    def go_on(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions [b] of the newest frames of some rollouts, and these [b, NUM_READ, h, w, 3]."""
        rows = self.rollouts.choose(1.0, self.rng)
        unrolled = unroll(self.vae, self.rollouts, rows, self.source, 0.0, self.rng, self.generator)
        frames = rearrange(frames_to_uint8(unrolled.made), "(k b) h w c -> b k h w c", k=NUM_READ)
        return self.rollouts.carried["at"][rows].numpy().copy(), frames.cpu().numpy()
