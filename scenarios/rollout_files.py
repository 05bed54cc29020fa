"""Drives as files and as digests: what is kept of a failure, and how a repeated drive is told to be the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from policies.drive import NO_FRAME, Rollout
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.scene import SceneState

ARRAYS = ("vehicles", "actions", "rewards", "collision", "off_road", "wrong_way", "progress", "trust")
"""Of a rollout, kept beside its scenes; frames are in the film."""


def digest_rollout(rollout: Rollout) -> str:
    """SHA-256 of all that a drive is: states, actions, rewards, events and frames, to the bit."""
    digest = hashlib.sha256()
    for name, array in _arrays(rollout).items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(np.ascontiguousarray(rollout.frames).tobytes())
    return digest.hexdigest()


def without_pictures(rollout: Rollout) -> Rollout:
    """The same drive as a state-only world would have had it."""
    num, trust = len(rollout.frames), np.ones_like(rollout.trust)
    return replace(rollout, frames=np.stack([NO_FRAME] * num), trust=trust)


def save_rollout(path: Path, rollout: Rollout) -> None:
    """Write a drive's arrays to an .npz; `scenes` are vectors float32 [T+1, k] of `SceneState.to_vector`."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = {**_arrays(rollout), "dt": np.float64(rollout.dt), "seed": np.int64(rollout.seed)}
        np.savez_compressed(file, **arrays)


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedDrive:
    """What a figure needs of a saved drive.

    Args:
        vehicles: VEHICLE_NAMES, float64 [T+1, 6].
        scenes: with leading dim [T+1].
        dt: between instants [s].
    """

    vehicles: np.ndarray
    scenes: SceneState
    dt: float


def load_drive(path: Path) -> SavedDrive:
    """The drive of `save_rollout`."""
    with np.load(path, allow_pickle=False) as arrays:
        scenes = SceneState.from_vector(arrays["scenes"])
        return SavedDrive(vehicles=arrays["vehicles"], scenes=scenes, dt=float(arrays["dt"]))


def _arrays(rollout: Rollout) -> dict[str, np.ndarray]:
    kept = {name: getattr(rollout, name) for name in ARRAYS}
    return {name: value for name, value in kept.items() if value is not None} | {"scenes": rollout.scenes.to_vector()}
