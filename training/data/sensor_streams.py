"""Depth and semantic classes of a recording: video streams of one channel, lossless but for the depth's quantisation.

Depth goes by LeRobot's rules of version 0.6 (`lerobot.configs.video.DepthEncoderConfig`): 12-bit codes, logarithmic,
in HEVC without loss, their range in the feature's `info`, so that LeRobot reads metres. Codes are as fine as half
floats are: within DEPTH_ERROR. Classes are stored as they are.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from worldsim.gbuffer.classes import SENSOR_NAMES, SemanticClass

DEPTH_MIN, DEPTH_MAX, DEPTH_SHIFT = 0.25, 1000.0, 3.5
"""Depth of the lowest and of the highest code, and what is added before the logarithm [m]."""
DEPTH_ERROR = 7e-4
"""Largest error of a depth d read back, as a share of d + DEPTH_SHIFT."""
SKY_CODE = 4095
"""Nothing is seen there; LeRobot reads DEPTH_MAX."""

_SCALE = np.log((DEPTH_MAX + DEPTH_SHIFT) / (DEPTH_MIN + DEPTH_SHIFT)) / SKY_CODE
_PIXEL_FORMATS = {"depth": "gray12le", "semantic": "gray"}
_KEYS = {name: f"observation.images.front_{name}" for name in SENSOR_NAMES}


def stream_key(name: str) -> str:
    """The feature of one of SENSOR_NAMES, whose video lies in the folder of that name."""
    return _KEYS[name]


def stream_feature(name: str, frame_size: tuple[int, int], fps: int) -> dict[str, Any]:
    """The entry of a stream in the `features` of info.json."""
    height, width = frame_size
    info: dict[str, Any] = {
        "video.height": height,
        "video.width": width,
        "video.codec": "hevc",
        "video.pix_fmt": _PIXEL_FORMATS[name],
        "video.fps": fps,
        "video.channels": 1,
        "has_audio": False,
        "is_depth_map": name == "depth",
    }
    if name == "depth":
        info |= {"video.depth_min": DEPTH_MIN, "video.depth_max": DEPTH_MAX}
        info |= {"video.shift": DEPTH_SHIFT, "video.use_log": True, "depth_unit": "m"}  # of its statistics
    else:
        info["classes"] = [kind.name.lower() for kind in SemanticClass]
    return {"dtype": "video", "shape": [height, width, 1], "names": ["height", "width", "channels"], "info": info}


def statistics_of(name: str, pictures: np.ndarray) -> np.ndarray:
    """Samples [n, 1] of a stream's pictures as LeRobot reads them: metres, or classes / 255."""
    if name == "depth":
        return decode_depth(encode_depth(pictures), sky=DEPTH_MAX).astype(np.float64).reshape(-1, 1)
    return pictures.reshape(-1, 1) / 255.0


def encode_depth(depth: np.ndarray) -> np.ndarray:
    """Codes uint16 [...] of depths [...] [m]."""
    known = np.clip(depth.astype(np.float64), DEPTH_MIN, DEPTH_MAX)
    codes = np.rint(np.log((known + DEPTH_SHIFT) / (DEPTH_MIN + DEPTH_SHIFT)) / _SCALE)
    return np.where(np.isinf(depth), SKY_CODE, np.minimum(codes, SKY_CODE - 1)).astype(np.uint16)


def decode_depth(codes: np.ndarray, sky: float = np.inf) -> np.ndarray:
    """Depths float16 [...] [m] of codes [...]; `sky` where nothing is seen."""
    depth = (DEPTH_MIN + DEPTH_SHIFT) * np.exp(codes.astype(np.float64) * _SCALE) - DEPTH_SHIFT
    return np.where(codes == SKY_CODE, sky, depth).astype(np.float16)


def write_stream(path: Path, name: str, pictures: np.ndarray, fps: int, gop: int) -> None:
    """Write pictures of one of SENSOR_NAMES as an MP4, picture k at k / fps seconds.

    Args:
        path: the file to write, whatever its suffix.
        name: of the stream.
        pictures: float16 [t, h, w] [m] of "depth", uint8 [t, h, w] of "semantic"; h and w even.
        fps: [1/s].
        gop: frames from one keyframe to the next.

    Raises:
        ValueError: the pictures are of another type or shape.
    """
    expected = np.float16 if name == "depth" else np.uint8
    if pictures.ndim != 3 or pictures.dtype != expected or not len(pictures):
        raise ValueError(
            f"{name} must be {expected.__name__} [t, h, w] with t >= 1, got {pictures.dtype} {pictures.shape}"
        )
    codes = encode_depth(pictures) if name == "depth" else pictures
    pixel_format = _PIXEL_FORMATS[name]
    parameters = (
        f"lossless=1:log-level=none:pools=none:frame-threads=1:bframes=0:scenecut=0:keyint={gop}:min-keyint={gop}"
    )
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=fps, options={"x265-params": parameters, "preset": "veryfast"})
        stream.height, stream.width = codes.shape[1:]
        stream.pix_fmt, stream.codec_context.time_base = pixel_format, Fraction(1, fps)
        for k, picture in enumerate(codes):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=pixel_format)
            frame.pts, frame.time_base = k, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_stream(path: Path, name: str, length: int) -> np.ndarray:
    """What `write_stream` wrote: `length` pictures, float16 [t, h, w] [m] of "depth", uint8 [t, h, w] of "semantic".

    Raises:
        ValueError: the file is missing, damaged, or holds another number of pictures; the message names it.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            codes = [frame.to_ndarray() for frame in container.decode(stream)]
    except (OSError, FFmpegError) as error:
        raise ValueError(f"cannot decode {path}: {error}") from error
    if len(codes) != length:
        raise ValueError(f"{path} is damaged: {length} pictures wanted, {len(codes)} found")
    return decode_depth(np.stack(codes)) if name == "depth" else np.stack(codes)
