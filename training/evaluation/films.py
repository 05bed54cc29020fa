"""Films and contact sheets: made beside truth, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from envs.video import write_mp4

FILM_HEIGHT = 256
"""Frames smaller than this are enlarged in films by a whole number [px]."""


def write_film(path: Path, true: np.ndarray, made: np.ndarray, fps: float) -> None:
    """Write uint8 videos [t, h, w, 3] side by side, truth on the left, as H.264."""
    frames = np.concatenate([true, made], axis=2)
    scale = max(1, FILM_HEIGHT // frames.shape[1])
    size = (scale * frames.shape[2], scale * frames.shape[1])
    write_mp4(path, np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in frames]), fps)


def arrange_sheet(rows: Sequence[np.ndarray]) -> np.ndarray:
    """A picture of frames uint8 [n, h, w, 3] a row; shorter rows end in black."""
    columns = max(len(row) for row in rows)
    padded = [np.concatenate([row, np.zeros((columns - len(row), *row.shape[1:]), np.uint8)]) for row in rows]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in padded], axis=0)


def write_sheet(path: Path, rows: Sequence[np.ndarray]) -> None:
    """Write the sheet of these rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(arrange_sheet(rows), cv2.COLOR_RGB2BGR))
