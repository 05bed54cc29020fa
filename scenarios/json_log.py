"""A log of finished drives, one JSON line each, from which an interrupted run resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from worldsim.atomic_files import atomic_path, naming
from worldsim.field_types import check_fields

EntryType = TypeVar("EntryType")


def read_log(path: Path, conditions: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The entries of a log, none if there is no file; None if it was written under other conditions.

    A line that was cut short when its writer was killed is left out.
    """
    if not path.is_file():
        return []
    first, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    if first != _head(conditions):
        return None
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def from_entry(make: Callable[[Mapping[str, Any]], EntryType], entry: Mapping[str, Any], path: Path) -> EntryType:
    """What `make` makes of an entry of the log at `path`.

    Raises:
        ValueError: the entry is damaged; names the file, and what is wrong.
    """
    try:
        return make(entry)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{path}: damaged, {json.dumps(entry)[:60]}... is no entry: {what}; without that line it is driven again"
        ) from error


def plain_values(kind: type[EntryType]) -> Callable[[Mapping[str, Any]], EntryType]:
    """Makes a dataclass of plain values from an entry; a ValueError or TypeError names a field that is another type."""

    def make(entry: Mapping[str, Any]) -> EntryType:
        check_fields(kind, entry)
        return kind(**entry)

    return make


def append_entries(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Add entries to a log that there is; they are on disk when this returns, whatever its last writer died of."""
    with naming(path), path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        cut_short = file.read(1) not in (b"", b"\n")
        lines = [json.dumps(entry) + "\n" for entry in entries]
        file.write("".join(["\n" if cut_short else "", *lines]).encode())
        file.flush()
        os.fsync(file.fileno())


class JsonLog:
    """Writes a log: every entry is on disk when `append` returns.

    Args:
        path: of the file; what it holds is replaced.
        conditions: what every entry depends on: world model, code, settings. The first line.
        entries: those to begin with.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any], entries: Iterable[Mapping[str, Any]] = ()) -> None:
        self.path, self._conditions = path, conditions
        self.rewrite(entries)

    def rewrite(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Replace all entries; the file is whole at any time."""
        lines = [_head(self._conditions), *map(json.dumps, entries)]
        with atomic_path(self.path) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add entries."""
        append_entries(self.path, entries)


def _head(conditions: Mapping[str, Any]) -> str:
    return json.dumps(conditions, default=str)
