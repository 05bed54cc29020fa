"""The stage of the VAE3D: encoder, style and decoder, on rollouts of pictures; in the end against a critic.

A decoder trained for small errors alone paints the mean of all pictures that could be: a blur. A patch critic (Isola et
al. 2017) that sees the classes of surfaces and compares made with true pictures of one scene (Jolicoeur-Martineau
2019), and its features (Wang et al. 2018), ask for one that could be real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from training.batches.picture_rollouts import PictureBatch, PictureRollouts, PictureRolloutsConfig
from training.batches.self_rollouts import SelfRolloutClips
from training.data.frame_store import picture_runs
from training.data.recorded_scenes import RecordedScenes
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.surface_map import SurfaceChannel
from worldsim.networks.vae3d import NUM_CLASSES, VAE3D, References, Surfaces, frames_to_float
from worldsim.picture_references import refer_to_previous

SMALL_THINGS = (
    SemanticClass.SIGN,
    SemanticClass.LIGHT,
    SemanticClass.CAR,
    SemanticClass.TRUCK,
    SemanticClass.PEDESTRIAN,
    SemanticClass.BARRIER,
)
"""Classes whose pixels weigh more: few of them, and drivers look at them."""
TONES = 8
"""Pixels, both ways, over which tones are compared."""
DETAIL, DETAIL_GAIN = 9, 4.0
"""Pixels, both ways, over which a critic takes means away, and how much it magnifies what is left."""
CRITIC_LEARNS = 0.6
"""Share of patches of which a critic must know the real ones before it has a say."""


@dataclass(frozen=True, kw_only=True)
class PaintingConfig:
    """How made pictures are compared with true ones.

    Args:
        gradient_weight: of the L1 loss on image gradients, which keeps edges.
        tone_weight: of the L1 loss on means over TONES pixels, which keeps light and colours.
        thing_weight: added to a pixel's weight of 1 where one of SMALL_THINGS is.
        critic_from: share of training after which the critic takes part.
        feature_weight: length of the gradient of the critic's features over that of the L1 losses'.
        critic_weight: the same of the critic's verdict.
        critic_width: channels of its first layer.
        critic_rate: its learning rate over the rest's.
    """

    gradient_weight: float = 1.0
    tone_weight: float = 1.0
    thing_weight: float = 2.0
    critic_from: float = 0.5
    feature_weight: float = 0.5
    critic_weight: float = 0.5
    critic_width: int = 32
    critic_rate: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.critic_from <= 1:
            raise ValueError(f"critic_from must lie in [0, 1], got {self.critic_from}")
        for name in ("critic_width", "critic_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class VAEStageConfig:
    """Batch and losses of the VAE3D's stage.

    Args:
        rollouts: how they begin and end.
        painting: how their pictures are judged.
        latent_fraction: share of the frames for which the decoder is given latents.
        kl_weight: of the KL term, per latent value.
    """

    loop: LoopConfig
    rollouts: PictureRolloutsConfig = field(default_factory=PictureRolloutsConfig)
    painting: PaintingConfig = field(default_factory=PaintingConfig)
    latent_fraction: float = 0.5
    kl_weight: float = 2e-3

    def __post_init__(self) -> None:
        if not 0 <= self.latent_fraction <= 1:
            raise ValueError(f"latent_fraction must lie in [0, 1], got {self.latent_fraction}")
        if not self.kl_weight > 0:
            raise ValueError(f"kl_weight must be positive, got {self.kl_weight}")


class PictureCritic(nn.Module):
    """Tells painted patches from real ones, by their detail and what they are to show; tones are the picture loss's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(3 + NUM_CLASSES, w, 4, stride=2, padding=1),
                nn.Conv2d(w, 2 * w, 4, stride=2, padding=1),
                nn.Conv2d(2 * w, 4 * w, 4, stride=2, padding=1),
                nn.Conv2d(4 * w, 4 * w, 3, padding=1),
            ]
        )
        self.fine = nn.Conv2d(2 * w, 1, 3, padding=1)
        self.coarse = nn.Conv2d(4 * w, 1, 3, padding=1)

    def forward(
        self, frames: Float[Tensor, "n 3 h w"], coverage: Float[Tensor, "n k h w"]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Logits of small and large patches, higher is more real, and the features of each layer."""
        detail = DETAIL_GAIN * (frames - F.avg_pool2d(frames, DETAIL, 1, DETAIL // 2, count_include_pad=False))
        features, x = [], torch.cat([detail, coverage], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return [self.fine(features[1]), self.coarse(features[3])], features


class Painting(nn.Module):
    """What the stage trains: the VAE3D and the critic."""

    def __init__(self, vae: VAE3D, critic: PictureCritic) -> None:
        super().__init__()
        self.vae, self.critic = vae, critic


def picture_loss(
    made: Float[Tensor, "n 3 h w"], true: Float[Tensor, "n 3 h w"], weight: Float[Tensor, "n 1 h w"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """L1 of pixels, of their differences to the right and below at two scales, and of means over TONES pixels; each
    pixel counts by its weight."""
    error, weights = made - true, weight
    pixels = (error.abs() * weights).mean()
    tones = F.avg_pool2d(error, TONES).abs().mean()
    edges = pixels.new_zeros(())
    for _ in range(2):
        edges = edges + ((error[..., 1:] - error[..., :-1]).abs() * weights[..., 1:]).mean()
        edges = edges + ((error[..., 1:, :] - error[..., :-1, :]).abs() * weights[..., 1:, :]).mean()
        error, weights = F.avg_pool2d(error, 2), F.avg_pool2d(weights, 2)
    return pixels, edges, tones


def coverage_of(surfaces: Surfaces) -> Float[Tensor, "n k h w"]:
    """Shares of the classes."""
    return surfaces.channels[:, SurfaceChannel.COVERAGE : SurfaceChannel.COVERAGE + NUM_CLASSES]


def pixel_weights(surfaces: Surfaces, thing_weight: float) -> Float[Tensor, "n 1 h w"]:
    """1, and `thing_weight` more where SMALL_THINGS are."""
    return 1 + thing_weight * coverage_of(surfaces)[:, list(SMALL_THINGS)].sum(1, keepdim=True)


class RawLatents(NamedTuple):
    """Raw latents that a decoder is given, [b, c, h, w], and the KL term of those that came from the encoder."""

    values: Tensor
    kl: Tensor


LatentSource = Callable[[PictureBatch, np.random.Generator, torch.Generator], RawLatents]
"""Where the latents of a batch come from."""


class Unrolled(NamedTuple):
    """Pictures made in one training step, with what their losses need; `n` frames of `b` rollouts.

    made, true: [n b, 3, H, W]. weights: of the pixels, [n b, 1, H, W]. coverage: shares of the classes, [n b, k, H, W].
    kl: mean over the frames.
    """

    made: Tensor
    true: Tensor
    weights: Tensor
    coverage: Tensor
    kl: Tensor


def unroll(
    vae: VAE3D,
    rollouts: PictureRollouts,
    rows: np.ndarray,
    source: LatentSource,
    thing_weight: float,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Unrolled:
    """Take these rollouts some frames on, each picture made from the last one."""
    made, true, weights, coverage, kl = [], [], [], [], []
    for _ in range(rollouts.config.num_frames):
        batch = rollouts.batch(rows, rng)
        raw = source(batch, rng, generator)
        latents = vae.normalise(torch.cat([batch.past, raw.values[:, None]], dim=1))
        made.append(vae.decode(latents, batch.surfaces, batch.references, vae.read_style(batch.statistics)))
        rollouts.advance(batch, made[-1], raw.values)
        true.append(batch.frames)
        weights.append(pixel_weights(batch.surfaces, thing_weight))
        coverage.append(coverage_of(batch.surfaces))
        kl.append(raw.kl)
    return Unrolled(
        made=torch.cat(made),
        true=torch.cat(true),
        weights=torch.cat(weights),
        coverage=torch.cat(coverage),
        kl=torch.stack(kl).mean(),
    )


def posterior_source(vae: VAE3D, latent_fraction: float) -> LatentSource:
    """Latents of the true frame for a share of the rollouts; nothing, which is what the prior's mean tells, for the
    others."""

    def source(batch: PictureBatch, rng: np.random.Generator, generator: torch.Generator) -> RawLatents:
        raw = torch.zeros_like(batch.past[:, 0])
        given = torch.from_numpy(rng.random(len(batch.rows)) < latent_fraction).to(raw.device)
        if not given.any():
            return RawLatents(raw, raw.new_zeros(()))
        surfaces = Surfaces(*(s[given] for s in batch.surfaces))  # the encoder runs for those alone that use it
        references = batch.references.of(given)
        mean, log_variance = (v.float() for v in vae.posterior(batch.frames[given], surfaces, references))
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        raw = raw.index_put((given.nonzero()[:, 0],), mean + (0.5 * log_variance).exp() * noise)
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        return RawLatents(raw, kl * given.float().mean())

    return source


def painting_losses(
    painting: Painting, unrolled: Unrolled, config: PaintingConfig, kl_weight: float, *, judged: bool
) -> dict[str, Tensor]:
    """The named losses of made pictures.

    Each part reaches only those whose loss it is, so that one optimiser serves decoder and critic.
    """
    made, true, weights, coverage, kl = unrolled
    mse = (made.detach() - true).square().mean((1, 2, 3))
    values = {"kl": kl.detach(), "psnr": (10 * torch.log10(4 / mse)).mean()}

    probe = made.detach().requires_grad_()
    pixels, edges, tones = picture_loss(probe, true, weights)
    near = pixels + config.gradient_weight * edges + config.tone_weight * tones
    (pull,) = torch.autograd.grad(near, probe)
    values |= {"l1": pixels.detach(), "edges": edges.detach(), "tones": tones.detach()}
    loss = kl_weight * kl
    if judged:
        critic_loss, right, pushes = _judge(painting.critic, probe, true, coverage, config)
        length = pull.norm()
        for push, share in pushes:
            pull = pull + share * length / push.norm().clamp(min=1e-12) * push
        loss = loss + critic_loss
        values |= {"critic": critic_loss.detach(), "right": right}
    else:  # the optimiser holds a state of every parameter
        loss = loss + 0.0 * torch.stack([p.sum() for p in painting.critic.parameters()]).sum()
    through = (made * pull).sum()  # its gradient is that of all the decoder's losses
    return {"loss": loss + through - through.detach() + near.detach(), **values}


def _judge(
    critic: PictureCritic, probe: Tensor, true: Tensor, coverage: Tensor, config: PaintingConfig
) -> tuple[Tensor, Tensor, list[tuple[Tensor, float]]]:
    """The critic's own loss, the share of patches it tells right, and the gradients on the pictures that it asks for,
    each with the length it is to have."""
    # of two pictures of one scene the true one must be the more real: what the scene shows cancels out, in float32
    with torch.autocast(probe.device.type, enabled=False):
        scores, _ = critic(torch.cat([true, probe.detach()]), torch.cat([coverage, coverage]))
        ahead = [real - fake for real, fake in (each.chunk(2) for each in scores)]
    losses = [F.relu(1 - each).mean() for each in ahead]
    right = torch.stack([(each > 0).float().mean() for each in ahead]).mean()

    critic.requires_grad_(False)
    logits, features = critic(probe, coverage)
    with torch.no_grad():
        _, wanted = critic(true, coverage)
    apart = torch.stack([(a.float() - b.float()).abs().mean() for a, b in zip(features, wanted, strict=True)]).sum()
    (match,) = torch.autograd.grad(apart, probe, retain_graph=True)
    (push,) = torch.autograd.grad(-torch.stack([f.float().mean() for f in logits]).sum(), probe)
    critic.requires_grad_(True)
    pushes = [(match, config.feature_weight), (push, config.critic_weight)] if right > CRITIC_LEARNS else []
    return torch.stack(losses).sum() / 2, right.detach(), pushes


@torch.no_grad()
def measure_latents(vae: VAE3D, scenes: RecordedScenes, rng: np.random.Generator, num_batches: int = 24) -> None:
    """Set the VAE's latent_mean and latent_std from data."""
    vae.latent_mean.zero_()
    vae.latent_std.fill_(1.0)
    device = vae.latent_mean.device
    total = square = torch.zeros(vae.config.latent_channels, dtype=torch.float64, device=device)
    count = 0
    starts, lengths = picture_runs(scenes.store)
    for _ in range(num_batches):
        run = int(rng.integers(len(lengths)))
        positions = int(starts[run]) + rng.integers(min(1, lengths[run] - 1), lengths[run], 16)
        latents = encode_frames(vae, scenes, positions)
        values = latents.transpose(0, 1).flatten(1).double()
        total, square, count = total + values.sum(1), square + (values**2).sum(1), count + values.shape[1]
    mean = total / count
    vae.latent_mean.copy_(mean)
    vae.latent_std.copy_((square / count - mean**2).clamp(min=1e-8).sqrt())


@torch.no_grad()
def encode_frames(
    vae: VAE3D, scenes: RecordedScenes, positions: Sequence[int] | np.ndarray
) -> Float[Tensor, "n c h w"]:
    """Normalised latents of the frames at these positions of a store, each told of the one before it in its episode."""
    device, store = vae.latent_mean.device, scenes.store
    without_previous = set(picture_runs(store)[0].tolist())
    frames, maps, references = [], [], []
    for position in map(int, positions):
        maps.append(scenes.surfaces(position))
        before = max(position - 1, 0)
        old = None if position in without_previous else scenes.surfaces(before).geometry
        pair = [np.array(store.frames[k]) for k in (before, position)]
        references.append(refer_to_previous(pair, [old, maps[-1].geometry], device))
        frames.append(pair[1])
    pictures = frames_to_float(torch.from_numpy(np.stack(frames)).to(device))
    return vae.encode(pictures, Surfaces.stack(maps, device), References.join(references)).float()


def train_vae(vae: VAE3D, scenes: RecordedScenes, blind: RecordedScenes, config: VAEStageConfig, folder: Path) -> None:
    """Train `vae` in place, or load the finished stage; resumable. Ends with measured latent statistics.

    Args:
        vae: what is trained.
        scenes: the recording.
        blind: the same with the layout hidden.
        config: how.
        folder: gets the result.
    """
    result = folder / "vae.safetensors"
    if stage_done(vae, result):
        return
    rollouts = begin_rollouts(vae, scenes, blind, config.rollouts)
    source = posterior_source(vae, config.latent_fraction)
    train_painting(vae, rollouts, source, config.painting, config.loop, folder, "VAE3D", config.kl_weight)
    measure_latents(vae, scenes, np.random.default_rng([config.loop.seed, 10**6]))
    finish_stage(vae, result)


def begin_rollouts(
    vae: VAE3D,
    scenes: RecordedScenes,
    blind: RecordedScenes,
    config: PictureRolloutsConfig,
    clips: SelfRolloutClips | None = None,
) -> PictureRollouts:
    """Rollouts for a VAE3D; arguments as for PictureRollouts."""
    height, width = scenes.store.frames.shape[1:3]
    shape = (vae.config.temporal_kernel - 1, vae.config.latent_channels, height // 8, width // 8)
    return PictureRollouts(scenes, blind, shape, config, vae.latent_mean.device, clips)


def train_painting(
    vae: VAE3D,
    rollouts: PictureRollouts,
    source: LatentSource,
    config: PaintingConfig,
    loop: LoopConfig,
    folder: Path,
    title: str,
    kl_weight: float = 0.0,
) -> None:
    """Train those parameters of `vae` that require gradients on rollouts of pictures; resumable."""
    painting = Painting(vae, PictureCritic(config.critic_width).to(vae.latent_mean.device))

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng, progress = step_rng(loop.seed, step), step / loop.num_steps
        rows = rollouts.choose(progress, rng)
        unrolled = unroll(vae, rollouts, rows, source, config.thing_weight, rng, generator)
        values = painting_losses(painting, unrolled, config, kl_weight, judged=progress >= config.critic_from)
        return values | {"age": rollouts.carried["age"].float().mean()}

    rates = {"critic.": config.critic_rate}
    TrainLoop(painting, loss_function, loop, folder, carried=rollouts.carried, rates=rates).run(title)
