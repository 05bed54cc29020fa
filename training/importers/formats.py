"""Every format that can be imported. A new one is a file that defines its IMPORTER, and an entry in IMPORTERS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from training.importers import carla_log, comma2k19, lerobot, tables, udacity, video_with_table, yolo
from training.importers.importer import Importer, SourceHints
from training.importers.recording import Origin, Recording, Signal

IMPORTERS: tuple[Importer, ...] = (
    udacity.IMPORTER,
    lerobot.IMPORTER,
    comma2k19.IMPORTER,
    carla_log.IMPORTER,
    yolo.IMPORTER,
    video_with_table.IMPORTER,
    tables.IMPORTER,
)
"""The first one that recognises a source reads it, so the general formats (any video, any CSV file) come last."""

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(importer.name for importer in IMPORTERS)]
"""The choices of `--format`."""


def find_importer(path: Path, name: str | None = None) -> Importer:
    """The importer called `name`, or without a name the first one that recognises `path`.

    Raises:
        ValueError: there is no such importer, `path` does not exist, or no importer recognises it.
    """
    names = ", ".join(importer.name for importer in IMPORTERS)
    if not path.exists():
        raise ValueError(f"{path} does not exist")
    for importer in IMPORTERS:
        if importer.name == name or (name is None and importer.recognises(path)):
            return importer
    if name is not None:
        raise ValueError(f"there is no format {name!r}; the formats are {names}")
    raise ValueError(f"the format of {path} is not recognised; choose one of {names}")


def read_recordings(importer: Importer, path: Path, hints: SourceHints) -> list[Recording]:
    """Everything that `path` holds, read by `importer`, with the steering angle filled in where the hints give it.

    Raises:
        ValueError: `path` cannot be read; names file, line and value.
    """
    recordings = importer.read(path, hints)
    if hints.max_steer_angle is None:
        return recordings
    return [_with_steer_angle(recording, hints.max_steer_angle) for recording in recordings]


def _with_steer_angle(recording: Recording, max_steer_angle: float) -> Recording:
    """The recording with the front wheels where its steering puts them, unless it says itself where they are."""
    steer = recording.signals.get("steer")
    if steer is None or "steer_angle" in recording.signals:
        return recording
    steer_angle = Signal(steer.times, max_steer_angle * steer.values)
    origins = {**recording.origins, "steer_angle": Origin("steer", f"times {max_steer_angle:g} rad")}
    return replace(recording, signals={**recording.signals, "steer_angle": steer_angle}, origins=origins)
