"""Pictures of the docs as files: what every script that makes some is asked, and how these are written."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image

from worldsim.atomic_files import atomic_path

IMAGES = Path(__file__).parent / "images"
MOST_BYTES = {".jpg": 300_000, ".webp": 700_000}
"""How large a picture may be: they are part of the repository."""
QUALITIES = (88, 76, 64, 52, 40)
"""Of which a picture is written in the first one that makes it small enough."""


@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """What to make.

    Args:
        only: these and no others.
        out: folder for them.
        checkpoint: folder of the world model; None takes the one that ships with the package.
    """

    only: tuple[str, ...] = ()
    out: Path = IMAGES
    checkpoint: Path | None = None


Config = TypeVar("Config", bound=PicturesConfig)


def write_pictures(pictures: Mapping[str, Callable[[Config], np.ndarray]], config: Config) -> None:
    """Make and write those that `config` asks for, each whole or not at all.

    Args:
        pictures: how each is made, by name: a film [t, h, w, 3] or a still [h, w, 3].
        config: what is asked for.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    for name in config.only:
        picture = pictures[name](config)
        suffix = ".webp" if picture.ndim == 4 else ".jpg"
        with atomic_path(config.out / f"{name}{suffix}") as unfinished:
            unfinished.write_bytes(compress(picture, suffix, MOST_BYTES[suffix]))


def compress(picture: np.ndarray, suffix: str, most_bytes: int) -> bytes:
    """A picture as ".jpg" or a film of 10 frames a second as ".webp", in the best of QUALITIES that is small enough.

    Raises:
        ValueError: none is.
    """
    data = b""
    for quality in QUALITIES:
        data = _film(picture, quality) if suffix == ".webp" else _still(picture, quality)
        if len(data) <= most_bytes:
            return data
    raise ValueError(
        f"a picture {picture.shape} takes {len(data)} bytes at quality {QUALITIES[-1]}: at most {most_bytes} are wanted"
    )


def _still(picture: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _film(frames: np.ndarray, quality: int) -> bytes:
    """An animated WebP that begins again at its end."""
    first, *others = (Image.fromarray(frame) for frame in frames)
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=100, loop=0, quality=quality, method=4)
    return file.getvalue()
