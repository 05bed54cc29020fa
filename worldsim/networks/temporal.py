"""Convolution over the frames of clips, whole or piece by piece."""

from __future__ import annotations

from typing import TypeAlias

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

TemporalStream: TypeAlias = dict[nn.Module, Tensor]
"""Of each causal convolution over time, the last frames it has read: give an empty one with a clip's first piece, and
the same one with each further piece."""


class TemporalConv(nn.Module):
    """Residual convolution over the frames of each cell, group-normed per frame.

    Causal: over a frame and those before it, and the first frame also stands before itself. Else: over as many before
    as after, with zeros beyond the ends. At initialisation it is the identity.
    """

    def __init__(self, width: int, kernel: int = 3, causal: bool = False) -> None:
        super().__init__()
        self.kernel, self.causal = kernel, causal
        self.norm = nn.GroupNorm(8, width)
        self.conv = nn.Conv2d(width, width, (kernel, 1), padding=(0 if causal else kernel // 2, 0))
        for parameter in self.conv.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Float[Tensor, "bt c h w"], num_frames: int, stream: TemporalStream | None = None
    ) -> Float[Tensor, "bt c h w"]:
        """Mix the frames of clips of `num_frames` each; `stream`: what was read before them, brought up to date."""
        # frames and cells as the rows and columns of one picture; with channels_last this copies nothing
        h = rearrange(F.silu(self.norm(x)), "(b t) c h w -> b c t (h w)", t=num_frames)
        if self.causal:
            before = None if stream is None else stream.get(self)
            if before is None:
                before = h[:, :, :1].expand(-1, -1, self.kernel - 1, -1)
            h = torch.cat([before, h], dim=2)
            if stream is not None:
                stream[self] = h[:, :, h.shape[2] - self.kernel + 1 :]
        return x + rearrange(self.conv(h), "b c t (h w) -> (b t) c h w", h=x.shape[2])
