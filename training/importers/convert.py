"""`drivedit import`: a source of any known format becomes a rollout dataset; an interrupted import goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from envs.folder_lock import lock_folder
from training.data import lerobot_layout as layout
from training.data.images import Fit, fit_image
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset, Rows
from training.importers.formats import FormatName, find_importer, read_recordings
from training.importers.importer import SourceHints
from training.importers.recording import Recording
from training.importers.report import report
from training.importers.resample import ResampleConfig, episode_times, nearest, rows_at
from worldsim.option_checks import check_options

MANIFEST_PATH = "meta/import.json"


@dataclass(frozen=True, kw_only=True)
class ImportConfig(SourceHints):
    """What is imported and where to. The same call continues an import that was interrupted.

    Args:
        source: file or folder.
        out: folder of the dataset; a yolo yaml gives one for each split below it.
        format: of the source; None recognises it.
        frame_size: height and width of the dataset's images [px].
        fit: how images get that size.
        resample: rate, gaps and lengths.

    Raises:
        ValueError: a value is out of range.
    """

    source: Path
    out: Path = Path("data/imported")
    format: FormatName | None = None
    frame_size: tuple[int, int] = (128, 128)
    fit: Fit = "crop"
    resample: ResampleConfig = field(default_factory=ResampleConfig)

    def __post_init__(self) -> None:
        check_options(self)
        super().__post_init__()
        if any(size < 2 or size % 2 for size in self.frame_size):
            raise ValueError(f"frame_size must be even, got {self.frame_size}")


def import_recordings(config: ImportConfig) -> list[RolloutDataset]:
    """Import everything that `config.source` holds and print how much of it is known; one dataset a split.

    Raises:
        ValueError: the source cannot be read (names file, line and value), holds nothing long enough, or `config.out`
            holds another dataset.
        FolderInUseError: another process imports there.
    """
    importer = find_importer(config.source, config.format)
    splits: dict[str, list[Recording]] = {}
    for recording in read_recordings(importer, config.source, config):
        splits.setdefault(recording.split, []).append(recording)
    if not splits:
        raise ValueError(f"{config.source} holds no recording")

    datasets = []
    for split, recordings in splits.items():
        dataset = _convert(recordings, config.out / split, importer.name, config)
        print(report(dataset, recordings, config.resample))
        datasets.append(dataset)
    return datasets


def _convert(recordings: Sequence[Recording], root: Path, format_name: str, config: ImportConfig) -> RolloutDataset:
    plan = [(r, times) for r in recordings for times in episode_times(r.clock, config.resample)]
    if not plan:
        raise ValueError(_why_nothing(recordings, config))
    with lock_folder(root):
        _check_manifest(root, format_name, config, plan)
        writer = RolloutWriter(root, config.frame_size, config.resample.fps, [f"driving ({format_name})"], masked=True)
        for index, (recording, times) in enumerate(tqdm(plan, desc=f"import {root}", unit="episode")):
            if not writer.has(index):
                rows = rows_at(recording, times, config.resample)
                frames = _frames(recording, times, rows, config)
                writer.write(index, frames, rows, EpisodeSource(seed=0, town=-1))
        writer.seal()
    return RolloutDataset(root)


def _why_nothing(recordings: Sequence[Recording], config: ImportConfig) -> str:
    """Why no episode comes of recordings: their pace, or their length."""
    settings = config.resample
    paces = {r.name: float(np.median(np.diff(r.clock))) for r in recordings if len(r.clock) > 1}
    slow = [name for name, pace in paces.items() if pace > settings.max_gap]
    if slow:
        pace = paces[slow[0]]
        advice = f"in another unit than seconds? Assign time=column:ms or the like. Really {1 / pace:.3g} a second? "
        advice += f"Give --resample.max-gap {1.5 * pace:.2g}: what lies between is then interpolated"
        return f"{config.source}: the times of {slow[0]} are {pace:.6g} s apart, a gap each; {advice}"
    longest = max(float(r.clock[-1] - r.clock[0]) for r in recordings)
    wanted = f"{settings.min_seconds} s without a gap of {settings.max_gap} s"
    return f"{config.source} holds no {wanted}; the longest recording takes {longest:.3g} s"


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
    root: Path, format_name: str, config: ImportConfig, plan: Sequence[tuple[Recording, np.ndarray]]
) -> None:
    """Refuse to mix different imports, or an import and something else, in one dataset."""
    settings = {name: value for name, value in asdict(config).items() if name not in ("source", "out", "format")}
    settings["drive"]["table"] = None if config.drive.table is None else config.drive.table.name
    episodes = [{"recording": r.name, "start": float(t[0]), "num_frames": len(t)} for r, t in plan]
    manifest = {"format": format_name, "settings": settings, "episodes": episodes}
    manifest = json.loads(json.dumps(manifest))  # as it reads back
    path = root / MANIFEST_PATH
    if not path.exists():
        if (root / layout.INFO_PATH).exists():
            raise ValueError(f"{root} holds a dataset that was not imported; import elsewhere")
        layout.write_json(path, manifest)
    found = layout.read_json(path)
    for name, value in manifest.items():
        if found.get(name) != value:
            raise ValueError(f"{root} is an import with other {name}; import elsewhere, or delete it")
