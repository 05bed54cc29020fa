"""VideoVAE: clips <-> latents by themselves, 4x down in time and 8x in space, causal, piece by piece if wanted."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.networks.generative_configs import VideoVAEConfig
from worldsim.networks.layers import ConvBlock, Pointwise
from worldsim.networks.temporal import TemporalConv, TemporalStream


class Level(nn.Module):
    """Residual blocks over space, each followed by a causal convolution over time."""

    def __init__(self, width: int, config: VideoVAEConfig) -> None:
        super().__init__()
        self.space = nn.ModuleList([ConvBlock(width) for _ in range(config.num_blocks)])
        self.time = nn.ModuleList(
            [TemporalConv(width, config.temporal_kernel, causal=True) for _ in range(config.num_blocks)]
        )

    def forward(
        self, x: Float[Tensor, "bt c h w"], num_frames: int, stream: TemporalStream | None
    ) -> Float[Tensor, "bt c h w"]:
        """Clips of `num_frames` each."""
        for space, time in zip(self.space, self.time, strict=True):
            x = time(space(x), num_frames, stream)
        return x


class VideoVAE(nn.Module):
    """Causal video autoencoder: a latent is of a group of frames and those before; so is what is decoded from it.

    No frame is treated apart: a clip's first group has as many frames as any other, and before its first frame stands
    that frame again, at every layer. Latents are normalised to zero mean and unit variance per channel by `latent_mean`
    and `latent_std`, which training measures.

    Attributes:
        time_factor, space_factor: how many frames, and how many rows and columns, a latent stands for.
    """

    def __init__(self, config: VideoVAEConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or VideoVAEConfig()
        widths, num_levels = config.widths, len(config.widths)
        self.time_factor, self.space_factor = 2**config.num_halvings, 2**num_levels
        self.halves_time = [i >= num_levels - config.num_halvings for i in range(num_levels)]
        finer = (config.channels, *widths)

        self.encoder_down = nn.ModuleList([nn.Conv2d(finer[i], widths[i], 2, stride=2) for i in range(num_levels)])
        self.encoder_pairs = nn.ModuleList(
            [
                Pointwise(2 * w, w) if halves else nn.Identity()
                for w, halves in zip(widths, self.halves_time, strict=True)
            ]
        )
        self.encoder_levels = nn.ModuleList([Level(w, config) for w in widths])
        self.encoder_out = nn.Sequential(
            nn.GroupNorm(8, widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)
        )

        self.decoder_in = nn.Conv2d(config.latent_channels, widths[-1], 3, padding=1)
        self.decoder_levels = nn.ModuleList([Level(w, config) for w in widths])
        self.decoder_pairs = nn.ModuleList(
            [
                Pointwise(w, 2 * w) if halves else nn.Identity()
                for w, halves in zip(widths, self.halves_time, strict=True)
            ]
        )
        # the finest has no level of its own: its last layer makes colours of a few channels
        fine = widths[0] // 4
        self.decoder_up = nn.ModuleList([Pointwise(w, 4 * f) for w, f in zip(widths, (fine, *widths), strict=False)])
        self.decoder_out = nn.Conv2d(fine, config.channels, 3, padding=1)

        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.latent_channels))

    def posterior(
        self, frames: Float[Tensor, "b c t H W"], stream: TemporalStream | None = None
    ) -> tuple[Float[Tensor, "b k n h w"], Float[Tensor, "b k n h w"]]:
        """Mean and log variance of the raw latents of frames in [-1, 1]; see `encode`."""
        c, num, height, width = frames.shape[1:]
        if c != self.config.channels:
            raise ValueError(f"frames have {c} channels, the autoencoder was built for {self.config.channels}")
        if num % self.time_factor or height % self.space_factor or width % self.space_factor:
            raise ValueError(
                f"clips must have a multiple of {self.time_factor} frames, and frames multiples of "
                f"{self.space_factor} rows and columns, got {num} x {height} x {width}"
            )
        x = rearrange(frames, "b c t h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
        steps = zip(self.halves_time, self.encoder_down, self.encoder_pairs, self.encoder_levels, strict=True)
        for halves, down, pairs, level in steps:
            x = down(x)
            if halves:
                x = pairs(rearrange(x, "(n two) c h w -> n (two c) h w", two=2))
                num //= 2
            x = level(x, num, stream)
        raw = rearrange(self.encoder_out(x), "(b n) k h w -> b k n h w", n=num)
        mean, log_variance = raw.chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 4.0)

    def encode(
        self, frames: Float[Tensor, "b c t H W"], stream: TemporalStream | None = None
    ) -> Float[Tensor, "b k n h w"]:
        """Normalised latents (the posterior's mean) of frames in [-1, 1].

        Args:
            frames: whole groups of `time_factor` frames, with heights and widths that `space_factor` divides.
            stream: of the clip of which these are the next frames; None: they are a clip of their own.

        Raises:
            ValueError: other numbers of frames, rows, columns or channels.
        """
        mean, _ = self.posterior(frames, stream)
        return (mean - self.latent_mean[:, None, None, None]) / self.latent_std[:, None, None, None]

    def decode(
        self, latents: Float[Tensor, "b k n h w"], stream: TemporalStream | None = None
    ) -> Float[Tensor, "b c t H W"]:
        """Frames, about in [-1, 1], of normalised latents; `stream` as `encode` takes it."""
        raw = latents * self.latent_std[:, None, None, None] + self.latent_mean[:, None, None, None]
        return self.decode_raw(raw, stream)

    def decode_raw(
        self, raw: Float[Tensor, "b k n h w"], stream: TemporalStream | None = None
    ) -> Float[Tensor, "b c t H W"]:
        """Frames of latents as the posterior has them; `stream` as `encode` takes it."""
        num = raw.shape[2]
        x = rearrange(raw, "b k n h w -> (b n) k h w").contiguous(memory_format=torch.channels_last)
        x = self.decoder_in(x)
        steps = zip(self.halves_time, self.decoder_levels, self.decoder_pairs, self.decoder_up, strict=True)
        for halves, level, pairs, up in reversed(list(steps)):
            x = level(x, num, stream)
            if halves:
                x = rearrange(pairs(x), "n (two c) h w -> (n two) c h w", two=2)
                num *= 2
            x = F.pixel_shuffle(up(x), 2)
        return rearrange(self.decoder_out(F.silu(x)), "(b t) c h w -> b c t h w", t=num)
