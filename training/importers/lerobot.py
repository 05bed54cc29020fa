"""LeRobot v3 datasets made elsewhere: named features as ego signals, one camera, several episodes to a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.data import lerobot_layout as layout
from training.data.images import check_rising
from training.data.video_file import VideoFile
from training.importers.columns import check_values
from training.importers.importer import Importer
from training.importers.lerobot_columns import PICTURES, Source, choose_camera, choose_sources, parts_of, values_of
from training.importers.recording import Images, Origin, Recording, Signal
from training.importers.table_images import TableImages


def read_lerobot(
    root: Path, camera: str | None = None, columns: Sequence[str] = (), left_handed: bool = False
) -> list[Recording]:
    """Every episode of a dataset.

    The columns are called feature.name, or feature.0, feature.1 where a feature's parts have no names. Those of actions
    and observations are recognised by their names; others can be assigned.

    Args:
        root: folder of the dataset.
        camera: feature of the pictures; None for the only one, or else the only one with "front" in its name.
        columns: see `columns.choose_columns`.
        left_handed: see `tables.read_table`.

    Raises:
        ValueError: not a v3 dataset, no such camera, a value that cannot be one, or a damaged file; it is named.
    """
    info = layout.read_info(root)
    version = info.get("codebase_version")
    if version != layout.CODEBASE_VERSION:
        raise ValueError(
            f"{root} is a LeRobot {version} dataset; convert it to {layout.CODEBASE_VERSION} with LeRobot's converter"
        )
    key = choose_camera(info["features"], camera, str(root))
    parts = parts_of(info["features"])
    sources = choose_sources(parts, columns, str(root))
    if not sources and key is None:
        raise ValueError(f"{root}: none of the columns {', '.join(parts)} is recognised; assign them")
    origins = {quantity: source.origin(left_handed) for quantity, source in sources.items()}
    origins |= {"time": Origin("timestamp", "s")} | ({} if key is None else {"frame": Origin(key)})

    # pictures in tables are read when they are wanted
    needed = {part.feature for source in sources.values() for part, _ in source.terms} | {"timestamp", "episode_index"}
    masked = info["features"].get(layout.VALID_COLUMN, {}).get("names") == list(layout.VALID_NAMES)  # one of ours
    needed |= {layout.VALID_COLUMN} if masked else set()
    read = lru_cache(maxsize=4)(partial(layout.read_table, columns=sorted(needed)))  # episodes often share a file
    taken = {part for source in sources.values() for part, _ in source.terms}
    known = {*layout.INDEX_COLUMNS, layout.VALID_COLUMN, key}
    unread = [header for header, part in parts.items() if part not in taken and part.feature not in known]
    unread += [name for name, feature in info["features"].items() if feature["dtype"] in PICTURES and name not in known]
    recordings = []
    for episode in _episodes(root):
        path = _file(root, info, "data_path", episode, "data")
        rows, table = _rows_of(path, episode, read)
        layout.check_columns(path, table, needed)
        times = layout.array(table, "timestamp").astype(np.float64).reshape(-1)
        number = episode["episode_index"]
        _check_times(times, info, root, f"{path}: episode {number}")
        signals = _signals(sources, table, times, left_handed, f"{path}: episode {number}")
        valid = layout.array(table, layout.VALID_COLUMN, (-1,)) if masked else None
        if valid is not None:
            signals = _where_valid(signals, valid, times)
        images: Images | None = None
        if key is not None and info["features"][key]["dtype"] == "image":
            images = TableImages(path, key, rows, times, root)
        elif key is not None:
            images = _video(root, info, episode, key)
        if valid is not None and images is not None:
            kept = np.flatnonzero(valid[:, layout.VALID_NAMES.index("frame")])
            images = _Some(images, kept) if len(kept) else None
        name = f"episode {number}"
        recordings.append(
            Recording(name=name, clock=times, signals=signals, images=images, origins=origins, unread=tuple(unread))
        )
    return recordings


def _check_times(times: np.ndarray, info: dict[str, Any], root: Path, where: str) -> None:
    """Refuse times [n] [s] that do not rise, or not at the pace that info.json tells of pictures and rows."""
    try:
        check_rising(times)
    except ValueError as error:
        raise ValueError(f"{where}, timestamp: {error}") from None
    fps = info.get("fps")
    if len(times) < 2 or not isinstance(fps, (int, float)) or not fps > 0:
        return
    pace = float(np.median(np.diff(times)))
    if abs(pace * fps - 1) > 0.1:
        said = f"fps in {root / layout.INFO_PATH} is {fps:g}"
        raise ValueError(f"{where}: its timestamps are {pace:.4g} s apart, but {said}: mend what is wrong")


class _Some:
    """Those of a recording's images that are at `kept`, rising, int64 [k]."""

    def __init__(self, images: Images, kept: np.ndarray) -> None:
        self._images, self._kept = images, kept

    @property
    def times(self) -> np.ndarray:
        """[k] [s]."""
        return self._images.times[self._kept]

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See `Images.read`."""
        return self._images.read(self._kept[list(indices)].tolist())


def _where_valid(signals: Mapping[str, Signal], valid: np.ndarray, times: np.ndarray) -> dict[str, Signal]:
    """Signals without the samples that a mask of VALID_NAMES [t, 16], at `times` [t], calls unknown."""
    kept = {}
    for name, signal in signals.items():
        known = np.isin(signal.times, times[valid[:, layout.VALID_NAMES.index(name)]])
        if known.any():
            kept[name] = Signal(signal.times[known], signal.values[known])
    return kept


def _signals(
    sources: Mapping[str, Source], table: pa.Table, times: np.ndarray, left_handed: bool, where: str
) -> dict[str, Signal]:
    """What an episode's rows [t] tell of each quantity; not-a-number is unknown."""
    features = {part.feature for source in sources.values() for part, _ in source.terms}
    columns = {feature: _numbers(table, feature, where) for feature in features}
    signals = {}

    def place(row: int) -> str:
        return f"{where}, row {row}"

    for quantity, source in sources.items():
        values = source.column.convert(values_of(source, columns, place), left_handed)
        known = np.isfinite(values)
        check_values(source.header, source.column, values, place)
        if known.any():
            signals[quantity] = Signal(times[known], values[known])
    return signals


def _episodes(root: Path) -> list[dict[str, Any]]:
    paths = sorted((root / "meta/episodes").glob("chunk-*/file-*.parquet"))
    if not paths:
        raise ValueError(f"{root}/meta/episodes holds no episodes")
    rows = []
    for path in paths:
        table = layout.read_table(path)
        layout.check_columns(path, table, ["episode_index", "length", "data/chunk_index", "data/file_index"])
        kept = [name for name in table.column_names if not name.startswith("stats/")]
        rows += table.select(kept).to_pylist()
    return sorted(rows, key=lambda row: row["episode_index"])


_FIELD = re.compile(r"\{((chunk_index|file_index)(:0?\d{1,2}d)?|video_key)\}")
"""What a path's pattern in info.json may hold: nothing that makes a text of unbounded length."""


def _file(root: Path, info: dict[str, Any], entry: str, episode: dict[str, Any], prefix: str, **names: str) -> Path:
    """The file that an episode is in, by the pattern that is an entry of info.json."""
    where, pattern = f"{entry} in {root / layout.INFO_PATH}", info.get(entry)
    if not isinstance(pattern, str) or set("{}") & set(_FIELD.sub("", pattern)):
        right = "a path with fields as {chunk_index:03d}, {file_index:03d} and {video_key}"
        raise ValueError(f"{where} must be {right}, got {pattern!r:.80}")
    numbers = {name: episode[f"{prefix}/{name}"] for name in ("chunk_index", "file_index")}
    return layout.inside(root, pattern.format(**numbers, **names), where)


def _rows_of(path: Path, episode: dict[str, Any], read: Callable[[Path], pa.Table]) -> tuple[np.ndarray, pa.Table]:
    """Where an episode's rows are in a file [t], and these rows."""
    table = read(path)
    layout.check_columns(path, table, ["episode_index"])
    index = layout.array(table, "episode_index").reshape(-1)
    rows = np.flatnonzero(index == episode["episode_index"])
    if len(rows) != episode["length"]:
        raise ValueError(f"{path}: episode {episode['episode_index']} has {len(rows)} rows, not {episode['length']}")
    return rows, table.take(pa.array(rows))


def _numbers(table: pa.Table, feature: str, where: str) -> np.ndarray:
    """The values of a feature [t, d]."""
    values = np.array(table.column(feature).to_pylist(), np.float64)
    if values.ndim > 2:
        raise ValueError(f"{where}: feature {feature} has values of {values.ndim - 1} dims")
    return values.reshape(len(values), -1)


def _video(root: Path, info: dict[str, Any], episode: dict[str, Any], key: str) -> VideoFile:
    edges = [f"videos/{key}/{name}" for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")]
    if missing := [name for name in edges if name not in episode]:
        raise ValueError(f"{root}/meta/episodes: episode {episode['episode_index']} has no {', '.join(missing)}")
    path = _file(root, info, "video_path", episode, f"videos/{key}", video_key=key)
    start, stop = (episode[f"videos/{key}/{edge}_timestamp"] for edge in ("from", "to"))
    return VideoFile(path, start=start, stop=stop)


IMPORTER = Importer(
    name="lerobot",
    source="a LeRobot v3 dataset",
    knows="one camera (`--camera`), and the actions and observations whose names are recognised",
    note="a video, or pictures in the tables; L2D-v3's units and the four keys of RC cars are known; other versions: "
    "LeRobot's own converter first",
    recognises=lambda path: (path / layout.INFO_PATH).is_file(),
    read=lambda path, hints: read_lerobot(path, hints.camera, hints.drive.columns, hints.drive.left_handed),
)
