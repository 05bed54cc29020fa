"""How a VideoVAE learns: its losses, the measure of its latents, and a trainer with the caller's optimiser."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from training.stages.loop import step_generator
from worldsim.networks.video_vae import VideoVAE

KL_WEIGHT = 1e-4
"""Of the autoencoder's divergence from unit variance, per latent value."""
GRADIENT_WEIGHT = 1.0
"""Of the L1 loss on image gradients, which keeps edges."""
NUM_MEASURED = 8
"""Batches of an epoch whose latents' mean and spread are measured, the last ones."""


def video_vae_losses(
    autoencoder: VideoVAE, frames: Float[Tensor, "b c t h w"], generator: torch.Generator
) -> dict[str, Tensor]:
    """Named losses of clips in [-1, 1]; "loss" is minimised."""
    mean, log_variance = autoencoder.posterior(frames)
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    made = autoencoder.decode_raw(mean + (0.5 * log_variance).exp() * noise)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    error = (made - frames).abs().mean()
    edges = sum((made.diff(dim=axis) - frames.diff(dim=axis)).abs().mean() for axis in (-1, -2))
    return {"loss": error + GRADIENT_WEIGHT * edges + KL_WEIGHT * divergence, "error": error, "kl": divergence}


@torch.no_grad()
def measure_latents(autoencoder: VideoVAE, batches: Iterable[Float[Tensor, "b c t h w"]]) -> None:
    """Set the mean and spread of the autoencoder's latents from clips."""
    means = [rearrange(autoencoder.posterior(frames)[0], "b k n h w -> k (b n h w)") for frames in batches]
    latents = torch.cat(means, dim=1)
    autoencoder.latent_mean.copy_(latents.mean(1))
    autoencoder.latent_std.copy_(latents.std(1).clamp(min=1e-4))


class VAETrainer:
    """Trains an autoencoder of clips on reconstruction; an epoch is a pass over a loader, and ends with the measure of
    its latents, which a student's trainers rely on.

    Args:
        vae_model: is trained.
        optimizer: of its parameters.
        device: to which it is moved.
        clip_norm: limit of the gradient's norm.
        seed: step k draws from a generator seeded with (seed, k).
    """

    def __init__(
        self,
        vae_model: VideoVAE,
        optimizer: torch.optim.Optimizer,
        device: str | torch.device = "cpu",
        clip_norm: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.vae, self.optimizer, self.device = vae_model.to(device), optimizer, torch.device(device)
        self.clip_norm, self.seed, self.step = clip_norm, seed, 0

    def train_epoch(self, loader: Iterable[Mapping[str, Tensor]]) -> dict[str, float]:
        """The named losses' means over a pass; batches have `frames` float32 [b, t, 3, h, w] in [-1, 1].

        Raises:
            ValueError: the loader is empty, frames do not suit the autoencoder, or the loss is not finite.
        """
        found: list[dict[str, float]] = []
        last: deque[Tensor] = deque(maxlen=NUM_MEASURED)
        for batch in loader:
            frames = rearrange(batch["frames"].to(self.device), "b t c h w -> b c t h w")
            values = video_vae_losses(self.vae, frames, step_generator(self.seed, self.step))
            descend(values["loss"], self.vae, self.optimizer, self.clip_norm, self.step)
            found.append({name: float(value.detach()) for name, value in values.items()})
            last.append(frames)
            self.step += 1
        if not found:
            raise ValueError("the loader holds no batch")
        measure_latents(self.vae, last)
        return {name: float(np.mean([values[name] for values in found])) for name in found[0]}


def descend(loss: Tensor, module: nn.Module, optimizer: torch.optim.Optimizer, clip_norm: float, step: int) -> None:
    """One step of the optimiser, the gradient of `module` clipped.

    Raises:
        ValueError: the loss is not finite; says so at which step.
    """
    if not loss.isfinite():
        raise ValueError(f"loss is {loss.item()} at step {step}: lower the learning rate")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
    optimizer.step()
