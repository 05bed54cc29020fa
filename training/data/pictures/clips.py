"""Windows of videos and of sequences of images as a torch Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.data.dataset_yaml import MediaEntry, read_dataset_yaml
from training.data.images import Fit, ImageFiles, Images, fit_image, images_in
from training.data.pictures.labelled import check_items, mirror_some
from training.data.video_file import VideoFile, has_times, num_frames
from worldsim.networks.vae3d import frames_to_float


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipSource:
    """A video or a sequence of images.

    Args:
        images: its frames.
        timed: whether their times are known; else they only have an order.
        where: file and line that name it, and itself.
    """

    images: Images
    timed: bool
    where: str


def open_clips(path: Path, split: str = "train") -> list[ClipSource]:
    """The videos and sequences of images that a dataset yaml names for a split, see `read_dataset_yaml`.

    Raises:
        ValueError: the yaml has no such split, or something in it cannot be read; names file and line.
    """
    said = read_dataset_yaml(path)
    if split not in said.splits:
        raise ValueError(f"{path} has no {split}; it has {', '.join(said.splits)}")
    return [open_source(entry, said.fps) for entry in said.splits[split]]


def open_source(entry: MediaEntry, fps: float | None = None) -> ClipSource:
    """A source; `fps` stands in where it does not know its rate itself [1/s]."""
    where = f"{entry.where}: {entry.path}"
    try:
        if entry.path.is_dir():
            paths = images_in(entry.path) if entry.images is None else entry.images
            return ClipSource(images=ImageFiles(paths, _even(len(paths), fps)), timed=fps is not None, where=where)
        timed = has_times(entry.path)
        video = VideoFile(entry.path, None if timed else _even(num_frames(entry.path), fps))
        return ClipSource(images=video, timed=timed or fps is not None, where=where)
    except ValueError as error:
        raise ValueError(f"{entry.where}: {error}") from error


def _even(count: int, fps: float | None) -> np.ndarray:
    """Times of `count` frames [s], or their numbers where no rate is known."""
    return np.arange(count) / (fps or 1.0)


class Clips(Dataset[Tensor]):
    """Windows of consecutive frames, float32 [t, 3, h, w] in [-1, 1], none across two sources.

    Item k is a function of k, the sources, `seed` and `epoch`, whichever worker makes it.

    Args:
        sources: videos and sequences of images.
        num_frames: length of a window.
        image_size: height and width [px].
        stride: frames from one window's start to the next one's.
        fps: rate of a window's frames, each the nearest in time [1/s]; None takes all frames there are.
        fit: how a frame of another size is brought to `image_size`, see Fit: "crop" cuts the longer side about its
            middle and then scales, "stretch" scales both sides.
        mirror: probability that a window's left and right are exchanged, 0 for never.
        seed: of the mirroring.

    Attributes:
        epoch: number of the pass, for other mirroring in each; set it between passes, not while workers run.

    Raises:
        ValueError: a value is out of range; a source has fewer frames than a window, frames without times where a rate
            is asked for, or fewer a second than that. The message names the source.
    """

    def __init__(
        self,
        sources: Sequence[ClipSource],
        num_frames: int,
        image_size: tuple[int, int],
        stride: int = 1,
        fps: float | None = None,
        fit: Fit = "crop",
        mirror: float = 0.0,
        seed: int = 0,
    ) -> None:
        check_items(image_size, mirror)
        if num_frames < 1 or stride < 1:
            raise ValueError(f"num_frames and stride must be at least 1, got {num_frames}, {stride}")
        if fps is not None and not fps > 0:
            raise ValueError(f"fps must be positive, got {fps}")
        self.sources, self.num_frames, self.image_size = list(sources), num_frames, image_size
        self.fit: Fit = fit
        self.mirror, self.seed, self.epoch = mirror, seed, 0
        self._frames = [_frames_at(source, fps) for source in self.sources]
        for source, frames in zip(self.sources, self._frames, strict=True):
            if len(frames) < num_frames:
                at_rate = "" if fps is None else f" at {fps:g} a second"
                raise ValueError(
                    f"{source.where} has {len(frames)} frames{at_rate}, a window takes {num_frames}: leave it out, or"
                    " take shorter windows"
                )
        self._windows = [
            (s, k) for s, frames in enumerate(self._frames) for k in range(0, len(frames) - num_frames + 1, stride)
        ]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Tensor:
        """Window `index`.

        Raises:
            ValueError: a frame cannot be read; names it and where its source is named.
        """
        s, first = self._windows[index]
        source, wanted = self.sources[s], self._frames[s][first : first + self.num_frames].tolist()
        try:
            frames = np.stack([fit_image(image, self.image_size, self.fit) for image in source.images.read(wanted)])
        except ValueError as error:
            raise ValueError(f"{source.where}: {error}") from error
        frames = mirror_some(frames, self.mirror, [self.seed, self.epoch, index])
        return frames_to_float(torch.from_numpy(frames))


def _frames_at(source: ClipSource, fps: float | None) -> np.ndarray:
    """Which frames of a source follow each other at a rate [1/s], int64 [n]; None: all."""
    times = source.images.times
    if fps is None or len(times) < 2:
        return np.arange(len(times))
    if not source.timed:
        raise ValueError(f"{source.where}: the rate of its frames is not known; write `fps:` into the dataset yaml")
    rate = 1.0 / float(np.median(np.diff(times)))
    if fps > 1.01 * rate:
        raise ValueError(f"{source.where} has {rate:.4g} frames a second; {fps:g} would show some of them twice")
    wanted = times[0] + np.arange(int((times[-1] - times[0]) * fps + 1e-6) + 1) / fps
    return np.searchsorted((times[1:] + times[:-1]) / 2, wanted).astype(np.int64)
