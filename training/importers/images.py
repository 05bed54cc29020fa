"""Images of a recording that are files of their own; any image fitted to the size of a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from training.importers.recording import check_rising

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

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
