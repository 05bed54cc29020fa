"""One writer a folder: a second process is refused, or waits, and a dead one's lock is taken over."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from worldsim.atomic_files import naming, sweep_temporaries

LOCK_NAME = ".lock"
"""File in a folder that somebody writes to: a line that says who. It is there only as long as he does."""


class FolderInUseError(OSError):
    """Another process writes to the folder."""


@contextmanager
def lock_folder(folder: Path, wait: bool = False) -> Iterator[None]:
    """Be the only process that writes to `folder` within the block; temporary files of killed ones are removed first.

    The lock is the operating system's, on the file LOCK_NAME: it ends with the process, whatever ends that.

    Args:
        folder: made if missing.
        wait: for another process to finish, instead of being refused; a line says so.

    Raises:
        FolderInUseError: another process has it; names its number and since when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    with naming(path):
        descriptor = _acquire(path, wait)
    try:
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(owner).encode() + b"\n")
        sweep_temporaries(folder)
        yield
    finally:
        if os.name == "nt":  # Windows removes no file that is open
            os.close(descriptor)
        with suppress(OSError):
            path.unlink()
        if os.name != "nt":
            os.close(descriptor)


def _acquire(path: Path, wait: bool) -> int:
    """A descriptor of the file at `path` that holds its lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _lock(descriptor, wait=False):
                message = f"{path.parent}: {_owner(path)} is writing to this folder"
                if not wait:
                    raise FolderInUseError(f"{message}; wait until it ends, or choose another folder")
                print(f"drivedit: {message}; waiting until it ends", file=sys.stderr)
                _lock(descriptor, wait=True)
            # the one before may have removed the file between our opening and locking it
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _owner(path: Path) -> str:
    """Who the lock file says has it."""
    try:
        owner = json.loads(path.read_text())
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']},"
    except (OSError, ValueError, KeyError, TypeError):  # it is just being written, or Windows lets nobody read it
        return "another process"


if os.name == "nt":

    def _lock(descriptor: int, wait: bool) -> bool:
        import msvcrt
        import time

        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
                return True
            except OSError:
                if not wait:
                    return False
                time.sleep(0.2)

else:

    def _lock(descriptor: int, wait: bool) -> bool:
        """Lock the file; False, without `wait`, if another process has it."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
