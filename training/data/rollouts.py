"""Recorded rollouts: episodes written whole or not at all, read back by episode, in the LeRobot v3 layout.

Row t of an episode holds frame t, what is true in it, and the control a_t that was then chosen; frame t+1 is its
result. The control of the last row was chosen but never applied.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.data import lerobot_layout as layout
from training.data.camera_scenes import CameraScenes
from training.data.layout_store import UNKNOWN, EpisodeLayout
from training.data.sensor_streams import read_stream, stream_key
from training.data.video_io import checksum, decode_video
from worldsim.datatypes.scene import SceneState, unknown_signals
from worldsim.datatypes.vehicle import motion_between
from worldsim.gbuffer.classes import SENSOR_NAMES


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What is known at each of `t` frames, besides the image.

    Args:
        controls: CONTROL_NAMES, float32 [t, 4]; controls[k] leads from frame k to frame k+1.
        vehicles: ego motion, VEHICLE_NAMES, float64 [t, 6].
        scenes: SceneState with leading dim [t].
        collision: probability that the ego touches something, float32 [t].
        off_road: probability that a wheel is off the drivable area, float32 [t].
        wrong_way: bool [t].
        red_light: the front crossed a stop line on red on the way to this frame, bool [t]; False, as the next, where
            lights and signs are not known (`scenes.signal_valid`).
        stop_sign_missed: it passed a stop sign without a stop on the way to this frame, bool [t].
        progress: distance along the route covered on the way to this frame, float32 [t] [m].
        tasks: index of the behaviour that chose the control, int64 [t].
        valid: which of VALID_NAMES are known, bool [t, 16]; what is not known is 0. A recording of a reference world
            knows everything, an imported one seldom does.

    Raises:
        ValueError: a shape does not fit the others.
    """

    controls: np.ndarray
    vehicles: np.ndarray
    scenes: SceneState
    collision: np.ndarray
    off_road: np.ndarray
    wrong_way: np.ndarray
    red_light: np.ndarray
    stop_sign_missed: np.ndarray
    progress: np.ndarray
    tasks: np.ndarray
    valid: np.ndarray

    def __post_init__(self) -> None:
        t = len(self.controls)
        shapes = {"controls": (t, 4), "vehicles": (t, 6), "valid": (t, len(layout.VALID_NAMES))}
        for name in _ROW_NAMES:
            shape = self.scenes.batch_shape if name == "scenes" else getattr(self, name).shape
            if shape != shapes.get(name, (t,)):
                raise ValueError(f"{name} must be {shapes.get(name, (t,))} beside {t} controls, got {shape}")

    def __len__(self) -> int:
        return len(self.controls)

    def __getitem__(self, index: Any) -> Rows:
        """The rows selected by a slice or an index array [t']."""
        return Rows(**{name: getattr(self, name)[index] for name in _ROW_NAMES})

    def is_valid(self, name: str) -> np.ndarray:
        """Where the one of VALID_NAMES called `name` is known, bool [t]."""
        return self.valid[:, layout.VALID_NAMES.index(name)]

    @property
    def motions(self) -> np.ndarray:
        """MOTION_NAMES float64 [t-1, 6]; motions[k] leads from frame k to frame k+1, as controls[k] does."""
        return motion_between(self.vehicles[:-1], self.vehicles[1:])

    @staticmethod
    def concatenate(parts: Sequence[Rows]) -> Rows:
        """One long run of rows."""
        scenes = [part.scenes.arrays() for part in parts]
        joined = {name: np.concatenate([scene[name] for scene in scenes]) for name in scenes[0]}
        others = [name for name in _ROW_NAMES if name != "scenes"]
        return Rows(
            scenes=SceneState(**joined),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in others},
        )


_ROW_NAMES = tuple(f.name for f in fields(Rows))


def all_valid(length: int) -> np.ndarray:
    """The mask of rows of which everything is known, bool [length, 16]."""
    return np.ones((length, len(layout.VALID_NAMES)), bool)


@dataclass(frozen=True, kw_only=True)
class EpisodeSource:
    """Where an episode comes from.

    Args:
        seed: of the world's reset.
        town: the procedural town, -1 where there is none.
        map: name of the OpenDRIVE file it took place on, "" where there is none.
        map_digest: of that file, the first 16 digits of its SHA-256.
    """

    seed: int
    town: int
    map: str = ""
    map_digest: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedEpisode:
    """A recorded episode; its frames are decoded when asked for.

    Args:
        index: number of the episode in its dataset.
        rows: everything but the images, [t].
        source: where it comes from.
        fps: [1/s].
        video: file of the frames.
        video_checksum: CRC-32 that file had when it was written.
        static: where its layout is.
        root: folder of the dataset.
        sensor_checksums: of the further streams by name, of SENSOR_NAMES, likewise.
    """

    index: int
    rows: Rows
    source: EpisodeSource
    fps: int
    video: Path
    video_checksum: int
    static: EpisodeLayout
    root: Path
    sensor_checksums: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.rows)

    def sensor_frames(self, name: str) -> np.ndarray:
        """All pictures of one of SENSOR_NAMES: "depth" float16 [t, h, w] [m], inf in the sky; "semantic" SemanticClass
        uint8 [t, h, w].

        Raises:
            ValueError: the recording has no such stream, or its file is missing or damaged; the message names it.
        """
        if name not in self.sensor_checksums:
            raise ValueError(f"{self.root} was recorded without {name}: record --extra {name}")
        path = self.root / layout.episode_file(layout.VIDEO_PATH, self.index, stream_key(name))
        _check_intact(path, self.sensor_checksums[name])
        return read_stream(path, name, len(self))

    @property
    def has_camera_scenes(self) -> bool:
        """Whether it is known what each frame shows beside the layout."""
        return (self.root / layout.episode_file(layout.CAMERA_SCENES_PATH, self.index)).is_file()

    def camera_scenes(self) -> CameraScenes:
        """What each frame shows beside the layout.

        Raises:
            ValueError: the recording does not tell, or the file is damaged; the message names it.
        """
        scenes = CameraScenes(self.root / layout.episode_file(layout.CAMERA_SCENES_PATH, self.index))
        if len(scenes) != len(self):
            raise ValueError(
                f"{self.root}: episode {self.index} has {len(self)} frames and {len(scenes)} camera scenes"
            )
        return scenes

    @cached_property
    def frames(self) -> np.ndarray:
        """What `decode` returns, kept in memory as long as the episode is."""
        return self.decode()

    def decode(self) -> np.ndarray:
        """All frames, uint8 [t, h, w, 3].

        Raises:
            ValueError: the video is missing or damaged; the message names it.
        """
        _check_intact(self.video, self.video_checksum)
        return decode_video(self.video, 0, len(self))

    def window(self, start: int, stop: int) -> np.ndarray:
        """Frames [start, stop) decoded from the nearest keyframe, uint8 [stop-start, h, w, 3].

        Raises:
            ValueError: the window leaves the episode, or the video is damaged.
        """
        if not 0 <= start < stop <= len(self):
            raise ValueError(f"window [{start}, {stop}) leaves episode {self.index} of {len(self)} frames")
        return decode_video(self.video, start, stop)


def _check_intact(path: Path, recorded: int) -> None:
    """Refuse a video that is not as it was written."""
    try:
        intact = checksum(path) == recorded
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if not intact:
        raise ValueError(f"{path} is damaged: its checksum is not the recorded one")


class RolloutDataset:
    """The complete episodes of a dataset, in order; episodes that were never finished are not there.

    Args:
        root: folder of the dataset.

    Raises:
        ValueError: `root` holds no dataset, or one of its metadata files is damaged; the message names it.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        info = layout.read_info(self.root)
        if info["codebase_version"] != layout.CODEBASE_VERSION:
            version = info["codebase_version"]
            raise ValueError(f"{self.root} is a LeRobot {version} dataset, not {layout.CODEBASE_VERSION}")
        self.fps: int = info["fps"]
        if layout.scene_column("signal") not in info["features"]:
            warnings.warn(
                f"{self.root} was recorded before lights and signs were: it does not know them (signal_valid is False)",
                stacklevel=2,
            )
        shape = info["features"].get(layout.VIDEO_KEY, {}).get("shape")
        if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(size, int) for size in shape)):
            path = self.root / layout.INFO_PATH
            raise ValueError(f"{path}: feature {layout.VIDEO_KEY} must have a shape of 3 numbers, got {shape!r:.40}")
        self.frame_size: tuple[int, int] = (shape[0], shape[1])
        self.tasks: tuple[str, ...] = tuple(layout.read_table(self.root / layout.TASKS_PATH).column("task").to_pylist())
        self.sensors: tuple[str, ...] = tuple(name for name in SENSOR_NAMES if stream_key(name) in info["features"])
        wanted = ["episode_index", "length", "seed", "town", "map", "map_digest", "video_crc32", "layout"]
        wanted += [f"{name}_crc32" for name in self.sensors]
        paths = sorted((self.root / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
        rows = [_episode_row(path, wanted) for path in paths]
        self._episodes = sorted(rows, key=lambda row: row["episode_index"])

    def __len__(self) -> int:
        return len(self._episodes)

    def __getitem__(self, position: int) -> RecordedEpisode:
        """The episode at `position` in `indices`.

        Raises:
            ValueError: a file of the episode is missing or damaged; the message names it.
        """
        row = self._episodes[position]
        index = row["episode_index"]
        path = self.root / layout.episode_file(layout.DATA_PATH, index)
        table = layout.read_table(path)
        if table.num_rows != row["length"]:
            raise ValueError(f"{path} is damaged: {row['length']} rows recorded, {table.num_rows} found")
        return RecordedEpisode(
            index=index,
            rows=_rows(path, table),
            source=EpisodeSource(
                seed=row["seed"], town=row["town"], map=row.get("map", ""), map_digest=row.get("map_digest", "")
            ),
            fps=self.fps,
            video=self.root / layout.episode_file(layout.VIDEO_PATH, index),
            video_checksum=row["video_crc32"],
            # recordings from before there were layouts have no such column
            static=EpisodeLayout(root=self.root, digest=row.get("layout", UNKNOWN)),
            root=self.root,
            sensor_checksums={name: row[f"{name}_crc32"] for name in self.sensors},
        )

    @property
    def indices(self) -> list[int]:
        """Number of each complete episode."""
        return [row["episode_index"] for row in self._episodes]

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each complete episode, int64 [e]."""
        return np.array([row["length"] for row in self._episodes], np.int64)

    @property
    def towns(self) -> np.ndarray:
        """Town of each complete episode, int64 [e]."""
        return np.array([row["town"] for row in self._episodes], np.int64)

    @property
    def checksums(self) -> list[int]:
        """CRC-32 of each complete episode's video."""
        return [row["video_crc32"] for row in self._episodes]


def _episode_row(path: Path, wanted: list[str]) -> dict[str, Any]:
    """The one row of a file in meta/episodes."""
    table = layout.read_table(path, wanted)
    layout.check_columns(path, table, ("episode_index", "length", "seed", "town", "video_crc32"))
    if table.num_rows != 1:
        raise ValueError(f"{path} must have one row, the episode's, got {table.num_rows}")
    return table.to_pylist()[0]


def _rows(path: Path, table: pa.Table) -> Rows:
    """The rows of an episode's file, of which a column is missing or holds what is no number only if it is damaged."""
    layout.check_columns(path, table, ("action", "observation.state", "progress", "task_index", *layout.EVENT_NAMES))
    for name in ("action", "observation.state", *layout.EVENT_NAMES):
        values = layout.array(table, name, (-1,)).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"{path}: {name} is not finite in row {int(np.argmin(np.isfinite(values).all(-1)))}")
    shapes, scenes = layout.scene_shapes(), {}
    if layout.scene_column("signal") not in table.column_names:
        scenes = unknown_signals((table.num_rows,))
    scenes |= {
        name: layout.array(table, layout.scene_column(name), shape)
        for name, shape in shapes.items()
        if name not in scenes
    }
    violations = {
        name: layout.array(table, name) if name in table.column_names else np.zeros(table.num_rows, bool)
        for name in layout.VIOLATION_NAMES
    }
    masked = layout.VALID_COLUMN in table.column_names
    return Rows(
        controls=layout.array(table, "action", (4,)),
        vehicles=layout.array(table, "observation.state", (6,)),
        scenes=SceneState(**scenes),
        collision=layout.array(table, "collision"),
        off_road=layout.array(table, "off_road"),
        wrong_way=layout.array(table, "wrong_way"),
        **violations,
        progress=layout.array(table, "progress"),
        tasks=layout.array(table, "task_index"),
        valid=layout.array(table, layout.VALID_COLUMN, (-1,)) if masked else all_valid(table.num_rows),
    )
