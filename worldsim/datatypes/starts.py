"""Start clips in one file: what the learned world begins from. numpy only."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from worldsim.atomic_files import atomic_path
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.layout_file import pack_layouts, unpack_layouts
from worldsim.datatypes.route import ROUTE_LANE_NAMES
from worldsim.datatypes.scene import SceneState, unknown_signals
from worldsim.datatypes.signals import ROUTE_SIGNAL_NAMES, RouteSignalColumn
from worldsim.datatypes.start_clip import StartClip

STARTS_NAME = "starts.npz"
"""The file's name in a checkpoint folder."""


def save_starts(clips: Sequence[StartClip], path: Path) -> None:
    """Write equally long clips to `path`, whole or not at all; their layouts to the millimetre, all else exactly.

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
    frames = np.stack([clip.frames for clip in clips])
    # differences between frames compress far better than frames; uint8 wraps around and back exactly
    frames[:, 1:] -= frames[:, :-1].copy()
    arrays = {
        "frame_differences": frames,
        "controls": np.stack([clip.controls for clip in clips]),
        "vehicles": np.stack([clip.vehicles for clip in clips]),
        "routes": routes,
        "lanes": lanes,
        "signals": signals,
        "signals_known": np.array([clip.signals is not None for clip in clips]),
        "dt": np.array([clip.dt for clip in clips]),
    }
    scenes = SceneState.stack([clip.scenes for clip in clips])
    arrays |= {f"scene_{name}": value for name, value in scenes.arrays().items()}
    layouts = pack_layouts([clip.layout for clip in clips])
    arrays |= {f"layout_{name}": value for name, value in layouts.items()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_starts(path: Path) -> list[StartClip]:
    """The clips that save_starts wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged; names the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no start clips at {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        frames = np.cumsum(arrays["frame_differences"], axis=1, dtype=np.uint8)
        known = {name[6:]: value for name, value in arrays.items() if name.startswith("scene_")}
        # files from before lights and signs were tracked know nothing of them
        scenes = SceneState(**(unknown_signals(frames.shape[:2]) | known))
        signals = _read_signals(arrays) if "signals" in arrays else [None] * len(frames)
        layouts = _read_layouts(arrays, len(frames))
        routes = [route[np.isfinite(route[:, 0])] for route in arrays["routes"]]
        if "lanes" not in arrays:  # written before lanes were tracked: nothing is known of them
            arrays["lanes"] = np.full((*arrays["routes"].shape[:2], len(ROUTE_LANE_NAMES)), np.nan, np.float32)
        return [
            StartClip(
                frames=frames[i],
                controls=arrays["controls"][i],
                vehicles=arrays["vehicles"][i],
                scenes=scenes[i],
                route=routes[i],
                dt=float(arrays["dt"][i]),
                lanes=arrays["lanes"][i, : len(routes[i])],
                signals=signals[i],
                layout=layouts[i],
            )
            for i in range(len(frames))
        ]
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: damaged, not a file of start clips: {error}") from error


def _read_signals(arrays: dict[str, np.ndarray]) -> list[np.ndarray | None]:
    """The route signals of each clip, without the padding."""
    clips = zip(arrays["signals"], arrays["signals_known"], strict=True)
    return [rows[np.isfinite(rows[:, RouteSignalColumn.S])] if known else None for rows, known in clips]


def _read_layouts(arrays: dict[str, np.ndarray], num_clips: int) -> list[Layout]:
    """The layout of each clip; a file from before there were layouts knows none."""
    packed = {name.removeprefix("layout_"): value for name, value in arrays.items() if name.startswith("layout_")}
    layouts = unpack_layouts(packed) if packed else [Layout.unknown()] * num_clips
    if len(layouts) != num_clips:
        raise ValueError(f"{num_clips} clips have {len(layouts)} layouts")
    return layouts
