"""Driving around a block and coming back: does the learned world remember what a place looked like?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from training.evaluation.image_metrics import psnr
from training.evaluation.rollouts import follow_lane
from worldsim.datatypes.start_clip import NO_LANES, StartClip
from worldsim.dynamics.memory import relative_pose, view_distance
from worldsim.world_model import WorldModel

SAME_VIEW = 1.0
"""Views nearer than this to each other are compared [m]."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A rounded rectangle driven counter-clockwise, beginning in the middle of a long side.

    Args:
        length: of the sides along the start's heading [m].
        width: of the others [m].
        radius: of the corners [m].
        laps: times around.
    """

    length: float = 60.0
    width: float = 40.0
    radius: float = 14.0
    laps: int = 2

    def __post_init__(self) -> None:
        if not 0 < 2 * self.radius <= min(self.length, self.width):
            raise ValueError(
                f"radius must be positive and at most half of length {self.length} and width {self.width}, "
                f"got {self.radius}"
            )
        if self.laps < 2:
            raise ValueError(f"laps must be at least 2 to come back, got {self.laps}")

    @property
    def lap(self) -> float:
        """Length of a lap [m]."""
        straight = 2 * (self.length + self.width) - 8 * self.radius
        return straight + 2 * np.pi * self.radius

    def route(self, spacing: float = 1.0) -> np.ndarray:
        """Points of all laps about `spacing` [m] apart, float32 [r, 2], in the vehicle frame of the start."""
        along, across, r = self.length / 2 - self.radius, self.width - 2 * self.radius, self.radius
        s = np.arange(0.0, self.laps * self.lap + 40.0, spacing) % self.lap
        pieces = [(along, 0.0), (np.pi * r / 2, 1 / r), (across, 0.0), (np.pi * r / 2, 1 / r), (2 * along, 0.0)]
        pieces += [(np.pi * r / 2, 1 / r), (across, 0.0), (np.pi * r / 2, 1 / r), (along, 0.0)]
        points = np.zeros((len(s), 2))
        x = y = yaw = begun = 0.0
        for size, curvature in pieces:
            inside = (s >= begun) & (s < begun + size)
            points[inside] = _along(x, y, yaw, curvature, s[inside] - begun)
            x, y = _along(x, y, yaw, curvature, np.array([size]))[0]
            yaw, begun = yaw + curvature * size, begun + size
        return points.astype(np.float32)


def _along(x: float, y: float, yaw: float, curvature: float, s: np.ndarray) -> np.ndarray:
    if curvature == 0.0:
        return np.stack([x + s * np.cos(yaw), y + s * np.sin(yaw)], axis=-1)
    turn = yaw + curvature * s
    return np.stack([x + (np.sin(turn) - np.sin(yaw)) / curvature, y - (np.cos(turn) - np.cos(yaw)) / curvature], -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoopDrives:
    """`n` drives of `t` steps around a block: frames uint8 [n, t, h, w, 3], latents float32 [n, t, c, h, w], poses
    [n, t, 3]."""

    frames: np.ndarray
    latents: np.ndarray
    poses: np.ndarray


def drive_laps(
    model: WorldModel, clips: list[StartClip], block: Block, num_steps: int, remember: bool = True
) -> LoopDrives:
    """The lane follower drives around `block` from each of the clips, nobody else on the road.

    Args:
        remember: False takes the model's memory away.
    """
    clips = [replace(clip, route=block.route(), lanes=NO_LANES) for clip in clips]
    state = model.begin(clips, list(range(len(clips))))
    actors = state.tracked.actors
    alone = replace(actors, kinds=np.zeros_like(actors.kinds), vacant=np.zeros_like(actors.vacant))
    state = replace(state, tracked=replace(state.tracked, actors=alone))
    if not remember:
        state = state.with_latent(state.latent._replace(memory=None))
    frames, latents, poses = [], [], []
    begun = state
    for state, prediction in follow_lane(model, begun, num_steps, "laps" if remember else "laps without memory"):
        frames.append(prediction.frames)
        latents.append(state.latent.latents[:, 0].cpu().numpy())
        poses.append(state.tracked.vehicles[:, :3])
    return LoopDrives(frames=np.stack(frames, 1), latents=np.stack(latents, 1), poses=np.stack(poses, 1))


def same_views(laps: LoopDrives, least_travelled: float) -> np.ndarray:
    """Drive, frame, earlier frame [p, 3] of the same view, the ego having travelled so far in between [m]."""
    pairs = []
    for n, poses in enumerate(torch.from_numpy(laps.poses.astype(np.float64))):
        travelled = torch.cat([torch.zeros(1), (poses[1:, :2] - poses[:-1, :2]).norm(dim=-1).cumsum(0)])
        for t in range(len(poses)):
            num = int((travelled <= travelled[t] - least_travelled).sum())
            if not num:
                continue
            apart = view_distance(relative_pose(poses[:num], poses[t]))
            earlier = int(apart.argmin())
            if apart[earlier] < SAME_VIEW:
                pairs.append((n, t, earlier))
    return np.array(pairs, np.int64).reshape(-1, 3)


def view_rows(laps: LoopDrives, least_travelled: float, count: int = 8) -> list[np.ndarray]:
    """Up to `count` views as first seen, and the same a lap later, each uint8 [count, h, w, 3]."""
    pairs = same_views(laps, least_travelled)
    shown = pairs[np.linspace(0, len(pairs) - 1, count).astype(int)] if len(pairs) else pairs
    return [laps.frames[shown[:, 0], shown[:, k]] for k in (2, 1)]


def revisit_scores(laps: LoopDrives, least_travelled: float, rng: np.random.Generator) -> dict:
    """How alike frames of the same view are, a lap after each other, and frames of the drive chosen at random."""
    n, now, before = same_views(laps, least_travelled).T
    if not len(n):
        return {"pairs": 0}
    other = rng.integers(0, now)

    def alike(then: np.ndarray) -> dict:
        difference = laps.latents[n, now] - laps.latents[n, then]
        return {
            "psnr_db": float(psnr(laps.frames[n, now], laps.frames[n, then]).mean()),
            "latent_rms": float(np.sqrt((difference**2).mean())),
        }

    return {"pairs": len(n), "same_view": alike(before), "other_view": alike(other)}
