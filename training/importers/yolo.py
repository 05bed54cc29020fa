"""A dataset yaml as YOLO trainers use: `path`, and under train, val and test folders, videos or lists of images."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from pathlib import Path

import yaml

from training.importers.images import IMAGE_SUFFIXES, images_in
from training.importers.importer import DriveOptions, Importer
from training.importers.recording import Recording
from training.importers.video_file import VIDEO_SUFFIXES
from training.importers.video_with_table import read_drive

SPLITS = ("train", "val", "test")


def read_yolo(path: Path, options: DriveOptions) -> list[Recording]:
    """The recordings of every split that the yaml names.

    An entry is a video, a folder of images, a folder with videos and such folders, or a text file of image or video
    paths; consecutive images from one folder make one recording.

    Raises:
        ValueError: the yaml or what it names cannot be read; the message names it.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ValueError(f"{path}:{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict) or not any(content.get(split) for split in SPLITS):
        raise ValueError(f"{path} is not a dataset yaml: it names none of {', '.join(SPLITS)}")
    root = path.parent / str(content.get("path") or ".")
    recordings = []
    for split in SPLITS:
        entries = content.get(split) or []
        entries = [entries] if isinstance(entries, str) else entries
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise ValueError(f"{path}: {split} is {entries!r}, neither a path nor a list of paths")
        for entry in entries:
            source = _entry_path(root, entry)
            recordings += [replace(r, split=split) for r in _read_entry(source, options, f"{path}: {split}")]
    return recordings


def _entry_path(root: Path, entry: str) -> Path:
    """Where an entry is; one that begins with ../ and is not there is taken from `root`, as Roboflow writes them."""
    inside = root / entry.removeprefix("../")
    return inside if not (root / entry).exists() and inside.exists() else root / entry


def _read_entry(source: Path, options: DriveOptions, where: str) -> list[Recording]:
    if source.suffix == ".txt":
        return _read_list_file(source, options)
    if source.is_file():
        return [read_drive(source, options)]
    if not source.is_dir():
        raise ValueError(f"{where} names {source}, which does not exist")
    if images_in(source):
        return [read_drive(source, options)]
    inside = [
        p for p in sorted(source.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES or (p.is_dir() and images_in(p))
    ]
    if not inside:
        raise ValueError(f"{where} names {source}, which holds neither images nor videos")
    return [read_drive(p, options) for p in inside]


def _read_list_file(path: Path, options: DriveOptions) -> list[Recording]:
    try:
        lines = [(k, line.strip()) for k, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    files = []
    for k, line in lines:
        if line:
            file = path.parent / line
            if not file.is_file() or file.suffix.lower() not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
                raise ValueError(f"{path}:{k}: {line} is neither an image nor a video")
            files.append(file)
    recordings = []
    for (folder, is_video), group in groupby(files, key=lambda f: (f.parent, f.suffix.lower() in VIDEO_SUFFIXES)):
        if is_video:
            recordings += [read_drive(file, options) for file in group]
        else:
            recordings.append(read_drive(folder, options, only=list(group)))
    return recordings


IMPORTER = Importer(
    name="yolo",
    source="a dataset yaml with `path`, `train`, `val`, `test`",
    knows="as `drive`",
    note="videos, folders, or text files of paths; one dataset a split",
    recognises=lambda path: path.is_file() and path.suffix.lower() in (".yaml", ".yml"),
    read=lambda path, hints: read_yolo(path, hints.drive),
)
