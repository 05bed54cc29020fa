"""Scikit-learn's handwritten digits, 1,797 of 8 x 8, as files of CIFAR-10's binary version: data without a download.

    python examples/digits_as_cifar10.py data/digits

Each pixel becomes 4 x 4 of them, in three equal colours. Needs scikit-learn, which the extra `dev` brings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from training.data.pictures.cifar10 import NAMES_FILE

NUM_TRAIN_FILES = 5


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Write scikit-learn's digits as CIFAR-10's binary files.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    write_digits(folder)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [1797, 32, 32, 3], white on black, and their classes int64 [1797], in scikit-learn's order."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)  # from 0 to 16
    grey = np.rint(np.asarray(values).reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    grey = grey.repeat(4, axis=1).repeat(4, axis=2)
    return grey[..., None].repeat(3, axis=-1), np.asarray(labels, np.int64)


def write_digits(folder: Path, num_test: int = 297, seed: int = 0) -> None:
    """Write data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt.

    Args:
        folder: gets them; made if it is not there.
        num_test: digits in test_batch.bin, the others are to train with.
        seed: of which digits these are, and of their order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures, labels = digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    for number, part in enumerate(np.array_split(order[num_test:], NUM_TRAIN_FILES), start=1):
        write_batch(folder / f"data_batch_{number}.bin", pictures[part], labels[part])
    write_batch(folder / "test_batch.bin", pictures[order[:num_test]], labels[order[:num_test]])
    (folder / NAMES_FILE).write_text("".join(f"{digit}\n" for digit in range(10)), encoding="utf-8")


def write_batch(path: Path, pictures: np.ndarray, labels: np.ndarray) -> None:
    """Write pictures uint8 [n, 32, 32, 3] with their classes [n], in [0, 255], as one such file."""
    planes = pictures.transpose(0, 3, 1, 2).reshape(len(labels), -1)
    path.write_bytes(np.concatenate([labels.astype(np.uint8)[:, None], planes], axis=1).tobytes())


if __name__ == "__main__":
    main()
