"""What is measured of a held-out drive, as it was and as the learned world made it: small enough to keep of all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.data import lerobot_layout as layout
from training.data.frame_store import FrameStore
from training.evaluation.drive_readings import Readings, read_drive, reading_steps, true_readings, visible_users
from training.evaluation.frechet import CLIP_FRAMES, clip_ends, clips_at, frames_to_features
from training.evaluation.held_out import HeldOutDrive
from training.evaluation.image_metrics import STATISTICS, frame_statistics, psnr
from training.evaluation.yardstick import Yardstick
from worldsim.array_files import load_arrays
from worldsim.conditioning.object_grid import VisibleObjects
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.scene_decoder import SceneDecoder

VIEW_SECONDS = (0.1, 1.0, 3.0, 6.0, 10.0, 20.0, 40.0, 60.0)
"""Frames at these times after the start are kept, for contact sheets [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TruthMeasures:
    """Of a drive as it was recorded, `t` steps that can be compared and `r` pictures of it that are read.

    Args:
        statistics: STATISTICS of each frame, float32 [t, 4].
        repeat_psnr: of repeating the start clip's last frame, float32 [t] [dB].
        features: of its clips, float32 [k, d].
        repeat_features: of as many clips of the repeated frame.
        truth: what is true in the pictures, r.
        visible: the road users in them.
        readings: what is read off them, r.
        views: frames at VIEW_SECONDS, as far as the drive goes, uint8 [v, h, w, 3].
    """

    statistics: np.ndarray
    repeat_psnr: np.ndarray
    features: np.ndarray
    repeat_features: np.ndarray
    truth: Readings
    visible: VisibleObjects
    readings: Readings
    views: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeMeasures:
    """Of the same drive as the learned world made it.

    Args:
        statistics: as of TruthMeasures, as are features, readings and views.
        psnr: of its frames, float32 [t] [dB].
        features: of its clips.
        readings: of what is read off its frames.
        pose_error: how far the ego is from where it was, float32 [t] [m].
        views: at VIEW_SECONDS.
    """

    statistics: np.ndarray
    psnr: np.ndarray
    features: np.ndarray
    readings: Readings
    pose_error: np.ndarray
    views: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Instruments:
    """What drives are measured with.

    Args:
        store: the recording.
        yardstick: in whose features pictures are compared.
        decoder: reads the scene off pictures.
        camera: that took the recording.
    """

    store: FrameStore
    yardstick: Yardstick
    decoder: SceneDecoder
    camera: CameraGeometry

    def measure_truth(self, drive: HeldOutDrive) -> TruthMeasures:
        """Of a drive as it was."""
        num = drive.num_valid
        frames, last = drive.frames[:num], drive.clip.frames[-1]
        ends, steps = clip_ends(num, self.store.dt), reading_steps(num, self.store.dt)
        frozen = frames_to_features(self.yardstick, np.repeat(last[None], CLIP_FRAMES, axis=0))
        return TruthMeasures(
            statistics=_statistics(frames),
            repeat_psnr=psnr(np.broadcast_to(last, frames.shape), frames).astype(np.float32),
            features=self._features(frames, ends),
            repeat_features=np.repeat(frozen, len(ends), axis=0),
            truth=true_readings(self.store, drive.positions[steps]),
            visible=visible_users(self.store, drive.positions[steps], self.camera),
            readings=read_drive(self.decoder, frames, steps),
            views=view_frames(frames, self.store.dt),
        )

    def measure_made(self, drive: HeldOutDrive, frames: np.ndarray, vehicles: np.ndarray) -> MadeMeasures:
        """Of a drive as it was made.

        Args:
            drive: as it was.
            frames: as they were made, uint8 [t, h, w, 3].
            vehicles: the ego's motion there, VEHICLE_NAMES [t, 6].
        """
        num = drive.num_valid
        frames, place = frames[:num], [VehicleColumn.X, VehicleColumn.Y]
        apart = vehicles[:num, place] - drive.rows.vehicles[:num, place]
        return MadeMeasures(
            statistics=_statistics(frames),
            psnr=psnr(frames, drive.frames[:num]).astype(np.float32),
            features=self._features(frames, clip_ends(num, self.store.dt)),
            readings=read_drive(self.decoder, frames, reading_steps(num, self.store.dt)),
            pose_error=np.linalg.norm(apart, axis=-1).astype(np.float32),
            views=view_frames(frames, self.store.dt),
        )

    def _features(self, frames: np.ndarray, ends: np.ndarray) -> np.ndarray:
        return frames_to_features(self.yardstick, clips_at(frames, ends, self.store.dt))


def view_frames(frames: np.ndarray, dt: float) -> np.ndarray:
    """Of a drive's frames [t, h, w, 3] those at VIEW_SECONDS, as far as the drive goes."""
    steps = [round(seconds / dt) - 1 for seconds in VIEW_SECONDS]
    return frames[[step for step in steps if step < len(frames)]]


def _statistics(frames: np.ndarray) -> np.ndarray:
    found = frame_statistics(frames)
    return np.stack([found[name] for name in STATISTICS], axis=-1).astype(np.float32)


Measures = TypeVar("Measures", TruthMeasures, MadeMeasures)
_PARTS = {"truth": Readings, "readings": Readings, "visible": VisibleObjects}
"""Fields of measures that are more than an array."""
_NAMES = {Readings: Readings._fields, VisibleObjects: tuple(f.name for f in fields(VisibleObjects))}


def save_measures(measures: TruthMeasures | MadeMeasures, path: Path, digest: str) -> None:
    """Write measures to an .npz file, whole or not at all; `digest` says of what they are."""
    arrays = {}
    for name in (f.name for f in fields(measures)):
        value = getattr(measures, name)
        parts = {f"{name}.{part}": getattr(value, part) for part in _NAMES[_PARTS[name]]} if name in _PARTS else {}
        arrays |= parts or {name: value}
    with layout.atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, digest=np.array(digest), **arrays)


def load_measures(kind: type[Measures], path: Path, digest: str) -> Measures | None:
    """Measures of that `digest` from a file; None if it is not there, damaged or of something else."""
    try:
        file = load_arrays(path)
        if str(file["digest"]) != digest:
            return None
        values = {}
        for name in (f.name for f in fields(kind)):
            part = _PARTS.get(name)
            values[name] = file[name] if part is None else part(**{own: file[f"{name}.{own}"] for own in _NAMES[part]})
        return kind(**values)
    except (KeyError, ValueError, OSError):
        return None
