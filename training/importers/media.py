"""Images of a recording: from files in a folder or frames of a video; fitted to the size of a dataset."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from av.error import FFmpegError

from training.importers.recording import check_rising

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".hevc", ".h264", ".m4v")

Fit = Literal["crop", "stretch"]
"""How an image is brought to another shape: "crop" cuts the longer side about its middle, "stretch" distorts angles."""


class ImageFiles:
    """Images that are files of their own.

    Args:
        paths: of the files.
        times: rising, float64 [n] [s].

    Raises:
        ValueError: counts differ or the times do not rise.
    """

    def __init__(self, paths: Sequence[Path], times: np.ndarray) -> None:
        if len(paths) != len(times):
            raise ValueError(f"{len(paths)} images and {len(times)} times")
        check_rising(times)
        self._paths, self._times = list(paths), times

    @property
    def times(self) -> np.ndarray:
        """[n] [s]."""
        return self._times

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See `Images.read`."""
        for k in indices:
            image = cv2.imread(str(self._paths[k]), cv2.IMREAD_COLOR)
            if image is None:
                state = "is damaged" if self._paths[k].exists() else "is missing"
                raise ValueError(f"image {self._paths[k]} {state}")
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class VideoFile:
    """Frames of a video file.

    Args:
        path: of the file.
        times: of its frames in order [n] [s], for videos without times of their own; None takes those of the file.
        start: time in the file of the first frame that belongs to the recording, which is then at 0 [s].
        stop: time in the file before which its last frame lies [s]; None for the end.

    Raises:
        ValueError: the file is missing or no video, or has no times and none are given; the message names it.
    """

    def __init__(
        self, path: Path, times: np.ndarray | None = None, start: float = 0.0, stop: float | None = None
    ) -> None:
        self.path = path
        count, stamps, base = _frame_stamps(path)
        if times is None:
            if stamps is None:
                raise ValueError(f"{path} does not say when its frames were taken; give their rate")
            in_file = np.array([float(pts * base) for pts in stamps])
            half = np.median(np.diff(in_file)) / 2 if count > 1 else 0.0
            kept = (in_file >= start - half) & (in_file < (np.inf if stop is None else stop - half))
            if not kept.any():
                raise ValueError(f"{path} has no frames from {start} s to {stop} s")
            self._stamps = [pts for pts, inside in zip(stamps, kept, strict=True) if inside]
            self._times = in_file[kept] - start
        else:
            if len(times) > count:
                raise ValueError(f"{path} has {count} frames, {len(times)} times are given")
            self._stamps, self._times = None if stamps is None else stamps[: len(times)], times
        check_rising(self._times)

    @property
    def times(self) -> np.ndarray:
        """[n] [s]."""
        return self._times

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See `Images.read`."""
        try:
            yield from self._read(list(indices))
        except (OSError, FFmpegError) as error:
            raise ValueError(f"cannot decode {self.path}: {error}") from error

    def _read(self, indices: list[int]) -> Iterator[np.ndarray]:
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            if self._stamps is not None:
                container.seek(self._stamps[indices[0]], stream=stream, backward=True)
            left = deque(indices)
            for position, frame in enumerate(container.decode(stream)):
                here = position if self._stamps is None else frame.pts
                while here == (left[0] if self._stamps is None else self._stamps[left[0]]):
                    yield frame.to_ndarray(format="rgb24")
                    left.popleft()
                    if not left:
                        return
            raise ValueError(f"{self.path} is damaged: frame {left[0]} cannot be decoded")


def num_frames(path: Path) -> int:
    """Frames of a video file.

    Raises:
        ValueError: it cannot be read; the message names it.
    """
    return _frame_stamps(path)[0]


def has_times(path: Path) -> bool:
    """Whether a video file says when its frames were taken; errors as of `num_frames`."""
    return _frame_stamps(path)[1] is not None


@lru_cache(maxsize=16)
def _frame_stamps(path: Path) -> tuple[int, list[int] | None, Fraction]:
    """Number of frames, the time stamps of all of them in the order they are shown if they have any, their unit [s]."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} holds no video")
            stream = container.streams.video[0]
            stamps = [packet.pts for packet in container.demux(stream) if packet.size]
            base = stream.time_base
    except (OSError, FFmpegError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if not stamps or base is None:
        raise ValueError(f"{path} holds no frames")
    known = [pts for pts in stamps if pts is not None]
    return len(stamps), sorted(known) if len(known) == len(stamps) else None, base


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder, in the order of the numbers in their names."""

    def natural(path: Path) -> list[tuple[int, int, str]]:
        parts = [part for part in re.split(r"(\d+)", path.stem) if part]
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]

    return sorted((p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=natural)


def fit_image(image: np.ndarray, size: tuple[int, int], fit: Fit) -> np.ndarray:
    """An image, uint8 [h, w, 3], in another size (height, width) [px]."""
    height, width = size
    h, w, _ = image.shape
    if fit == "crop":
        scale = min(h / height, w / width)
        ch, cw = min(h, round(height * scale)), min(w, round(width * scale))
        top, left = (h - ch) // 2, (w - cw) // 2
        image = image[top : top + ch, left : left + cw]
    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] > height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
