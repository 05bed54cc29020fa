"""Writes recorded rollouts: episodes whole or not at all, in the LeRobot v3 layout that `rollouts` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from training.data import lerobot_layout as layout
from training.data.camera_scenes import write_camera_scenes
from training.data.feature_statistics import FeatureStatistics
from training.data.layout_store import write_layout
from training.data.rollouts import EpisodeSource, RolloutDataset, Rows
from training.data.sensor_streams import stream_key, write_stream
from training.data.video_io import VideoConfig, checksum, encode_video
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.layout import Layout
from worldsim.gbuffer.camera_scene import CameraScene


class RolloutWriter:
    """Writes episodes into a dataset, in any order and from several processes at once.

    Args:
        root: folder of the dataset; an existing dataset of the same shape is continued.
        frame_size: height and width [px].
        fps: [1/s].
        tasks: names that `Rows.tasks` refers to.
        video: how frames are compressed; None for the defaults.
        masked: whether parts of the rows may be unknown; their masks are then written too.
        sensors: further streams of each episode, of SENSOR_NAMES.

    Raises:
        ValueError: `root` holds a dataset of another frame size, rate, features or tasks.
    """

    def __init__(
        self,
        root: Path,
        frame_size: tuple[int, int],
        fps: int,
        tasks: Sequence[str],
        video: VideoConfig | None = None,
        masked: bool = False,
        sensors: Sequence[str] = (),
    ) -> None:
        self.root = Path(root)
        self.fps = fps
        self.frame_size = frame_size
        self.tasks = tuple(tasks)
        self.video = video or VideoConfig()
        self.masked = masked
        self.sensors = tuple(sensors)
        self.features = layout.features(frame_size, fps, self.video.pixel_format, masked, sensors)
        if not layout.has_episodes(self.root):
            layout.write_tasks(self.root, self.tasks)
            layout.write_json(self.root / layout.INFO_PATH, layout.info(self.features, fps, 0, 0, len(self.tasks)))
        found = layout.read_info(self.root)
        if found["fps"] != fps:
            raise ValueError(f"{self.root} holds a dataset of {found['fps']} frames/s, not {fps}; record elsewhere")
        names = {**found["features"], **self.features}
        other = [name for name in names if found["features"].get(name) != self.features.get(name)]
        if other:
            raise ValueError(f"{self.root} holds a dataset with other features ({', '.join(other)}); record elsewhere")
        found_tasks = layout.read_table(self.root / layout.TASKS_PATH).column("task").to_pylist()
        if found_tasks != list(self.tasks):
            raise ValueError(f"{self.root} holds a dataset with tasks {found_tasks}, not {list(self.tasks)}")

    def has(self, index: int) -> bool:
        """Whether episode `index` is complete."""
        return (self.root / layout.episode_file(layout.EPISODES_PATH, index)).exists()

    def write(
        self,
        index: int,
        frames: np.ndarray,
        rows: Rows,
        source: EpisodeSource,
        static: Layout | None = None,
        pictures: Mapping[str, np.ndarray] | None = None,
        camera_scenes: Sequence[CameraScene] = (),
        light_cycles: np.ndarray | None = None,
    ) -> None:
        """Write an episode; its row in meta/episodes comes last and makes it exist.

        Args:
            index: number of the episode.
            frames: uint8 [t, h, w, 3].
            rows: [t].
            source: where it comes from.
            static: what does not move there, in the ground frame of the rows' vehicles; None where it is unknown.
            pictures: of each of the writer's sensors, as `RecordedEpisode.sensor_frames` returns them.
            camera_scenes: what each frame shows beside `static`, in the same ground frame; none where that is unknown.
            light_cycles: LIGHT_CYCLE_NAMES by light group of `static`, [g, 4]; time 0 is the first frame's.

        Raises:
            ValueError: frames, pictures and rows differ in length, the frame size is not the dataset's, something is
                unknown in a dataset without masks, or pictures are missing.
        """
        if frames.shape != (len(rows), *self.frame_size, 3):
            raise ValueError(f"frames must be {(len(rows), *self.frame_size, 3)}, got {frames.shape}")
        if not self.masked and not rows.valid.all():
            unknown = [name for name in layout.VALID_NAMES if not rows.is_valid(name).all()]
            raise ValueError(f"episode {index} does not know {', '.join(unknown)}, and {self.root} has no masks")
        pictures = {} if pictures is None else pictures
        found = {name: pictures[name].shape if name in pictures else None for name in self.sensors}
        if any(shape != frames.shape[:3] for shape in found.values()) or set(pictures) != set(self.sensors):
            raise ValueError(
                f"pictures must be {frames.shape[:3]} each of {self.sensors}, got {found or set(pictures)}"
            )
        if len(camera_scenes) not in (0, len(rows)):
            raise ValueError(f"{len(rows)} frames must have as many camera scenes or none, got {len(camera_scenes)}")
        if camera_scenes:
            scenes_path = self.root / layout.episode_file(layout.CAMERA_SCENES_PATH, index)
            write_camera_scenes(scenes_path, camera_scenes, light_cycles)
        digest = write_layout(self.root, Layout.unknown() if static is None else static)
        checksums = {f"{name}_crc32": self._write_stream(index, name, pictures[name]) for name in self.sensors}
        video_path = self.root / layout.episode_file(layout.VIDEO_PATH, index)
        with atomic_path(video_path) as temporary:
            encode_video(temporary, frames, self.fps, self.video)
            crc = checksum(temporary)
        data_path = self.root / layout.episode_file(layout.DATA_PATH, index)
        layout.write_table(data_path, _table(rows, index, self.fps, self.masked))
        names = [self.tasks[k] for k in np.unique(rows.tasks)]
        row = layout.episode_row(index, len(rows), self.fps, names, self.sensors)
        row |= {"seed": source.seed, "town": source.town, "video_crc32": crc, "layout": digest, **checksums}
        if source.map:
            row |= {"map": source.map, "map_digest": source.map_digest}
        layout.write_table(self.root / layout.episode_file(layout.EPISODES_PATH, index), pa.Table.from_pylist([row]))

    def _write_stream(self, index: int, name: str, pictures: np.ndarray) -> int:
        """Write a stream; its CRC-32."""
        path = self.root / layout.episode_file(layout.VIDEO_PATH, index, stream_key(name))
        with atomic_path(path) as temporary:
            write_stream(temporary, name, pictures, self.fps, self.video.gop)
            return checksum(temporary)

    def seal(self) -> None:
        """Number the rows of the whole dataset and write its totals and statistics, so that LeRobot reads it too.

        Safe to interrupt and to repeat, also after more episodes were written.

        Raises:
            ValueError: episodes are missing between the first and the last, or a file is damaged.
        """
        dataset = RolloutDataset(self.root)
        gaps = sorted(set(range(max(dataset.indices, default=0))) - set(dataset.indices))
        if gaps:
            raise ValueError(f"{self.root} cannot be sealed: episodes {gaps[:5]} are missing; resume the recording")
        first, statistics = 0, FeatureStatistics()
        for index in dataset.indices:
            path = self.root / layout.episode_file(layout.DATA_PATH, index)
            table = self._numbered(index, layout.read_table(path), first)
            first += table.num_rows
            statistics.add_table(table)
            if index % max(1, len(dataset) // 100) == 0:  # colours need no more than a hundred images
                episode = dataset[index]
                statistics.add_frames(episode.window(0, 1))
                for name in self.sensors:
                    statistics.add_pictures(name, episode.sensor_frames(name)[:1])
        layout.write_json(self.root / layout.STATS_PATH, statistics.summary())
        totals = layout.info(self.features, self.fps, len(dataset), first, len(self.tasks))
        layout.write_json(self.root / layout.INFO_PATH, totals)

    def _numbered(self, index: int, table: pa.Table, first: int) -> pa.Table:
        """The episode's table with the global rows from `first` on, which it is also given on disk."""
        path = self.root / layout.episode_file(layout.EPISODES_PATH, index)
        row = layout.read_table(path).to_pylist()[0]
        if row["dataset_from_index"] != first:
            at = table.schema.get_field_index("index")
            table = table.set_column(at, "index", pa.array(np.arange(first, first + table.num_rows)))
            layout.write_table(self.root / layout.episode_file(layout.DATA_PATH, index), table)
            row |= {"dataset_from_index": first, "dataset_to_index": first + table.num_rows}
            layout.write_table(path, pa.Table.from_pylist([row]))
        return table


def _table(rows: Rows, index: int, fps: int, masked: bool) -> pa.Table:
    t = len(rows)
    columns = {"observation.state": rows.vehicles.astype(np.float64), "action": rows.controls.astype(np.float32)}
    columns |= {layout.scene_column(name): values for name, values in rows.scenes.arrays().items()}
    columns |= {name: getattr(rows, name).astype(np.float32) for name in ("collision", "off_road", "progress")}
    columns |= {
        **{name: getattr(rows, name).astype(bool) for name in ("wrong_way", *layout.VIOLATION_NAMES)},
        "timestamp": (np.arange(t) / fps).astype(np.float32),
        "frame_index": np.arange(t),
        "episode_index": np.full(t, index),
        "index": np.arange(t),
        "task_index": rows.tasks.astype(np.int64),
    }
    if masked:
        columns[layout.VALID_COLUMN] = rows.valid
    return pa.table({name: layout.column(values) for name, values in columns.items()})
