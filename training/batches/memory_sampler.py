"""Retrieved latents for windows of a recording: of the same episode, as if the camera had been there before."""

from __future__ import annotations

import math

import numpy as np
import torch

from training.batches.encoded_store import FULL_SCALE, EncodedStore
from training.data.frame_store import FrameStore
from training.data.validity import known_of
from worldsim.conditioning.latent_conditions import ConditionChannel
from worldsim.datatypes.vehicle import motion_between
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.gbuffer.key_frames import MIN_MOVE, WEIGHT_OF_SEEN
from worldsim.gbuffer.reprojection import reproject

TURN_ARM = 8.0
"""A turn by an angle counts as this far times the angle [m]."""
SIDE_WEIGHT = 2.0
"""A metre to the side counts as so many ahead or behind: what is beside the road is near."""
NEAR_VIEWS = 24.0
"""Views farther than this are not near [m]."""
MOST_TURN = math.radians(75.0)
"""Nor are those that face elsewhere [rad]."""


def view_distance(motions: np.ndarray) -> np.ndarray:
    """How different two views are, by MOTION_NAMES [..., 6] from one to the other, [...] [m]."""
    dx, dy, dyaw = np.moveaxis(motions[..., :3], -1, 0)
    return np.hypot(dx, SIDE_WEIGHT * dy) + TURN_ARM * np.abs(dyaw)


def is_near(motions: np.ndarray) -> np.ndarray:
    """Whether views are near enough to show much of the same, bool [...]; NaN is not."""
    return (view_distance(motions) < NEAR_VIEWS) & (np.abs(motions[..., 2]) < MOST_TURN)


class MemorySampler:
    """Chooses for windows the key frame that a memory would retrieve.

    On an ordinary drive only frames before the window can be retrieved. Recorded drives seldom come to a place twice,
    so for a part of the windows later frames are candidates too: they show the same place from as near as another
    visit would. Frames without a picture or a known pose are not retrieved.

    Args:
        store: episodes and poses.
        encoded: its frames.
        empty_fraction: share of the windows that retrieve nothing.
        revisit_fraction: share of the windows that retrieve later frames too.
    """

    def __init__(
        self, store: FrameStore, encoded: EncodedStore, empty_fraction: float = 0.25, revisit_fraction: float = 0.4
    ) -> None:
        self.encoded = encoded
        self.empty_fraction, self.revisit_fraction = empty_fraction, revisit_fraction
        self.starts, self.lengths = store.starts, store.lengths
        known = known_of(store.rows.valid)
        vehicles = store.rows.vehicles
        self.vehicles = np.where((known.pose & known.picture)[:, None], vehicles, np.nan)
        step = np.hypot(*np.diff(self.vehicles[:, :2], axis=0, prepend=self.vehicles[:1, :2]).T)
        step[self.starts] = 0.0
        step[np.isnan(step)] = 0.0
        self.travelled = np.cumsum(step)

    def at(self, firsts: np.ndarray, encoded_firsts: np.ndarray, num_frames: int, draws: np.ndarray) -> RetrievedFrames:
        """What is retrieved for windows.

        Args:
            firsts: positions of their first frames in the store, int64 [b].
            encoded_firsts: and among the encoded frames, of which some episodes are once more with their layout hidden.
            num_frames: their length.
            draws: in [0, 1), [b, 2]: the first says which frames are candidates, the second at which places the memory
                has stored them.
        """
        (c, h, w), b = self.encoded.latents.shape[1:], len(firsts)
        latents = np.zeros((b, num_frames, c, h, w), np.float32)
        grids, visible = np.zeros((b, num_frames, h, w, 2), np.float32), np.zeros((b, num_frames, h, w), np.float32)
        for row, (first, here, draw) in enumerate(zip(firsts, encoded_firsts, draws, strict=True)):
            chosen = self._choose(int(first), int(here - first), num_frames, draw)
            if chosen is None:
                continue
            latents[row] = self.encoded.latents[chosen]
            old = self.encoded.geometry(chosen, key_frame=True)
            for t in range(num_frames):
                grids[row, t], visible[row, t] = reproject(self.encoded.geometry(int(here) + t), old)
        return RetrievedFrames(torch.from_numpy(latents), torch.from_numpy(grids), torch.from_numpy(visible))

    def _choose(self, first: int, offset: int, num_frames: int, draw: np.ndarray) -> int | None:
        """The encoded frame that shows most of what the window's last frame shows and the one before that does not;
        encoded frames of the episode lie `offset` after those of the store."""
        if draw[0] < self.empty_fraction:
            return None
        last = first + num_frames - 1
        episode = int(np.searchsorted(self.starts, first, side="right")) - 1
        low, high = int(self.starts[episode]), int(self.starts[episode] + self.lengths[episode])
        index = np.arange(low, high if draw[0] > 1 - self.revisit_fraction else first)
        index = index[(index < first) | (index >= first + num_frames + 2)]

        # the memory keeps one frame for every MIN_MOVE driven
        places = np.floor(self.travelled[index] / MIN_MOVE + draw[1])
        index = index[np.diff(places, prepend=-1.0) != 0]
        index = index[is_near(motion_between(self.vehicles[index], self.vehicles[np.full_like(index, last)]))]

        new = self.encoded.geometry(last + offset)
        missing = 1.0 - self.encoded.maps[last + offset, ConditionChannel.VISIBLE] / FULL_SCALE
        weight = missing + WEIGHT_OF_SEEN * (1.0 - missing)
        shown = [
            float((weight * reproject(new, self.encoded.geometry(int(k), key_frame=True))[1]).sum())
            for k in index + offset
        ]
        if not shown or max(shown) == 0.0:
            return None
        return int(index[int(np.argmax(shown))]) + offset
