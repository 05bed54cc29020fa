"""Self-rollout clips beside recorded ones: training data for the stages that read what the dynamics generate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from training.batches.latent_windows import NOTHING_HIDDEN, Draw, LatentWindows
from training.data.stored_tensors import make_or_load
from worldsim.checkpoint import weights_checksum
from worldsim.dynamics.rollout import roll_out
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class SelfRolloutClipsConfig:
    """How many clips there are, and what they begin with.

    Args:
        num: clips.
        num_frames: of each; long enough to drift as drives do.
        num_context: true latents that each begins with.
        batch_size: clips that are made side by side.
        seed: of what is drawn.
    """

    num: int = 400
    num_frames: int = 24
    num_context: int = 3
    batch_size: int = 24
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("num", "num_context", "batch_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.num_frames <= self.num_context:
            raise ValueError(f"num_frames must be more than the context's {self.num_context}, got {self.num_frames}")


class SelfRolloutClips(NamedTuple):
    """Windows that begin with true latents and continue as the model rolls out under the recorded controls.

    firsts: store position of each one's first frame, int64 [n]. latents: float16 [n, t, c, h, w]. num_context: how many
    of the t are true. hidden: whether the layout was hidden from the model, bool [n].
    """

    firsts: np.ndarray
    latents: np.ndarray
    num_context: int
    hidden: np.ndarray


@torch.no_grad()
def make_self_rollouts(
    model: WorldModel, windows: LatentWindows, config: SelfRolloutClipsConfig, path: Path
) -> SelfRolloutClips:
    """Make clips as long as the windows, or read them from `path` if the same model and config made them.

    Raises:
        ValueError: the windows have no room for a generated frame, or the file at `path` is damaged.
    """
    if windows.num_frames <= config.num_context:
        raise ValueError(f"windows of {windows.num_frames} frames are too short for num_context {config.num_context}")
    made_from = asdict(config) | {
        "num_frames": windows.num_frames,
        "num_steps": model.config.num_steps,
        "layout_dropout": windows.layout_dropout,
        "dynamics": weights_checksum(model.denoiser),
    }
    made = make_or_load(path, made_from, lambda: _roll_out(model, windows, config))
    return SelfRolloutClips(made["first"].numpy(), made["latents"].numpy(), config.num_context, made["hidden"].numpy())


def _roll_out(model: WorldModel, windows: LatentWindows, config: SelfRolloutClipsConfig) -> dict[str, Tensor]:
    """Where clips begin in the store, int64 [n], and their latents, float16 [n, t, c, h, w]."""
    rng = np.random.default_rng([config.seed, 10**6])
    generator = torch.Generator().manual_seed(config.seed)
    firsts, latents, without_layout = [], [], []
    with tqdm(total=config.num, desc="self-rollouts", unit="clip") as bar:
        while bar.n < config.num:
            firsts_drawn, hidden = windows.draw(min(config.batch_size, config.num - bar.n), rng)
            layout = hidden[:, Draw.LAYOUT].copy()
            hidden[:, : Draw.STYLE_FRAME] = NOTHING_HIDDEN  # as drives do that begin with all that is known
            hidden[:, Draw.LAYOUT] = layout  # or know no layout: the decoder is to make pictures of both
            batch = windows.at(firsts_drawn, hidden).on(model.device)
            context = batch.latents[:, : config.num_context]
            noise = torch.randn(batch.latents.shape, generator=generator).to(model.device)
            made = roll_out(model.denoiser, context, batch.conditions, noise, model.config.num_steps, batch.retrieved)
            firsts.append(torch.from_numpy(batch.first))
            latents.append(made.latents.half().cpu())
            without_layout.append(torch.from_numpy(layout < windows.layout_dropout))
            bar.update(len(batch.first))
    return {"first": torch.cat(firsts), "latents": torch.cat(latents), "hidden": torch.cat(without_layout)}
