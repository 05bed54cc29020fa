"""The actors around as a condition: their boxes in the camera's picture, and where what it shows was a step ago."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.datatypes.camera import CameraGeometry, focal_length
from worldsim.datatypes.scene import ObjectColumn, ObjectKind

HEIGHTS = {ObjectKind.EMPTY: 0.0, ObjectKind.CAR: 1.5, ObjectKind.TRUCK: 3.2, ObjectKind.PEDESTRIAN: 1.75}
"""Heights by kind, which a SceneState does not hold [m]; other kinds are 1 m high."""
NEAREST = 0.5
"""Least depth at which anything is drawn [m]."""
MOVING = 0.1
"""Faster actors move [m/s]."""
NUM_ATTRIBUTES = 8
"""Coverage, inverse depth, cosine and sine of the viewing angle, position across and up the box, truck, pedestrian."""
NUM_ACTOR_CHANNELS = 4 * NUM_ATTRIBUTES
"""Channels of an actor map: 2x2 samples a cell."""
NUM_PAINTED_CHANNELS = NUM_ACTOR_CHANNELS + 4 * 4
"""Channels of an actor map in colour: also whether the colour is known, red, green and blue."""


class DrawnActors(NamedTuple):
    """`n` pictures of actors, a cell every `stride` pixels.

    channels: [n, NUM_ACTOR_CHANNELS, h, w]. coverage: share of a cell that actors cover, [n, h, w].
    sources: where the point at a cell's centre was a step ago if it belongs to an actor, in the vehicle frame of
    now [m], [n, h, w, 3]; meaningless where the coverage is 0. moving: share of a cell that moving actors cover,
    [n, h, w].
    """

    channels: Tensor
    coverage: Tensor
    sources: Tensor
    moving: Tensor


class ActorMap(nn.Module):
    """Draws boxes as the rectangles around their corners in the picture, near before far: geometry, nothing learned.

    Args:
        camera: that sees them.
        frame_size: height and width [px].
        dt: time between frames [s].
        stride: pixels a cell; 8 is the latents' resolution.
    """

    def __init__(self, camera: CameraGeometry, frame_size: tuple[int, int], dt: float, stride: int = 8) -> None:
        super().__init__()
        height, width = frame_size
        self.camera, self.dt, self.stride = camera, dt, stride
        self.middle = (width / 2, height / 2)
        self.focal = focal_length(camera.fov, width)
        sample = stride // 2
        self.sample = float(sample)
        self.heights: Tensor
        self.columns: Tensor
        self.rows: Tensor
        self.rays: Tensor
        heights = torch.tensor([HEIGHTS.get(kind, 1.0) for kind in ObjectKind])
        self.register_buffer("heights", heights, persistent=False)
        self.register_buffer("columns", torch.arange(width // sample) * float(sample), persistent=False)
        self.register_buffer("rows", torch.arange(height // sample) * float(sample), persistent=False)
        self.register_buffer(
            "rays", torch.from_numpy(camera.with_frame_size(frame_size).cell_rays(stride)), persistent=False
        )

    def forward(self, actors: Float[Tensor, "n s 6"], kinds: Int[Tensor, "n s"]) -> DrawnActors:
        """The picture of actors.

        Args:
            actors: OBJECT_NAMES, vehicle frame.
            kinds: ObjectKind; EMPTY ones are left out.
        """
        channels, weight, actors, kinds, depth = self._draw(actors, kinds)
        yaw, speed = actors[..., ObjectColumn.YAW], actors[..., ObjectColumn.SPEED]
        share = F.avg_pool2d(weight, 2)
        coverage = share.sum(1)
        moving = (share * (speed > MOVING)[..., None, None]).sum(1)

        # what a cell shows was where the actors that cover it were: their own motion back
        share = share / coverage[:, None].clamp(min=1e-6)
        reach = (share * self._reach(actors, kinds, depth)).sum(1)
        moved = speed * self.dt
        back = torch.stack([moved * yaw.cos(), moved * yaw.sin(), torch.zeros_like(moved)], -1)
        sources = self.rays * reach[..., None] - torch.einsum("nshw,nsx->nhwx", share, back)
        mount = sources.new_tensor([self.camera.mount_x, 0.0, self.camera.mount_height])
        return DrawnActors(channels, coverage.clamp(0, 1), sources + mount, moving.clamp(0, 1))

    def in_colour(
        self, actors: Float[Tensor, "n s 6"], kinds: Int[Tensor, "n s"], colours: Float[Tensor, "n s 3"]
    ) -> Float[Tensor, "n a h w"]:
        """NUM_PAINTED_CHANNELS of the picture alone.

        Args:
            colours: RGB in [0, 1], NaN where unknown.
        """
        return self._draw(actors, kinds, colours)[0]

    def _draw(
        self, actors: Tensor, kinds: Tensor, colours: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Channels; share [n, s, rows, columns] of each sample that shows each actor; actors, kinds and depth, nearest
        first."""
        box, depth, visible = self.rectangles(actors, kinds)
        order = torch.where(visible, depth, torch.inf).argsort(dim=1, stable=True)
        box, depth, visible = (
            v.gather(1, order[..., None].expand_as(v) if v.dim() > 2 else order) for v in (box, depth, visible)
        )
        actors = actors.gather(1, order[..., None].expand_as(actors))
        kinds = kinds.gather(1, order)

        # the share of each sample that a box covers, and of that what nearer ones leave open
        left, right, top, bottom = (v[..., None] for v in box.unbind(-1))
        across = (torch.minimum(right, self.columns + self.sample) - torch.maximum(left, self.columns)) / self.sample
        down = (torch.minimum(bottom, self.rows + self.sample) - torch.maximum(top, self.rows)) / self.sample
        alpha = down.clamp(0, 1)[..., :, None] * across.clamp(0, 1)[..., None, :] * visible[..., None, None]
        open_before = torch.cat([torch.ones_like(alpha[:, :1]), (1 - alpha).cumprod(dim=1)[:, :-1]], dim=1)
        weight = alpha * open_before

        middle = self.sample / 2
        across_box = (self.columns + middle - left) / (right - left).clamp(min=1e-3) * 2 - 1
        up_box = 1 - (self.rows + middle - top) / (bottom - top).clamp(min=1e-3) * 2
        x, y, yaw = actors[..., :3].unbind(-1)
        angle = yaw - torch.atan2(y, x)

        flat = torch.stack(
            [
                torch.ones_like(depth),
                (5 / depth).clamp(max=2),
                angle.cos(),
                angle.sin(),
                (kinds == ObjectKind.TRUCK).to(depth.dtype),
                (kinds == ObjectKind.PEDESTRIAN).to(depth.dtype),
            ],
            dim=-1,
        )
        drawn = torch.einsum("nshw,nsa->nahw", weight, flat)
        varying = [
            (weight * across_box.clamp(-1, 1)[..., None, :]).sum(1),
            (weight * up_box.clamp(-1, 1)[..., :, None]).sum(1),
        ]
        drawn = torch.cat([drawn, torch.stack(varying, dim=1)], dim=1)
        if colours is not None:
            colours = colours.gather(1, order[..., None].expand_as(colours))
            known = torch.isfinite(colours).all(-1, keepdim=True)
            painted = torch.cat([known.to(colours.dtype), torch.where(known, 2 * colours - 1, 0.0)], dim=-1)
            drawn = torch.cat([drawn, torch.einsum("nshw,nsa->nahw", weight, painted)], dim=1)
        return F.pixel_unshuffle(drawn, 2), weight, actors, kinds, depth

    def _reach(self, actors: Tensor, kinds: Tensor, depth: Tensor) -> Tensor:
        """Depth [n, s, h, w] at which the ray of each cell enters each box; `depth` where it goes past it."""
        ahead, left, yaw, _, length, width = actors.unbind(-1)

        # camera and rays in the frame of each box
        c, s = yaw.cos(), yaw.sin()
        x, y = self.camera.mount_x - ahead, -left
        zero = torch.zeros_like(x)
        origin = torch.stack([c * x + s * y, c * y - s * x, zero + self.camera.mount_height], dim=-1)
        turn = torch.stack([c, s, zero, -s, c, zero, zero, zero, zero + 1], dim=-1).unflatten(-1, (3, 3))
        ray = torch.einsum("nsij,hwj->nshwi", turn, self.rays)
        ray = torch.where(ray.abs() < 1e-6, 1e-6, ray)

        # slab test: the ray is inside while it is between all three pairs of faces
        half = torch.stack([length / 2, width / 2], dim=-1)
        low = torch.cat([-half, zero[..., None]], dim=-1)
        high = torch.cat([half, self.heights[kinds][..., None]], dim=-1)
        first, second = ((side - origin)[:, :, None, None] / ray for side in (low, high))
        entered = torch.minimum(first, second).amax(-1)
        exited = torch.maximum(first, second).amin(-1)
        hit = (entered < exited) & (entered > 0)
        return torch.where(hit, entered, depth[..., None, None])

    def rectangles(self, actors: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Left, right, top, bottom in the picture [n, s, 4] [px]; depth [n, s] [m]; whether it is before the camera."""
        x, y, yaw, _, length, width = actors.unbind(-1)
        height = self.heights[kinds]
        along = torch.stack([yaw.cos(), yaw.sin()], dim=-1) * (length / 2)[..., None]
        aside = torch.stack([-yaw.sin(), yaw.cos()], dim=-1) * (width / 2)[..., None]
        centre = torch.stack([x, y], dim=-1)
        corners = torch.stack([centre + i * along + j * aside for i in (-1, 1) for j in (-1, 1)], dim=-2)

        # the corners on the ground and at the roof
        forward = corners[..., 0] - self.camera.mount_x
        c, s = math.cos(self.camera.pitch), math.sin(self.camera.pitch)
        sides = []
        depths = []
        for z in (torch.zeros_like(height), height):
            above = (z - self.camera.mount_height)[..., None]
            depth = c * forward - s * above
            clamped = depth.clamp(min=NEAREST)
            u = self.middle[0] - corners[..., 1] / clamped * self.focal
            v = self.middle[1] - (s * forward + c * above) / clamped * self.focal
            sides.append(torch.stack([u, v], dim=-1))
            depths.append(depth)

        projected = torch.cat(sides, dim=-2)
        depth = torch.cat(depths, dim=-1)
        low, high = projected.amin(-2), projected.amax(-2)
        box = torch.stack([low[..., 0], high[..., 0], low[..., 1], high[..., 1]], dim=-1)
        nearest, mean = depth.amin(-1), depth.mean(-1)
        shown = (kinds != ObjectKind.EMPTY) & (mean > NEAREST)
        return box, (0.5 * (nearest + mean)).clamp(min=NEAREST), shown
