"""CSV files as people's programs write them: separator, decimal mark, empty rows; errors name line and value."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

_SEPARATORS = ",;\t"
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d.*|\d+:\d\d.*")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")

Row = tuple[int, list[str]]
"""Its line in the file, and its cells without the spaces around them."""


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file that are not empty, with decimal points.

    Cells are separated by what its first line has most of: commas, semicolons or tabs. Where these are no commas, a
    comma in a number is its decimal mark.

    Raises:
        ValueError: the file cannot be read, or has both decimal marks; names file, line and value.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = next((line for line in text.splitlines() if line.strip()), "")
        separator = max(_SEPARATORS, key=first.count)
        reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, skipinitialspace=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read {path}: {error}; save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    rows = [(line, cells) for line, cells in rows if any(cells)]
    return rows if separator == "," else _with_decimal_points(path, rows)


def _with_decimal_points(path: Path, rows: Sequence[Row]) -> list[Row]:
    commas = [(line, cell) for line, cells in rows for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
    points = [(line, cell) for line, cells in rows for cell in cells if _DECIMAL_POINT.fullmatch(cell)]
    if commas and points:
        (line, cell), (other_line, other) = commas[0], points[0]
        raise ValueError(f"{path}:{line}: {cell!r} has a decimal comma, {other!r} in line {other_line} a decimal point")
    return [(line, [_pointed(cell) for cell in cells]) for line, cells in rows]


def _pointed(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def check_width(path: Path, row: Row, headers: Sequence[str]) -> None:
    """Refuse a row that has not a cell a column.

    Raises:
        ValueError: names file, line, and decimal commas where they seem to be the reason.
    """
    line, cells = row
    if len(cells) == len(headers):
        return
    guess = ""
    if len(cells) > len(headers) and all(cell.lstrip("+-").isdigit() for cell in cells[-2:]):
        guess = "; decimal commas? Write decimal points, or separate the columns by semicolons"
    raise ValueError(f"{path}:{line}: the {len(headers)} columns are {', '.join(headers)}; {len(cells)} found{guess}")


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
        guess = " (a decimal comma?)" if _DECIMAL_COMMA.fullmatch(cell) else ""
        guess = " (a date or time of day? Write seconds)" if _DATE.fullmatch(cell) else guess
        raise ValueError(f"{path}:{line}: {header} is {cell!r}, not a finite number{guess}")
    return value
