"""comma2k19 segments: a minute of a real drive with poses, CAN speed and steering, and a video where it was kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from training.data.video_file import VideoFile
from training.importers.importer import Importer
from training.importers.recording import Origin, Recording, Signal
from worldsim.array_files import load_array

_FROM_EARTHS_CENTRE = (6.3e6, 6.4e6)
"""Where something drives [m]."""


def read_comma2k19(
    source: Path, steering_ratio: float | None = None, max_steer_angle: float | None = None
) -> list[Recording]:
    """Every segment in a folder. Pedals were not recorded; positions are those of the camera.

    Args:
        source: a segment, or a folder with segments somewhere below.
        steering_ratio: steering-wheel angle over front-wheel angle; None leaves steer and steer_angle unknown.
        max_steer_angle: front-wheel angle at full steer [rad]; None leaves steer unknown.

    Raises:
        ValueError: a file is missing or damaged; the message names it.
    """
    segments = sorted(path.parent for path in source.rglob("global_pose") if path.is_dir())
    if not segments:
        raise ValueError(f"{source} holds no comma2k19 segment: there is no folder global_pose")
    return [_read_segment(segment, source, steering_ratio, max_steer_angle) for segment in segments]


def _read_segment(folder: Path, source: Path, steering_ratio: float | None, max_steer_angle: float | None) -> Recording:
    times = _load_array(folder / "global_pose/frame_times", 1)
    position = _load_array(folder / "global_pose/frame_positions", 2)
    orientation = _load_array(folder / "global_pose/frame_orientations", 2)
    if position.shape != (len(times), 3) or orientation.shape != (len(times), 4):
        raise ValueError(f"{folder}/global_pose: {len(times)} times, {position.shape}, {orientation.shape} poses")
    for name, vectors, low, high, right in (
        ("positions", position, *_FROM_EARTHS_CENTRE, "earth-fixed, some 6.37e6 m from the earth's centre"),
        ("orientations", orientation, 0.9, 1.1, "quaternions w, x, y, z of length 1"),
    ):
        length = np.linalg.norm(vectors, axis=1)
        bad = np.flatnonzero((length < low) | (length > high))
        if len(bad):
            k = int(bad[0])
            raise ValueError(
                f"{folder}/global_pose/frame_{name}: row {k} has the length {length[k]:g}; right is {right}"
            )

    start = times[0]
    clock = times - start
    ground, yaw = _to_ground_frame(position, orientation)
    signals = {"x": Signal(clock, ground[:, 0]), "y": Signal(clock, ground[:, 1]), "yaw": Signal(clock, yaw)}
    origins = {name: Origin("global_pose/frame_positions", "m") for name in ("x", "y")}
    origins |= {
        "yaw": Origin("global_pose/frame_orientations", "quaternions w, x, y, z"),
        "speed": Origin("processed_log/CAN/speed", "m/s"),
    }

    can = folder / "processed_log/CAN"
    signals["speed"] = _read_can(can / "speed", start)
    if steering_ratio is not None:  # a property of the car that the segment does not name
        wheel = _read_can(can / "steering_angle", start)
        angle = np.radians(wheel.values) / steering_ratio
        signals["steer_angle"] = Signal(wheel.times, angle)
        origins["steer_angle"] = Origin("processed_log/CAN/steering_angle", f"° of the wheel, over {steering_ratio:g}")
        if max_steer_angle is not None:
            signals["steer"] = Signal(wheel.times, np.clip(angle / max_steer_angle, -1, 1))
            origins["steer"] = Origin("the steering angle", f"over {max_steer_angle:g} rad")

    video = folder / "video.hevc"
    name = folder.relative_to(source).as_posix() if folder != source else folder.name
    images = VideoFile(video, clock) if video.exists() else None
    origins |= {"time": Origin("global_pose/frame_times", "s"), "frame": Origin(video.name)}
    return Recording(name=name, clock=clock, signals=signals, images=images, origins=origins)


def _to_ground_frame(position: np.ndarray, orientation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ground frame x, y [t, 2] (east, north of the first position) and yaw [t] of earth-fixed poses.

    Args:
        position: WGS84 earth-centred, earth-fixed [t, 3] [m].
        orientation: quaternions w, x, y, z that turn forward, right, down into the earth-fixed frame [t, 4].
    """
    x, y, z = position[0]
    longitude = np.arctan2(y, x)
    squared_eccentricity = 1 - 6356752.314245**2 / 6378137.0**2
    latitude = np.arctan2(z, np.hypot(x, y) * (1 - squared_eccentricity))
    east = np.array([-np.sin(longitude), np.cos(longitude), 0.0])
    north = np.array([-np.sin(latitude) * np.cos(longitude), -np.sin(latitude) * np.sin(longitude), np.cos(latitude)])
    axes = np.stack([east, north])
    forward = Rotation.from_quat(orientation[:, [1, 2, 3, 0]]).apply([1.0, 0.0, 0.0]) @ axes.T
    return (position - position[0]) @ axes.T, np.arctan2(forward[:, 1], forward[:, 0])


def _read_can(folder: Path, start: float) -> Signal:
    times, values = _load_array(folder / "t", 1) - start, _load_array(folder / "value", None).reshape(-1)
    try:
        return Signal(times, values)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _load_array(path: Path, num_dims: int | None) -> np.ndarray:
    array = load_array(path)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path} must be an array of numbers, got one of {array.dtype}")
    if (array.ndim != num_dims if num_dims is not None else not array.ndim) or not len(array):
        raise ValueError(f"{path} must be an array of {num_dims or 'some'} dims with values, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{path} holds a value that is not finite at {np.argwhere(~np.isfinite(array))[0].tolist()}")
    return array.astype(np.float64)


IMPORTER = Importer(
    name="comma2k19",
    source="a segment, or a folder of segments",
    knows="pose, speed; image where `video.hevc` was kept",
    note="the steering angle needs `--steering-ratio` (RAV4 about 16.9, Civic about 15.4), steer also "
    "`--max-steer-angle`; positions are the camera's",
    recognises=lambda path: path.is_dir() and next(path.rglob("global_pose"), None) is not None,
    read=lambda path, hints: read_comma2k19(path, hints.steering_ratio, hints.max_steer_angle),
)
