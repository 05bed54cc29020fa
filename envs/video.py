"""H.264 video from frames, to a file or to bytes, for every package from here up."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from worldsim.atomic_files import atomic_path


def write_mp4(path: str | Path, frames: np.ndarray, fps: float, *, crf: int = 18) -> None:
    """Write an H.264 mp4 that browsers play; the file appears whole or not at all.

    Args:
        path: where the file goes; its folder is made if missing.
        frames: RGB, uint8 [t, h, w, 3], t at least 1; odd sizes are padded by one pixel.
        fps: frames a second.
        crf: x264 quality, 0 (lossless) to 51 (worst).

    Raises:
        ValueError: the frames have another shape or type, or fps is not positive.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(mp4_bytes(frames, fps, crf=crf))


def mp4_bytes(frames: np.ndarray, fps: float, *, crf: int = 18) -> bytes:
    """The bytes of the mp4 that `write_mp4` writes; same arguments and errors."""
    import av

    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ValueError(f"frames must be uint8 [t, h, w, 3] with t at least 1, got {frames.dtype} {frames.shape}")
    if not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    frames = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        # x264 is exact for one thread count; one thread keeps the bytes the same on every machine
        options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
        stream: Any = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()
