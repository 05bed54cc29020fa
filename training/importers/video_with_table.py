"""Drives as videos or folders of frames, with a controls table beside them or without."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data.images import ImageFiles, images_in
from training.data.video_file import VIDEO_SUFFIXES, VideoFile, has_times, num_frames
from training.importers.importer import DriveOptions, Importer
from training.importers.recording import Images, Origin, Recording
from training.importers.tables import Table, read_table, signals_of


def read_drive(source: Path, options: DriveOptions, only: Sequence[Path] | None = None) -> Recording:
    """A recording from a video file or a folder of images.

    Rows of the table belong to the frames one by one where there are as many, or where they name their image; otherwise
    the table's times count from the first frame.

    Args:
        source: video file or folder.
        options: what the files do not say themselves.
        only: the images of the folder that belong to it, in order; None for all.

    Raises:
        ValueError: something is missing or does not fit; names the file, and line and value where there are.
    """
    path = options.table or _table_beside(source)
    table = None if path is None else read_table(path, options.columns, options.left_handed)
    if source.is_dir():
        paths = list(only) if only is not None else images_in(source)
        if not paths:
            raise ValueError(f"{source} holds no images")
        if table is not None and table.images is not None:
            paths = _named_images(source, table)
        times = _frame_times(source, len(paths), table, options.source_fps)
        images: Images = ImageFiles(paths, times)
    else:
        count = num_frames(source)
        timed_by_table = table is not None and "time" in table.values and len(table.lines) == count
        own = has_times(source) and not timed_by_table
        images = VideoFile(source, None if own else _frame_times(source, count, table, options.source_fps))
        if table is not None and timed_by_table and has_times(source):
            _warn_of_another_pace(source, images.times, table)
    signals = {} if table is None else signals_of(table, _row_times(table, images))
    origins = {"frame": Origin(source.name)} | ({} if table is None else dict(table.origins))
    unread = () if table is None else table.unread
    return Recording(
        name=source.stem, clock=images.times, signals=signals, images=images, origins=origins, unread=unread
    )


def _table_beside(source: Path) -> Path | None:
    beside = source.with_name(f"{source.stem}.csv")
    candidates = [source / "controls.csv", beside] if source.is_dir() else [beside]
    return next((path for path in candidates if path.is_file()), None)


def _named_images(folder: Path, table: Table) -> list[Path]:
    assert table.images is not None
    paths = [folder / name for name in table.images]
    for path, line in zip(paths, table.lines, strict=True):
        if not path.is_file():
            raise ValueError(f"{table.path}:{line}: image {path.name} is not in {path.parent}")
    return paths


def _frame_times(source: Path, count: int, table: Table | None, source_fps: float | None) -> np.ndarray:
    """When each of `count` frames was taken, the first at 0 [count] [s]."""
    if table is not None and "time" in table.values and len(table.lines) == count:
        return table.values["time"] - table.values["time"][0]
    if source_fps is None:
        raise ValueError(f"neither video nor table says when the frames of {source} were taken; give source_fps")
    return np.arange(count) / source_fps


def _row_times(table: Table, images: Images) -> np.ndarray:
    """When each row of the table holds, on the clock of the images [n] [s]."""
    if len(table.lines) == len(images.times):
        return images.times
    if "time" not in table.values:
        count, rows = len(images.times), len(table.lines)
        raise ValueError(f"{table.path} has {rows} rows for {count} frames, and no times by which to match them")
    times = table.values["time"]
    meets = (times >= images.times[0]) & (times <= images.times[-1])
    spans = (
        f"its times are {times[0]:.12g} s to {times[-1]:.12g} s, those of the frames {images.times[0]:g} s to "
        f"{images.times[-1]:g} s from the first one"
    )
    if not meets.any():
        raise ValueError(
            f"{table.path} never meets the frames: {spans}; subtract from its times that of the first frame"
        )
    inside = (images.times >= times[0]) & (images.times <= times[-1])
    if inside.mean() < 0.5:
        warnings.warn(f"{table.path} tells of {inside.mean():.0%} of the frames: {spans}", stacklevel=2)
    return times


def _warn_of_another_pace(source: Path, times: np.ndarray, table: Table) -> None:
    """Tell where a table with a row a frame takes another time than the video says; its times are believed."""
    span, own = times[-1] - times[0], VideoFile(source).times[-1]
    if abs(span - own) > 0.1 * own:
        warnings.warn(
            f"{table.path} has a row a frame and says they took {span:.4g} s, {source.name} says {own:.4g} s; "
            "the table is believed",
            stacklevel=2,
        )


def _is_drive(path: Path) -> bool:
    return bool(images_in(path)) if path.is_dir() else path.suffix.lower() in VIDEO_SUFFIXES


IMPORTER = Importer(
    name="drive",
    source="a video, or a folder of images",
    knows="image, and what its controls table holds",
    note="table: `drive.csv` beside `drive.mp4`, `controls.csv` in the folder, or `--drive.table`; "
    "`--drive.source-fps` where neither has times",
    recognises=_is_drive,
    read=lambda path, hints: [read_drive(path, hints.drive)],
)
