"""Drives as files and as digests: what is kept of a failure, and how a repeated drive is told to be the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from policies.drive import NO_FRAME, Rollout
from worldsim.array_files import load_arrays
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import SceneState

ARRAYS = (
    "vehicles",
    "actions",
    "rewards",
    "collision",
    "off_road",
    "wrong_way",
    "red_light",
    "stop_sign_missed",
    "progress",
    "trust",
)
"""Of a rollout, kept beside its scenes; frames are in the film."""
LAYOUT_RADIUS = 60.0
"""How far around a drive its ground is kept, for pictures of it [m]."""


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
        near = rollout.clip.layout.crop(rollout.vehicles[:, :2], LAYOUT_RADIUS)
        ground = near.with_boxes_of(Layout(boxes_known=False)).arrays()
        layout = {f"layout_{name}": array for name, array in ground.items()}
        facts: dict[str, Any] = {"dt": np.float64(rollout.dt), "seed": np.int64(rollout.seed)}
        arrays: dict[str, Any] = _arrays(rollout) | layout | facts
        np.savez_compressed(file, **arrays)


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedDrive:
    """What a figure needs of a saved drive.

    Args:
        vehicles: VEHICLE_NAMES, float64 [T+1, 6].
        scenes: with leading dim [T+1].
        collision: probability at each instant, float64 [T+1].
        off_road: likewise.
        layout: areas and lines around the drive, in the ground frame of `vehicles`.
        dt: between instants [s].
    """

    vehicles: np.ndarray
    scenes: SceneState
    collision: np.ndarray
    off_road: np.ndarray
    layout: Layout
    dt: float


def load_drive(path: Path) -> SavedDrive:
    """The drive of `save_rollout`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged; names the file.
    """
    arrays, prefix = load_arrays(path), "layout_"
    ground = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    try:
        return SavedDrive(
            vehicles=arrays["vehicles"],
            scenes=SceneState.from_vector(arrays["scenes"]),
            collision=arrays["collision"],
            off_road=arrays["off_road"],
            layout=Layout.from_arrays(ground),
            dt=float(arrays["dt"]),
        )
    except KeyError as error:
        raise ValueError(f"{path}: no saved drive, it lacks {error}") from error


def _arrays(rollout: Rollout) -> dict[str, np.ndarray]:
    return {name: getattr(rollout, name) for name in ARRAYS} | {"scenes": rollout.scenes.to_vector()}
