"""UNet3D: a U-Net over clips, whose blocks convolve over space, then over time, and attend where cells are few."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.networks.dit import block_axes
from worldsim.networks.embeddings import NoiseEmbedding
from worldsim.networks.generative_configs import UNet3DConfig
from worldsim.networks.layers import Attention, ConvBlock
from worldsim.networks.rope import Axis, axial_angles, rotation_of
from worldsim.networks.temporal import TemporalConv


class ResidualAttention(nn.Module):
    """x + attention over the group-normed x, along one axis; at initialisation the identity."""

    def __init__(self, width: int, head_width: int, axis: Axis) -> None:
        super().__init__()
        self.axis: Axis = axis
        self.head_width = head_width
        self.norm = nn.GroupNorm(8, width)
        self.attention = Attention(width, width // head_width, axis, cached=False)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.attention.out.bias)

    def forward(self, x: Float[Tensor, "bt c h w"], num_frames: int) -> Float[Tensor, "bt c h w"]:
        """Clips of `num_frames` each."""
        grid = (x.shape[2], x.shape[3])
        times = torch.arange(num_frames, device=x.device)
        rotation = rotation_of(axial_angles(times, grid, self.head_width, self.axis))
        tokens = rearrange(self.norm(x), "(b t) c h w -> b t (h w) c", t=num_frames)
        tokens, _ = self.attention(tokens, rotation, None, None)
        return x + rearrange(tokens, "b t (h w) c -> (b t) c h w", h=grid[0])


class SpaceTimeBlock(nn.Module):
    """A residual block over space, one over time, and attention if wanted."""

    def __init__(self, config: UNet3DConfig, in_width: int, width: int, condition_width: int, attend: bool) -> None:
        super().__init__()
        self.space = ConvBlock(width, condition_width, in_width)
        self.time = TemporalConv(width)
        axes = block_axes(config.attention, 2 if config.attention == "factorised" else 1) if attend else ()
        self.attention = nn.ModuleList([ResidualAttention(width, config.head_width, axis) for axis in axes])

    def forward(
        self, x: Float[Tensor, "bt c_in h w"], condition: Float[Tensor, "bt d"], num_frames: int
    ) -> Float[Tensor, "bt c h w"]:
        """Clips of `num_frames` each, frames conditioned alike."""
        x = self.time(self.space(x, condition), num_frames)
        for attention in self.attention:
            x = attention(x, num_frames)
        return x


class Blocks(nn.ModuleList):
    """SpaceTimeBlocks, one after the other."""

    def forward(
        self, x: Float[Tensor, "bt c_in h w"], condition: Float[Tensor, "bt d"], num_frames: int
    ) -> Float[Tensor, "bt c h w"]:
        """As each of them."""
        for block in self:
            x = block(x, condition, num_frames)
        return x


class UNet3D(nn.Module):
    """A video diffusion U-Net with factorised space and time (Ho et al. 2022, Video Diffusion Models).

    At initialisation the output is 0. Clips may have any size: the frame is continued by its border to a multiple of
    what the levels divide by, and cut again.
    """

    def __init__(self, config: UNet3DConfig) -> None:
        super().__init__()
        self.config = config
        widths, d = config.widths, 4 * config.widths[0]
        finer = list(range(len(widths) - 1))

        def blocks(level: int, *in_widths: int) -> Blocks:
            attend = level in config.attention_levels
            return Blocks([SpaceTimeBlock(config, w, widths[level], d, attend) for w in in_widths])

        self.embedding = NoiseEmbedding(d, config.num_classes, config.time_scale)
        self.stem = nn.Conv2d(config.channels + config.known_channels, widths[0], 3, padding=1)
        same = config.num_blocks - 1
        self.down_blocks = nn.ModuleList([blocks(i, w, *[w] * same) for i, w in enumerate(widths)])
        self.down = nn.ModuleList([nn.Conv2d(widths[i], widths[i + 1], 3, stride=2, padding=1) for i in finer])
        self.middle = Blocks([SpaceTimeBlock(config, widths[-1], widths[-1], d, attend) for attend in (True, False)])
        self.up = nn.ModuleList([nn.Conv2d(widths[i + 1], widths[i], 3, padding=1) for i in finer])
        self.up_blocks = nn.ModuleList([blocks(i, 2 * w, *[w] * same) for i, w in enumerate(widths)])
        self.norm = nn.GroupNorm(8, widths[0])
        self.out = nn.Conv2d(widths[0], config.channels * (2 if config.learn_sigma else 1), 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    @property
    def null_label(self) -> int:
        """The label that stands for any class."""
        return self.embedding.null_label

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        t: Float[Tensor, "b"] | Int[Tensor, "b"],
        label: Int[Tensor, "b"] | None = None,
    ) -> Float[Tensor, "b out t h w"]:
        """What the network makes of noisy clips; as many channels as a clip has, with `learn_sigma` twice.

        Args:
            x: noisy clips, and what is known beside them.
            t: noise level of each, see NoiseEmbedding.
            label: class of each, or `null_label`; None: any.

        Raises:
            ValueError: clips of other channels, or a wrong label.
        """
        c, frames, height, width = x.shape[1:]
        expected = self.config.channels + self.config.known_channels
        if c != expected:
            raise ValueError(f"clips have {c} channels, the network was built for {expected}")
        condition = repeat(self.embedding(t, label), "b d -> (b t) d", t=frames)
        x = rearrange(x, "b c t h w -> (b t) c h w")
        multiple = 2 ** (len(self.config.widths) - 1)
        x = F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        x = self.stem(x.contiguous(memory_format=torch.channels_last))

        skips: list[Tensor] = []
        for level, blocks in enumerate(self.down_blocks):
            x = x if level == 0 else self.down[level - 1](x)
            x = blocks(x, condition, frames)
            skips.append(x)
        x = self.middle(x, condition, frames)
        for level in reversed(range(len(skips))):
            x = self.up_blocks[level](torch.cat([x, skips.pop()], dim=1), condition, frames)
            if level > 0:
                x = self.up[level - 1](F.interpolate(x, scale_factor=2.0, mode="nearest"))

        x = self.out(F.silu(self.norm(x)))[:, :, :height, :width]
        return rearrange(x, "(b t) c h w -> b c t h w", t=frames)
