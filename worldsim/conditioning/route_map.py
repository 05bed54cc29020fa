"""The road ahead as a condition: what the camera would see of the route."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.warp import ground_points
from worldsim.datatypes.camera import CameraGeometry

OFFSET_SCALES = (2.0, 8.0)
"""A ground point's distance from the route is given at these scales [m]."""
MAP_RANGE = 60.0
"""The route is drawn on the ground up to this distance [m]."""
NUM_ROUTE_CHANNELS = 4 * (len(OFFSET_SCALES) + 1)
"""Channels of a route map at latent resolution: 2x2 samples a cell."""


class RouteMap(nn.Module):
    """For each cell of the picture how far the ground there is from the route: geometry, nothing learned.

    The network sees at once which cells are lane, verge and oncoming lane, as far as the route says; without a route,
    and above the horizon, all is 0.
    """

    def __init__(self, camera: CameraGeometry, frame_size: tuple[int, int], stride: int = 8) -> None:
        super().__init__()
        points, on_ground = ground_points(camera, frame_size, stride // 2, MAP_RANGE)
        self.shape = on_ground.shape
        self.ground: Tensor
        self.on_ground: Tensor
        self.register_buffer("ground", points[..., :2].reshape(-1, 2), persistent=False)
        self.register_buffer("on_ground", on_ground.reshape(-1), persistent=False)

    def forward(self, points: Float[Tensor, "n r 2"], valid: Float[Tensor, "n r"]) -> Float[Tensor, "n c h w"]:
        """The map at latent resolution.

        Args:
            points: route preview in the vehicle frame.
            valid: 1 where a point is known; the known ones come first.
        """
        # the nearest segment of the route; before its first point it goes straight on
        first, along = points[:, :-1], points[:, 1:] - points[:, :-1]
        known = valid[:, 1:] * valid[:, :-1]
        squared = (along**2).sum(-1).clamp(min=1e-4)
        offset = self.ground[None, :, None] - first[:, None]
        fraction = (offset * along[:, None]).sum(-1) / squared[:, None]
        lowest = torch.zeros_like(squared)
        lowest[:, 0] = -10.0
        clipped = torch.maximum(fraction, lowest[:, None]).clamp(max=1.0)
        miss = ((offset - clipped[..., None] * along[:, None]) ** 2).sum(-1)
        miss = torch.where(known[:, None] > 0, miss, torch.full_like(miss, 1e6))
        nearest, segment = miss.min(dim=-1)

        side = along[:, None, :, 0] * offset[..., 1] - along[:, None, :, 1] * offset[..., 0]
        side = side.gather(-1, segment[..., None])[..., 0]
        distance = nearest.clamp(min=1e-8).sqrt() * torch.where(side < 0, -1.0, 1.0)

        # nothing is drawn above the horizon, without a route, and where it goes on unknown
        last = known.sum(-1, keepdim=True).long() - 1
        beyond = (segment == last) & (fraction.gather(-1, segment[..., None])[..., 0] > 1.0)
        shown = self.on_ground * (last >= 0) * ~beyond
        channels = [(distance / scale).clamp(-1, 1) * shown for scale in OFFSET_SCALES] + [shown.to(points.dtype)]
        flat = torch.stack(channels, dim=1).reshape(len(points), len(channels), *self.shape)
        return F.pixel_unshuffle(flat, 2)
