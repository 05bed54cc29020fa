"""The tokenizer's stage: VAE3D on short windows of frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from training.batches.decoder_windows import ACTOR_LAYERS, Pictures, TruePictures, pixel_weights
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.networks.vae3d import VAE3D


@dataclass(frozen=True, kw_only=True)
class VAEStageConfig:
    """Losses and batch of the tokenizer's stage.

    Args:
        batch_size: windows a step.
        num_frames: frames a window.
        kl_weight: of the KL term, per latent value.
        gradient_weight: of the L1 loss on image gradients, which keeps edges.
        latent_noise: standard deviation, up to, of noise on unit-variance latents that the decoder is trained to bear.
        equivariance: probability that latents and target are moved and scaled together before decoding
            (Kouzelis et al. 2025): latents that move as the picture moves are easier to predict.
        actor_weight: added to a pixel's weight of 1 where an actor is.
        actor_layers_rate: learning rate of the layers that read the actor map, over that of all other layers.
    """

    loop: LoopConfig
    batch_size: int = 8
    num_frames: int = 3
    kl_weight: float = 2e-4
    gradient_weight: float = 1.0
    latent_noise: float = 0.25
    equivariance: float = 0.5
    actor_weight: float = 3.0
    actor_layers_rate: float = 4.0


def random_affine(batch: int, generator: torch.Generator) -> Float[Tensor, "b 2 3"]:
    """Scale within 0.85 to 1.15 and shift within 6 % of the picture's size."""
    scale = 0.85 + 0.3 * torch.rand(batch, generator=generator)
    shift = 0.12 * (torch.rand(batch, 2, generator=generator) - 0.5) * 2
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, :, 2] = shift
    return theta


def resample(x: Float[Tensor, "b t c h w"], theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b t c h w"]:
    """`x` moved by an affine map, each window by its own."""
    b, t = x.shape[:2]
    flat = rearrange(x, "b t c h w -> (b t) c h w")
    grid = F.affine_grid(theta.repeat_interleave(t, dim=0), list(flat.shape), align_corners=False)
    moved = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return rearrange(moved, "(b t) c h w -> b t c h w", b=b)


def picture_loss(
    decoded: Float[Tensor, "b t 3 h w"],
    target: Float[Tensor, "b t 3 h w"],
    weight: Float[Tensor, "b t 1 h w"] | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """L1 of pixels, and of their differences to the right and below at two scales; each pixel counts by its weight."""
    error = rearrange(decoded - target, "b t c h w -> (b t) c h w")
    weights = torch.ones_like(error[:, :1]) if weight is None else rearrange(weight, "b t c h w -> (b t) c h w")
    pixels = (error.abs() * weights).mean()
    edges = pixels.new_zeros(())
    for _ in range(2):
        edges = edges + ((error[..., 1:] - error[..., :-1]).abs() * weights[..., 1:]).mean()
        edges = edges + ((error[..., 1:, :] - error[..., :-1, :]).abs() * weights[..., 1:, :]).mean()
        error, weights = F.avg_pool2d(error, 2), F.avg_pool2d(weights, 2)
    return pixels, edges / 2


def vae_losses(vae: VAE3D, pictures: Pictures, config: VAEStageConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """The named losses of a batch."""
    target, actors = pictures
    mean, log_variance, _ = vae.posterior(target)
    noise = torch.randn(mean.shape, generator=generator).to(mean.device)
    raw = mean + (0.5 * log_variance).exp() * noise
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()

    # latents that the dynamics make are never exact
    strength = config.latent_noise * torch.rand(len(target), 1, 1, 1, 1, generator=generator)
    extra = torch.randn(mean.shape, generator=generator) * strength
    raw = raw + extra.to(mean.device) * mean.detach().std().clamp(min=0.1)

    if torch.rand((), generator=generator).item() < config.equivariance:
        theta = random_affine(len(target), generator).to(target.device)
        raw, target, actors = (resample(x, theta) for x in (raw, target, actors))

    decoded, _ = vae.decode(vae.normalise(raw), actors=actors)
    pixels, edges = picture_loss(decoded, target, pixel_weights(actors, config.actor_weight))
    loss = pixels + config.gradient_weight * edges + config.kl_weight * kl
    mse = ((decoded.detach() - target) ** 2).mean()
    return {"loss": loss, "l1": pixels, "edges": edges, "kl": kl, "psnr": 10 * torch.log10(4 / mse)}


@torch.no_grad()
def measure_latents(vae: VAE3D, pictures: TruePictures, rng: np.random.Generator, num_batches: int = 24) -> None:
    """Set the VAE's latent_mean and latent_std from data."""
    vae.latent_mean.zero_()
    vae.latent_std.fill_(1.0)
    device = vae.latent_mean.device
    total = square = torch.zeros(vae.config.latent_channels, dtype=torch.float64, device=device)
    count = 0
    for _ in range(num_batches):
        latents, _ = vae.encode(pictures.sample(8, 3, rng).frames)
        values = rearrange(latents, "b t c h w -> c (b t h w)").double()
        total, square, count = total + values.sum(1), square + (values**2).sum(1), count + values.shape[1]
    mean = total / count
    vae.latent_mean.copy_(mean)
    vae.latent_std.copy_((square / count - mean**2).clamp(min=1e-8).sqrt())


def train_vae(vae: VAE3D, pictures: TruePictures, config: VAEStageConfig, folder: Path) -> None:
    """Train `vae` in place, or load the finished stage; resumable. Ends with measured latent statistics."""
    result = folder / "vae.safetensors"
    if stage_done(vae, result):
        return

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = step_rng(config.loop.seed, step)
        return vae_losses(vae, pictures.sample(config.batch_size, config.num_frames, rng), config, generator)

    TrainLoop(vae, loss_function, config.loop, folder, rates={ACTOR_LAYERS: config.actor_layers_rate}).run("VAE3D")
    measure_latents(vae, pictures, np.random.default_rng([config.loop.seed, 10**6]))
    finish_stage(vae, result)
