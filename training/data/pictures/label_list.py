"""Pictures in files of their own, named with their classes by a text file, as ImageNet's are often listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.images import read_image


class ListedPictures:
    """The pictures that a list names, read from their files one by one.

    Each line is `image_path class_id`, the class after the last blank; empty lines mean nothing.

    Args:
        path: of the list.
        root: folder that the image paths are relative to; None for that of the list.
        num_classes: classes are 0 to num_classes - 1; None for up to the largest in the list.

    Attributes:
        labels: class of each picture, int64 [n].
        class_names: the classes' numbers.

    Raises:
        ValueError: the list cannot be read, a class is no number or out of range, or an image is missing; names file
            and line.
    """

    def __init__(self, path: Path, root: Path | None = None, num_classes: int | None = None) -> None:
        root = path.parent if root is None else root
        rows = _read_rows(path, num_classes)
        for line, image, _ in rows:
            if not (root / image).is_file():
                raise ValueError(f"{path}:{line}: image {root / image} is missing; paths are relative to {root}")
        self._path, self._root, self._rows = path, root, rows
        self.labels = np.array([label for _, _, label in rows], np.int64)
        num_classes = int(self.labels.max()) + 1 if num_classes is None else num_classes
        self.class_names = tuple(str(k) for k in range(num_classes))

    def picture(self, index: int) -> np.ndarray:
        """RGB, uint8 [h, w, 3].

        Raises:
            ValueError: it cannot be read; names the list, the line and the image.
        """
        line, image, _ = self._rows[index]
        try:
            return read_image(self._root / image)
        except ValueError as error:
            raise ValueError(f"{self._path}:{line}: {error}") from error


def count_classes(path: Path) -> int:
    """How many classes a list has, one more than its largest; errors as of ListedPictures, images may be missing."""
    return max(label for _, _, label in _read_rows(path, None)) + 1


def _read_rows(path: Path, num_classes: int | None) -> list[tuple[int, str, int]]:
    """Line, image and class of each picture."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    rows = [(k, *_parse(line, f"{path}:{k}", num_classes)) for k, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise ValueError(f"{path} names no picture; each line should be `image_path class_id`")
    return rows


def _parse(line: str, where: str, num_classes: int | None) -> tuple[str, int]:
    """Image and class of a line."""
    parts = line.strip().rsplit(maxsplit=1)
    if len(parts) != 2:
        raise ValueError(f"{where}: {line.strip()!r} should be `image_path class_id`")
    image, label = parts
    if not (label.isascii() and label.isdigit()):
        raise ValueError(f"{where}: class {label!r} is not a number from 0 on")
    if num_classes is not None and int(label) >= num_classes:
        raise ValueError(f"{where}: class {label} is out of range; there are {num_classes}, 0 to {num_classes - 1}")
    return image, int(label)
