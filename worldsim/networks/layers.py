"""Building blocks of the networks: norms, AdaLN-Zero, cached QK-normed attention, MLP, convolutional blocks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.networks.rope import Axis, Rotation, rotate


class RMSNorm(nn.Module):
    """x / rms(x) over the last dim, with a learned scale (Zhang and Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """Normalise `x`."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), 1e-6)


class KeyValue(NamedTuple):
    """Keys (rotated to their absolute time) and values of frames, both [b, heads, frames * tokens, d]; float16 in what
    a drive keeps."""

    keys: Tensor
    values: Tensor

    def with_room(self, num: int) -> KeyValue:
        """A copy with `num` empty slots at the end, for Attention to write into; of float16 one in float32."""
        keys, values = (F.pad(part, (0, 0, 0, num)) for part in self)
        return KeyValue(keys.float(), values.float()) if keys.dtype == torch.float16 else KeyValue(keys, values)

    def half(self) -> KeyValue:
        """The same in float16, in memory of their own."""
        return KeyValue(self.keys.half(), self.values.half())

    def newest(self, num: int) -> KeyValue:
        """The last `num` tokens, sharing memory."""
        return KeyValue(self.keys[:, :, -num:], self.values[:, :, -num:])


class Attention(nn.Module):
    """Multi-head attention over the tokens of many frames, with rotary positions if given any.

    Joint over frames and cells, or along one of the two axes alone. `qk_norm`: queries and keys are normed (Dehghani et
    al. 2023) and have no bias; without, they are as Vaswani et al. 2017 and DiT have them. `cached`: keys and values
    are handed out for later frames to attend to; without, nothing is, and their memory is free again at once.
    """

    def __init__(
        self, width: int, num_heads: int, axis: Axis = "joint", qk_norm: bool = True, cached: bool = True
    ) -> None:
        super().__init__()
        self.num_heads, self.axis, self.cached = num_heads, axis, cached
        self.qkv = nn.Linear(width, 3 * width, bias=not qk_norm)
        self.query_norm = RMSNorm(width // num_heads) if qk_norm else nn.Identity()
        self.key_norm = RMSNorm(width // num_heads) if qk_norm else nn.Identity()
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b t n d"],
        rotation: Rotation | None,
        mask: Bool[Tensor, "q k"] | None,
        past: KeyValue | None,
    ) -> tuple[Float[Tensor, "b t n d"], KeyValue]:
        """Attend from `x` to `past` and `x` where `mask` allows; None: everywhere.

        Args:
            rotation: where the tokens are; None: positions are in `x` already, or do not matter.
            mask: of all tokens (joint), of the cells (space) or of the frames (time); rows are those of `x`.
            past: keys and values of older frames with room for those of `x` at the end, which are written here; a
                block over space takes none.

        Returns:
            The result, and the keys and values of `past` and `x`; of no tokens unless `cached`.
        """
        b, t, n, _ = x.shape
        q, k, v = rearrange(self.qkv(x), "b t n (three h d) -> three b h (t n) d", three=3, h=self.num_heads)
        q, k = self.query_norm(q), self.key_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        key_values = KeyValue(k, v)
        if past is not None:  # in place: sampling passes over one frame need not copy the cache
            past.keys[:, :, -t * n :] = k
            past.values[:, :, -t * n :] = v
            key_values = past

        if self.axis == "joint":
            y = F.scaled_dot_product_attention(q, *key_values, attn_mask=mask)
            y = rearrange(y, "b h (t n) d -> b t n (h d)", t=t)
        elif self.axis == "space":
            q, k, v = (rearrange(part, "b h (t n) d -> (b t) h n d", n=n) for part in (q, *key_values))
            y = rearrange(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), "(b t) h n d -> b t n (h d)", b=b)
        else:
            q, k, v = (rearrange(part, "b h (t n) d -> (b n) h t d", n=n) for part in (q, *key_values))
            y = rearrange(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), "(b n) h t d -> b t n (h d)", b=b)
        if not self.cached:
            key_values = KeyValue(*(part.new_empty(b, self.num_heads, 0, part.shape[-1]) for part in key_values))
        del q, k, v  # views of one piece of memory, which all of them would hold
        return self.out(y), key_values


class MLP(nn.Module):
    """A GELU MLP; `convolve` puts a depthwise 3x3 convolution over the frame between its layers."""

    def __init__(self, width: int, ratio: float, convolve: bool = True) -> None:
        super().__init__()
        hidden = int(width * ratio)
        self.fc1 = nn.Linear(width, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden) if convolve else None
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "b t n d"], grid: tuple[int, int]) -> Float[Tensor, "b t n d"]:
        """`n` tokens are the row-major cells of `grid`."""
        if self.depthwise is None:
            return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        b = x.shape[0]
        x = rearrange(self.fc1(x), "b t (h w) d -> (b t) d h w", h=grid[0], w=grid[1])
        x = F.gelu(x + self.depthwise(x), approximate="tanh")
        return self.fc2(rearrange(x, "(b t) d h w -> b t (h w) d", b=b))


class DiTBlock(nn.Module):
    """Transformer block with AdaLN-Zero (Peebles and Xie 2023): each frame's condition shifts, scales and gates it.

    Theirs has neither `qk_norm` nor `convolve`.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        mlp_ratio: float,
        axis: Axis = "joint",
        qk_norm: bool = True,
        convolve: bool = True,
        cached: bool = True,
    ) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads, axis, qk_norm, cached)
        self.mlp = MLP(width, mlp_ratio, convolve)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self,
        x: Float[Tensor, "b t n d"],
        condition: Float[Tensor, "b #t d"],
        grid: tuple[int, int],
        rotation: Rotation | None,
        mask: Bool[Tensor, "q k"] | None,
        past: KeyValue | None,
    ) -> tuple[Float[Tensor, "b t n d"], KeyValue]:
        """One block over `t` frames of `n` tokens, conditioned each or all alike; returns the tokens, and keys and
        values as Attention does."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(F.silu(condition)).unsqueeze(2).chunk(6, dim=-1)
        h = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale1) + shift1
        h, key_values = self.attention(h, rotation, mask, past)
        x = x + gate1 * h
        h = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale2) + shift2
        return x + gate2 * self.mlp(h, grid), key_values


class Pointwise(nn.Linear):
    """A 1x1 convolution, as a matrix product over channels that lie side by side in memory (channels_last); with one
    thread and 66 channels at 128x128 it takes 0.9 ms, torch's own 1.1."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Mix the channels of each cell."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvBlock(nn.Module):
    """Residual block of two 3x3 convolutions, group-normed per frame; a condition, if any, shifts and scales it.

    It changes the number of channels where `in_width` is another.
    """

    def __init__(self, width: int, condition_width: int | None = None, in_width: int | None = None) -> None:
        super().__init__()
        in_width = in_width or width
        self.norm1, self.norm2 = nn.GroupNorm(8, in_width), nn.GroupNorm(8, width)
        self.skip = Pointwise(in_width, width) if in_width != width else nn.Identity()
        self.conv1 = nn.Conv2d(in_width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        self.modulation = None if condition_width is None else nn.Linear(condition_width, 2 * width)

    def forward(
        self, x: Float[Tensor, "b in_c h w"], condition: Float[Tensor, "b d"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """`condition` is given exactly when the block was built with a condition_width."""
        h = self.norm2(self.conv1(F.silu(self.norm1(x))))
        if self.modulation is not None:
            assert condition is not None
            scale, shift = self.modulation(F.silu(condition))[..., None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))
