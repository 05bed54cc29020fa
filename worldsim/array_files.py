"""numpy's files, read: whatever is wrong with one is a ValueError that names it."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

_DAMAGE = (
    OSError, ValueError, EOFError, SyntaxError, KeyError, RuntimeError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy raises of files that are cut short or garbled: it reads their headers as Python, and zipfile takes a
changed bit for a password or for a later version."""


def load_array(path: Path, *, mapped: bool = False) -> np.ndarray:
    """The array of an .npy file, read-only and mapped into memory if so asked.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or something else; names the file.
    """
    return _load(path, mapped=mapped)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, their checksums found right.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or something else; names the file.
    """
    with _load(path, archive=True) as file:
        try:
            return {name: file[name] for name in file.files}
        except _DAMAGE as error:
            raise _damaged(path, error) from error


def _load(path: Path, *, mapped: bool = False, archive: bool = False) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no file of arrays at {path}")
    try:
        found = np.load(path, allow_pickle=False, mmap_mode="r" if mapped else None)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    if isinstance(found, np.ndarray) == archive:
        raise ValueError(f"{path}: right would be {'an .npz' if archive else 'an .npy'} file, this is the other kind")
    return found


def _damaged(path: Path, error: BaseException) -> ValueError:
    # numpy takes what it cannot read for a pickle, and advises to trust it
    why = "it does not begin as such a file does" if "pickle" in str(error) else error
    return ValueError(f"{path}: damaged, no file of arrays as numpy writes them: {why}")
