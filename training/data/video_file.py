"""Frames of a video file at their times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from training.data.images import check_rising

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".hevc", ".h264", ".m4v")


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
