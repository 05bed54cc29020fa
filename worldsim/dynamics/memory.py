"""RetrievedFrames: latents of key frames that the camera comes by again, fetched to where their surfaces are now.

The drive's one memory is that of its pictures (worldsim.gbuffer.key_frames), which keeps the latent of each key frame
beside its picture: what is kept, thinned and retrieved is decided once for both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


class RetrievedFrames(NamedTuple):
    """The latent of one key frame for each frame.

    latents: [b, t, c, h, w]. grid: where in that key frame what is seen now was, for grid_sample(align_corners=False),
    [b, t, h, w, 2]. visible: share of a cell that was seen there, 0 where nothing was retrieved, [b, t, h, w].
    """

    latents: Tensor
    grid: Tensor
    visible: Tensor

    @staticmethod
    def empty(latents: Float[Tensor, "b t c h w"]) -> RetrievedFrames:
        """Nothing for each frame."""
        b, t, _, h, w = latents.shape
        return RetrievedFrames(
            torch.zeros_like(latents), latents.new_zeros(b, t, h, w, 2), latents.new_zeros(b, t, h, w)
        )


def fetch_latents(latents: Float[Tensor, "b t c h w"], grid: Float[Tensor, "b t h w 2"]) -> Float[Tensor, "b t c h w"]:
    """Latents sampled where the grid says that what is seen was; beyond the picture its border is repeated."""
    flat = F.grid_sample(
        latents.flatten(0, 1), grid.flatten(0, 1).to(latents), padding_mode="border", align_corners=False
    )
    return flat.unflatten(0, latents.shape[:2])
