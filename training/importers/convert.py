"""`drivedit import`: a source of any known layout becomes a rollout dataset, whole or to be continued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from tqdm import tqdm

from training.data import lerobot_layout as layout
from training.data.rollouts import EpisodeSource, RolloutDataset, RolloutWriter, Rows
from training.importers.carla_log import read_carla_log
from training.importers.comma2k19 import read_comma2k19
from training.importers.lerobot import read_lerobot
from training.importers.media import VIDEO_SUFFIXES, Fit, fit_image, images_in
from training.importers.recording import Recording, Signal
from training.importers.resample import ResampleConfig, episode_times, nearest, rows_at
from training.importers.tables import read_states
from training.importers.udacity import MAX_STEER_ANGLE, read_udacity
from training.importers.video_with_table import DriveOptions, read_drive
from training.importers.yolo import read_yolo

Format = Literal["udacity", "comma2k19", "carla_log", "lerobot", "yolo", "drive", "table"]
"""drive: a video or a folder of images with a controls table or without; table: states in a CSV file, no images."""

MANIFEST_PATH = "meta/import.json"


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """What is imported and where to. The same call continues an import that was interrupted.

    Args:
        source: file or folder.
        out: folder of the dataset; a yolo yaml gives one for each split below it.
        format: of the source; None looks at it.
        frame_size: height and width of the dataset's images [px].
        fit: how images get that size.
        resample: rate, gaps and lengths.
        drive: for drive, table and yolo; its columns and left_handed for lerobot too.
        camera: lerobot: feature of the video.
        ego: carla_log: role name or number of the ego.
        steering_ratio: comma2k19: steering-wheel angle over front-wheel angle.
        max_steer_angle: front-wheel angle at full steer [rad], by which one tells the other where the source has only
            one of them; None is 25° for udacity, elsewhere it leaves the other unknown.

    Raises:
        ValueError: a value is out of range.
    """

    source: Path
    out: Path = Path("data/imported")
    format: Format | None = None
    frame_size: tuple[int, int] = (128, 128)
    fit: Fit = "crop"
    resample: ResampleConfig = field(default_factory=ResampleConfig)
    drive: DriveOptions = field(default_factory=DriveOptions)
    camera: str | None = None
    ego: str | None = None
    steering_ratio: float | None = None
    max_steer_angle: float | None = None

    def __post_init__(self) -> None:
        if any(size < 2 or size % 2 for size in self.frame_size):
            raise ValueError(f"frame_size must be even, got {self.frame_size}")
        for name in ("steering_ratio", "max_steer_angle"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")


def import_recordings(config: ImportConfig) -> list[RolloutDataset]:
    """Import everything `config.source` holds; says what is known of it. One dataset, or one for each split.

    Raises:
        ValueError: the source cannot be read (names file, line and value), holds nothing long enough, or `config.out`
            holds another dataset.
    """
    kind = config.format or detect_format(config.source)
    datasets = []
    for split, recordings in read_recordings(kind, config).items():
        dataset = _convert(recordings, config.out / split, kind, config)
        print(f"{dataset.root}: {len(dataset)} episodes, {dataset.lengths.sum()} frames; known of them:")
        print(coverage(dataset))
        datasets.append(dataset)
    return datasets


def detect_format(source: Path) -> Format:
    """The format that `source` looks like.

    Raises:
        ValueError: it is not there, or looks like none.
    """
    if not source.exists():
        raise ValueError(f"{source} is not there")
    if source.is_dir():
        if (source / "driving_log.csv").is_file():
            return "udacity"
        if (source / layout.INFO_PATH).is_file():
            return "lerobot"
        if next(source.rglob("global_pose"), None):
            return "comma2k19"
        if images_in(source):
            return "drive"
    else:
        suffixes: dict[str, Format] = {".log": "carla_log", ".yaml": "yolo", ".yml": "yolo", ".csv": "table"}
        suffixes |= dict.fromkeys(VIDEO_SUFFIXES, "drive")
        if source.name == "driving_log.csv":
            return "udacity"
        if source.suffix.lower() in suffixes:
            return suffixes[source.suffix.lower()]
    raise ValueError(f"{source} looks like none of {', '.join(get_args(Format))}; give the format")


def read_recordings(kind: Format, config: ImportConfig) -> dict[str, list[Recording]]:
    """What `config.source`, of layout `kind`, holds in each split; the split is "" where there are none.

    Raises:
        ValueError: it cannot be read; names file, line and value.
    """
    splits = _read(kind, config)
    if config.max_steer_angle is None:
        return splits
    angle = config.max_steer_angle
    return {split: [_with_wheels(recording, angle) for recording in many] for split, many in splits.items()}


def _with_wheels(recording: Recording, max_steer_angle: float) -> Recording:
    """The recording with the front wheels where the steering puts them, should it not tell where they are."""
    steer = recording.signals.get("steer")
    if steer is None or "steer_angle" in recording.signals:
        return recording
    wheels = Signal(steer.times, max_steer_angle * steer.values)
    return replace(recording, signals={**recording.signals, "steer_angle": wheels})


def _read(kind: Format, config: ImportConfig) -> dict[str, list[Recording]]:
    source, drive = config.source, config.drive
    if kind == "yolo":
        return read_yolo(source, drive)
    if kind == "udacity":
        recordings = [read_udacity(source, config.max_steer_angle or MAX_STEER_ANGLE)]
    elif kind == "comma2k19":
        recordings = read_comma2k19(source, config.steering_ratio, config.max_steer_angle)
    elif kind == "carla_log":
        recordings = [read_carla_log(source, config.ego)]
    elif kind == "lerobot":
        recordings = read_lerobot(source, config.camera, drive.columns, drive.left_handed)
    elif kind == "table":
        recordings = [read_states(source, drive.columns, drive.left_handed)]
    else:
        recordings = [read_drive(source, drive)]
    return {"": recordings}


def _convert(recordings: Sequence[Recording], root: Path, kind: Format, config: ImportConfig) -> RolloutDataset:
    plan = [(r, times) for r in recordings for times in episode_times(r.clock, config.resample)]
    if not plan:
        raise ValueError(f"{config.source} holds nothing of {config.resample.min_seconds} s without a gap")
    _check_manifest(root, kind, config, plan)
    for leftover in root.rglob(".*.tmp"):  # of an import that was stopped
        leftover.unlink()
    writer = RolloutWriter(root, config.frame_size, config.resample.fps, [f"driving ({kind})"], masked=True)
    for index, (recording, times) in enumerate(tqdm(plan, desc=f"import {root}", unit="episode")):
        if not writer.has(index):
            rows = rows_at(recording, times, config.resample)
            frames = _frames(recording, times, rows, config)
            writer.write(index, frames, rows, EpisodeSource(seed=0, town=-1))
    writer.seal()
    return RolloutDataset(root)


def _frames(recording: Recording, times: np.ndarray, rows: Rows, config: ImportConfig) -> np.ndarray:
    """The image nearest to each time, uint8 [t, h, w, 3]; black where there is none."""
    frames = np.zeros((len(times), *config.frame_size, 3), np.uint8)
    if recording.images is not None:
        known = np.flatnonzero(rows.is_valid("frame"))
        index, _ = nearest(recording.images.times, times[known], config.resample.max_gap)
        for k, image in zip(known, recording.images.read(index.tolist()) if len(known) else (), strict=True):
            frames[k] = fit_image(image, config.frame_size, config.fit)
    return frames


def _check_manifest(
    root: Path, kind: Format, config: ImportConfig, plan: Sequence[tuple[Recording, np.ndarray]]
) -> None:
    """Refuse to mix different imports, or an import and something else, in one dataset."""
    settings = {name: value for name, value in asdict(config).items() if name not in ("source", "out", "format")}
    settings["drive"]["table"] = None if config.drive.table is None else config.drive.table.name
    episodes = [{"recording": r.name, "start": float(t[0]), "num_frames": len(t)} for r, t in plan]
    manifest = json.loads(json.dumps({"format": kind, "settings": settings, "episodes": episodes}))  # as it reads back
    path = root / MANIFEST_PATH
    if not path.exists():
        if (root / layout.INFO_PATH).exists():
            raise ValueError(f"{root} holds a dataset that was not imported; import elsewhere")
        layout.write_json(path, manifest)
    found = layout.read_json(path)
    for name, value in manifest.items():
        if found.get(name) != value:
            raise ValueError(f"{root} is an import with other {name}; import elsewhere, or delete it")


def coverage(dataset: RolloutDataset) -> str:
    """How much of a dataset is known: a line of names for each share of its rows."""
    rows = Rows.concatenate([dataset[k].rows for k in range(len(dataset))])
    scenes = rows.scenes
    known = {name: float(rows.is_valid(name).mean()) for name in layout.VALID_NAMES}
    known |= {"yaw_rate": float(scenes.ego_valid[:, 2].mean()), "lane": float(scenes.lane_valid.mean())}
    known |= {"route": float(scenes.route_valid.mean())}
    shares: dict[str, list[str]] = {}
    for name, share in known.items():
        shares.setdefault(f"{share:6.1%}", []).append(name)
    return "\n".join(f"  {share}  {', '.join(names)}" for share, names in sorted(shares.items(), reverse=True))
