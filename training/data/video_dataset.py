"""Rollouts as a torch Dataset and DataLoader: windows decoded by worker processes, augmented, weighted.

`FrameWindows` decodes a dataset once and draws from memory; this is for datasets too large for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from training.data.augment import AugmentConfig, Clip, augment
from training.data.frame_store import WindowBatch
from training.data.rarity import behaviours, rarity_weights
from training.data.rollouts import RecordedEpisode, RolloutDataset, Rows
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import motion_between


class VideoDataset(Dataset[WindowBatch]):
    """Every window of consecutive frames of a dataset, in order; an item is a WindowBatch of one.

    Item k is a function of k, the dataset, `seed` and `epoch`, whichever worker makes it.

    Args:
        rollouts: the dataset.
        num_frames: length of a window.
        stride: frames from one window's start to the next one's.
        augmentation: how windows are changed; None for not at all.
        seed: of the augmentation.

    Attributes:
        epoch: number of the pass, for other augmentations in each; set it between passes, not while workers run.

    Raises:
        ValueError: a count is below 1, or no episode is long enough.
    """

    def __init__(
        self,
        rollouts: RolloutDataset,
        num_frames: int,
        stride: int = 1,
        augmentation: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        if num_frames < 1 or stride < 1:
            raise ValueError(f"num_frames and stride must be at least 1, got {num_frames}, {stride}")
        self.num_frames, self.augmentation, self.seed, self.epoch = num_frames, augmentation, seed, 0
        self._episodes: list[RecordedEpisode] = [rollouts[k] for k in range(len(rollouts))]
        lengths = rollouts.lengths
        self._offsets = np.cumsum(lengths) - lengths
        self._windows = [
            (e, k) for e in range(len(lengths)) for k in range(0, int(lengths[e]) - num_frames + 1, stride)
        ]
        if not self._windows:
            raise ValueError(f"no episode has {num_frames} frames; the longest has {lengths.max(initial=0)}")

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> WindowBatch:
        """Window `index`.

        Raises:
            ValueError: its video is missing or damaged; the message names it.
        """
        e, start = self._windows[index]
        stop = start + self.num_frames
        clip = Clip(frames=self._episodes[e].window(start, stop), rows=self._episodes[e].rows[start:stop])
        if self.augmentation is not None:
            clip = augment(clip, self.augmentation, np.random.default_rng([self.seed, self.epoch, index]))
        return _as_batch(clip, int(self._offsets[e]) + start)

    def weights(self, strength: float = 0.5) -> np.ndarray:
        """Weights float64 [n] of the windows by the rarity of the behaviour in them, mean 1; see `rarity_weights`."""
        rows = Rows.concatenate([episode.rows for episode in self._episodes])
        rarity = rarity_weights(behaviours(rows), strength)
        starts = [int(self._offsets[e]) + k for e, k in self._windows]
        weights = np.array([rarity[k : k + self.num_frames].mean() for k in starts])
        return weights / weights.mean()


class WeightedWindows(Sampler[int]):
    """Draws windows with replacement, anew in each pass, by a generator of its own.

    Args:
        weights: of the windows, float64 [n], not negative.
        num_samples: draws a pass; None for as many as there are windows.
        seed: of the draws.

    Raises:
        ValueError: a weight is negative or not finite, or all are 0.
    """

    def __init__(self, weights: np.ndarray, num_samples: int | None = None, seed: int = 0) -> None:
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
            raise ValueError(f"weights must be finite, not negative and not all 0, got sum {weights.sum()}")
        self._probabilities = weights / weights.sum()
        self._num_samples = len(weights) if num_samples is None else num_samples
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self._num_samples

    def __iter__(self):
        return iter(self._rng.choice(len(self._probabilities), len(self), p=self._probabilities).tolist())


@dataclass(frozen=True, kw_only=True)
class LoaderConfig:
    """How windows are loaded.

    Args:
        batch_size: windows at a time; the last, smaller batch is left out.
        num_workers: processes that decode; 0 decodes in this one.
        rarity: 0 draws all windows alike, 1 each behaviour alike.
        seed: of the order.

    Raises:
        ValueError: a value is out of range.
    """

    batch_size: int = 16
    num_workers: int = 0
    rarity: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.num_workers < 0:
            raise ValueError(f"batch_size and num_workers cannot be {self.batch_size}, {self.num_workers}")


def video_loader(dataset: VideoDataset, config: LoaderConfig) -> DataLoader[WindowBatch]:
    """Batches of windows, drawn by rarity, with as many draws a pass as there are windows.

    Raises:
        ValueError: there are fewer windows than a batch takes.
    """
    if len(dataset) < config.batch_size:
        raise ValueError(f"{len(dataset)} windows do not fill a batch of {config.batch_size}")
    return DataLoader(
        dataset,
        batch_size=config.batch_size,
        sampler=WeightedWindows(dataset.weights(config.rarity), seed=config.seed),
        num_workers=config.num_workers,
        collate_fn=collate,
        drop_last=True,
        generator=torch.Generator().manual_seed(config.seed),  # else the loader would draw from the global one
    )


def collate(windows: Sequence[WindowBatch]) -> WindowBatch:
    """One batch of all windows, which have the same length."""
    joined = {
        f.name: np.concatenate([getattr(w, f.name) for w in windows]) for f in fields(WindowBatch) if f.name != "scenes"
    }
    scenes = [w.scenes.arrays() for w in windows]
    return WindowBatch(scenes=SceneState(**{k: np.concatenate([s[k] for s in scenes]) for k in scenes[0]}), **joined)


def _as_batch(clip: Clip, first: int) -> WindowBatch:
    rows = clip.rows
    names = ("collision", "off_road", "wrong_way", "tasks", "valid")
    return WindowBatch(
        frames=clip.frames[None],
        controls=rows.controls[None, :-1],
        motions=motion_between(rows.vehicles[:-1], rows.vehicles[1:]).astype(np.float32)[None],
        scenes=rows.scenes[None],
        first=np.array([first]),
        **{name: getattr(rows, name)[None] for name in names},
    )
