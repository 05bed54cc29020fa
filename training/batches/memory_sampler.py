"""Retrieved frames for windows of a recording: of the same episode, as if the ego had been there before, and sinks."""

from __future__ import annotations

import numpy as np
import torch

from training.data.frame_store import FrameStore
from training.data.validity import known_of
from worldsim.dynamics.memory import MEMORY_SPACING, RetrievedFrames, is_near, relative_pose, view_distance


class MemorySampler:
    """Chooses for windows the frames that a memory bank would retrieve.

    On an ordinary drive only frames before the window can be retrieved. Recorded drives seldom come to a place twice,
    so for a part of the windows later frames are candidates too: they show the same place from as near as another
    visit would. Frames without a picture or a known pose are not retrieved.

    Sinks are the first frames of a drive. A drive may begin with any frame of a recording; so they are taken from a
    drawn frame on, or from the episode's first if the drawn one comes after the window's.

    Args:
        store: episodes and poses.
        latents: of its frames, [n, c, h, w].
        num: frames retrieved for each window.
        num_sinks: sinks of each window.
        empty_fraction: share of the windows that retrieve nothing.
        revisit_fraction: share of the windows that retrieve later frames too.
    """

    def __init__(
        self,
        store: FrameStore,
        latents: np.ndarray,
        num: int,
        num_sinks: int = 0,
        empty_fraction: float = 0.25,
        revisit_fraction: float = 0.4,
    ) -> None:
        self.latents, self.num, self.num_sinks = latents, num, num_sinks
        self.empty_fraction, self.revisit_fraction = empty_fraction, revisit_fraction
        self.starts, self.lengths = store.starts, store.lengths
        known = known_of(store.rows.valid)
        self.pictured = known.picture
        poses = store.rows.vehicles[:, :3].astype(np.float64)
        self.poses = np.where((known.pose & known.picture)[:, None], poses, np.nan)
        step = np.hypot(*np.diff(self.poses[:, :2], axis=0, prepend=self.poses[:1, :2]).T)
        step[self.starts] = 0.0
        step[np.isnan(step)] = 0.0
        self.travelled = np.cumsum(step)

    def at(self, firsts: np.ndarray, num_frames: int, poses: np.ndarray, draws: np.ndarray) -> RetrievedFrames:
        """Retrieved frames of windows that begin at these frames.

        Args:
            firsts: int64 [b].
            num_frames: length of the windows.
            poses: that each frame is taken to be seen from, x, y, yaw [b, t, 3]; at NaN nothing is retrieved.
            draws: in [0, 1), [b, 3]: the first says where the drive began, the second which frames are candidates, the
                third at which places the bank has stored them.
        """
        chosen = [
            self._choose(int(first), num_frames, pose, draw)
            for first, pose, draw in zip(firsts, poses, draws[:, 1:], strict=True)
        ]

        b = len(firsts)
        latents = np.zeros((b, 1, self.num, *self.latents.shape[1:]), np.float32)
        stored = np.full((b, 1, self.num, 3), np.nan)
        for row, index in enumerate(chosen):
            for place, k in enumerate(index):
                latents[row, 0, place], stored[row, 0, place] = self.latents[k], self.poses[k]

        motions = relative_pose(
            torch.from_numpy(stored).expand(-1, num_frames, -1, -1), torch.from_numpy(poses.astype(np.float64))
        )
        valid = is_near(motions)
        retrieved = RetrievedFrames(
            torch.from_numpy(latents).expand(-1, num_frames, -1, -1, -1, -1), motions.nan_to_num(0.0).float(), valid
        )
        return retrieved.with_sinks(*self._sinks(firsts, num_frames, draws[:, 0])) if self.num_sinks else retrieved

    def _sinks(self, firsts: np.ndarray, num_frames: int, draws: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Sinks [b, s, c, h, w] of windows, and which of them each frame sees: those that are older, bool [b, t, s]."""
        episode = np.searchsorted(self.starts, firsts, side="right") - 1
        begin = self.starts[episode] + (draws * self.lengths[episode]).astype(np.int64)
        begin = np.where(begin > firsts, self.starts[episode], begin)
        index = np.minimum(begin[:, None] + np.arange(self.num_sinks), len(self.pictured) - 1)
        frames = firsts[:, None] + np.arange(num_frames)
        valid = (index[:, None] < frames[..., None]) & self.pictured[index][:, None]
        return torch.from_numpy(self.latents[index].astype(np.float32)), torch.from_numpy(valid)

    def _choose(self, first: int, num_frames: int, poses: np.ndarray, draw: np.ndarray) -> np.ndarray:
        """Store positions of up to `num` frames, nearest to the window's last pose first."""
        if draw[0] < self.empty_fraction:
            return np.empty(0, np.int64)
        episode = int(np.searchsorted(self.starts, first, side="right")) - 1
        low, high = int(self.starts[episode]), int(self.starts[episode] + self.lengths[episode])
        index = np.arange(low, high if draw[0] > 1 - self.revisit_fraction else first)
        index = index[(index < first) | (index >= first + num_frames + 2)]

        # the bank keeps one frame for every MEMORY_SPACING driven
        places = np.floor(self.travelled[index] / MEMORY_SPACING + draw[1])
        index = index[np.diff(places, prepend=-1.0) != 0]

        motions = relative_pose(torch.from_numpy(self.poses[index]), torch.from_numpy(poses[-1]))
        apart = torch.where(is_near(motions), view_distance(motions), torch.inf).numpy()
        order = np.argsort(apart, kind="stable")[: self.num]
        return index[order[np.isfinite(apart[order])]]
