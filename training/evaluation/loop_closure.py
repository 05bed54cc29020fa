"""Loop closure: does the learned world show the same place again after a lap around a block?"""

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
class LoopRoute:
    """A rounded rectangle driven counter-clockwise, beginning in the middle of a long side.

    Args:
        length: of the sides along the start's heading [m].
        width: of the others [m].
        radius: of the corners [m].
        num_laps: times around.
    """

    length: float = 60.0
    width: float = 40.0
    radius: float = 14.0
    num_laps: int = 2

    def __post_init__(self) -> None:
        if not 0 < 2 * self.radius <= min(self.length, self.width):
            raise ValueError(
                f"radius must be positive and at most half of length {self.length} and width {self.width}, "
                f"got {self.radius}"
            )
        if self.num_laps < 2:
            raise ValueError(f"num_laps must be at least 2 to come back, got {self.num_laps}")

    @property
    def lap_length(self) -> float:
        """Length of a lap [m]."""
        straight = 2 * (self.length + self.width) - 8 * self.radius
        return straight + 2 * np.pi * self.radius

    def points(self, spacing: float = 1.0) -> np.ndarray:
        """Points of all laps about `spacing` [m] apart, float32 [r, 2], in the vehicle frame of the start."""
        along, across, r = self.length / 2 - self.radius, self.width - 2 * self.radius, self.radius
        corner = (np.pi * r / 2, 1 / r)
        pieces = [(along, 0.0), corner, (across, 0.0), corner, (2 * along, 0.0)]
        pieces += [corner, (across, 0.0), corner, (along, 0.0)]

        s = np.arange(0.0, self.num_laps * self.lap_length + 40.0, spacing) % self.lap_length
        points = np.zeros((len(s), 2))
        x = y = yaw = begun = 0.0
        for size, curvature in pieces:
            inside = (s >= begun) & (s < begun + size)
            points[inside] = _along(x, y, yaw, curvature, s[inside] - begun)
            x, y = _along(x, y, yaw, curvature, np.array([size]))[0]
            yaw, begun = yaw + curvature * size, begun + size
        return points.astype(np.float32)


def _along(x: float, y: float, yaw: float, curvature: float, s: np.ndarray) -> np.ndarray:
    """Points [r, 2] at arc lengths `s` of a straight line or an arc from a pose."""
    if curvature == 0.0:
        return np.stack([x + s * np.cos(yaw), y + s * np.sin(yaw)], axis=-1)
    turn = yaw + curvature * s
    return np.stack([x + (np.sin(turn) - np.sin(yaw)) / curvature, y - (np.cos(turn) - np.cos(yaw)) / curvature], -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoopDrives:
    """`n` drives of `t` steps around a loop: frames uint8 [n, t, h, w, 3], latents float32 [n, t, c, h, w], poses
    [n, t, 3]."""

    frames: np.ndarray
    latents: np.ndarray
    poses: np.ndarray


def drive_loops(
    model: WorldModel, clips: list[StartClip], route: LoopRoute, num_steps: int, with_memory: bool = True
) -> LoopDrives:
    """The lane follower drives around `route` from each of the clips, with nobody else on the road.

    Args:
        with_memory: False takes the model's memory bank away.
    """
    clips = [replace(clip, route=route.points(), lanes=NO_LANES) for clip in clips]
    state = model.begin(clips, list(range(len(clips))))
    actors = state.tracked.actors
    alone = replace(actors, kinds=np.zeros_like(actors.kinds), vacant=np.zeros_like(actors.vacant))
    state = replace(state, tracked=replace(state.tracked, actors=alone))
    if not with_memory:
        state = state.with_latent(state.latent._replace(memory=None))

    frames, latents, poses = [], [], []
    begun = state
    for state, prediction in follow_lane(model, begun, num_steps, "loops" if with_memory else "loops without memory"):
        frames.append(prediction.frames)
        latents.append(state.latent.latents[:, 0].cpu().numpy())
        poses.append(state.tracked.vehicles[:, :3])
    return LoopDrives(frames=np.stack(frames, 1), latents=np.stack(latents, 1), poses=np.stack(poses, 1))


def same_views(drives: LoopDrives, least_travelled: float) -> np.ndarray:
    """Drive, frame, earlier frame [p, 3] of the same view, with at least so much driving in between [m]."""
    pairs = []
    for n, poses in enumerate(torch.from_numpy(drives.poses.astype(np.float64))):
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


def view_rows(drives: LoopDrives, least_travelled: float, count: int = 8) -> list[np.ndarray]:
    """Up to `count` views at the first visit, and the same views a lap later, each uint8 [count, h, w, 3]."""
    pairs = same_views(drives, least_travelled)
    shown = pairs[np.linspace(0, len(pairs) - 1, count).astype(int)] if len(pairs) else pairs
    return [drives.frames[shown[:, 0], shown[:, k]] for k in (2, 1)]


def loop_closure_scores(drives: LoopDrives, least_travelled: float, rng: np.random.Generator) -> dict:
    """How alike frames of the same view are, a lap after each other, and frames of the drive chosen at random."""
    n, now, before = same_views(drives, least_travelled).T
    if not len(n):
        return {"pairs": 0}
    other = rng.integers(0, now)

    def likeness(then: np.ndarray) -> dict:
        difference = drives.latents[n, now] - drives.latents[n, then]
        return {
            "psnr_db": float(psnr(drives.frames[n, now], drives.frames[n, then]).mean()),
            "latent_rms": float(np.sqrt((difference**2).mean())),
        }

    return {"pairs": len(n), "same_view": likeness(before), "other_view": likeness(other)}
