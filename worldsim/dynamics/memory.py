"""RetrievedFrames: latents of key frames that the camera comes by again, fetched to where their surfaces are now.

The drive's one memory is that of its pictures (worldsim.gbuffer.key_frames), which keeps the latent of each key frame
beside its picture: what is kept, thinned and retrieved is decided once for both.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

TURN_ARM = 8.0
"""A turn by an angle counts as this far times the angle [m]."""
SIDE_WEIGHT = 2.0
"""A metre to the side counts as so many ahead or behind: what is beside the road is near."""
RETRIEVAL_RANGE = 24.0
"""Views farther than this are not near [m]."""
MOST_TURN = math.radians(75.0)
"""Nor are those that face elsewhere [rad]."""


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


def relative_pose(poses: Float[Tensor, "*b m 3"], pose: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b m 3"]:
    """The motion from each of `poses` (x, y [m], yaw [rad], ground frame) to `pose`, in the frame of each."""
    dx, dy, dyaw = (pose[..., None, :] - poses).unbind(-1)
    yaw = poses[..., 2]
    cos, sin = yaw.cos(), yaw.sin()
    turn = torch.remainder(dyaw + math.pi, 2 * math.pi) - math.pi
    return torch.stack([cos * dx + sin * dy, cos * dy - sin * dx, turn], dim=-1)


def view_distance(motions: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
    """How different two views are, by the motion from one to the other [m]."""
    dx, dy, dyaw = motions.unbind(-1)
    return torch.sqrt(dx**2 + (SIDE_WEIGHT * dy) ** 2) + TURN_ARM * dyaw.abs()


def is_near(motions: Float[Tensor, "*b 3"]) -> Bool[Tensor, "*b"]:
    """Whether a view is near enough to show much of the same; NaN is not."""
    return (view_distance(motions) < RETRIEVAL_RANGE) & (motions[..., 2].abs() < MOST_TURN)
