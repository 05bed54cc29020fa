"""What a pixel planner sees of the camera's frames: size and rows of its pictures, and what its sight suffers from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

PICTURE_SIZE = (96, 128)
"""Height and width of a picture [px]: a frame of 128 x 128 without its upper quarter, which is sky."""
FRAME_SIZE = (128, 128)
"""Frames of another size are resized to this first [px]."""
FRAME_AGES = (0, 3)
"""A planner sees the newest frame and the one of so many steps before, which tells what moves."""


@dataclass(frozen=True, kw_only=True)
class Vision:
    """What a planner's sight suffers from. None of it changes the shape of a picture.

    Args:
        delay: pictures are this many steps old; the speed is not.
        grey: no colours.
        blur: squares of this many pixels show one colour, their mean [px].
        width: share of a picture's columns that are seen, those in the middle; the others are black.

    Raises:
        ValueError: a delay below 0, squares that do not fill a picture, or a width not in (0, 1].
    """

    delay: int = 0
    grey: bool = False
    blur: int = 1
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.delay < 0:
            raise ValueError(f"delay must not be negative, got {self.delay}")
        if self.blur < 1 or any(size % self.blur for size in PICTURE_SIZE):
            raise ValueError(f"blur must divide the picture's size {PICTURE_SIZE}, got {self.blur}")
        if not 0 < self.width <= 1:
            raise ValueError(f"width must lie in (0, 1], got {self.width}")

    @property
    def ages(self) -> tuple[int, ...]:
        """How many steps ago the frames were taken that are seen, the newest first."""
        return tuple(age + self.delay for age in FRAME_AGES)

    def see(self, frames: np.ndarray) -> np.ndarray:
        """The pictures uint8 [..., *PICTURE_SIZE, 3] of frames uint8 [..., *FRAME_SIZE, 3] (see `fit_frame`)."""
        height, width = PICTURE_SIZE
        pictures = frames[..., -height:, :, :]
        if self.grey:
            pictures = np.repeat(pictures.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
        if self.blur > 1:
            b = self.blur
            squares = pictures.reshape(*pictures.shape[:-3], height // b, b, width // b, b, 3)
            pictures = squares.mean(axis=(-4, -2)).astype(np.uint8).repeat(b, axis=-3).repeat(b, axis=-2)
        if self.width < 1:
            hidden = round((1 - self.width) / 2 * width)
            pictures = pictures.copy()
            pictures[..., :hidden, :] = 0
            pictures[..., width - hidden :, :] = 0
        return pictures


def fit_frame(frame: np.ndarray) -> np.ndarray:
    """A camera frame uint8 [h, w, 3] as uint8 [*FRAME_SIZE, 3].

    Raises:
        ValueError: it is empty, as in an env that does not observe pixels, or not square, so that angles would be lost.
    """
    height, width = frame.shape[:2]
    if not height or height != width:
        raise ValueError(f"a pixel planner needs square frames, as of an env with obs='pixels', got {frame.shape}")
    if (height, width) == FRAME_SIZE:
        return frame
    return cv2.resize(frame, FRAME_SIZE[::-1], interpolation=cv2.INTER_AREA)
