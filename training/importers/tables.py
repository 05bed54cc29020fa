"""Controls tables in CSV: the columns that are recognised, in SI units; errors name line and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.importers.columns import check_values, choose_columns, recognise, with_epoch_unit
from training.importers.csv_files import Row, check_width, number, read_rows
from training.importers.importer import Importer
from training.importers.recording import SIGNAL_NAMES, Origin, Recording, Signal


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The columns of a table that are recognised.

    Args:
        path: of the file.
        lines: line of each row in the file, int64 [n].
        values: quantity to SI values, NaN where a cell is empty, float64 [n]; with "time" if the table has times.
        origins: quantity to the column it comes from.
        images: name of each row's image; None if the table names none.
        unread: its other columns.
    """

    path: Path
    lines: np.ndarray
    values: Mapping[str, np.ndarray]
    origins: Mapping[str, Origin]
    images: tuple[str, ...] | None
    unread: tuple[str, ...]


def read_table(path: Path, assigned: Sequence[str] = (), left_handed: bool = False) -> Table:
    """Read a CSV file whose first line names its columns.

    Args:
        path: of the file.
        assigned: see `choose_columns`.
        left_handed: y, yaw, yaw_rate, steer and steer_angle are positive to the right, as in CARLA and Unreal.

    Raises:
        ValueError: a value cannot be one, times do not rise, or nothing is recognised; names file, line and value.
    """
    headers, rows = _headers_and_rows(path)
    columns = choose_columns({header: recognise(header) for header in headers}, assigned, str(path))
    if not any(column.quantity in SIGNAL_NAMES for column in columns.values()):
        raise ValueError(f"{path}:1: none of the columns {', '.join(headers)} is recognised; assign them")
    twice = [header for header in columns if headers.count(header) > 1]
    if twice:
        raise ValueError(f"{path}:1: {len(headers)} columns, of which more than one is called {twice[0]!r}; rename one")

    lines = np.array([line for line, _ in rows])
    images, values, origins = None, {}, {}
    for header, column in columns.items():
        cells = [row[headers.index(header)] for _, row in rows]
        if column.quantity == "image":
            images = tuple(cells)
            continue
        raw = np.array([number(cell, path, line, header) for cell, line in zip(cells, lines, strict=True)])
        if column.quantity == "time":
            column = with_epoch_unit(column, raw)
        values[column.quantity] = column.convert(raw, left_handed)
        origins[column.quantity] = column.origin(header, left_handed)
        check_values(header, column, values[column.quantity], lambda k: f"{path}:{lines[k]}")
    if "time" in values:
        _check_times(path, lines, values["time"])
    unread = tuple(header for header in headers if header and header not in columns)
    return Table(path=path, lines=lines, values=values, origins=origins, images=images, unread=unread)


def _headers_and_rows(path: Path) -> tuple[list[str], list[Row]]:
    rows = read_rows(path)
    if len(rows) < 2:
        raise ValueError(f"{path} has no rows")
    (_, headers), *rows = rows
    for row in rows:
        check_width(path, row, headers)
    return headers, rows


def _check_times(path: Path, lines: np.ndarray, times: np.ndarray) -> None:
    bad = np.flatnonzero(~(np.diff(times) > 0))
    if not np.isfinite(times).all():
        raise ValueError(f"{path}:{lines[~np.isfinite(times)][0]}: the time is missing")
    if len(bad):
        k = int(bad[0]) + 1
        raise ValueError(f"{path}:{lines[k]}: time must rise, {times[k]:.12g} s follows {times[k - 1]:.12g} s")


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
    signals = signals_of(table, times)
    return Recording(name=path.stem, clock=times, signals=signals, origins=table.origins, unread=table.unread)


IMPORTER = Importer(
    name="table",
    source="a CSV file",
    knows="what its columns hold; no images",
    note="needs a column of times; separated by commas, semicolons (then with decimal commas, too) or tabs",
    recognises=lambda path: path.is_file() and path.suffix.lower() == ".csv",
    read=lambda path, hints: [read_states(path, hints.drive.columns, hints.drive.left_handed)],
)
