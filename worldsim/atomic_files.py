"""Files that appear whole or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")
"""Name of a temporary file; the number is that of the process that writes it."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, to be written to, that becomes `path`, synced to disk, when the block succeeds.

    What a killed process has left of the same file is removed.

    Raises:
        OSError: it cannot be written, on a full disk for example; names `path`, whose old content stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent.glob(f".{escape(path.name)}.*.tmp"))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError that names no file, as those of a full disk do, name `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporary files in a folder, and below, whose processes were killed while they wrote."""
    _remove_abandoned(folder.rglob(".*.tmp"))


def _remove_abandoned(paths: Iterator[Path]) -> None:
    for path in list(paths):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or _at_work(int(match[1])):
            continue
        with suppress(FileNotFoundError, PermissionError):  # another process sweeps too; Windows keeps what is open
            path.unlink()


def _at_work(pid: int) -> bool:
    """Whether another process of that number lives. Windows does not say, nor does it let open files be removed."""
    if os.name == "nt" or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders; its rename is journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
