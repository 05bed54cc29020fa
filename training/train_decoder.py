"""The decoder once more, its latents left as they are: against a critic of pictures, and on latents of the model's own.

A decoder trained for small errors paints the mean of all pictures that a latent could stand for: a blur. A patch
critic (Isola et al. 2017) and its features (Wang et al. 2018) ask for one that could be real, from true latents and
from those that the dynamics generates, which have drifted.
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

from training.latents import LatentWindows
from training.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.train_vae import picture_loss
from training.windows import FrameStore
from worldsim.checkpoint import load_tensors, save_tensors
from worldsim.dit import Conditions
from worldsim.rollout import roll_out
from worldsim.vae3d import VAE3D, frames_to_float
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class DecoderStageConfig:
    """Batch, weights and generated latents of the decoder's stage.

    Args:
        batch_size: windows a step; as many again of generated latents.
        num_frames: latents a window.
        latent_noise: standard deviation, up to, of noise on the true latents.
        gradient_weight: of the L1 loss on image gradients.
        feature_weight: of the L1 loss on the critic's features.
        generated_weight: of the L1 losses where latents are generated: what they show is not just what was.
        strength: length of the critic's gradient on the pictures over that of the L1 losses'.
        critic_width: channels of the critic's first layer.
        critic_rate: its learning rate over the decoder's.
        num_generated: rollouts of the model's own that latents are taken from.
        num_generated_frames: length of each.
    """

    loop: LoopConfig
    batch_size: int = 3
    num_frames: int = 3
    latent_noise: float = 0.2
    gradient_weight: float = 1.0
    feature_weight: float = 0.3
    generated_weight: float = 0.15
    strength: float = 0.5
    critic_width: int = 40
    critic_rate: float = 1.0
    num_generated: int = 48
    num_generated_frames: int = 40

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_frames", "strength", "critic_width", "num_generated"):
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


@torch.no_grad()
def generate_latents(
    model: WorldModel, windows: LatentWindows, config: DecoderStageConfig, path: Path, batch_size: int = 16
) -> tuple[Tensor, np.ndarray]:
    """Latents [n, t, c, h, w] that the model makes of windows, their context true, and the windows' first frames [n];
    read from `path` if they are there."""
    if path.is_file():
        tensors = load_tensors(path)
        return tensors["latents"].float(), tensors["first"].numpy()
    device, num_context = model.device, model.config.num_context
    rng, generator = np.random.default_rng([config.loop.seed, 10**6]), torch.Generator().manual_seed(config.loop.seed)
    made, firsts = [], []
    for begin in range(0, config.num_generated, batch_size):
        batch = windows.sample(min(batch_size, config.num_generated - begin), rng)
        conditions = Conditions(*(value.to(device) for value in batch.conditions))
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        context = batch.latents[:, :num_context].to(device)
        made.append(roll_out(model.denoiser, context, conditions, noise, model.config.num_steps).cpu())
        firsts.append(batch.first)
    latents, first = torch.cat(made), np.concatenate(firsts)
    save_tensors({"latents": latents.half(), "first": torch.from_numpy(first)}, path)
    return latents, first


def painting_losses(
    painting: Painting, latents: Tensor, frames: Tensor, generated: Tensor, config: DecoderStageConfig
) -> dict[str, Tensor]:
    """The named losses of windows of latents [b, t, c, h, w] and the true frames [b, t, 3, h, w] in [-1, 1].

    Each part reaches only those whose loss it is, so that one optimiser serves both.

    Args:
        generated: bool [b], whose latents the model generated.
    """
    critic = painting.critic
    decoded, _ = painting.vae.decode(latents)
    flat, truth = (rearrange(x, "b t c h w -> (b t) c h w") for x in (decoded, frames))
    real_logits, _ = critic(truth)
    fake_logits, _ = critic(flat.detach())
    critic_loss = F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()
    right = 0.5 * ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean())
    probe = flat.detach().requires_grad_()
    for parameter in critic.parameters():
        parameter.requires_grad_(False)
    probe_logits, fake_features = critic(probe)
    with torch.no_grad():
        _, true_features = critic(truth)
    n = frames.shape[1]
    weight = torch.where(generated, config.generated_weight, 1.0).repeat_interleave(n)[:, None, None, None]
    features = torch.stack(
        [((a - b).abs() * weight).mean() for a, b in zip(fake_features, true_features, strict=True)]
    ).sum()
    pixels, edges = picture_loss((probe * weight)[None], (truth * weight)[None])
    near = pixels + config.gradient_weight * edges + config.feature_weight * features
    (pull,) = torch.autograd.grad(near, probe, retain_graph=True)
    (push,) = torch.autograd.grad(-probe_logits.mean(), probe)
    for parameter in critic.parameters():
        parameter.requires_grad_(True)
    competence = (4 * right.detach() - 2).clamp(0, 1)  # who cannot tell has no say
    scale = config.strength * competence * pull.square().mean().sqrt() / push.square().mean().sqrt().clamp(min=1e-12)
    through = (flat * (pull + scale * push)).sum()  # its gradient is that of all the decoder's losses
    mse = ((decoded.detach() - frames) ** 2)[~generated].mean()
    return {
        "loss": through - through.detach() + critic_loss,
        "l1": pixels.detach(),
        "features": features.detach(),
        "critic": critic_loss,
        "critic_right": right,
        "psnr": 10 * torch.log10(4 / mse),
    }


def train_decoder(
    model: WorldModel, windows: LatentWindows, store: FrameStore, config: DecoderStageConfig, folder: Path
) -> None:
    """Train the model's decoder in place, or load the finished stage; resumable.

    Args:
        windows: of `num_generated_frames` latents.

    Raises:
        ValueError: the windows have another length.
    """
    if windows.num_frames != config.num_generated_frames:
        raise ValueError(f"windows must have {config.num_generated_frames} frames, got {windows.num_frames}")
    result = folder / "vae.safetensors"
    if stage_done(model.vae, result):
        return
    made, firsts = generate_latents(model, windows, config, folder / "generated.safetensors")
    device, b, t = model.device, config.batch_size, config.num_frames
    painting = Painting(model.vae, PictureCritic(config.critic_width).to(device))
    for name, p in model.vae.named_parameters():
        p.requires_grad_(name.startswith("decoder"))
    generated = (torch.arange(2 * b) >= b).to(device)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = np.random.default_rng([config.loop.seed, step])
        positions = rng.choice(windows.firsts, b)
        true = torch.from_numpy(np.stack([windows.latents[k : k + t] for k in positions]).astype(np.float32))
        strength = config.latent_noise * torch.rand((b, 1, 1, 1, 1), generator=generator)
        true = true + strength * torch.randn(true.shape, generator=generator)
        rows = rng.integers(len(made), size=b)
        begins = rng.integers(model.config.num_context, made.shape[1] - t + 1, size=b)
        own = torch.stack([made[row, begin : begin + t] for row, begin in zip(rows, begins, strict=True)])
        at = np.concatenate([positions, firsts[rows] + begins])
        frames = torch.from_numpy(np.stack([store.frames[k : k + t] for k in at])).to(device)
        latents = torch.cat([true, own]).to(device)
        return painting_losses(painting, latents, frames_to_float(frames), generated, config)

    rates = {"critic.": config.critic_rate}
    TrainLoop(painting, loss_function, config.loop, folder, rates=rates).run("decoder")
    model.vae.requires_grad_(True)
    finish_stage(model.vae, result)
