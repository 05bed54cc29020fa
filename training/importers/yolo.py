"""A dataset yaml as YOLO trainers use: what it names as recordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.data.dataset_yaml import read_dataset_yaml
from training.importers.importer import DriveOptions, Importer
from training.importers.recording import Recording
from training.importers.video_with_table import read_drive


def read_yolo(path: Path, options: DriveOptions) -> list[Recording]:
    """The recordings of every split that the yaml names; its `fps` where neither they nor the options know the rate.

    Raises:
        ValueError: the yaml or what it names cannot be read; the message names it.
    """
    said = read_dataset_yaml(path)
    if options.source_fps is None:
        options = replace(options, source_fps=said.fps)
    return [
        replace(read_drive(entry.path, options, only=entry.images), split=split)
        for split, entries in said.splits.items()
        for entry in entries
    ]


IMPORTER = Importer(
    name="yolo",
    source="a dataset yaml with `path`, `train`, `val`, `test`",
    knows="as `drive`",
    note="videos, folders, or text files of paths; one dataset a split; `fps` there serves as `--drive.source-fps`",
    recognises=lambda path: path.is_file() and path.suffix.lower() in (".yaml", ".yml"),
    read=lambda path, hints: read_yolo(path, hints.drive),
)
