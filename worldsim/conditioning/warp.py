"""Motion compensation: the previous latent as the camera would see it after the ego's motion, were the world flat."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.datatypes.camera import CameraGeometry, focal_length

FAR = 50.0
"""Rays that meet the ground later, or never, are taken to end here [m]."""


def camera_rays(camera: CameraGeometry, frame_size: tuple[int, int], stride: int) -> Float[Tensor, "h w 3"]:
    """The ray through the middle of each cell of `stride` pixels, of unit depth; vehicle frame."""
    return torch.from_numpy(camera.with_frame_size(frame_size).cell_rays(stride))


def ground_points(
    camera: CameraGeometry, frame_size: tuple[int, int], stride: int, far: float
) -> tuple[Float[Tensor, "h w 3"], Bool[Tensor, "h w"]]:
    """Where the ray through each cell of `stride` pixels meets the ground, or ends at `far` [m]; vehicle frame [m].

    Returns:
        The points, and where they lie on the ground.
    """
    ray = camera_rays(camera, frame_size, stride)
    reach = torch.where(ray[..., 2] < 0, camera.mount_height / (-ray[..., 2]).clamp(min=1e-6), torch.inf)
    points = ray * reach.clamp(max=far)[..., None]
    points[..., 0] += camera.mount_x
    points[..., 2] += camera.mount_height
    return points, reach <= far


class MotionWarp(nn.Module):
    """Resamples a latent map by the homography of the ground plane (a far wall above it), and actors as they move."""

    def __init__(self, camera: CameraGeometry, frame_size: tuple[int, int], stride: int = 8) -> None:
        super().__init__()
        height, width = frame_size
        self.camera, self.half_height, self.half_width = camera, height / 2, width / 2
        self.focal = focal_length(camera.fov, width)
        points, _ = ground_points(camera, frame_size, stride, FAR)
        self.points: Tensor
        self.register_buffer("points", points, persistent=False)

    def grid(self, motion: Float[Tensor, "b m"], points: Float[Tensor, "*b h w 3"]) -> Float[Tensor, "b h w 2"]:
        """Where in the previous frame resting points of now were, in grid_sample's coordinates.

        Args:
            motion: dx, dy [m] and dyaw [rad] first, the rest does not matter.
            points: in the vehicle frame after the motion [m].
        """
        dx, dy, dyaw = (motion[:, i, None, None] for i in range(3))
        x, y, z = points.unbind(-1)

        # into the vehicle frame of then, from its camera's mount
        cos, sin = dyaw.cos(), dyaw.sin()
        forward = cos * x - sin * y + dx - self.camera.mount_x
        left = sin * x + cos * y + dy
        above = z - self.camera.mount_height

        c, s = math.cos(self.camera.pitch), math.sin(self.camera.pitch)
        depth = (c * forward - s * above).clamp(min=0.1)
        up = s * forward + c * above
        u = -left / depth * (self.focal / self.half_width)
        v = -up / depth * (self.focal / self.half_height)
        return torch.stack([u, v], dim=-1)

    def from_afar(
        self, latents: Float[Tensor, "n c h w"], motions: Float[Tensor, "n 3"]
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n 1 h w"]]:
        """`latents` of long before, warped by the motion since then, and 1 where the camera of then saw what the camera
        sees now; 0 elsewhere, the latents too."""
        grid = self.grid(motions, self.points)
        inside = ((grid.abs() < 1).all(-1)[:, None]).to(latents)
        return inside * F.grid_sample(latents, grid, padding_mode="border", align_corners=False), inside

    def forward(
        self,
        latents: Float[Tensor, "b t c h w"],
        motions: Float[Tensor, "b t 6"],
        coverage: Float[Tensor, "bt h w"] | None = None,
        sources: Float[Tensor, "bt h w 3"] | None = None,
    ) -> Float[Tensor, "b t c h w"]:
        """`latents` of one step before, warped by `motions`; what comes into view repeats the border.

        Args:
            coverage: share of each cell that shows what moves by itself.
            sources: where that was before it moved, in the vehicle frame after the motion [m].
        """
        b = latents.shape[0]
        flat = rearrange(latents, "b t c h w -> (b t) c h w")
        flat_motions = rearrange(motions, "b t m -> (b t) m")
        grid = self.grid(flat_motions, self.points)
        if coverage is not None and sources is not None:
            grid = torch.lerp(grid, self.grid(flat_motions, sources), coverage[..., None])
        warped = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return rearrange(warped, "(b t) c h w -> b t c h w", b=b)
