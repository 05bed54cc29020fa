"""MemoryBank: latents that left the window, kept with their poses and retrieved where the ego comes by again.

A frame is inserted when the ego has moved on by MEMORY_SPACING. A full bank drops the least useful frame: one with a
neighbour near to it, and seldom retrieved. Retrieved are those whose view is nearest to the ego's; they are warped to
the present view (`warp.py`), and the network attends to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

MEMORY_SPACING = 2.0
"""A frame is inserted when its view is so far from all that are kept [m]."""
TURN_ARM = 8.0
"""A turn by an angle counts as this far times the angle [m]."""
SIDE_WEIGHT = 2.0
"""A metre to the side counts as so many ahead or behind: what is beside the road is near."""
RETRIEVAL_RANGE = 24.0
"""Views farther than this are not retrieved [m]."""
MOST_TURN = math.radians(75.0)
"""Nor are those that face elsewhere [rad]."""


class RetrievedFrames(NamedTuple):
    """Frames retrieved for each frame, nearest view first, and after them the sinks, the first frames of its drive.

    latents: [b, t, k, c, h, w]. motions: dx, dy [m] and dyaw [rad] from the pose of then to the present one, in the
    vehicle frame of then, 0 for sinks, [b, t, k, 3]. valid: False where nothing was retrieved, [b, t, k].
    """

    latents: Tensor
    motions: Tensor
    valid: Tensor

    @staticmethod
    def empty(latents: Float[Tensor, "b t c h w"], num: int) -> RetrievedFrames:
        """`num` empty slots for each frame."""
        b, t = latents.shape[:2]
        return RetrievedFrames(
            latents.new_zeros(1, 1, 1, 1, 1, 1).expand(b, t, num, *latents.shape[2:]),
            latents.new_zeros(b, t, num, 3),
            torch.zeros((b, t, num), dtype=torch.bool, device=latents.device),
        )

    def with_sinks(self, latents: Float[Tensor, "b s c h w"], valid: Bool[Tensor, "b t s"]) -> RetrievedFrames:
        """These and sinks, each frame those that are `valid` for it."""
        sinks = latents[:, None].expand(-1, valid.shape[1], -1, -1, -1, -1)
        return RetrievedFrames(
            torch.cat([self.latents, sinks], dim=2),
            F.pad(self.motions, (0, 0, 0, latents.shape[1])),
            torch.cat([self.valid, valid], dim=2),
        )


def relative_pose(poses: Float[Tensor, "*b m 3"], pose: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b m 3"]:
    """The motion from each of `poses` (x, y [m], yaw [rad], ground frame) to `pose`, in the frame of each."""
    dx, dy, dyaw = (pose[..., None, :] - poses).unbind(-1)
    yaw = poses[..., 2]
    cos, sin = yaw.cos(), yaw.sin()
    turn = torch.remainder(dyaw + math.pi, 2 * math.pi) - math.pi
    return torch.stack([cos * dx + sin * dy, cos * dy - sin * dx, turn], dim=-1)


def integrate(pose: Float[Tensor, "*b 3"], motion: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3"]:
    """`pose` after a motion (MOTION_NAMES)."""
    x, y, yaw = pose.unbind(-1)
    dx, dy, dyaw = motion[..., :3].to(pose).unbind(-1)
    cos, sin = yaw.cos(), yaw.sin()
    return torch.stack([x + cos * dx - sin * dy, y + sin * dx + cos * dy, yaw + dyaw], dim=-1)


def view_distance(motions: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
    """How different two views are, by the motion from one to the other [m]."""
    dx, dy, dyaw = motions.unbind(-1)
    return torch.sqrt(dx**2 + (SIDE_WEIGHT * dy) ** 2) + TURN_ARM * dyaw.abs()


def is_near(motions: Float[Tensor, "*b 3"]) -> Bool[Tensor, "*b"]:
    """Whether a view is near enough to be retrieved; NaN is not."""
    return (view_distance(motions) < RETRIEVAL_RANGE) & (motions[..., 2].abs() < MOST_TURN)


class MemoryBank(NamedTuple):
    """Room for `m` frames of each slot; functions here never write into a bank.

    latents: [b, m, c, h, w]. poses: x, y [m], yaw [rad] in the ground frame, NaN where empty, [b, m, 3].
    frames: number of each, [b, m]. retrievals: how often each was retrieved, [b, m].
    """

    latents: Tensor
    poses: Tensor
    frames: Tensor
    retrievals: Tensor

    @staticmethod
    def empty(latents: Float[Tensor, "b c h w"], capacity: int) -> MemoryBank:
        """A bank with nothing in it, for latents like these."""
        b, device = len(latents), latents.device
        return MemoryBank(
            latents.new_zeros(b, capacity, *latents.shape[1:]),
            torch.full((b, capacity, 3), torch.nan, dtype=torch.float64, device=device),
            torch.full((b, capacity), -1, device=device),
            torch.zeros((b, capacity), device=device),
        )

    def take(self, slots: Tensor) -> MemoryBank:
        """The given slots in memory of their own."""
        return MemoryBank(*(value[slots] for value in self))

    @staticmethod
    def concat(banks: Sequence[MemoryBank]) -> MemoryBank:
        """The slots of all the banks."""
        return MemoryBank(*(torch.cat(values) for values in zip(*banks, strict=True)))

    def insert(
        self, latents: Float[Tensor, "b c h w"], poses: Float[Tensor, "b 3"], frames: Int[Tensor, "b"]
    ) -> MemoryBank:
        """The bank with those frames in it that are far enough from what it holds."""
        apart = view_distance(relative_pose(self.poses, poses)).nan_to_num(torch.inf)
        new = apart.amin(1) > MEMORY_SPACING
        if not bool(new.any()):
            return self
        slots = torch.nonzero(new)[:, 0]
        index = self._least_useful(slots)
        bank = MemoryBank(*(value.clone() for value in self))
        bank.latents[slots, index] = latents[slots]
        bank.poses[slots, index] = poses[slots].to(bank.poses)
        bank.frames[slots, index] = frames[slots]
        bank.retrievals[slots, index] = 0.0
        return bank

    def _least_useful(self, slots: Int[Tensor, "s"]) -> Int[Tensor, "s"]:
        """The index in each slot's bank that is empty, or whose frame is of least use."""
        poses, retrievals = self.poses[slots], self.retrievals[slots]
        m = poses.shape[1]
        apart = view_distance(
            relative_pose(poses[:, None].expand(-1, m, -1, -1).flatten(0, 1), poses.flatten(0, 1))
        ).unflatten(0, (len(slots), m))
        apart = apart + torch.where(torch.eye(m, dtype=torch.bool, device=apart.device), torch.inf, 0.0)
        importance = apart.nan_to_num(torch.inf).amin(2) * (1 + retrievals.log1p())
        return torch.where(poses[..., 0].isnan(), -1.0, importance).argmin(1)

    def retrieve(
        self, poses: Float[Tensor, "b 3"], before: Int[Tensor, "b"], num: int
    ) -> tuple[RetrievedFrames, MemoryBank]:
        """Up to `num` frames older than frame `before` whose views are nearest to those at `poses`, and the bank with
        their retrievals counted."""
        motions = relative_pose(self.poses, poses)
        allowed = is_near(motions) & (self.frames < before[:, None])
        apart = torch.where(allowed, view_distance(motions), torch.inf)
        nearest, index = apart.topk(min(num, apart.shape[1]), dim=1, largest=False)
        valid = nearest.isfinite()

        rows = torch.arange(len(index), device=index.device)[:, None]
        found = torch.where(valid[..., None], motions[rows, index], 0.0).to(self.latents)
        retrievals = self.retrievals.scatter_add(1, index, valid.to(self.retrievals))
        retrieved = RetrievedFrames(self.latents[rows, index][:, None], found[:, None], valid[:, None])
        return retrieved, self._replace(retrievals=retrievals)
