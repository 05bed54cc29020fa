"""Pictures that are stored in the cells of a parquet table, as LeRobot and Hugging Face's datasets do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from training.data import lerobot_layout as layout


class TableImages:
    """Images in a column of structs of `bytes` and `path`, or of bytes alone.

    Args:
        path: of the table.
        column: that holds the images.
        rows: of the table that belong to the recording, rising, int64 [n].
        times: of these, rising, float64 [n] [s].
        root: folder that a path in a cell without bytes starts from.

    Raises:
        ValueError: the table has no such column, or one of another kind.
    """

    def __init__(self, path: Path, column: str, rows: np.ndarray, times: np.ndarray, root: Path) -> None:
        self._path, self._column, self._rows, self._times, self._root = path, column, rows, times, root

    @property
    def times(self) -> np.ndarray:
        """[n] [s]."""
        return self._times

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See `Images.read`."""
        cells = layout.read_table(self._path, [self._column]).column(self._column)
        kind = cells.type
        if not (pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise ValueError(f"{self._path}: {self._column} is {kind}; images are structs of bytes and path")
        for k in indices:
            yield self._decode(cells[int(self._rows[k])].as_py(), int(self._rows[k]))

    def _decode(self, cell: dict | bytes | None, row: int) -> np.ndarray:
        where = f"{self._path}: image in row {row} of {self._column}"
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if data is None and isinstance(cell, dict) and cell.get("path"):
            path = layout.inside(self._root, cell["path"], where)
            where = f"image {path} (row {row} of {self._path})"
            try:
                data = path.read_bytes()
            except OSError:
                raise ValueError(f"{where} is missing") from None
        if data is None:
            raise ValueError(f"{where} is missing")
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if image is None:
            raise ValueError(f"{where} is damaged")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
