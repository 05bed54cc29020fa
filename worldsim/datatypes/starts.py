"""Start clips in one file: what the learned world begins from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import overload

import numpy as np

from worldsim.array_files import load_arrays
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.clip_frames import decode_frames, encode_frames
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.layout_file import pack_layouts, unpack_layouts
from worldsim.datatypes.route import ROUTE_LANE_NAMES
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import LIGHT_CYCLE_NAMES, ROUTE_SIGNAL_NAMES, RouteSignalColumn
from worldsim.datatypes.start_clip import NO_FRAME, StartClip

STARTS_NAME = "starts.npz"
"""The file's name in a checkpoint folder."""
PLACES = 3
"""Decimals that are kept of road users' places, sizes [m] and angles [rad]."""


def save_starts(clips: Sequence[StartClip], path: Path) -> None:
    """Write equally long clips to `path`, whole or not at all.

    Layouts and road users are written to the millimetre, the frames before the last as `clip_frames` says, all else
    exactly; paths of scripted road users, which belong to a case of a scenario, are left out.

    Raises:
        ValueError: no clips, or their shapes differ.
    """
    shapes = {clip.frames.shape for clip in clips}
    if len(shapes) != 1:
        raise ValueError(f"start clips must have one shape, got {sorted(shapes)}")
    longest = max(len(clip.route) for clip in clips)
    routes = np.full((len(clips), longest, 2), np.nan, np.float32)
    lanes = np.full((len(clips), longest, len(ROUTE_LANE_NAMES)), np.nan, np.float32)
    for k, clip in enumerate(clips):
        routes[k, : len(clip.route)], lanes[k, : len(clip.route)] = clip.route, clip.lanes
    most = max(0 if clip.signals is None else len(clip.signals) for clip in clips)
    signals = np.full((len(clips), most, len(ROUTE_SIGNAL_NAMES)), np.nan, np.float32)
    for k, clip in enumerate(clips):
        if clip.signals is not None:
            signals[k, : len(clip.signals)] = clip.signals
    arrays = {
        "frame_shape": np.array(clips[0].frames.shape),
        "controls": np.stack([clip.controls for clip in clips]),
        "vehicles": np.stack([clip.vehicles for clip in clips]),
        "routes": routes,
        "lanes": lanes,
        "signals": signals,
        "signals_known": np.array([clip.signals is not None for clip in clips]),
        "dt": np.array([clip.dt for clip in clips]),
        "ego_z": np.array([clip.ego_z for clip in clips]),
        "suns": np.array([np.full(3, np.nan) if clip.sun is None else clip.sun for clip in clips]),
    }
    if clips[0].has_frames:
        arrays |= _write_frames([clip.frames for clip in clips])
    arrays |= _write_cycles([clip.light_cycles for clip in clips])
    arrays |= _write_road_users(clips)
    scenes = SceneState.stack([clip.scenes for clip in clips])
    arrays |= {f"scene_{name}": value for name, value in scenes.arrays().items()}
    layouts = pack_layouts([clip.layout for clip in clips])
    arrays |= {f"layout_{name}": value for name, value in layouts.items()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


class StartFile(Sequence[StartClip]):
    """The clips that save_starts wrote; each one's frames are decoded when it is first asked for.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged; names the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"no start clips at {path}")
        self.path = path
        try:
            arrays = load_arrays(path)
            self._clips, self._frames = _read_clips(arrays), _FrameReader(arrays)
        except KeyError as error:
            raise ValueError(
                f"{path}: no file of start clips of this version, it lacks {error}: cut the starts anew"
            ) from error
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{path}: damaged, not a file of start clips: {error}") from error
        self._read: dict[int, StartClip] = {}

    def __len__(self) -> int:
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> StartClip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StartClip]: ...
    def __getitem__(self, index: int | slice) -> StartClip | Sequence[StartClip]:
        """The clip at `index`, always the same object.

        Raises:
            ValueError: its frames are damaged; names the file.
        """
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        k = range(len(self))[index]
        if k not in self._read:
            try:
                self._read[k] = StartClip(frames=self._frames.read(k), **self._clips[k])
            except ValueError as error:
                raise ValueError(f"{self.path}: damaged, not a file of start clips: clip {k}: {error}") from error
        return self._read[k]


def load_starts(path: Path) -> Sequence[StartClip]:
    """The clips that save_starts wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged; names the file.
    """
    return StartFile(path)


def _read_clips(arrays: dict[str, np.ndarray]) -> list[dict]:
    """Everything of each clip but its frames, as StartClip's arguments."""
    vehicles = arrays["vehicles"]
    scenes = SceneState(**{field.name: arrays[f"scene_{field.name}"] for field in fields(SceneState)})
    routes = [route[np.isfinite(route[:, 0])] for route in arrays["routes"]]
    num = len(vehicles)
    signals, layouts = _read_signals(arrays), _read_layouts(arrays, num)
    road_users, cycles, suns = _read_road_users(arrays), _read_cycles(arrays), arrays["suns"]
    return [
        {
            "controls": arrays["controls"][i],
            "vehicles": vehicles[i],
            "scenes": scenes[i],
            "route": routes[i],
            "dt": float(arrays["dt"][i]),
            "lanes": arrays["lanes"][i, : len(routes[i])],
            "signals": signals[i],
            "layout": layouts[i],
            "light_cycles": cycles[i],
            "road_users": road_users[i],
            "ego_z": float(arrays["ego_z"][i]),
            "sun": suns[i] if np.isfinite(suns[i]).all() else None,
        }
        for i in range(num)
    ]


def _write_frames(clips: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Frames of all clips as bytes, one clip after the other."""
    encoded = [part for frames in clips for part in encode_frames(frames)]
    sizes = np.array([len(part) for part in encoded], np.int64).reshape(-1, 2)
    return {"frame_data": np.frombuffer(b"".join(encoded), np.uint8), "frame_sizes": sizes}


class _FrameReader:
    """The frames of each clip, uint8 [t, h, w, 3]."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._data = None
        self._num = int(arrays["frame_shape"][0])
        if "frame_sizes" not in arrays:  # of state-only clips
            return
        self._data, sizes = arrays["frame_data"], arrays["frame_sizes"]
        self._ends = np.cumsum(sizes.ravel()).reshape(-1, 2)
        self._begins = self._ends - sizes
        if len(sizes) != len(arrays["vehicles"]) or self._ends[-1, -1] != len(self._data):
            raise ValueError(f"{len(self._data)} bytes of frames, {self._ends[-1, -1]} of {len(sizes)} clips expected")

    def read(self, clip: int) -> np.ndarray:
        if self._data is None:
            return np.stack([NO_FRAME] * self._num)
        begins, ends = self._begins[clip].tolist(), self._ends[clip].tolist()
        last, before = (self._data[a:b].tobytes() for a, b in zip(begins, ends, strict=True))
        return decode_frames(last, before, self._num)


def _write_cycles(clips: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
    """Light cycles of all clips, row after row; -1 rows where they are not known."""
    none = np.zeros((0, len(LIGHT_CYCLE_NAMES)))
    return {
        "cycle_counts": np.array([-1 if cycles is None else len(cycles) for cycles in clips]),
        "cycles": np.concatenate([none, *(cycles for cycles in clips if cycles is not None)]),
    }


def _read_cycles(arrays: dict[str, np.ndarray]) -> list[np.ndarray | None]:
    counts = arrays["cycle_counts"]
    rows = np.split(arrays["cycles"], np.cumsum(np.maximum(counts, 0))[:-1])
    return [None if count < 0 else one for count, one in zip(counts.tolist(), rows, strict=True)]


def _write_road_users(clips: Sequence[StartClip]) -> dict[str, np.ndarray]:
    """Road users of all clips, row after row, their places relative to the ego's at the last frame."""
    known = [KnownRoadUsers.none() if clip.road_users is None else clip.road_users for clip in clips]
    boxes = [users.boxes.copy() for users in known]
    for own, clip in zip(boxes, clips, strict=True):
        own[:, :2] -= clip.vehicles[-1, :2]
    colors = np.concatenate([users.colors for users in known])
    valid = np.isfinite(colors.sum(axis=1))
    return {
        "users_known": np.array([clip.road_users is not None for clip in clips]),
        "user_counts": np.array([len(users) for users in known]),
        "user_kinds": np.concatenate([users.kinds for users in known]).astype(np.uint8),
        "user_boxes": np.round(np.concatenate(boxes), PLACES).astype(np.float32).T,
        "user_speeds": np.concatenate([users.speeds for users in known]),
        "user_colors": np.where(valid[:, None], colors, 0.0).round().clip(0, 255).astype(np.uint8),
        "user_color_valid": valid,
        "user_braking": np.concatenate([users.braking for users in known]),
        "user_phases": np.concatenate([users.phases for users in known]) % (2 * np.pi),
        "user_parked": np.concatenate([users.parked for users in known]),
    }


def _read_road_users(arrays: dict[str, np.ndarray]) -> list[KnownRoadUsers | None]:
    boxes = arrays["user_boxes"].T.astype(np.float64)
    boxes[:, :2] += np.repeat(arrays["vehicles"][:, -1, :2], arrays["user_counts"], axis=0)
    colors = np.where(arrays["user_color_valid"][:, None], arrays["user_colors"].astype(np.float64), np.nan)
    everyone = KnownRoadUsers(
        kinds=arrays["user_kinds"].astype(np.int64),
        boxes=boxes,
        speeds=arrays["user_speeds"],
        colors=colors,
        braking=arrays["user_braking"],
        phases=arrays["user_phases"],
        parked=arrays["user_parked"],
    )
    ends = np.cumsum(arrays["user_counts"]).tolist()
    begins = [0, *ends[:-1]]
    known = arrays["users_known"].tolist()
    rows = [np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)]
    return [everyone[own] if is_known else None for own, is_known in zip(rows, known, strict=True)]


def _read_signals(arrays: dict[str, np.ndarray]) -> list[np.ndarray | None]:
    """The route signals of each clip, without the padding."""
    clips = zip(arrays["signals"], arrays["signals_known"], strict=True)
    return [rows[np.isfinite(rows[:, RouteSignalColumn.S])] if known else None for rows, known in clips]


def _read_layouts(arrays: dict[str, np.ndarray], num_clips: int) -> list[Layout]:
    """The layout of each clip."""
    packed = {name.removeprefix("layout_"): value for name, value in arrays.items() if name.startswith("layout_")}
    layouts = unpack_layouts(packed)
    if len(layouts) != num_clips:
        raise ValueError(f"{num_clips} clips have {len(layouts)} layouts")
    return layouts
