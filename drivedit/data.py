"""Clips with controls for a training: windows of recordings, in batches, augmented, and frames to and from floats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from training.data.augment import AugmentConfig
from training.data.images import Fit, fit_image
from training.data.video_file import VideoFile
from training.importers.controlled_clips import ControlledClips
from training.importers.importer import SourceHints
from worldsim.networks.vae3d import frames_to_float, frames_to_uint8

__all__ = ["AugmentationPipeline", "VideoDataset", "VideoLoader", "VideoPreprocessor"]


class AugmentationPipeline(AugmentConfig):
    """How windows are changed: mirrored with their steering, in another light."""

    @classmethod
    def create_training_pipeline(
        cls, mirror: float = 0.5, brightness: float = 0.15, contrast: float = 0.15, saturation: float = 0.2
    ) -> AugmentationPipeline:
        """What trainings use; arguments as of AugmentConfig."""
        return cls(mirror=mirror, brightness=brightness, contrast=contrast, saturation=saturation)


class VideoDataset(ControlledClips):
    """Windows of videos with their controls, see ControlledClips.

    Args:
        data_root: a recording, or a folder of videos with a table beside each.
        sequence_length: frames of a window.
        image_size: height and width of a frame [px].
        load_controls: whether windows have controls; else videos need none.
        stride: frames from one window's start to the next one's.
        fps: rate of the frames [1/s].
        fit: how frames of another size are brought to `image_size`.
        hints: what the recordings do not say of themselves.
        augmentation: how windows are changed; None for not at all.
        seed: of that.
    """

    def __init__(
        self,
        data_root: str | Path,
        sequence_length: int = 16,
        image_size: tuple[int, int] = (256, 256),
        load_controls: bool = True,
        stride: int = 1,
        fps: int = 10,
        fit: Fit = "crop",
        hints: SourceHints | None = None,
        augmentation: AugmentationPipeline | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            Path(data_root), sequence_length, image_size, load_controls, stride, fps, fit, hints, augmentation, seed
        )


class VideoLoader(DataLoader):
    """Batches of windows in an order that its seed decides, another in each pass; a last, smaller one is left out.

    Args:
        dataset: of windows.
        batch_size: windows at a time.
        num_workers: processes that read ahead; 0 reads in this one.
        shuffle: False for the order of the data set.
        seed: of the order.

    Raises:
        ValueError: a number is out of range, or the windows do not fill a batch.
    """

    def __init__(
        self, dataset: VideoDataset, batch_size: int = 8, num_workers: int = 4, shuffle: bool = True, seed: int = 0
    ) -> None:
        if batch_size < 1 or num_workers < 0:
            raise ValueError(f"batch_size and num_workers cannot be {batch_size}, {num_workers}")
        if len(dataset) < batch_size:
            raise ValueError(f"{len(dataset)} windows do not fill a batch of {batch_size}")
        generator = torch.Generator().manual_seed(seed)
        super().__init__(dataset, batch_size, shuffle, num_workers=num_workers, drop_last=True, generator=generator)
        self._windows, self._passes = dataset, 0

    def __iter__(self) -> Iterator[Any]:
        """A pass: the windows are augmented in another way in each."""
        self._windows.epoch = self._passes
        self._passes += 1
        return super().__iter__()


class VideoPreprocessor:
    """Frames as networks take them, and back.

    Args:
        image_size: height and width of the frames [px].
        fit: how frames of another size are brought to it.
    """

    def __init__(self, image_size: tuple[int, int] = (256, 256), fit: Fit = "crop") -> None:
        self.image_size = image_size
        self.fit: Fit = fit

    def __call__(self, frames: np.ndarray) -> Tensor:
        """RGB uint8 [t, h, w, 3] as float32 [t, 3, H, W] in [-1, 1].

        Raises:
            ValueError: the frames are of another kind.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
            raise ValueError(f"frames must be uint8 [t, h, w, 3], got {frames.dtype} {list(frames.shape)}")
        fitted = np.stack([fit_image(frame, self.image_size, self.fit) for frame in frames])
        return frames_to_float(torch.from_numpy(fitted))

    def read(self, path: str | Path, num_frames: int, first: int = 0) -> Tensor:
        """Frames of a video file, from its frame `first` on, float32 [t, 3, H, W].

        Raises:
            ValueError: the file cannot be read or has no such frames; names it.
        """
        video = VideoFile(Path(path))
        if num_frames < 1 or first < 0 or first + num_frames > len(video.times):
            raise ValueError(f"{path} has {len(video.times)} frames, not {num_frames} from frame {first} on")
        return self(np.stack(list(video.read(range(first, first + num_frames)))))

    def to_uint8(self, frames: Tensor) -> np.ndarray:
        """Frames [..., 3, H, W] in [-1, 1] as RGB uint8 [..., H, W, 3], to show or to write."""
        return frames_to_uint8(frames.detach().cpu()).numpy()
