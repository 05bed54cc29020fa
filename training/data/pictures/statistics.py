"""What a set of labelled pictures is made of: how bright, how many of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.pictures.labelled import LabelledPictures


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureStatistics:
    """Statistics of pictures in [-1, 1].

    Args:
        mean: of red, green and blue over the pictures looked at, float64 [3].
        std: likewise.
        num_seen: how many were looked at.
        counts: pictures of each class, of all there are, int64 [c].
        class_names: of these.
    """

    mean: np.ndarray
    std: np.ndarray
    num_seen: int
    counts: np.ndarray
    class_names: tuple[str, ...]

    def __str__(self) -> str:
        """Two lines to print before a training."""
        shown = [f"{name} {count}" for name, count in zip(self.class_names, self.counts.tolist(), strict=True)]
        more = [] if len(shown) <= 20 else [f"... (least {self.counts.min()}, most {self.counts.max()})"]
        mean, std = (" ".join(f"{value:.3f}" for value in values) for values in (self.mean, self.std))
        return (
            f"{self.counts.sum()} pictures of {len(shown)} classes: {', '.join(shown[:20] + more)}\n"
            f"red, green, blue of {self.num_seen}: mean {mean}, standard deviation {std}"
        )


def picture_statistics(pictures: LabelledPictures, num_seen: int = 2000, seed: int = 0) -> PictureStatistics:
    """Classes of all pictures, and colours of up to `num_seen` of them, drawn by `seed`.

    Raises:
        ValueError: a picture cannot be read; names it.
    """
    chosen = np.random.default_rng(seed).permutation(len(pictures))[:num_seen]
    sums = np.zeros((2, 3))
    for k in chosen.tolist():
        picture = pictures[k][0].double()
        sums += np.stack([picture.mean((1, 2)).numpy(), picture.square().mean((1, 2)).numpy()])
    mean, square = sums / len(chosen)
    return PictureStatistics(
        mean=mean,
        std=np.sqrt(np.maximum(square - mean**2, 0.0)),
        num_seen=len(chosen),
        counts=np.bincount(pictures.labels, minlength=len(pictures.class_names)),
        class_names=pictures.class_names,
    )
