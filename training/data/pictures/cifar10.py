"""CIFAR-10's binary version (Krizhevsky 2009): five files of training pictures, one to test with, the classes' names.

A record is one byte of class and the red, green and blue planes of a picture, row by row. Any pictures stored so are
read, of as many classes as `batches.meta.txt` names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.images import in_natural_order

SIDE = 32
"""Height and width of a picture [px]."""
RECORD_BYTES = 1 + 3 * SIDE * SIDE
NAMES_FILE = "batches.meta.txt"
SPLIT_FILES = {"train": "data_batch_*.bin", "val": "test_batch.bin"}
"""Which files hold the pictures to train with, and those to test with."""


class Cifar10Pictures:
    """The pictures of one split, in memory.

    Args:
        folder: with data_batch_1.bin and so on, test_batch.bin and batches.meta.txt.
        split: "train" or "val".

    Attributes:
        labels: class of each picture, int64 [n].
        class_names: a name a class.

    Raises:
        ValueError: a file is missing or cut off, or a class has no name; names the file, and record and byte in it.
    """

    def __init__(self, folder: Path, split: str) -> None:
        if split not in SPLIT_FILES:
            raise ValueError(f"CIFAR-10 has no split {split!r}; it has {', '.join(SPLIT_FILES)}")
        self.class_names = _read_names(folder / NAMES_FILE)
        paths = in_natural_order(folder.glob(SPLIT_FILES[split]))
        if not paths:
            raise ValueError(f"{folder} has no {SPLIT_FILES[split]}: unpack CIFAR-10's binary version there")
        records = np.concatenate([_read_records(path, len(self.class_names)) for path in paths])
        self.labels = records[:, 0].astype(np.int64)
        self._planes = records[:, 1:].reshape(-1, 3, SIDE, SIDE)

    def picture(self, index: int) -> np.ndarray:
        """RGB, uint8 [32, 32, 3]."""
        return self._planes[index].transpose(1, 2, 0)


def _read_names(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}, which names a class a line: {error}") from error
    if not names:
        raise ValueError(f"{path} is empty; it should name a class a line")
    return names


def _read_records(path: Path, num_classes: int) -> np.ndarray:
    """Records of one file, uint8 [n, RECORD_BYTES]."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    num, rest = divmod(len(content), RECORD_BYTES)
    if rest or not num:
        raise ValueError(
            f"{path} is cut off: record {num}, which begins at byte {num * RECORD_BYTES}, has {rest} of"
            f" {RECORD_BYTES} bytes"
        )
    records = content.reshape(num, RECORD_BYTES)
    wrong = np.flatnonzero(records[:, 0] >= num_classes)
    if len(wrong):
        k = int(wrong[0])
        raise ValueError(
            f"{path}: record {k}, at byte {k * RECORD_BYTES}, is of class {records[k, 0]}; {NAMES_FILE} names"
            f" {num_classes} classes, 0 to {num_classes - 1}"
        )
    return records
