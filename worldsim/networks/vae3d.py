"""VAE3D: frames <-> latents, 8x down in space, causal in time; the decoder paints what is known of a scene.

Encoder and decoder are told alike of the surfaces in the picture and of earlier pictures, fetched to where their
surfaces are now, so that latents hold what is new: light, texture and weather of what comes into view, what neither the
layout nor the past knows. The decoder keeps of the earlier pictures what it may by a learned gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.configs import VAEConfig
from worldsim.gbuffer.classes import Part, SemanticClass
from worldsim.gbuffer.surface_map import NUM_SURFACE_CHANNELS, SurfaceChannel, SurfaceMap
from worldsim.networks.layers import ConvBlock, Pointwise

NUM_CLASSES = len(SemanticClass)
NUM_PARTS = len(Part) + 1
"""With "no part", of the ground and the sky, at the end."""
STEM_STRIDE = 4
"""Pixels a cell of the finest level at which blocks compute."""
NUM_REFERENCE_CHANNELS = 8
"""Two pictures, each with where it was seen."""
FAR = 0.2
"""Inverse depth (in SurfaceChannel.INVERSE_DEPTH's units, 5 m over the depth) below which a surface is far."""
LIT = 0.05
"""SurfaceChannel.SUNLIGHT from which on a surface is in the sun."""
NUM_STATISTICS = 4 * NUM_CLASSES * 10
"""Of each class, near, far, in the sun and out of it: share of the picture, mean and deviation of the colours in it,
mean of those known."""
RESIDUAL_SCALE = 0.25
"""How much of full range a kept picture can be changed in one step."""


class Surfaces(NamedTuple):
    """What is known of `n` pictures before they are painted (worldsim.gbuffer.surface_map).

    channels: [n, NUM_SURFACE_CHANNELS, H, W]. parts: Part of each pixel, NO_PART of ground and sky, uint8 [n, H, W].
    """

    channels: Tensor
    parts: Tensor

    def told(self) -> Float[Tensor, "n"]:
        """1 where the layout is known, else 0; it is everywhere in a picture or nowhere."""
        return self.channels[:, SurfaceChannel.KNOWN : SurfaceChannel.KNOWN + 2, 0, 0].amin(1)

    def of(self, chosen: Tensor | slice) -> Surfaces:
        """Those of some pictures."""
        return Surfaces(*(part[chosen] for part in self))

    @staticmethod
    def stack(maps: Sequence[SurfaceMap], device: torch.device) -> Surfaces:
        """Those of many pictures of one size, on a device."""
        channels, parts = np.stack([one.channels for one in maps]), np.stack([one.parts for one in maps])
        return Surfaces(torch.from_numpy(channels).to(device), torch.from_numpy(parts).to(device))


class References(NamedTuple):
    """Earlier pictures, fetched to where their surfaces are in the new one, in [-1, 1].

    last: the last picture, [n, 3, H, W]. last_visible: 1 where its pixels show the same surface, [n, 1, H, W].
    recalled, recalled_visible: a key frame of the memory, likewise.
    """

    last: Tensor
    last_visible: Tensor
    recalled: Tensor
    recalled_visible: Tensor

    def seen(self) -> list[Tensor]:
        """NUM_REFERENCE_CHANNELS channels: both pictures, where they are visible, and where that is."""
        return [
            self.last * self.last_visible,
            self.last_visible,
            self.recalled * self.recalled_visible,
            self.recalled_visible,
        ]

    def of(self, chosen: Tensor | slice) -> References:
        """Those of some pictures."""
        return References(*(part[chosen] for part in self))

    @staticmethod
    def join(some: Sequence[References]) -> References:
        """Those of several batches as of one."""
        return References(*(torch.cat(parts) for parts in zip(*some, strict=True)))

    @staticmethod
    def none(like: Float[Tensor, "n c H W"]) -> References:
        """Nothing to refer to, for as many pictures of that size."""
        picture = like.new_zeros(len(like), 3, *like.shape[2:])
        return References(picture, picture[:, :1], picture, picture[:, :1])


class Stem(nn.Module):
    """The first layer over pixels: a convolution of the surfaces' channels and one of `num_others` more, added.

    One convolution of all of them joined would do the same; to join them takes longer than to convolve them.
    """

    def __init__(self, num_others: int, width: int, stride: int) -> None:
        super().__init__()
        self.surfaces, self.others = (
            Pointwise(num, width) if stride == 1 else nn.Conv2d(num, width, stride, stride=stride)
            for num in (NUM_SURFACE_CHANNELS, num_others)
        )

    def forward(self, surfaces: Float[Tensor, "n s H W"], others: Float[Tensor, "n o H W"]) -> Float[Tensor, "n d h w"]:
        """Features at the resolution that is left."""
        return self.surfaces(surfaces) + self.others(others)


class CausalTemporalConv(nn.Module):
    """Residual convolution over the present and past frames of each cell; the first frame also stands before itself."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.norm = nn.GroupNorm(8, width)
        self.mix = nn.Linear(kernel * width, width)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, frames: Float[Tensor, "b k c h w"]) -> Float[Tensor, "b c h w"]:
        """The newest of `frames` (oldest first, at most `kernel` of them matter), mixed with those before it."""
        b, k = frames.shape[:2]
        if k < self.kernel:
            frames = torch.cat([frames[:, :1].expand(-1, self.kernel - k, -1, -1, -1), frames], dim=1)
        frames = frames[:, -self.kernel :]
        normed = rearrange(self.norm(frames.flatten(0, 1)), "(b k) c h w -> b h w (k c)", b=b)
        return frames[:, -1] + rearrange(self.mix(F.silu(normed)), "b h w c -> b c h w")


class VAE3D(nn.Module):
    """Causal video autoencoder, conditioned on surfaces; blocks compute at 4x, 8x and 16x reduced resolution.

    Latents are normalised to zero mean and unit variance per channel by `latent_mean` and `latent_std`, which training
    measures. `style`, a vector of the drive (its light and weather), is read once from frames whose surfaces are known.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        w4, w8, w16 = config.widths
        blocks, style, fine = config.num_blocks, config.style_width, config.fine_width
        self.part_embedding = nn.Embedding(NUM_PARTS, config.part_width)

        self.encoder_stem = Stem(3 + NUM_REFERENCE_CHANNELS + config.part_width, w4, STEM_STRIDE)
        self.encoder_4x = ConvBlock(w4)
        self.encoder_down = nn.Conv2d(w4, w8, 2, stride=2)
        self.encoder_8x = nn.Sequential(*[ConvBlock(w8) for _ in range(blocks)])
        self.encoder_out = nn.Sequential(
            nn.GroupNorm(8, w8), nn.SiLU(), nn.Conv2d(w8, 2 * config.latent_channels, 3, padding=1)
        )

        self.style_in = nn.Sequential(nn.Linear(NUM_STATISTICS, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU())
        self.style_out = nn.Linear(96, style)

        self.decoder_stem = Stem(NUM_REFERENCE_CHANNELS + config.part_width, w4, STEM_STRIDE)
        self.decoder_in_4x = ConvBlock(w4, style)
        self.decoder_down8 = nn.Conv2d(w4, w8, 2, stride=2)
        self.decoder_latents = nn.Conv2d(config.latent_channels, w8, 3, padding=1)
        self.decoder_time = CausalTemporalConv(w8, config.temporal_kernel)
        self.decoder_in_8x = nn.ModuleList([ConvBlock(w8, style) for _ in range(blocks)])
        self.decoder_down16 = nn.Conv2d(w8, w16, 2, stride=2)
        self.decoder_16x = nn.ModuleList([ConvBlock(w16, style) for _ in range(blocks)])
        self.decoder_up8 = Pointwise(w16, 4 * w8)
        self.decoder_8x = nn.ModuleList([ConvBlock(w8, style) for _ in range(blocks)])
        self.decoder_up4 = Pointwise(w8, 4 * w4)
        self.decoder_4x = nn.ModuleList([ConvBlock(w4, style) for _ in range(blocks)])
        self.decoder_up1 = Pointwise(w4, STEM_STRIDE**2 * fine)

        self.fine_in = Stem(NUM_REFERENCE_CHANNELS + config.part_width, fine, stride=1)
        self.fine_blocks = nn.ModuleList([nn.Conv2d(fine, fine, 3, padding=1) for _ in range(3)])
        self.fine_out = nn.Conv2d(fine, 12, 3, padding=1)
        for parameter in self.fine_out.parameters():
            nn.init.zeros_(parameter)

        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.latent_channels))

    def _beside_surfaces(
        self, pictures: Sequence[Float[Tensor, "n _ H W"]], surfaces: Surfaces
    ) -> Float[Tensor, "n c H W"]:
        """What else is told of pixels, joined: pictures, and what their parts stand for."""
        parts = self.part_embedding(surfaces.parts.clamp(max=NUM_PARTS - 1).int())
        return join_channels([*pictures, rearrange(parts, "n h w d -> n d h w")])

    def posterior(
        self, frames: Float[Tensor, "n 3 H W"], surfaces: Surfaces, references: References
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]]:
        """Mean and log variance of the raw latents of frames in [-1, 1]."""
        others = self._beside_surfaces([frames, *references.seen()], surfaces)
        x = self.encoder_stem(surfaces.channels, others)
        x = self.encoder_8x(self.encoder_down(self.encoder_4x(x)))
        mean, log_variance = self.encoder_out(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 4.0)

    def normalise(self, raw: Float[Tensor, "... c h w"]) -> Float[Tensor, "... c h w"]:
        """Raw latents to zero mean, unit variance."""
        return (raw - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def encode(
        self, frames: Float[Tensor, "n 3 H W"], surfaces: Surfaces, references: References
    ) -> Float[Tensor, "n c h w"]:
        """Normalised latents (the posterior's mean) of frames in [-1, 1]: what these tell beyond their surfaces and the
        earlier pictures."""
        return self.normalise(self.posterior(frames, surfaces, references)[0])

    def read_style(self, statistics: Float[Tensor, "n k s"]) -> Float[Tensor, "n d"]:
        """The style vector of drives, of which `k` frames each are given by their `picture_statistics`."""
        return self.style_out(self.style_in(statistics).mean(1))

    def decode(
        self,
        latents: Float[Tensor, "n k c h w"] | None,
        surfaces: Surfaces,
        references: References,
        style: Float[Tensor, "n d"],
    ) -> Float[Tensor, "n 3 H W"]:
        """Pictures in [-1, 1].

        Args:
            latents: normalised, those of the picture last, after up to `temporal_kernel - 1` of the pictures before;
                None paints without.
            surfaces: in the pictures.
            references: earlier pictures.
            style: of each drive.
        """
        # to the type of the weights once, which two layers want and a third of a stem's time is
        dtype = self.decoder_stem.surfaces.weight.dtype
        known, seen = (
            each.to(dtype) for each in (surfaces.channels, self._beside_surfaces(references.seen(), surfaces))
        )

        a = self.decoder_in_4x(self.decoder_stem(known, seen), style)
        b = self.decoder_down8(a)
        b = b + self._latent_features(latents, like=b)
        for block in self.decoder_in_8x:
            b = block(b, style)
        c = self.decoder_down16(b)
        for block in self.decoder_16x:
            c = block(c, style)
        b = b + F.pixel_shuffle(self.decoder_up8(c), 2)
        for block in self.decoder_8x:
            b = block(b, style)
        a = a + F.pixel_shuffle(self.decoder_up4(b), 2)
        for block in self.decoder_4x:
            a = block(a, style)

        h = F.silu(F.pixel_shuffle(self.decoder_up1(a), STEM_STRIDE) + self.fine_in(known, seen))
        for conv in self.fine_blocks:
            h = h + F.silu(conv(h))
        return self._mix(self.fine_out(h).float(), surfaces, references)

    def _mix(
        self, out: Float[Tensor, "n 12 H W"], surfaces: Surfaces, references: References
    ) -> Float[Tensor, "n 3 H W"]:
        """What is painted and what is kept, pixel by pixel."""
        # the channels of a pixel apart again: what follows is computed channel by channel
        painted, light, change, gates = out.contiguous().split(3, dim=1)
        # colours that are known need not be found, only the light that falls on them
        painted = painted.tanh() + light * known_colors(surfaces)
        visible = torch.cat(
            [torch.ones_like(references.last_visible), references.last_visible, references.recalled_visible], dim=1
        )
        # an untrained gate keeps what was seen a step ago, and prefers it to what was seen long ago
        bias = gates.new_tensor([0.0, 1.5, 0.0])[:, None, None]
        gates = (gates + bias).masked_fill(visible < 0.5, -torch.inf).softmax(dim=1)
        paint, last, recalled = gates.split(1, dim=1)
        kept = last * references.last + recalled * references.recalled + (1 - paint) * RESIDUAL_SCALE * change
        return kept + paint * painted

    def _latent_features(
        self, latents: Float[Tensor, "n k c h w"] | None, like: Float[Tensor, "n d h w"]
    ) -> Float[Tensor, "n d h w"]:
        if latents is None:  # raw zeros, the prior's mean, tell nothing; training gives them as well
            raw = like.new_zeros(len(like), 1, self.config.latent_channels, *like.shape[2:])
        else:
            raw = latents * self.latent_std[:, None, None] + self.latent_mean[:, None, None]
        x = self.decoder_latents(raw.flatten(0, 1))
        return self.decoder_time(rearrange(x, "(n k) d h w -> n k d h w", n=len(raw)))


def known_colors(surfaces: Surfaces) -> Float[Tensor, "n 3 H W"]:
    """Those of boxes and road users under full light, 0 to 1; 0 on the ground and in the sky."""
    colors = surfaces.channels[:, SurfaceChannel.COLOR : SurfaceChannel.COLOR + 3]
    return 0.5 * (colors + 1) * (surfaces.parts < NUM_PARTS - 1)[:, None]


def join_channels(parts: list[Tensor]) -> Float[Tensor, "n c H W"]:
    """All channels, those of a pixel side by side in memory: the decoder's stem is four times faster."""
    return torch.cat([part.permute(0, 2, 3, 1) for part in parts], dim=-1).permute(0, 3, 1, 2)


def picture_statistics(frames: Float[Tensor, "n 3 H W"], surfaces: Surfaces) -> Float[Tensor, "n s"]:
    """What frames in [-1, 1] tell of light and weather, NUM_STATISTICS numbers each: of each class of surface, near,
    far, in the sun and out of it, how much of the picture it fills, mean and deviation of its colours, and the mean of
    those known of it."""
    c = surfaces.channels
    coverage = c[:, SurfaceChannel.COVERAGE : SurfaceChannel.COVERAGE + NUM_CLASSES]
    colors = c[:, SurfaceChannel.COLOR : SurfaceChannel.COLOR + 3]
    far = (c[:, SurfaceChannel.INVERSE_DEPTH, None] < FAR).to(c.dtype)
    lit = (c[:, SurfaceChannel.SUNLIGHT, None] > LIT).to(c.dtype)

    # one product sums all; what is near and what is not lit are the rest of all
    seen = torch.cat([torch.ones_like(far), frames, frames.square(), colors], dim=1)
    seen = join_channels([seen, seen * far, seen * lit])
    with torch.autocast(frames.device.type, enabled=False):  # differences of sums need all their digits
        sums = rearrange(coverage, "n k h w -> n k (h w)") @ rearrange(seen, "n c h w -> n (h w) c")
    whole, far_sums, lit_sums = sums.chunk(3, dim=-1)
    sums = torch.cat([whole - far_sums, far_sums, lit_sums, whole - lit_sums], dim=1)

    share = sums[..., :1].clamp(min=0)
    middle, square, known_color = (sums[..., 1:] / share.clamp(min=1.0)).split(3, dim=-1)
    deviation = (square - middle.square()).clamp(min=0).sqrt()
    size = coverage.shape[-2] * coverage.shape[-1]
    return torch.cat([(share / size).sqrt(), middle, deviation, known_color], dim=-1).flatten(1)


def frames_to_float(frames: Tensor) -> Float[Tensor, "... 3 H W"]:
    """uint8 [..., H, W, 3] in [0, 255] to float in [-1, 1]: the one place where frames enter the networks."""
    if frames.dtype != torch.uint8:
        raise ValueError(f"frames must be uint8, got {frames.dtype}")
    return rearrange(frames, "... h w c -> ... c h w").float() / 127.5 - 1.0


def frames_to_uint8(frames: Float[Tensor, "... 3 H W"]) -> UInt8[Tensor, "... H W 3"]:
    """Float in [-1, 1] to uint8 [..., H, W, 3]: the one place where frames leave the networks."""
    return rearrange(((frames.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8), "... c h w -> ... h w c")
