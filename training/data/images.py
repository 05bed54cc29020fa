"""Images at their times, from files of their own; any image fitted to the size of a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

Fit = Literal["crop", "stretch"]
"""How an image is brought to another shape: "crop" cuts the longer side about its middle, "stretch" distorts angles."""


def check_rising(times: np.ndarray) -> None:
    """Refuse times [n] that do not rise.

    Raises:
        ValueError: with the place and the values.
    """
    bad = np.flatnonzero(~(np.diff(times) > 0))
    if len(bad):
        k = int(bad[0])
        raise ValueError(f"time must rise; sample {k + 1} is at {times[k + 1]} s after {times[k]} s")


class Images(Protocol):
    """Images in the order in which they were taken."""

    @property
    def times(self) -> np.ndarray:
        """When each image was taken, rising, float64 [n] [s]."""
        ...

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """The images at these rising indices, RGB uint8 [h, w, 3].

        Raises:
            ValueError: an image is missing or damaged; the message names it.
        """
        ...


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
        yield from (read_image(self._paths[k]) for k in indices)


def read_image(path: Path) -> np.ndarray:
    """An image file, RGB uint8 [h, w, 3].

    Raises:
        ValueError: it is missing or damaged; names it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"image {path} is missing or cannot be read: {error.strerror}") from error
    # OpenCV reads a JPEG that was cut off, and fills the rest with grey: its end must follow its last scan
    cut_off = data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    image = None if cut_off or not data else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"image {path} is damaged")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder, in the order of the numbers in their names."""
    return in_natural_order(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order of the numbers in their names: 2 before 10."""

    def natural(path: Path) -> list[tuple[int, int, str]]:
        parts = [part for part in re.split(r"(\d+)", path.stem) if part]
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]

    return sorted(paths, key=natural)


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
