"""Things that take long to make, kept on disk in the user's cache folder: DRIVEDIT_CACHE says where, "off" nowhere."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")
VARIABLE = "DRIVEDIT_CACHE"
"""Environment variable: the folder of the cache, or "off" to do without."""


def cache_folder() -> Path | None:
    """Where the cache is: DRIVEDIT_CACHE, else `drivedit` in the user's cache folder; None where it is off."""
    given = os.environ.get(VARIABLE, "")
    if given.lower() == "off":
        return None
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"
    return Path(base).expanduser() / "drivedit"


class DiskCache(Generic[Value]):
    """One kind of things by key, a file each. Those that were used longest ago go when there is too much of it.

    A file that cannot be read is made anew, and a folder that cannot be written to is done without; a warning says so.

    Args:
        name: of the kind, a folder in the cache.
        max_bytes: of all its files together.
        pack: a thing as bytes, which must tell damage when they are read.
        unpack: the inverse; raises ValueError for what is damaged.
    """

    def __init__(
        self, name: str, max_bytes: int, pack: Callable[[Value], bytes], unpack: Callable[[bytes], Value]
    ) -> None:
        self.name, self.max_bytes = name, max_bytes
        self._pack, self._unpack = pack, unpack
        self._writes = True  # until a write fails

    def get(self, key: str, make: Callable[[], Value]) -> Value:
        """The thing of that key, letters and digits; `make` makes it where it is not there."""
        root = cache_folder()
        if root is None:
            return make()
        path = root / self.name / key
        found = self._read(path)
        if found is not None:
            return found
        value = make()
        if self._writes:
            self._write(path, self._pack(value))
        return value

    def _read(self, path: Path) -> Value | None:
        try:
            value = self._unpack(path.read_bytes())
        except OSError:  # not there, or not ours to read: it is made
            return None
        except ValueError as error:
            warnings.warn(f"the cached file {path} is made anew: {error}", stacklevel=4)
            return None
        with contextlib.suppress(OSError):  # a cache may be read-only
            os.utime(path)
        return value

    def _write(self, path: Path, data: bytes) -> None:
        """Write a file at once or not at all, and make room."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix=".", dir=path.parent)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(data)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._make_room(path)
        except OSError as error:
            self._writes = False
            warnings.warn(
                f"nothing is cached in {path.parent}, so that it is made again in each process: {error}; "
                f"{VARIABLE} names another folder, or is off",
                stacklevel=4,
            )

    def _make_room(self, newest: Path) -> None:
        """Remove what was used longest ago until the rest is small enough; the newest stays."""
        files = []
        for path in newest.parent.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process makes room too
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        excess = sum(size for _, size, _ in files) - self.max_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                break
            if path != newest:
                path.unlink(missing_ok=True)
                excess -= size


def digest_of(*parts: str) -> str:
    """A key for things that these texts determine."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def digest_of_code(folders: Iterable[Path]) -> str:
    """The same of the sources in these folders, and below."""
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return digest_of(*(text for path in files for text in (path.name, path.read_text(encoding="utf-8"))))
