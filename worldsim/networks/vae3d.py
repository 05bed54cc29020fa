"""VAE3D: frames <-> latents, 8x down in space, causal in time, whole clip or streaming with the same result."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.actor_map import NUM_PAINTED_CHANNELS
from worldsim.configs import VAEConfig
from worldsim.networks.layers import ConvBlock

ACTOR_STRIDE = 4
"""Pixels a cell of the ActorMap that the decoder is given."""


class CausalTemporalConv(nn.Module):
    """Residual convolution over the present and past frames of each cell; the first frame also stands before itself."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.norm = nn.GroupNorm(8, width)
        self.mix = nn.Linear(kernel * width, width)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(
        self, x: Float[Tensor, "b t c h w"], past: Float[Tensor, "b k c h w"] | None
    ) -> tuple[Float[Tensor, "b t c h w"], Float[Tensor, "b k c h w"]]:
        """Returns the result and the `kernel - 1` newest inputs, the `past` of the frames that follow."""
        b, t = x.shape[:2]
        if past is None:
            past = x[:, :1].expand(-1, self.kernel - 1, -1, -1, -1)
        padded = torch.cat([past, x], dim=1)
        normed = rearrange(self.norm(rearrange(padded, "b t c h w -> (b t) c h w")), "(b t) c h w -> b t h w c", b=b)
        taps = torch.cat([normed[:, k : k + t] for k in range(self.kernel)], dim=-1)
        y = x + rearrange(self.mix(F.silu(taps)), "b t h w c -> b t c h w")
        return y, padded[:, t:]


class VAEState(NamedTuple):
    """The past that streaming needs, [b, kernel - 1, c, h, w]."""

    features: Tensor


class VAE3D(nn.Module):
    """Causal video autoencoder. Space-to-depth stem, residual convolutions, one causal temporal convolution each way.

    Latents are normalised to zero mean and unit variance per channel by `latent_mean` and `latent_std`, which training
    measures. The decoder is given the actors' boxes and colours (an ActorMap of ACTOR_STRIDE): a car 20 m ahead is
    not much larger than the 8x8 pixels that one latent stands for.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        w2, w4, w8 = config.widths
        blocks = config.num_blocks

        self.encoder_stem = nn.Conv2d(48, w4, 3, padding=1)
        self.encoder_4x = nn.Sequential(*[ConvBlock(w4) for _ in range(blocks)])
        self.encoder_down = nn.Conv2d(w4, w8, 4, stride=2, padding=1)
        self.encoder_8x = nn.Sequential(*[ConvBlock(w8) for _ in range(blocks)])
        self.encoder_time = CausalTemporalConv(w8, config.temporal_kernel)
        self.encoder_out = nn.Sequential(
            nn.GroupNorm(8, w8), nn.SiLU(), nn.Conv2d(w8, 2 * config.latent_channels, 3, padding=1)
        )

        self.decoder_in = nn.Conv2d(config.latent_channels, w8, 3, padding=1)
        self.decoder_time = CausalTemporalConv(w8, config.temporal_kernel)
        self.decoder_8x = nn.Sequential(*[ConvBlock(w8) for _ in range(blocks)])
        self.decoder_up4 = nn.Conv2d(w8, 4 * w4, 1)
        self.decoder_actors_4x = nn.Conv2d(NUM_PAINTED_CHANNELS, w4, 3, padding=1, bias=False)
        self.decoder_4x = nn.Sequential(*[ConvBlock(w4) for _ in range(blocks)])
        self.decoder_up2 = nn.Conv2d(w4, 4 * w2, 1)
        self.decoder_actors_2x = nn.Conv2d(NUM_PAINTED_CHANNELS // 4, w2, 3, padding=1, bias=False)
        self.decoder_2x = ConvBlock(w2)
        self.decoder_out = nn.Conv2d(w2, 12, 3, padding=1)
        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.latent_channels))

    def features(self, frames: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n c h w"]:
        """Features of single frames in [-1, 1], 8x reduced, before the encoder mixes frames."""
        x = rearrange(frames, "n c (h p) (w q) -> n (c p q) h w", p=4, q=4)
        return self.encoder_8x(self.encoder_down(self.encoder_4x(self.encoder_stem(x))))

    def posterior(
        self, frames: Float[Tensor, "b t 3 H W"], state: VAEState | None = None
    ) -> tuple[Float[Tensor, "b t c h w"], Float[Tensor, "b t c h w"], VAEState]:
        """Mean and log variance of the raw latents of `frames` in [-1, 1], and the state to go on from."""
        b = frames.shape[0]
        x = self.features(rearrange(frames, "b t c h w -> (b t) c h w"))
        x, features = self.encoder_time(
            rearrange(x, "(b t) c h w -> b t c h w", b=b), None if state is None else state.features
        )
        x = self.encoder_out(rearrange(x, "b t c h w -> (b t) c h w"))
        mean, log_variance = rearrange(x, "(b t) (two c) h w -> two b t c h w", b=b, two=2)
        return mean, log_variance.clamp(-12.0, 4.0), VAEState(features)

    def normalise(self, raw: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t c h w"]:
        """Raw latents to zero mean, unit variance."""
        return (raw - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def encode(
        self, frames: Float[Tensor, "b t 3 H W"], state: VAEState | None = None
    ) -> tuple[Float[Tensor, "b t c h w"], VAEState]:
        """Normalised latents (the posterior's mean) of `frames` in [-1, 1]."""
        mean, _, state = self.posterior(frames, state)
        return self.normalise(mean), state

    def decode(
        self,
        latents: Float[Tensor, "b t c h w"],
        state: VAEState | None = None,
        actors: Float[Tensor, "b t a h2 w2"] | None = None,
    ) -> tuple[Float[Tensor, "b t 3 H W"], VAEState]:
        """Frames in about [-1, 1] (not clipped) of normalised latents.

        Args:
            actors: an ActorMap of ACTOR_STRIDE in colour for each frame, None where nothing is known of them.
        """
        b = latents.shape[0]
        x, features = self.decoder_time(self._decoder_features(latents), None if state is None else state.features)
        x = self.decoder_8x(rearrange(x, "b t c h w -> (b t) c h w"))

        # actors are drawn in where the resolution is fine enough for them, twice
        x = F.pixel_shuffle(self.decoder_up4(x), 2)
        drawn = None if actors is None else rearrange(actors, "b t a h w -> (b t) a h w")
        if drawn is not None:
            x = x + self.decoder_actors_4x(drawn)
        x = F.pixel_shuffle(self.decoder_up2(self.decoder_4x(x)), 2)
        if drawn is not None:
            x = x + self.decoder_actors_2x(F.pixel_shuffle(drawn, 2))

        x = self.decoder_2x(x)
        x = F.pixel_shuffle(self.decoder_out(F.silu(x)), 2)
        return rearrange(x, "(b t) c h w -> b t c h w", b=b), VAEState(features)

    def decoder_past(self, latents: Float[Tensor, "b t c h w"]) -> VAEState:
        """The state of decoding after `latents`, oldest first; no more than the newest `temporal_kernel - 1` matter."""
        return VAEState(self._decoder_features(latents[:, latents.shape[1] + 1 - self.config.temporal_kernel :]))

    def _decoder_features(self, latents: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t d h w"]:
        raw = latents * self.latent_std[:, None, None] + self.latent_mean[:, None, None]
        x = self.decoder_in(rearrange(raw, "b t c h w -> (b t) c h w"))
        return rearrange(x, "(b t) d h w -> b t d h w", b=latents.shape[0])


def frames_to_float(frames: Tensor) -> Float[Tensor, "... 3 H W"]:
    """uint8 [..., H, W, 3] in [0, 255] to float in [-1, 1]: the one place where frames enter the networks."""
    if frames.dtype != torch.uint8:
        raise ValueError(f"frames must be uint8, got {frames.dtype}")
    return rearrange(frames, "... h w c -> ... c h w").float() / 127.5 - 1.0


def frames_to_uint8(frames: Float[Tensor, "... 3 H W"]) -> Tensor:
    """Float in [-1, 1] to uint8 [..., H, W, 3]: the one place where frames leave the networks."""
    return rearrange(((frames.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8), "... c h w -> ... h w c")
