"""What a diffusion network is told besides its noisy input: how noisy it is, of which class, and where a token is."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

NUM_FREQUENCIES = 128


def sinusoids(x: Float[Tensor, "... "], num: int, base: float = 10_000.0) -> Float[Tensor, "... two_num"]:
    """Cosines, then sines of `x` at `num` frequencies from 1 down to nearly 1 / base (Vaswani et al. 2017)."""
    frequencies = base ** (-torch.arange(num, device=x.device, dtype=torch.float32) / num)
    phase = x.float()[..., None] * frequencies
    return torch.cat([phase.cos(), phase.sin()], dim=-1)


def position_embedding(
    num_frames: int | None, grid: tuple[int, int], width: int, device: torch.device
) -> Float[Tensor, "#t n d"]:
    """Fixed absolute positions of the row-major cells of `grid`: half of the channels say the column, half the row
    (Peebles and Xie 2023). Those of `num_frames` frames have their number added, in all channels; None: one for all.

    Args:
        width: channels, a multiple of 4.
    """

    def sines_first(num: int, channels: int) -> Tensor:
        numbers = torch.arange(num, device=device, dtype=torch.float32)
        return rearrange(sinusoids(numbers, channels // 2), "n (two c) -> n two c", two=2).flip(1).flatten(1)

    rows = repeat(sines_first(grid[0], width // 2), "h d -> h w d", w=grid[1])
    columns = repeat(sines_first(grid[1], width // 2), "w d -> h w d", h=grid[0])
    cells = rearrange(torch.cat([columns, rows], dim=-1), "h w d -> 1 (h w) d")
    return cells if num_frames is None else cells + sines_first(num_frames, width)[:, None]


class NoiseEmbedding(nn.Module):
    """The condition vector of a noise level and, where there are classes, of a label (Peebles and Xie 2023).

    Attributes:
        null_label: the class that stands for "any", which training gives in place of some labels and guidance asks
            for; it follows the `num_classes` real ones.
    """

    def __init__(self, width: int, num_classes: int = 0, time_scale: float = 1.0) -> None:
        super().__init__()
        self.num_classes = self.null_label = num_classes
        self.time_scale = time_scale
        first, last = nn.Linear(2 * NUM_FREQUENCIES, width), nn.Linear(width, width)
        self.time = nn.Sequential(first, nn.SiLU(), last)
        self.labels = nn.Embedding(num_classes + 1, width) if num_classes else None
        for weight in (first.weight, last.weight, *(self.labels.parameters() if self.labels else ())):
            nn.init.normal_(weight, std=0.02)

    def forward(self, t: Float[Tensor, "b"] | Int[Tensor, "b"], label: Int[Tensor, "b"] | None) -> Float[Tensor, "b d"]:
        """Condition vectors.

        Args:
            t: noise levels; times `time_scale` they should cover about 0 to 1000, as DDPM's steps do.
            label: 0 to num_classes - 1, or `null_label`; None: `null_label` for all.

        Raises:
            ValueError: a label given to a network without classes, or one that is none of its classes.
        """
        dtype = next(self.time.parameters()).dtype
        condition = self.time(sinusoids(self.time_scale * t, NUM_FREQUENCIES).to(dtype))
        if self.labels is None:
            if label is not None:
                raise ValueError(f"labels {label.tolist()} were given to a network without classes (num_classes=0)")
            return condition
        if label is None:
            label = torch.full_like(t, self.null_label, dtype=torch.long)
        elif label.is_cpu and not torch.compiler.is_compiling():  # elsewhere it would wait for the device
            wrong = label[(label < 0) | (label > self.null_label)]
            if len(wrong):
                raise ValueError(
                    f"label {int(wrong[0])} is no class: there are 0 to {self.num_classes - 1}, and {self.null_label} "
                    "for any"
                )
        return condition + self.labels(label)
