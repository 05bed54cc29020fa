"""Controls tables in CSV: which column is which quantity, in which unit; errors name line and value."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.importers.importer import Importer
from training.importers.recording import SIGNAL_NAMES, Recording, Signal

_METRES = {"m": 1.0, "cm": 0.01}
_RADIANS = {"rad": 1.0, "deg": math.pi / 180}
_UNITS: dict[str, dict[str, float]] = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "x": _METRES,
    "y": _METRES,
    "yaw": _RADIANS,
    "steer_angle": _RADIANS,
    "speed": {"mps": 1.0, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704},
    "acceleration": {"mps2": 1.0},
    "yaw_rate": {"radps": 1.0, "dps": math.pi / 180, "degps": math.pi / 180},
}
"""Units that may end a column's name, and their factor to the SI one."""
_ALIASES = {
    **dict.fromkeys(("t", "timestamp", "time", "elapsed"), "time"),
    **dict.fromkeys(("image", "filename", "file", "image_path", "center"), "image"),
    **dict.fromkeys(("steering", "steer_cmd"), "steer"),
    **dict.fromkeys(("gas", "gas_pedal", "accelerator"), "throttle"),
    "brake_pedal": "brake",
    "heading": "yaw",
    "velocity": "speed",
}
_MIRRORED = ("steer", "y", "yaw", "yaw_rate", "steer_angle")
_QUANTITIES = ("time", "image", *SIGNAL_NAMES)
_RANGES = {"steer": (-1.0, 1.0), "throttle": (0.0, 1.0), "brake": (0.0, 1.0), "reverse": (0.0, 1.0)}


@dataclass(frozen=True)
class Column:
    """A column taken as a quantity.

    Args:
        quantity: one of SIGNAL_NAMES, "time" or "image".
        factor: from its unit to the SI one.
    """

    quantity: str
    factor: float


def recognise(header: str) -> Column | None:
    """What a column called `header` holds, by its name and the unit at its end, as in speed_kmh; None if not known.

    A name without a unit is taken as SI: [m/s], [rad], [s].
    """
    name = header.strip().lower().removesuffix("_normalized")
    stem, _, unit = name.rpartition("_")
    whole, named = _ALIASES.get(name, name), _ALIASES.get(stem, stem)
    if whole in _QUANTITIES:
        return Column(whole, 1.0)
    factor = _UNITS.get(named, {}).get(unit)
    return None if factor is None else Column(named, factor)


def choose_columns(headers: Sequence[str], assigned: Sequence[str], where: str) -> dict[str, Column]:
    """The columns to read, by header.

    Args:
        headers: all columns there are.
        assigned: "quantity=header", "quantity=header:unit" or "quantity=header:factor"; these go before names.
        where: what the headers belong to, for messages.

    Raises:
        ValueError: an assignment cannot be read or names what is not there, or two columns claim one quantity.
    """
    chosen: dict[str, Column] = {}
    for text in assigned:
        match = re.fullmatch(r"(\w+)=(.+?)(?::([^:]+))?", text)
        quantity, header, unit = match.groups() if match else ("", "", None)
        if quantity not in _QUANTITIES:
            raise ValueError(f"{text!r} is not quantity=column[:unit]; quantities: {', '.join(_QUANTITIES)}")
        if header not in headers:
            raise ValueError(f"{where} has no column {header!r}; it has {', '.join(headers)}")
        chosen[header] = Column(quantity, _factor(quantity, unit, text))

    taken = {column.quantity for column in chosen.values()}  # an assignment outranks a name
    for header in headers:
        column = recognise(header.rpartition(".")[2])
        if header in chosen or column is None or column.quantity in taken:
            continue
        rivals = [h for h, other in chosen.items() if other.quantity == column.quantity]
        if rivals:
            raise ValueError(f"{where}: {rivals[0]!r} and {header!r} both look like {column.quantity}; assign one")
        chosen[header] = column
    return chosen


def _factor(quantity: str, unit: str | None, text: str) -> float:
    units = {"": 1.0} | _UNITS.get(quantity, {})
    try:
        return units[unit or ""] if (unit or "") in units else float(unit or "")
    except ValueError:
        known = ", ".join(filter(None, units))
        raise ValueError(f"unit {unit!r} in {text!r} is neither a number nor one of {known}") from None


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The columns of a table that are recognised.

    Args:
        path: of the file.
        lines: line of each row in the file, int64 [n].
        values: quantity to SI values, NaN where a cell is empty, float64 [n]; with "time" if the table has times.
        images: name of each row's image; None if the table names none.
    """

    path: Path
    lines: np.ndarray
    values: Mapping[str, np.ndarray]
    images: tuple[str, ...] | None


def read_table(path: Path, assigned: Sequence[str] = (), left_handed: bool = False) -> Table:
    """Read a CSV file whose first line names its columns.

    Args:
        path: of the file.
        assigned: see `choose_columns`.
        left_handed: y, yaw, yaw_rate, steer and steer_angle are positive to the right, as in CARLA and Unreal.

    Raises:
        ValueError: a value cannot be one, times do not rise, or nothing is recognised; names file, line and value.
    """
    headers, rows = _read_csv(path)
    columns = choose_columns(headers, assigned, str(path))
    if not any(column.quantity in SIGNAL_NAMES for column in columns.values()):
        raise ValueError(f"{path}:1: none of the columns {', '.join(headers)} is recognised; assign them")
    for line, row in rows:
        if len(row) != len(headers):
            raise ValueError(f"{path}:{line}: {len(headers)} columns expected, {len(row)} found")
    if not rows:
        raise ValueError(f"{path} has no rows")

    lines = np.array([line for line, _ in rows])
    images = None
    values = {}
    for header, column in columns.items():
        cells = [row[headers.index(header)].strip() for _, row in rows]
        if column.quantity == "image":
            images = tuple(cells)
            continue
        sign = mirror_sign(column.quantity, left_handed)
        numbers = [number(cell, path, line, header) for cell, line in zip(cells, lines, strict=True)]
        values[column.quantity] = sign * column.factor * np.array(numbers)
        check_range(column.quantity, values[column.quantity], path, lines)
    if "time" in values:
        _check_times(path, lines, values["time"])
    return Table(path=path, lines=lines, values=values, images=images)


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The headers, and line and cells of every row below them."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            headers = [h.strip() for h in next(reader, [])]
            return headers, [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def mirror_sign(quantity: str, left_handed: bool) -> float:
    """-1 for what a left-handed source counts positive to the right, else 1."""
    return -1.0 if left_handed and quantity in _MIRRORED else 1.0


def number(cell: str, path: Path, line: int, header: str) -> float:
    """The number in a cell, NaN in an empty one.

    Raises:
        ValueError: it is not a finite number; names file, line, column and value.
    """
    if not cell:
        return math.nan
    try:
        value = float({"true": "1", "false": "0"}.get(cell.lower(), cell))
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError(f"{path}:{line}: {header} is {cell!r}, not a finite number")
    return value


def check_range(quantity: str, values: np.ndarray, path: Path, lines: np.ndarray) -> None:
    """Refuse controls [n] out of their range.

    Raises:
        ValueError: names file, line and value.
    """
    low, high = _RANGES.get(quantity, (-math.inf, math.inf))
    bad = np.flatnonzero((values < low - 1e-3) | (values > high + 1e-3))
    if len(bad):
        k = int(bad[0])
        raise ValueError(f"{path}:{lines[k]}: {quantity} is {values[k]:g}, outside [{low:g}, {high:g}]")


def _check_times(path: Path, lines: np.ndarray, times: np.ndarray) -> None:
    bad = np.flatnonzero(~(np.diff(times) > 0))
    if not np.isfinite(times).all():
        raise ValueError(f"{path}:{lines[~np.isfinite(times)][0]}: the time is missing")
    if len(bad):
        k = int(bad[0]) + 1
        raise ValueError(f"{path}:{lines[k]}: time must rise, {times[k]:g} s follows {times[k - 1]:g} s")


def signals_of(table: Table, times: np.ndarray) -> dict[str, Signal]:
    """A signal of every quantity but time, sampled at `times` [n]; it leaves out rows whose cell is empty."""
    signals = {}
    for name, values in table.values.items():
        known = np.isfinite(values)
        if name != "time" and known.any():
            signals[name] = Signal(times[known], values[known])
    return signals


def read_states(path: Path, assigned: Sequence[str] = (), left_handed: bool = False) -> Recording:
    """A recording without images from a table with times. Arguments and errors as of `read_table`."""
    table = read_table(path, assigned, left_handed)
    if "time" not in table.values:
        raise ValueError(f"{path} has no column of times; assign one")
    times = table.values["time"]
    return Recording(name=path.stem, clock=times, signals=signals_of(table, times))


IMPORTER = Importer(
    name="table",
    source="a CSV file",
    knows="what its columns hold; no images",
    note="needs a column of times",
    recognises=lambda path: path.is_file() and path.suffix.lower() == ".csv",
    read=lambda path, hints: [read_states(path, hints.drive.columns, hints.drive.left_handed)],
)
