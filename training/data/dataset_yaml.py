"""A dataset yaml as YOLO trainers use: `path`, and under train, val and test folders, videos or lists of images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml

from training.data.images import IMAGE_SUFFIXES, images_in
from training.data.video_file import VIDEO_SUFFIXES

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class MediaEntry:
    """One video or one sequence of images that a yaml names.

    Args:
        path: a video, or the folder of the images.
        images: those of the folder that belong to it, in order; None for all.
        where: file and line that name it.
    """

    path: Path
    where: str
    images: tuple[Path, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetYaml:
    """What a dataset yaml says of videos; what else stands in it, classes and their `names` say, is for labels.

    Args:
        path: of the yaml.
        splits: what it names of each of SPLITS that it has.
        fps: rate at which images were taken, and frames of videos that do not tell [1/s]; None where it does not say.
    """

    path: Path
    splits: dict[str, tuple[MediaEntry, ...]]
    fps: float | None = None


def read_dataset_yaml(path: Path) -> DatasetYaml:
    """The videos and sequences of images of every split that a yaml names.

    An entry is a video, a folder of images, a folder with videos and such folders, or a text file of image or video
    paths; consecutive images from one folder are one sequence. Entries are relative to `path`, that to the yaml's
    folder; lines of a text file are relative to its folder.

    Raises:
        ValueError: the yaml or what it names cannot be read; names file and line.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ValueError(f"{path}:{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    is_mapping = isinstance(root, yaml.MappingNode)
    nodes = {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)} if is_mapping else {}
    found = [split for split in SPLITS if split in nodes and content[split]]
    if not found:
        raise ValueError(f"{path} is not a dataset yaml: it names none of {', '.join(SPLITS)}")

    folder = path.parent / str(content.get("path") or ".")
    splits = {
        split: tuple(
            media
            for entry, where in _entries(path, split, nodes[split])
            for media in _media(_located(folder, entry), where)
        )
        for split in found
    }
    return DatasetYaml(path=path, splits=splits, fps=_fps(path, content, nodes))


def _place(path: Path, node: yaml.Node) -> str:
    return f"{path}:{node.start_mark.line + 1}"


def _entries(path: Path, split: str, node: yaml.Node) -> list[tuple[str, str]]:
    """The paths of a split, each with file, line and split."""
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for item in items:
        if not isinstance(item, yaml.ScalarNode) or item.tag != "tag:yaml.org,2002:str":
            said = repr(item.value) if isinstance(item, yaml.ScalarNode) else "neither"
            raise ValueError(f"{_place(path, item)}: {split} must be a path or a list of paths, got {said}")
    return [(item.value, f"{_place(path, item)}: {split}") for item in items]


def _located(folder: Path, entry: str) -> Path:
    """Where an entry is; Roboflow's begin with ../ even where they mean the folder itself."""
    inside = folder / entry.removeprefix("../")
    return inside if inside.exists() and not (folder / entry).exists() else folder / entry


def _fps(path: Path, content: dict, nodes: dict[str, yaml.Node]) -> float | None:
    fps = content.get("fps")
    if fps is None:
        return None
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < float("inf"):
        raise ValueError(f"{_place(path, nodes['fps'])}: fps must be a positive number of frames a second, got {fps!r}")
    return float(fps)


def _media(source: Path, where: str) -> list[MediaEntry]:
    """What an entry of a yaml stands for."""
    if source.suffix == ".txt":
        return _listed(source)
    if source.is_file():
        return [MediaEntry(path=source, where=where)]
    if not source.is_dir():
        raise ValueError(f"{where} names {source}, which does not exist")
    if images_in(source):
        return [MediaEntry(path=source, where=where)]
    inside = [
        p for p in sorted(source.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES or (p.is_dir() and images_in(p))
    ]
    if not inside:
        raise ValueError(f"{where} names {source}, which holds neither images nor videos")
    return [MediaEntry(path=p, where=where) for p in inside]


def _listed(path: Path) -> list[MediaEntry]:
    """The videos and sequences of a text file of paths."""
    try:
        lines = [(k, line.strip()) for k, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    files: list[tuple[int, Path]] = []
    for k, line in lines:
        if line:
            file = path.parent / line
            if not file.is_file() or file.suffix.lower() not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
                raise ValueError(f"{path}:{k}: {line} is neither an image nor a video")
            files.append((k, file))
    found = []
    for (folder, is_video), group in groupby(files, key=lambda f: (f[1].parent, f[1].suffix.lower() in VIDEO_SUFFIXES)):
        members = list(group)
        if is_video:
            found += [MediaEntry(path=file, where=f"{path}:{k}") for k, file in members]
        else:
            where = f"{path}:{members[0][0]}-{members[-1][0]}"
            found.append(MediaEntry(path=folder, where=where, images=tuple(file for _, file in members)))
    return found
