"""The decoder once more, on unchanged latents, conditioned on where actors are and trained against a patch critic.

A decoder trained for small errors paints the mean of all pictures that a latent could stand for: a blur. A patch
critic (Isola et al. 2017) and its features (Wang et al. 2018) ask for one that could be real. Some of the latents come
from self-rollouts, a few frames after a true start, since generated latents are what the decoder is given in a drive.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from training.batches.decoder_windows import ACTOR_LAYERS, Pictures, TruePictures, pixel_weights
from training.batches.latent_windows import LatentWindows
from training.batches.self_rollouts import SelfRolloutClips
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.vae import picture_loss
from worldsim.networks.vae3d import VAE3D


@dataclass(frozen=True, kw_only=True)
class DecoderStageConfig:
    """Batch and weights of the decoder's stage.

    Args:
        batch_size: windows a step.
        num_frames: latents a window.
        self_rollout_fraction: share of the windows that are cut from self-rollouts.
        actor_weight: added to a pixel's weight of 1 where an actor is.
        latent_noise: standard deviation, up to, of noise on the latents, a stand-in for what the dynamics gets wrong.
        gradient_weight: of the L1 loss on image gradients.
        feature_weight: of the L1 loss on the critic's features.
        strength: length of the critic's gradient on the pictures over that of the L1 losses'.
        critic_width: channels of the critic's first layer.
        critic_rate: its learning rate over the decoder's.
        actor_layers_rate: the same of the layers that read the actor map, which start untrained.
    """

    loop: LoopConfig
    batch_size: int = 4
    num_frames: int = 3
    self_rollout_fraction: float = 0.5
    actor_weight: float = 3.0
    latent_noise: float = 0.3
    gradient_weight: float = 1.0
    feature_weight: float = 0.3
    strength: float = 0.5
    critic_width: int = 40
    critic_rate: float = 1.0
    actor_layers_rate: float = 4.0

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_frames", "strength", "critic_width", "actor_layers_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


class PictureCritic(nn.Module):
    """Tells painted patches from real ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(3, w, 4, stride=2, padding=1),
                nn.Conv2d(w, 2 * w, 4, stride=2, padding=1),
                nn.Conv2d(2 * w, 4 * w, 4, stride=2, padding=1),
            ]
        )
        self.out = nn.Conv2d(4 * w, 1, 3, padding=1)
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            nn.init.kaiming_normal_(layer.weight, 0.2)

    def forward(self, frames: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n 1 u v"], list[Tensor]]:
        """Logits of patches, higher is more real, and the features of each layer."""
        features, x = [], frames
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.out(x), features


class Painting(nn.Module):
    """What the stage trains: the tokenizer's decoder and the critic."""

    def __init__(self, vae: VAE3D, critic: PictureCritic) -> None:
        super().__init__()
        self.vae, self.critic = vae, critic


def painting_losses(
    painting: Painting, latents: Float[Tensor, "b t c h w"], pictures: Pictures, config: DecoderStageConfig
) -> dict[str, Tensor]:
    """The named losses of a batch of latents and the pictures that they stand for.

    Each part reaches only those whose loss it is, so that one optimiser serves both.
    """
    critic = painting.critic
    decoded, _ = painting.vae.decode(latents, actors=pictures.actors)
    flat, truth = (rearrange(x, "b t c h w -> (b t) c h w") for x in (decoded, pictures.frames))
    weight = pixel_weights(pictures.actors, config.actor_weight)

    real_logits, _ = critic(truth)
    fake_logits, _ = critic(flat.detach())
    critic_loss = F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()
    right = 0.5 * ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean())

    # gradients on the pictures of the two kinds of losses, so that one can be scaled to the other
    probe = flat.detach().requires_grad_()
    for parameter in critic.parameters():
        parameter.requires_grad_(False)
    probe_logits, fake_features = critic(probe)
    with torch.no_grad():
        _, true_features = critic(truth)
    features = torch.stack([(a - b).abs().mean() for a, b in zip(fake_features, true_features, strict=True)]).sum()
    pixels, edges = picture_loss(probe[None], truth[None], weight.flatten(0, 1)[None])
    near = pixels + config.gradient_weight * edges + config.feature_weight * features
    (pull,) = torch.autograd.grad(near, probe, retain_graph=True)
    (push,) = torch.autograd.grad(-probe_logits.mean(), probe)
    for parameter in critic.parameters():
        parameter.requires_grad_(True)

    competence = (4 * right.detach() - 2).clamp(0, 1)  # a critic that cannot tell has no say
    scale = config.strength * competence * pull.square().mean().sqrt() / push.square().mean().sqrt().clamp(min=1e-12)
    through = (flat * (pull + scale * push)).sum()  # its gradient is that of all the decoder's losses

    error = (flat.detach() - truth).square().mean(1)
    on_actors = weight.flatten(0, 1)[:, 0] - 1
    return {
        "loss": through - through.detach() + critic_loss,
        "l1": pixels.detach(),
        "features": features.detach(),
        "critic": critic_loss,
        "critic_right": right,
        "psnr": 10 * torch.log10(4 / error.mean()),
        "psnr_actors": 10 * torch.log10(4 * (on_actors.mean() + 1e-6) / ((error * on_actors).mean() + 1e-6)),
    }


def train_decoder(
    vae: VAE3D,
    pictures: TruePictures,
    windows: LatentWindows,
    self_rollouts: SelfRolloutClips,
    config: DecoderStageConfig,
    folder: Path,
) -> None:
    """Train the tokenizer's decoder in place, or load the finished stage; resumable.

    Args:
        windows: of the pictures' latents.
        self_rollouts: clips of at least `num_frames`, of the same pictures.

    Raises:
        ValueError: the windows or the clips are shorter than `num_frames`.
    """
    result = folder / "vae.safetensors"
    if stage_done(vae, result):
        return
    shortest = min(windows.num_frames, self_rollouts.latents.shape[1])
    if shortest < config.num_frames:
        raise ValueError(f"windows of {shortest} frames are too short for num_frames {config.num_frames}")
    device, b, t = vae.latent_mean.device, config.batch_size, config.num_frames
    painting = Painting(vae, PictureCritic(config.critic_width).to(device))
    for name, p in vae.named_parameters():
        p.requires_grad_(name.startswith("decoder"))

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = step_rng(config.loop.seed, step)
        offset = rng.integers(0, shortest - t + 1, b)
        chosen = rng.integers(0, len(self_rollouts.firsts), b)
        generated = rng.random(b) < config.self_rollout_fraction
        firsts = np.where(generated, self_rollouts.firsts[chosen], rng.choice(windows.firsts, b)) + offset
        latents = np.stack(
            [
                self_rollouts.latents[n, o : o + t] if is_generated else windows.latents[k : k + t]
                for n, o, is_generated, k in zip(chosen, offset, generated, firsts, strict=True)
            ]
        ).astype(np.float32)

        noise = torch.randn(latents.shape, generator=generator)
        strength = config.latent_noise * torch.rand((b, 1, 1, 1, 1), generator=generator)
        noisy = (torch.from_numpy(latents) + strength * noise).to(device)
        return painting_losses(painting, noisy, pictures.at(firsts, t, rng), config)

    rates = {"critic.": config.critic_rate, f"vae.{ACTOR_LAYERS}": config.actor_layers_rate}
    TrainLoop(painting, loss_function, config.loop, folder, rates=rates).run("decoder")
    vae.requires_grad_(True)
    finish_stage(vae, result)
