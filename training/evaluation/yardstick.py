"""The network in whose features pictures are compared: frozen, so that reports of different worlds can be compared.

It is the encoder of the tokenizer that the default world had on 28 November 2026 (commit 56bf5c9), up to where it
looked at frames together. No world is trained with it, or against it. Its weights, in half precision, lie beside this
file and not in a checkpoint.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.checkpoint import load_weights
from worldsim.networks.vae3d import frames_to_float

YARDSTICK_PATH = Path(__file__).with_name("yardstick.safetensors")


class _Block(nn.Module):
    """Residual block of two 3x3 convolutions, group-normed per frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, width), nn.GroupNorm(8, width)
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        h = self.norm2(self.conv1(F.silu(self.norm1(x))))
        return x + self.conv2(F.silu(h))


class Yardstick(nn.Module):
    """The layers of that encoder, in a class of their own, so that the world's VAE3D may change."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder_stem = nn.Conv2d(48, 64, 3, padding=1)
        self.encoder_4x = nn.Sequential(_Block(64), _Block(64))
        self.encoder_down = nn.Conv2d(64, 112, 4, stride=2, padding=1)
        self.encoder_8x = nn.Sequential(_Block(112), _Block(112))

    @torch.no_grad()
    def forward(self, frames: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n c h w"]:
        """Feature maps, 8x reduced, of single frames in [-1, 1] whose sides are multiples of 8."""
        x = rearrange(frames, "n c (h p) (w q) -> n (c p q) h w", p=4, q=4)
        return self.encoder_8x(self.encoder_down(self.encoder_4x(self.encoder_stem(x))))

    def feature_maps(self, frames: np.ndarray) -> Float[Tensor, "t c h w"]:
        """Feature maps of uint8 frames [t, h, w, 3]."""
        return self(frames_to_float(torch.from_numpy(np.array(frames)).to(self.encoder_stem.weight.device)))


@cache
def load_yardstick(device: str = "cpu") -> Yardstick:
    """The network with its weights; the same object every time.

    Raises:
        FileNotFoundError: its weights are not beside this file.
        ValueError: they are damaged.
    """
    yardstick = Yardstick()
    load_weights(yardstick, YARDSTICK_PATH)
    yardstick.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return yardstick.eval().requires_grad_(False)
