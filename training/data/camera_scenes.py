"""What an episode's pictures show beside the layout, frame by frame: one file an episode, from which any of them can be
drawn again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from worldsim.array_files import load_arrays
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.route_signals import cycles_from
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

FASTEST = 60.0
"""Who seems to be faster is someone else: numbers are used anew for those who come after others have left [m/s]."""
PLACES = 3
"""Decimals that are kept of lengths [m] and angles [rad]."""


def write_camera_scenes(path: Path, scenes: Sequence[CameraScene], light_cycles: np.ndarray | None) -> None:
    """Write the scenes of consecutive frames to `path`, whole or not at all; lengths and angles to three decimals.

    Args:
        path: an .npz file.
        scenes: one a frame.
        light_cycles: LIGHT_CYCLE_NAMES by light group, [g, 4]; time 0 is the first frame's. None where not known.

    Raises:
        ValueError: the lights of some frames are known and of others not, or not all have the same sun.
    """
    lights = [scene.lights for scene in scenes if scene.lights is not None]
    if len(lights) not in (0, len(scenes)):
        raise ValueError(f"the lights of all frames must be known or of none, got {len(lights)} of {len(scenes)}")
    suns = {None if scene.sun is None else tuple(scene.sun.tolist()) for scene in scenes}
    if len(suns) > 1:
        raise ValueError(f"all frames of an episode must have one sun, got {len(suns)}: {sorted(map(str, suns))[:3]}")
    users = RoadUsers.concatenate([scene.users for scene in scenes])
    arrays = {
        "counts": np.array([len(scene.users.kinds) for scene in scenes]),
        "ids": np.concatenate([scene.user_ids for scene in scenes]),
        "kinds": users.kinds.astype(np.uint8),
        "boxes": np.round(users.boxes, PLACES),
        "colors": np.round(users.colors).clip(0, 255).astype(np.uint8),
        "braking": users.braking,
        "phases": np.round(users.phases % (2 * np.pi), PLACES).astype(np.float32),
        "views": np.array([[s.view.x, s.view.y, s.view.yaw, s.view.z, s.view.grade] for s in scenes]),
    }
    if lights:
        arrays["lights"] = np.stack(lights).astype(np.uint8)
    if scenes[0].sun is not None:
        arrays["sun"] = scenes[0].sun
    if light_cycles is not None:
        arrays["light_cycles"] = np.asarray(light_cycles, np.float64)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def speeds_between(before: CameraScene, after: CameraScene, seconds: float) -> np.ndarray:
    """Mean speeds along their headings of the road users in `after`, float64 [n] [m/s]; NaN of whom `before` does not
    show.

    Args:
        before: scene of the same episode.
        after: scene `seconds` later.
        seconds: positive [s].
    """
    then = {number: row for row, number in enumerate(before.user_ids.tolist())}
    rows = np.array([then.get(number, -1) for number in after.user_ids.tolist()], np.int64)
    known = rows >= 0
    moved = after.users.boxes[known, :2] - before.users.boxes[rows[known], :2]
    yaw = after.users.boxes[known, BoxColumn.YAW]
    speeds = np.full(len(rows), np.nan)
    speeds[known] = (np.cos(yaw) * moved[:, 0] + np.sin(yaw) * moved[:, 1]) / seconds
    return np.where(np.abs(speeds) < FASTEST, speeds, np.nan)


class CameraScenes:
    """The scenes of an episode's frames, as `write_camera_scenes` wrote them.

    Args:
        path: of the file.

    Attributes:
        light_cycles: LIGHT_CYCLE_NAMES by light group, float64 [g, 4]; time 0 is the episode's first frame. None
            where not known.
        sun: unit vector towards the sun, float64 [3]; None where not known.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._arrays = load_arrays(path)
            counts = self._arrays["counts"]
            if counts.sum() != len(self._arrays["kinds"]) or len(counts) != len(self._arrays["views"]):
                raise ValueError(f"{counts.sum()} road users expected, {len(self._arrays['kinds'])} found")
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"cannot read {path}: {error}") from error
        self._starts, self._first = np.cumsum(counts) - counts, 0
        self.light_cycles: np.ndarray | None = self._arrays.get("light_cycles")
        self.sun: np.ndarray | None = self._arrays.get("sun")

    def __len__(self) -> int:
        return len(self._starts) - self._first

    def since(self, frame: int, dt: float) -> CameraScenes:
        """Those from a frame on, which is the first of them; frames are `dt` apart [s]."""
        later = copy.copy(self)
        later._first = self._first + frame
        if self.light_cycles is not None:
            later.light_cycles = cycles_from(self.light_cycles, frame * dt)
        return later

    def __getitem__(self, frame: int) -> CameraScene:
        """The scene of a frame."""
        frame += self._first
        arrays, first = self._arrays, int(self._starts[frame])
        rows = slice(first, first + int(arrays["counts"][frame]))
        x, y, yaw, z, grade = arrays["views"][frame].tolist()
        return CameraScene(
            view=View(x=x, y=y, yaw=yaw, z=z, grade=grade),
            users=RoadUsers(
                kinds=arrays["kinds"][rows].astype(np.int64),
                boxes=arrays["boxes"][rows],
                colors=arrays["colors"][rows].astype(np.float64),
                braking=arrays["braking"][rows],
                phases=arrays["phases"][rows].astype(np.float64),
            ),
            user_ids=arrays["ids"][rows],
            lights=arrays["lights"][frame].astype(np.int64) if "lights" in arrays else None,
            sun=self.sun,
        )
