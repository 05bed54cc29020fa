"""Pictures with labels as a torch Dataset, whatever they are stored as."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.data.images import Fit, fit_image
from training.data.pictures.cifar10 import NAMES_FILE, SPLIT_FILES, Cifar10Pictures
from training.data.pictures.label_list import ListedPictures, count_classes
from worldsim.networks.vae3d import frames_to_float


class PictureSource(Protocol):
    """Where pictures and their classes come from."""

    labels: np.ndarray
    """Class of each picture, int64 [n]."""
    class_names: tuple[str, ...]

    def picture(self, index: int) -> np.ndarray:
        """RGB, uint8 [h, w, 3]; raises ValueError where it cannot be read."""
        ...


def open_pictures(folder: Path, split: str = "train") -> PictureSource:
    """The pictures of a folder with CIFAR-10's binary files or with `train_labels.txt` and `val_labels.txt`.

    A list of pictures to validate with has the classes of the one to train with.

    Args:
        folder: that holds the files.
        split: "train" or "val".

    Raises:
        ValueError: there is no such split or none of these files, or one cannot be read; names file and place.
    """
    lists = {name: folder / f"{name}_labels.txt" for name in ("train", "val")}
    if split not in lists:
        raise ValueError(f"split must be train or val, got {split!r}")
    if any(path.is_file() for path in lists.values()):
        if split == "train" or not lists["train"].is_file():
            return ListedPictures(lists[split])
        return ListedPictures(lists[split], num_classes=count_classes(lists["train"]))
    if (folder / NAMES_FILE).is_file() or any(any(folder.glob(pattern)) for pattern in SPLIT_FILES.values()):
        return Cifar10Pictures(folder, split)
    raise ValueError(
        f"{folder} holds no labelled pictures: neither {SPLIT_FILES['train']} with {NAMES_FILE} (CIFAR-10's binary"
        " version) nor train_labels.txt with lines `image_path class_id`"
    )


class LabelledPictures(Dataset[tuple[Tensor, int]]):
    """Pictures float32 [3, h, w] in [-1, 1], each with its class.

    Item k is a function of k, the source, `seed` and `epoch`, whichever worker makes it.

    Args:
        source: of the pictures.
        image_size: height and width of an item [px].
        fit: how a picture of another size is brought to it, see Fit: "crop" cuts the longer side about its middle and
            then scales, "stretch" scales both sides.
        mirror: probability that left and right are exchanged, 0 for never: digits and letters do not bear it.
        seed: of the mirroring.

    Attributes:
        labels: class of each item, int64 [n].
        class_names: a name a class.
        epoch: number of the pass, for other mirroring in each; set it between passes, not while workers run.

    Raises:
        ValueError: a size or the probability is out of range.
    """

    def __init__(
        self,
        source: PictureSource,
        image_size: tuple[int, int] = (32, 32),
        fit: Fit = "crop",
        mirror: float = 0.0,
        seed: int = 0,
    ) -> None:
        check_items(image_size, mirror)
        self.source, self.image_size, self.mirror, self.seed = source, image_size, mirror, seed
        self.fit: Fit = fit
        self.labels, self.class_names, self.epoch = source.labels, source.class_names, 0
        self._chosen = np.arange(len(source.labels))

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Picture and class.

        Raises:
            ValueError: the picture cannot be read; names it and where it is listed.
        """
        frame = fit_image(self.source.picture(int(self._chosen[index])), self.image_size, self.fit)
        (frame,) = mirror_some(frame[None], self.mirror, [self.seed, self.epoch, index])
        return frames_to_float(torch.from_numpy(frame)), int(self.labels[index])

    def hold_out(self, share: float, seed: int = 0) -> tuple[LabelledPictures, LabelledPictures]:
        """What to train with, and the rest: of every class the same share, drawn by `seed`.

        Raises:
            ValueError: one of the two would be empty.
        """
        rng, held_out = np.random.default_rng(seed), np.zeros(len(self), bool)
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels == label)
            held_out[rng.permutation(members)[: round(share * len(members))]] = True
        if held_out.all() or not held_out.any():
            raise ValueError(f"a share of {share} of {len(self)} pictures leaves nothing to train with or to hold out")
        return self._part(~held_out), self._part(held_out)

    def _part(self, kept: np.ndarray) -> LabelledPictures:
        part = copy.copy(self)
        part._chosen, part.labels = self._chosen[kept], self.labels[kept]
        return part


def check_items(image_size: tuple[int, int], mirror: float) -> None:
    """Refuse sizes and probabilities that there are not.

    Raises:
        ValueError: with the value.
    """
    if min(image_size) < 1:
        raise ValueError(f"image_size must be at least 1 x 1, got {image_size}")
    if not 0 <= mirror <= 1:
        raise ValueError(f"mirror must be in [0, 1], got {mirror}")


def mirror_some(frames: np.ndarray, probability: float, seed: list[int]) -> np.ndarray:
    """Frames uint8 [t, h, w, 3], all of them mirrored or none, as `seed` has it."""
    mirrored = probability and np.random.default_rng(seed).random() < probability
    return np.ascontiguousarray(frames[:, :, ::-1] if mirrored else frames)
