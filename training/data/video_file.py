"""Frames of a video file at their times, as a player shows them: turned, in square pixels, the first one at 0 s."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError

from training.data.images import check_rising

VIDEO_SUFFIXES = (
    *(".mp4", ".mkv", ".avi", ".mov", ".webm", ".hevc", ".h264", ".m4v"),
    *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp"),
)
_SEEK_EARLIER = (0.0, 2.0, 10.0, 60.0, None)
"""How long before the wanted frame decoding begins, tried in turn where it is missed [s]; None is the file's start."""


class VideoFile:
    """Frames of a video file.

    Args:
        path: of the file.
        times: of its frames in order [n] [s], for videos without times of their own; None takes those of the file.
        start: time in the file of the first frame that belongs to the recording, which is then at 0 [s]; None for the
            first there is, whatever the file's clock says.
        stop: time in the file before which its last frame lies [s]; None for the end.

    Raises:
        ValueError: the file is missing or no video, or has no times and none are given; the message names it.
    """

    def __init__(
        self, path: Path, times: np.ndarray | None = None, start: float | None = None, stop: float | None = None
    ) -> None:
        self.path = path
        count, stamps, base = _frame_stamps(path)
        if times is None:
            if stamps is None:
                raise ValueError(f"{path} does not say when its frames were taken; give their rate")
            in_file = np.array([float(pts * base) for pts in stamps])
            start = float(in_file[0]) if start is None else start
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
        try:
            check_rising(self._times)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @property
    def times(self) -> np.ndarray:
        """[n] [s]."""
        return self._times

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See `Images.read`."""
        left = deque(indices)
        try:
            for earlier in _SEEK_EARLIER if self._stamps is not None else (None,):
                yield from self._read(left, earlier)
                if not left:
                    return
        except (OSError, FFmpegError) as error:
            raise ValueError(f"cannot decode {self.path}: {error}") from error
        raise ValueError(f"{self.path} is damaged: frame {left[0]} cannot be decoded")

    def _read(self, left: deque[int], earlier: float | None) -> Iterator[np.ndarray]:
        """Take the images of `left` off it, until one is missed: where a seek lands is the container's affair."""
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            if self._stamps is not None and earlier is not None and stream.time_base is not None:
                target = self._stamps[left[0]] - round(earlier / stream.time_base)
                try:
                    container.seek(target, stream=stream, backward=True)
                except (OSError, FFmpegError):  # some containers cannot: it is read from further ahead
                    return
            for position, frame in enumerate(container.decode(stream)):
                here = position if self._stamps is None else frame.pts
                wanted = left[0] if self._stamps is None else self._stamps[left[0]]
                if here is None or here < wanted:
                    continue
                if here > wanted or (frame.is_corrupt and earlier is not None):
                    return  # missed, or made without what it refers to
                image = _as_shown(frame, _pixel_ratio(stream), self.path)
                while here == (left[0] if self._stamps is None else self._stamps[left[0]]):
                    yield image
                    left.popleft()
                    if not left:
                        return


def _pixel_ratio(stream: av.VideoStream) -> float:
    """Width over height of a pixel; 1 where the file does not say."""
    ratio = stream.sample_aspect_ratio
    return float(ratio) if ratio else 1.0


def _as_shown(frame: av.VideoFrame, pixel_ratio: float, path: Path) -> np.ndarray:
    """RGB uint8 [h, w, 3] in square pixels, turned and mirrored as the file says."""
    image = frame.to_ndarray(format="rgb24")
    height, width, _ = image.shape
    if pixel_ratio > 1:
        image = cv2.resize(image, (round(width * pixel_ratio), height))
    elif pixel_ratio < 1:
        image = cv2.resize(image, (width, round(height / pixel_ratio)))
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return image if matrix is None else _turned(image, np.frombuffer(bytes(matrix), np.int32).reshape(3, 3), path)


def _turned(image: np.ndarray, matrix: np.ndarray, path: Path) -> np.ndarray:
    """An image after a display matrix, int32 [3, 3] in 16.16 fixed point: rows are where x and y point when shown."""
    axes = matrix[:2, :2] / 65536
    turned = np.rint(axes).astype(int)
    one_each = all((np.abs(turned).sum(side) == 1).all() for side in (0, 1))
    if np.abs(axes - turned).max() > 1e-3 or not one_each:
        raise ValueError(f"{path} is to be shown turned by {axes.tolist()}; only quarter turns and mirrors are read")
    if turned[0, 0] == 0:
        image = image.transpose(1, 0, 2)
    flips_x, flips_y = (turned[:, k].sum() < 0 for k in (0, 1))
    return np.ascontiguousarray(image[:: -1 if flips_y else 1, :: -1 if flips_x else 1])


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
            stamps = [packet.pts for packet in container.demux(stream) if packet.size and not packet.is_discard]
            base = stream.time_base
    except (OSError, FFmpegError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if not stamps or base is None:
        raise ValueError(f"{path} holds no frames")
    known = [pts for pts in stamps if pts is not None]
    return len(stamps), sorted(known) if len(known) == len(stamps) else None, base
