"""Earlier pictures, fetched to where their surfaces are now."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def fetch(pictures: Float[Tensor, "n 3 H W"], grid: Float[Tensor, "n h w 2"]) -> Float[Tensor, "n 3 h w"]:
    """Pictures in [-1, 1], sampled where `worldsim.gbuffer.reprojection` says that the new pixels were.

    Bicubic: a linear resampling, repeated frame after frame, is a low pass.
    """
    return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(-1, 1)
