"""The Udacity self-driving-car simulator: `driving_log.csv` beside a folder `IMG`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from training.data.images import ImageFiles
from training.importers.columns import Column, check_values
from training.importers.csv_files import Row, check_width, number, read_rows
from training.importers.importer import Importer
from training.importers.recording import Origin, Recording, Signal

MAX_STEER_ANGLE = math.radians(25.0)
"""Front-wheel angle at steering 1 in the simulator as released [rad]."""
_LOG_NAME = "driving_log.csv"
_HEADERS = ("center", "left", "right", "steering", "throttle", "brake", "speed")
_COLUMNS = {name: name for name in ("throttle", "brake", "reverse", "speed")} | {"steer": "steering"}
"""Quantity to the name of its column."""
_FACTORS = {"steer": -1.0, "speed": 0.44704}
_UNITS = {"steer": "share of full lock, positive right", "speed": "mph, as the simulator writes it"}


def read_udacity(source: Path, max_steer_angle: float = MAX_STEER_ANGLE) -> Recording:
    """The drive with its front camera. Its steering is positive to the right and says where the wheels are.

    A log whose first line names its columns is read by these names, one without by the order in which the simulator
    writes them.

    Args:
        source: the folder of `driving_log.csv`, or that file.
        max_steer_angle: front-wheel angle at steering 1 [rad].

    Raises:
        ValueError: a cell cannot be what it should be, or an image is missing; names file, line and value.
    """
    path = source / _LOG_NAME if source.is_dir() else source
    headers, rows = _read_rows(path)
    images, times = _timed_images(path, rows, headers.index("center"))
    clock = times - times[0]
    signals = {name: Signal(clock, values) for name, values in _read_columns(path, headers, rows).items()}
    signals["steer_angle"] = Signal(clock, signals["steer"].values * max_steer_angle)
    origins = {name: Origin(_COLUMNS[name], _UNITS.get(name, "0 to 1")) for name in signals if name in _COLUMNS}
    origins |= {"frame": Origin("center"), "time": Origin("the names of the images", "s")}
    origins["steer_angle"] = Origin("steering", f"times {max_steer_angle:.3g} rad")
    return Recording(
        name=path.parent.name,
        clock=clock,
        signals=signals,
        images=ImageFiles(images, clock),
        origins=origins,
        unread=tuple(header for header in headers if header and header not in ("center", *_COLUMNS.values())),
    )


def _read_rows(path: Path) -> tuple[list[str], list[Row]]:
    """The names of the columns, and line and cells of every row below them."""
    rows = read_rows(path)
    headers: list[str] = list(_HEADERS)
    if rows and {cell.lower() for cell in rows[0][1]} & set(_HEADERS):  # some versions write a header, most do not
        headers = [cell.lower() for cell in rows[0][1]]
        missing = [name for name in ("center", "steering") if name not in headers]
        twice = [name for name in headers if name and headers.count(name) > 1]
        if missing or twice:
            fault = f"no column {missing[0]!r}" if missing else f"more than one column {twice[0]!r}"
            raise ValueError(f"{path}:{rows[0][0]}: {fault} among {', '.join(headers)}")
        rows = rows[1:]
    if not rows:
        raise ValueError(f"{path} has no rows")
    for row in rows:
        check_width(path, row, headers)
    return headers, rows


def _timed_images(path: Path, rows: Sequence[Row], column: int) -> tuple[list[Path], np.ndarray]:
    """The front image of each row, named in `column`, and when it was taken [n] [s]."""
    images, times = [], []
    for line, row in rows:
        image = path.parent / "IMG" / re.split(r"[\\/]", row[column])[-1]  # paths of the machine it was made on
        if not row[column]:
            raise ValueError(f"{path}:{line}: center is empty")
        if not image.exists():
            raise ValueError(f"{path}:{line}: image {image.name} is not in {image.parent}")
        time = _time_in_name(image.name, path, line)
        if times and not time > times[-1]:
            raise ValueError(f"{path}:{line}: time must rise, {image.name} is not later than {images[-1].name}")
        images.append(image)
        times.append(time)
    return images, np.array(times)


def _read_columns(path: Path, headers: Sequence[str], rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Those of steer (positive left), throttle, brake, reverse and speed [m/s] that there are, each [n]."""
    lines = np.array([line for line, _ in rows])
    columns = {}
    for name, header in _COLUMNS.items():
        if header not in headers:
            continue
        k = headers.index(header)
        values = np.array([number(row[k], path, line, header) for line, row in rows])
        if np.isnan(values).any():
            raise ValueError(f"{path}:{lines[np.isnan(values)][0]}: {header} is empty")
        columns[name] = _FACTORS.get(name, 1.0) * values
        check_values(header, Column(name), columns[name], lambda k: f"{path}:{lines[k]}")
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
    knows="front image, steer, throttle, brake or reverse, speed, steering angle",
    note="times are those in the image names; columns are found by a header's names where there is one; speed is in "
    "mph there; steering 1 is 25° (`--max-steer-angle` in rad)",
    recognises=_is_udacity,
    read=lambda path, hints: [read_udacity(path, hints.max_steer_angle or MAX_STEER_ANGLE)],
)
