"""Rotary position embedding over three axes: time, row, column (Su et al. 2021)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Axis = Literal["joint", "space", "time"]
"""What a block's tokens attend over: all frames' tokens, their own frame's, or their own cell's in all frames."""

TURNS: dict[Axis, tuple[int, int]] = {"joint": (2, 1), "space": (0, 2), "time": (4, 0)}
"""Quarters of a head's channel pairs that turn with time, and with row and column each, by what is attended over."""


def axial_angles(
    times: Int[Tensor, "*b t"], grid: tuple[int, int], head_width: int, axis: Axis = "joint", base: float = 100.0
) -> Float[Tensor, "*b tn half"]:
    """Rotation angles [rad] of the tokens of `times` x rows x columns, row-major.

    Half of the head's channel pairs turn with time, a quarter each with row and column; where attention is over space
    or time alone, all of them turn with that.

    Args:
        times: frame numbers, one row for all slots or one for each; only differences matter to attention.
        head_width: channels of a head, a multiple of 8.
        axis: what is attended over.
    """
    num_time, num_space = (quarters * head_width // 8 for quarters in TURNS[axis])
    device = times.device

    def frequencies(n: int) -> Tensor:
        return base ** (-torch.arange(n, device=device, dtype=torch.float32) / max(n, 1))

    time = times.float()[..., None] * frequencies(num_time)
    rows = torch.arange(grid[0], device=device, dtype=torch.float32)[:, None] * frequencies(num_space)
    columns = torch.arange(grid[1], device=device, dtype=torch.float32)[:, None] * frequencies(num_space)
    shape = (*times.shape, *grid)
    parts = [
        time[..., None, None, :].expand(*shape, num_time),
        rows[:, None, :].expand(*shape, num_space),
        columns.expand(*shape, num_space),
    ]
    return torch.cat(parts, dim=-1).flatten(-4, -2)


class Rotation(NamedTuple):
    """Cosine and sine of angles, both [n, half] or, of each slot's own, [b, n, half]."""

    cos: Tensor
    sin: Tensor


def rotation_of(angles: Float[Tensor, "*b n half"]) -> Rotation:
    """The rotation that `rotate` applies."""
    return Rotation(angles.cos(), angles.sin())


def rotate(x: Float[Tensor, "b heads n d"], rotation: Rotation) -> Float[Tensor, "b heads n d"]:
    """Turn each channel pair (i, i + d/2) of a token by its angle."""
    cos, sin = (part.to(x.dtype).unsqueeze(-3) for part in rotation)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
