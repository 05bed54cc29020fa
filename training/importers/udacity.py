"""The Udacity self-driving-car simulator: `driving_log.csv` beside a folder `IMG`."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from training.data.images import ImageFiles
from training.importers.importer import Importer
from training.importers.recording import Recording, Signal
from training.importers.tables import check_range, number

MAX_STEER_ANGLE = math.radians(25.0)
"""Front-wheel angle at steering 1 in the simulator as released [rad]."""
_LOG_NAME = "driving_log.csv"
_HEADERS = ("center", "left", "right", "steering", "throttle", "brake", "speed")
_MPH = 0.44704


def read_udacity(source: Path, max_steer_angle: float = MAX_STEER_ANGLE) -> Recording:
    """The drive with its front camera. Its steering is positive to the right and says where the wheels are.

    Args:
        source: the folder of `driving_log.csv`, or that file.
        max_steer_angle: front-wheel angle at steering 1 [rad].

    Raises:
        ValueError: a cell cannot be what it should be, or an image is missing; names file, line and value.
    """
    path = source / _LOG_NAME if source.is_dir() else source
    rows = _read_rows(path)
    images, times = _timed_images(path, rows)
    clock = times - times[0]
    columns = _read_columns(path, rows)
    steer = columns["steer"]
    return Recording(
        name=path.parent.name,
        clock=clock,
        signals={
            "steer": Signal(clock, steer),
            "throttle": Signal(clock, columns["throttle"]),
            "brake": Signal(clock, columns["brake"]),
            "speed": Signal(clock, columns["speed"] * _MPH),
            "steer_angle": Signal(clock, steer * max_steer_angle),
        },
        images=ImageFiles(images, clock),
    )


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line and cells of every row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if rows and rows[0][1][0] == _HEADERS[0]:  # some versions write a header, most do not
        rows = rows[1:]
    if not rows:
        raise ValueError(f"{path} has no rows")
    for line, row in rows:
        if len(row) != len(_HEADERS):
            raise ValueError(f"{path}:{line}: the {len(_HEADERS)} columns are {', '.join(_HEADERS)}; {len(row)} found")
    return rows


def _timed_images(path: Path, rows: Sequence[tuple[int, list[str]]]) -> tuple[list[Path], np.ndarray]:
    """The front image of each row and when it was taken [n] [s]."""
    images, times = [], []
    for line, row in rows:
        image = path.parent / "IMG" / re.split(r"[\\/]", row[0])[-1]  # the log has paths of the machine it was made on
        if not image.exists():
            raise ValueError(f"{path}:{line}: image {image.name} is not in {image.parent}")
        time = _time_in_name(image.name, path, line)
        if times and not time > times[-1]:
            raise ValueError(f"{path}:{line}: time must rise, {image.name} is not later than {images[-1].name}")
        images.append(image)
        times.append(time)
    return images, np.array(times)


def _read_columns(path: Path, rows: Sequence[tuple[int, list[str]]]) -> dict[str, np.ndarray]:
    """steer (positive left), throttle, brake and speed [mph], each [n]."""
    lines = np.array([line for line, _ in rows])
    columns = {}
    for k, header in enumerate(_HEADERS[3:], start=3):
        values = np.array([number(row[k], path, line, header) for line, row in rows])
        if np.isnan(values).any():
            raise ValueError(f"{path}:{lines[np.isnan(values)][0]}: {header} is empty")
        columns[header] = values
    columns["steer"] = -columns.pop("steering")
    for name in ("steer", "throttle", "brake"):
        check_range(name, columns[name], path, lines)
    return columns


def _time_in_name(name: str, path: Path, line: int) -> float:
    """The time [s] in a name such as center_2018_07_16_17_11_43_382.jpg."""
    match = re.search(r"_(\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d)_(\d{3})\.\w+$", name)
    try:
        if match is None:
            raise ValueError
        day = datetime.strptime(match[1], "%Y_%m_%d_%H_%M_%S").replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError(f"{path}:{line}: no time in the image name {name!r}") from None
    return day.timestamp() + int(match[2]) / 1000


def _is_udacity(path: Path) -> bool:
    return path.name == _LOG_NAME if path.is_file() else (path / _LOG_NAME).is_file()


IMPORTER = Importer(
    name="udacity",
    source="folder with `driving_log.csv` and `IMG`",
    knows="front image, steer, throttle, brake, speed, steering angle",
    note="times are those in the image names; speed is in mph there; steering 1 is 25° (`--max-steer-angle` in rad)",
    recognises=_is_udacity,
    read=lambda path, hints: [read_udacity(path, hints.max_steer_angle or MAX_STEER_ANGLE)],
)
