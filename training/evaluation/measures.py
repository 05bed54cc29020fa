"""What is measured of a held-out drive, as it was and as the learned world made it: small enough to keep of all."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.data import lerobot_layout as layout
from training.evaluation.decoded_scores import Reader, UsersInSight, drive_users, read_drive, reading_steps
from training.evaluation.frechet import CLIP_FRAMES, clip_ends, clips_at, frames_to_features
from training.evaluation.held_out import HeldOutDrive
from training.evaluation.image_metrics import STATISTICS, frame_statistics, psnr
from training.evaluation.yardstick import Yardstick
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.gbuffer.rasterizer import Rasterizer

VIEW_SECONDS = (0.1, 1.0, 3.0, 6.0, 10.0, 20.0, 40.0, 60.0)
"""Frames at these times after the start are kept, for contact sheets [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TruthMeasures:
    """Of a drive as it was recorded, `t` steps that can be compared.

    Args:
        statistics: STATISTICS of each frame, float32 [t, 4].
        repeat_psnr: of repeating the start clip's last frame, float32 [t] [dB].
        features: of its clips, float32 [k, d].
        repeat_features: of as many clips of the repeated frame.
        users: how many road users are in sight where pictures are read, int64 [r]; -1 where that is not known.
        user_places: of all of them, in the vehicle frame, [m, 2] [m].
        user_pixels: that each covers, [m].
        readings: ReadingColumn of what is read off the true frames, float32 [r, 9].
        views: frames at VIEW_SECONDS, as far as the drive goes, uint8 [v, h, w, 3].
    """

    statistics: np.ndarray
    repeat_psnr: np.ndarray
    features: np.ndarray
    repeat_features: np.ndarray
    users: np.ndarray
    user_places: np.ndarray
    user_pixels: np.ndarray
    readings: np.ndarray
    views: np.ndarray

    def users_in_sight(self) -> list[UsersInSight | None]:
        """Of each picture that is read."""
        ends = np.cumsum(np.maximum(self.users, 0))
        return [
            None if num < 0 else UsersInSight(self.user_places[end - num : end], self.user_pixels[end - num : end])
            for num, end in zip(self.users.tolist(), ends.tolist(), strict=True)
        ]


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
    readings: np.ndarray
    pose_error: np.ndarray
    views: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Instruments:
    """What drives are measured with.

    Args:
        dt: time between frames [s].
        yardstick: in whose features pictures are compared.
        reader: what reads the scene off pictures.
        num_read: frames that it looks at.
        rasterizer: tells who is in sight.
    """

    dt: float
    yardstick: Yardstick
    reader: Reader
    num_read: int
    rasterizer: Rasterizer

    def measure_truth(self, drive: HeldOutDrive) -> TruthMeasures:
        """Of a drive as it was."""
        num = drive.num_valid
        frames, last = drive.frames[:num], drive.clip.frames[-1]
        ends, steps = clip_ends(num, self.dt), reading_steps(num, self.num_read, self.dt)
        users = drive_users(self.rasterizer, drive, steps)
        known = [here for here in users if here is not None]
        frozen = frames_to_features(self.yardstick, np.repeat(last[None], CLIP_FRAMES, axis=0))
        return TruthMeasures(
            statistics=_statistics(frames),
            repeat_psnr=psnr(np.broadcast_to(last, frames.shape), frames).astype(np.float32),
            features=self._features(frames, ends),
            repeat_features=np.repeat(frozen, len(ends), axis=0),
            users=np.array([-1 if here is None else len(here.places) for here in users], np.int64),
            user_places=np.concatenate([np.zeros((0, 2)), *(here.places for here in known)]),
            user_pixels=np.concatenate([np.zeros(0, np.int64), *(here.pixels for here in known)]),
            readings=read_drive(self.reader, frames, steps, self.num_read, drive.rows.scenes, users),
            views=self._views(frames),
        )

    def measure_made(
        self, drive: HeldOutDrive, truth: TruthMeasures, frames: np.ndarray, vehicles: np.ndarray
    ) -> MadeMeasures:
        """Of a drive as it was made.

        Args:
            drive: as it was.
            truth: what was measured of it.
            frames: as they were made, uint8 [t, h, w, 3].
            vehicles: the ego's motion there, VEHICLE_NAMES [t, 6].
        """
        num = drive.num_valid
        frames, place = frames[:num], [VehicleColumn.X, VehicleColumn.Y]
        steps = reading_steps(num, self.num_read, self.dt)
        apart = vehicles[:num, place] - drive.rows.vehicles[:num, place]
        return MadeMeasures(
            statistics=_statistics(frames),
            psnr=psnr(frames, drive.frames[:num]).astype(np.float32),
            features=self._features(frames, clip_ends(num, self.dt)),
            readings=read_drive(self.reader, frames, steps, self.num_read, drive.rows.scenes, truth.users_in_sight()),
            pose_error=np.linalg.norm(apart, axis=-1).astype(np.float32),
            views=self._views(frames),
        )

    def _features(self, frames: np.ndarray, ends: np.ndarray) -> np.ndarray:
        return frames_to_features(self.yardstick, clips_at(frames, ends, self.dt))

    def _views(self, frames: np.ndarray) -> np.ndarray:
        steps = [round(seconds / self.dt) - 1 for seconds in VIEW_SECONDS]
        return frames[[step for step in steps if step < len(frames)]]


def _statistics(frames: np.ndarray) -> np.ndarray:
    found = frame_statistics(frames)
    return np.stack([found[name] for name in STATISTICS], axis=-1).astype(np.float32)


Measures = TypeVar("Measures", TruthMeasures, MadeMeasures)


def save_measures(measures: TruthMeasures | MadeMeasures, path: Path, digest: str) -> None:
    """Write measures to an .npz file, whole or not at all; `digest` says of what they are."""
    arrays = {f.name: getattr(measures, f.name) for f in fields(measures)}
    with layout.atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, digest=np.array(digest), **arrays)


def load_measures(kind: type[Measures], path: Path, digest: str) -> Measures | None:
    """Measures of that `digest` from a file; None if it is not there, damaged or of something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["digest"]) != digest:
                return None
            return kind(**{f.name: file[f.name] for f in fields(kind)})
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError):
        return None
