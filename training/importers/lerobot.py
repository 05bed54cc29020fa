"""LeRobot v3 datasets made elsewhere: named features as ego signals, one camera, several episodes to a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.data import lerobot_layout as layout
from training.data.video_file import VideoFile
from training.importers.importer import Importer
from training.importers.recording import Recording, Signal
from training.importers.tables import Column, choose_columns, mirror_sign


def read_lerobot(
    root: Path, camera: str | None = None, columns: Sequence[str] = (), left_handed: bool = False
) -> list[Recording]:
    """Every episode of a dataset.

    The columns are called feature.name, or feature.0, feature.1 where a feature's parts have no names. Those of actions
    and observations are recognised by their names; others can be assigned.

    Args:
        root: folder of the dataset.
        camera: feature of the video; None for the only one, or else the only one with "front" in its name.
        columns: see `tables.choose_columns`.
        left_handed: see `tables.read_table`.

    Raises:
        ValueError: not a v3 dataset, no such camera, or a damaged file; the message names it.
    """
    info = layout.read_json(root / layout.INFO_PATH)
    version = info.get("codebase_version")
    if version != layout.CODEBASE_VERSION:
        raise ValueError(
            f"{root} is a LeRobot {version} dataset; convert it to {layout.CODEBASE_VERSION} with LeRobot's converter"
        )
    video_key = _choose_camera(root, info["features"], camera)
    headers = _headers(info["features"])
    chosen = _choose_headers(root, list(headers), columns)
    if not chosen and video_key is None:
        raise ValueError(f"{root}: none of the columns {', '.join(headers)} is recognised; assign them")

    read = lru_cache(maxsize=4)(layout.read_table)  # consecutive episodes often lie in one file
    recordings = []
    for episode in _episodes(root):
        table = _rows_of(root, info, episode, read)
        times = layout.array(table, "timestamp").astype(np.float64).reshape(-1)
        signals = {}
        for header, column in chosen.items():
            feature, part = headers[header]
            values = _numbers(table, feature, root)[:, part].astype(np.float64)
            known = np.isfinite(values)
            if known.any():
                sign = mirror_sign(column.quantity, left_handed)
                signals[column.quantity] = Signal(times[known], sign * column.factor * values[known])

        number = episode["episode_index"]
        images = None if video_key is None else _video(root, info, episode, video_key)
        recordings.append(Recording(name=f"episode {number}", clock=times, signals=signals, images=images))
    return recordings


def _choose_headers(root: Path, headers: Sequence[str], assignments: Sequence[str]) -> dict[str, Column]:
    """The columns to read: those of actions and observations by name or assignment, all others by assignment only."""
    driving = [h for h in headers if h.startswith(("action", "observation."))]
    others = [h for h in headers if h not in driving]
    assigned = [text for text in assignments if text.partition("=")[2].partition(":")[0] not in driving]
    chosen = choose_columns(driving, [text for text in assignments if text not in assigned], str(root))
    return chosen | choose_columns(others, assigned, str(root)) if assigned else chosen


def _choose_camera(root: Path, features: dict[str, Any], camera: str | None) -> str | None:
    videos = [key for key, feature in features.items() if feature["dtype"] == "video"]
    if camera is not None:
        if camera not in videos:
            raise ValueError(f"{root} has no video {camera!r}; it has {', '.join(videos) or 'none'}")
        return camera
    fronts = videos if len(videos) < 2 else [key for key in videos if "front" in key]
    if videos and len(fronts) != 1:
        raise ValueError(f"{root} has the videos {', '.join(videos)}; choose a camera")
    return fronts[0] if fronts else None


def _headers(features: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Column name to the feature it belongs to and the place in it."""
    headers = {}
    for key, feature in features.items():
        if feature["dtype"] in ("video", "image", "string") or len(feature["shape"]) != 1:
            continue
        names, size = feature.get("names"), feature["shape"][0]
        if isinstance(names, dict):
            names = [name for group in names.values() for name in (group if isinstance(group, list) else [group])]
        if not names or len(names) != size:
            names = [key.rpartition(".")[2]] if size == 1 else list(range(size))
        headers |= {f"{key}.{name}": (key, k) for k, name in enumerate(names)}
    return headers


def _episodes(root: Path) -> list[dict[str, Any]]:
    paths = sorted((root / "meta/episodes").glob("chunk-*/file-*.parquet"))
    if not paths:
        raise ValueError(f"{root}/meta/episodes holds no episodes")
    rows = []
    for path in paths:
        table = layout.read_table(path)
        kept = [name for name in table.column_names if not name.startswith("stats/")]
        rows += table.select(kept).to_pylist()
    return sorted(rows, key=lambda row: row["episode_index"])


def _file(root: Path, pattern: str, episode: dict[str, Any], prefix: str, **names: str) -> Path:
    chunk, file = episode[f"{prefix}/chunk_index"], episode[f"{prefix}/file_index"]
    return root / pattern.format(chunk_index=chunk, file_index=file, **names)


def _rows_of(root: Path, info: dict[str, Any], episode: dict[str, Any], read: Any) -> pa.Table:
    path = _file(root, info["data_path"], episode, "data")
    table = read(path)
    index = layout.array(table, "episode_index").reshape(-1)
    rows = np.flatnonzero(index == episode["episode_index"])
    if len(rows) != episode["length"]:
        raise ValueError(f"{path}: episode {episode['episode_index']} has {len(rows)} rows, not {episode['length']}")
    return table.take(pa.array(rows))


def _numbers(table: pa.Table, feature: str, root: Path) -> np.ndarray:
    """The values of a feature [t, d]."""
    values = np.array(table.column(feature).to_pylist(), np.float64)
    if values.ndim > 2:
        raise ValueError(f"{root}: feature {feature} has values of {values.ndim - 1} dims")
    return values.reshape(len(values), -1)


def _video(root: Path, info: dict[str, Any], episode: dict[str, Any], key: str) -> VideoFile:
    path = _file(root, info["video_path"], episode, f"videos/{key}", video_key=key)
    start, stop = (episode[f"videos/{key}/{edge}_timestamp"] for edge in ("from", "to"))
    return VideoFile(path, start=start, stop=stop)


IMPORTER = Importer(
    name="lerobot",
    source="a LeRobot v3 dataset",
    knows="one camera (`--camera`), and the actions and observations whose names are recognised",
    note="other versions: LeRobot's own converter first",
    recognises=lambda path: (path / layout.INFO_PATH).is_file(),
    read=lambda path, hints: read_lerobot(path, hints.camera, hints.drive.columns, hints.drive.left_handed),
)
