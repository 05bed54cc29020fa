"""Large arrays that are made once, piece by piece, and mapped from disk afterwards: never half of one, never zeros."""

from __future__ import annotations

import json
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from tqdm import tqdm

from envs.folder_lock import lock_folder
from training.data.lerobot_layout import read_json, write_json
from worldsim.array_files import load_array
from worldsim.atomic_files import naming

MakePieces = Callable[[int], Iterable[np.ndarray]]
"""The pieces of an array from the one of that number on, in order."""


@dataclass(frozen=True, kw_only=True)
class ArrayCache:
    """An .npy file, and beside it a .json file of what it was made from and of the checksum of each of its pieces.

    What is not as the .json says is made anew. Whoever is interrupted while making it goes on after the last piece
    whose checksum is right. Of several processes one makes it, the others wait.

    Args:
        path: of the .npy file.
        dtype: of the array.
        shape: of a row.
        lengths: rows of each piece.
        made_from: JSON; an array that was made from something else is made anew.
    """

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    lengths: Sequence[int]
    made_from: dict[str, Any]

    def load(self, make: MakePieces) -> np.ndarray:
        """The array [sum of lengths, *shape], read-only and mapped into memory; `make` makes what is not there yet.

        Raises:
            OSError: it cannot be written; what is whole is kept for the next try.
            ValueError: `make` returns pieces of other shapes, or someone else writes to the files.
        """
        found = self._read()
        if found is None:
            with lock_folder(self.path.parent, wait=True):
                found = self._read()  # another process may have made it meanwhile
                if found is None:
                    self._make(make)
                    found = self._read()
            if found is None:
                raise ValueError(f"{self.path}: another program has written to it while it was made; try again")
        return found

    @property
    def _manifest_path(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def _partial_path(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")

    @property
    def _progress_path(self) -> Path:
        """Text: `_content`, then a line with the checksum of each whole piece."""
        return self.path.with_name(self.path.name + ".progress")

    @property
    def _content(self) -> dict[str, Any]:
        lengths = [int(length) for length in self.lengths]
        layout = {"dtype": np.dtype(self.dtype).str, "shape": list(self.shape), "lengths": lengths}
        return layout | {"made_from": json.loads(json.dumps(self.made_from))}

    def _read(self) -> np.ndarray | None:
        """The array if it is there and whole; a warning tells if it is not whole."""
        if not self.path.is_file():
            return None
        try:
            manifest = read_json(self._manifest_path)
            if manifest.get("content") != self._content:
                return None
            array = load_array(self.path, mapped=True)
            if array.shape != (sum(self._content["lengths"]), *self.shape) or array.dtype != self.dtype:
                raise ValueError(f"{array.dtype} {array.shape} found")
            self._check(array, manifest["checksums"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.warn(f"{self.path} is damaged and made anew: {error}", stacklevel=3)
            return None
        return array

    def _check(self, array: np.ndarray, checksums: Sequence[str]) -> None:
        ends = np.cumsum(self._content["lengths"])
        pieces = zip(self.lengths, ends, checksums, strict=True)
        with tqdm(total=len(array), desc=f"check {self.path.name}", unit="row", delay=2.0, leave=False) as bar:
            for number, (length, end, checksum) in enumerate(pieces):
                if _checksum(array[end - length : end]) != checksum:
                    raise ValueError(f"the checksum of piece {number} is not the recorded one")
                bar.update(int(length))

    def _make(self, make: MakePieces) -> None:
        """Make what `_partial_path` does not hold yet, and put it in place."""
        self.path.unlink(missing_ok=True)
        with naming(self.path):
            checksums = self._write_missing(make)
            write_json(self._manifest_path, {"content": self._content, "checksums": checksums})
            self._partial_path.replace(self.path)
            self._progress_path.unlink()

    def _write_missing(self, make: MakePieces) -> list[str]:
        """Write all pieces; their checksums. Written, not mapped: a full disk is an error then, not the end."""
        self._partial_path.touch()
        with self._partial_path.open("rb+") as file:
            _write_header(file, self.dtype, (sum(self._content["lengths"]), *self.shape))
            checksums = self._whole_pieces(file)
            file.truncate()
            with self._progress_path.open("w") as progress:
                progress.write("\n".join([json.dumps(self._content), *checksums, ""]))
                progress.flush()
                for piece in make(len(checksums)) if len(checksums) < len(self.lengths) else ():
                    expected = (self.lengths[len(checksums)], *self.shape)
                    if piece.shape != expected or piece.dtype != self.dtype:
                        raise ValueError(
                            f"piece {len(checksums)} must be {self.dtype} {expected}, got {piece.dtype} {piece.shape}"
                        )
                    data = np.ascontiguousarray(piece)
                    file.write(data.data if data.size else b"")
                    file.flush()
                    checksums.append(_checksum(data))
                    progress.write(checksums[-1] + "\n")
                    progress.flush()
            file.flush()
            os.fsync(file.fileno())
        if len(checksums) != len(self.lengths):
            raise ValueError(f"{self.path} has {len(self.lengths)} pieces, {len(checksums)} were made")
        return checksums

    def _whole_pieces(self, file: BinaryIO) -> list[str]:
        """Checksums of the pieces that an earlier try has written; leaves the file after the last of them."""
        found: list[str] = []
        written = self._progress_path.read_text(errors="replace") if self._progress_path.is_file() else ""
        content, _, recorded = written.partition("\n")
        if content != json.dumps(self._content):
            return found
        row_bytes = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        position = file.tell()
        for length, checksum in zip(self.lengths, recorded.splitlines(), strict=False):
            data = file.read(int(length) * row_bytes)
            if len(data) != length * row_bytes or f"{zlib.crc32(data):08x}" != checksum:
                break
            found.append(checksum)
            position = file.tell()
        file.seek(position)
        return found


def _checksum(array: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data):08x}"


def _write_header(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    description = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, description)  # type: ignore[arg-type]
