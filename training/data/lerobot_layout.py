"""The LeRobot v3 dataset layout: paths, features and metadata tables of a rollout dataset.

Written from the layout of huggingface/lerobot (`codebase_version` v3.0): `meta/info.json` names the features and the
path patterns, `meta/tasks.parquet` the tasks, `meta/episodes` holds one row per episode that says in which data and
video file it lies. Here every episode has files of its own, so that episodes can be written in parallel and each is
there whole or not at all.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.data.sensor_streams import stream_feature, stream_key
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.scene import CONTROL_NAMES, EGO_NAMES, LANE_NAMES, LEAD_NAMES, SceneState
from worldsim.datatypes.vehicle import VEHICLE_NAMES

CODEBASE_VERSION = "v3.0"
CHUNK_SIZE = 1000
VIDEO_KEY = "observation.images.front"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
LAYOUT_PATH = "meta/layouts/{digest}.npz"
CAMERA_SCENES_PATH = "meta/camera_scenes/chunk-{chunk_index:03d}/file-{file_index:03d}.npz"

VALID_COLUMN = "valid"
EVENT_NAMES = ("collision", "off_road", "wrong_way", "progress")
VIOLATION_NAMES = ("red_light", "stop_sign_missed")
"""Known where SceneState's `signal_valid` is."""
VALID_NAMES = ("frame", *CONTROL_NAMES, *VEHICLE_NAMES, "objects", *EVENT_NAMES)
"""The columns of a row's mask, besides the masks of SceneState; "objects": whether everyone around is listed."""

INDEX_COLUMNS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
_SCENE_NAMES = {"ego": EGO_NAMES, "lane": LANE_NAMES, "lead": LEAD_NAMES}


def scene_column(field: str) -> str:
    """Column that holds a field of SceneState, its trailing dims flattened."""
    return f"scene.{field}"


def scene_shapes() -> dict[str, tuple[int, ...]]:
    """Trailing shape of each field of SceneState."""
    return {name: array.shape for name, array in SceneState.empty().arrays().items()}


def features(
    frame_size: tuple[int, int], fps: int, pixel_format: str, masked: bool, sensors: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """The `features` of info.json.

    Args:
        frame_size: height and width [px].
        fps: [1/s].
        pixel_format: of the video.
        masked: whether a mask (VALID_NAMES) lies beside each row.
        sensors: the further streams, of SENSOR_NAMES.
    """
    height, width = frame_size
    video = {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.pix_fmt": pixel_format,
        "video.is_depth_map": False,
        "video.fps": fps,
        "video.channels": 3,
        "has_audio": False,
    }
    table: dict[str, dict[str, Any]] = {
        VIDEO_KEY: {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": video,
        },
        **{stream_key(name): stream_feature(name, frame_size, fps) for name in sensors},
        "observation.state": _feature("float64", len(VEHICLE_NAMES), VEHICLE_NAMES),
        "action": _feature("float32", len(CONTROL_NAMES), CONTROL_NAMES),
    }
    for name, array in SceneState.empty().arrays().items():
        table[scene_column(name)] = _feature(str(array.dtype), max(1, array.size), _SCENE_NAMES.get(name))
    for name in ("collision", "off_road", "progress"):
        table[name] = _feature("float32", 1)
    for name in ("wrong_way", *VIOLATION_NAMES):
        table[name] = _feature("bool", 1)
    if masked:
        table[VALID_COLUMN] = _feature("bool", len(VALID_NAMES), VALID_NAMES)
    return table | {name: _feature(dtype, 1) for name, dtype in INDEX_COLUMNS.items()}


def _feature(dtype: str, size: int, names: Sequence[str] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [size], "names": list(names) if names else None}


def column(values: np.ndarray) -> pa.Array:
    """An Arrow column from an array [t, ...]: scalars, or lists of one fixed length."""
    flat = values.reshape(len(values), -1)
    items = pa.array(np.ascontiguousarray(flat.reshape(-1)))
    return items if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(items, flat.shape[1])


def array(table: pa.Table, name: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """The array [t, *shape] of a column written by `column`, in memory of its own; a -1 in the shape is worked out."""
    values = table.column(name).combine_chunks()
    if pa.types.is_fixed_size_list(values.type):
        values = values.flatten()
    return np.array(values.to_numpy(zero_copy_only=False)).reshape(table.num_rows, *shape)


def episode_file(pattern: str, index: int, video_key: str = VIDEO_KEY) -> str:
    """Path of episode `index` relative to the dataset, for one of the *_PATH patterns."""
    chunk, file = divmod(index, CHUNK_SIZE)
    return pattern.format(chunk_index=chunk, file_index=file, video_key=video_key)


def has_episodes(root: Path) -> bool:
    """Whether a dataset has a complete episode: before that nothing of it is worth keeping."""
    return any((root / "meta" / "episodes").glob("chunk-*/file-*.parquet"))


def episode_row(index: int, length: int, fps: int, tasks: Sequence[str], sensors: Sequence[str] = ()) -> dict[str, Any]:
    """The row of an episode in meta/episodes as LeRobot reads it; sealing the dataset sets `dataset_from_index`."""
    chunk, file = divmod(index, CHUNK_SIZE)
    row: dict[str, Any] = {"episode_index": index, "tasks": list(tasks), "length": length}
    videos = [f"videos/{key}" for key in (VIDEO_KEY, *(stream_key(name) for name in sensors))]
    for prefix in ("data", *videos, "meta/episodes"):
        row |= {f"{prefix}/chunk_index": chunk, f"{prefix}/file_index": file}
    for video in videos:
        row |= {f"{video}/from_timestamp": 0.0, f"{video}/to_timestamp": length / fps}
    return row | {"dataset_from_index": -1, "dataset_to_index": -1}


def info(
    table: dict[str, dict[str, Any]], fps: int, num_episodes: int, num_frames: int, num_tasks: int
) -> dict[str, Any]:
    """The content of info.json."""
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": "drivedit_car",
        "total_episodes": num_episodes,
        "total_frames": num_frames,
        "total_tasks": num_tasks,
        "chunks_size": CHUNK_SIZE,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{num_episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": table,
    }


def write_tasks(root: Path, tasks: Sequence[str]) -> None:
    """Write tasks.parquet: `task_index` by a pandas index named `task`, which is how LeRobot looks tasks up."""
    columns = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object"},
    ]
    names = [{"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object"}]
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [entry | {"metadata": {"encoding": "UTF-8"}} for entry in names],
        "columns": [entry | {"metadata": None} for entry in columns],
        "pandas_version": "2.2.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(list(tasks))})
    write_table(root / TASKS_PATH, table.replace_schema_metadata({"pandas": json.dumps(pandas)}))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a parquet file with page checksums, whole or not at all."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file written by `write_table`.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def read_info(root: Path) -> dict[str, Any]:
    """`meta/info.json` of a dataset in LeRobot's layout; it has `codebase_version`, `fps` and `features`.

    Raises:
        ValueError: the file is missing or damaged; names the entry and its value.
    """
    path = root / INFO_PATH
    info = read_json(path)
    if not isinstance(info, dict):
        raise ValueError(f"{path} must be an object with fps and features, got {str(info)[:40]}")
    fps, features = info.get("fps"), info.get("features")
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps < math.inf:
        raise ValueError(f"{path}: fps must be a positive number, got {fps!r}")
    if not isinstance(features, dict) or not all(isinstance(feature, dict) for feature in features.values()):
        raise ValueError(f"{path}: features must be an object of features by name, got {str(features)[:40]}")
    if not isinstance(info.get("codebase_version"), str):
        raise ValueError(f"{path}: codebase_version must be a text, got {info.get('codebase_version')!r}")
    return info


def inside(root: Path, path: str, where: str) -> Path:
    """The file at a path that a dataset names within its own folder; links there may lead elsewhere.

    Args:
        root: the dataset's folder.
        path: relative to it.
        where: it is named, for the error.

    Raises:
        ValueError: it leads out of the folder.
    """
    within = Path(os.path.normpath(path))
    if within.is_absolute() or within.parts[:1] == ("..",):
        raise ValueError(f"{where} names {path!r:.80}, which is not in the dataset's folder {root}")
    return root / within


def check_columns(path: Path, table: pa.Table, names: Iterable[str]) -> None:
    """Refuse a table without these columns.

    Raises:
        ValueError: names the file and the columns.
    """
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(table.column_names)}")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ValueError: the file is missing or not JSON; the message names it.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
