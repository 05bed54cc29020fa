"""How a set of made pictures compares with real ones: precision, recall, copies, Fréchet distance with its interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from training.evaluation.image_metrics import frechet_distance

NEIGHBORS = 3
"""A point's ball reaches its third neighbour, as in Kynkäänniemi et al. 2019."""
SAME = 1e-3
"""Pictures in [-1, 1] that are no farther apart are one: a grey level of one value is eight times that."""
AT_A_TIME = 1000
"""Points whose distances to all others are held together."""


class PrecisionRecall(NamedTuple):
    """Share of made points among the real ones, and of real points among the made ones."""

    precision: float
    recall: float


class Copies(NamedTuple):
    """Share of pictures that are nearer to a training picture than half the distance from that to its own nearest one,
    and than all of it."""

    at_half: float
    at_whole: float


class Distance(NamedTuple):
    """A distance with its 95 % interval."""

    value: float
    low: float
    high: float


def precision_recall(
    real: Float[np.ndarray, "n d"], made: Float[np.ndarray, "m d"], rng: np.random.Generator
) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019): a point is within a set if it lies in the ball of one
    of its points, which reaches that point's NEIGHBORS-th neighbour.

    Balls are the smaller the more points there are, so as many are compared: of the larger set, drawn without
    replacement, as many parts of the smaller one's size as it has; both are means over these.

    Raises:
        ValueError: a set has no more points than NEIGHBORS, or the features differ.
    """
    if min(len(real), len(made)) <= NEIGHBORS or real.shape[1:] != made.shape[1:]:
        raise ValueError(f"sets must have more than {NEIGHBORS} points of one space, got {real.shape} and {made.shape}")
    size = min(len(real), len(made))
    real, made = rng.permutation(real), rng.permutation(made)
    found = []
    for k in range(max(len(real), len(made)) // size):
        a, b = (points[k * size : (k + 1) * size] if len(points) > size else points for points in (real, made))
        found.append((_share_within(a, b), _share_within(b, a)))
    precision, recall = np.mean(found, axis=0).tolist()
    return PrecisionRecall(precision, recall)


def _share_within(points: np.ndarray, others: np.ndarray) -> float:
    """Share of `others` in a ball of one of `points`."""
    a, b = torch.from_numpy(points).double(), torch.from_numpy(others).double()
    radii = torch.cat([torch.cdist(part, a).kthvalue(NEIGHBORS + 1).values for part in a.split(AT_A_TIME)])
    inside = [(torch.cdist(part, a) <= radii).any(1) for part in b.split(AT_A_TIME)]
    return float(torch.cat(inside).double().mean())


def copies(training: Float[Tensor, "n d"], pictures: Float[Tensor, "m d"]) -> Copies:
    """How many pictures lie so close to a training picture that they may be called it; distances are those of pixels.

    What is drawn from the distribution of the training pictures lies nearer than their own neighbours about every
    second time, and rarely at half that distance: compare with pictures that training did not see.
    """
    training, pictures = training.double(), pictures.double()  # squares of distances near 0 are differences
    to_next = torch.cat([torch.cdist(part, training).kthvalue(2).values for part in training.split(AT_A_TIME)])
    shares = []
    for part in pictures.split(AT_A_TIME):
        distance, nearest = torch.cdist(part, training).min(1)
        shares.append(torch.where(distance < SAME, 0.0, distance / to_next[nearest].clamp(min=SAME)))
    ratio = torch.cat(shares)
    return Copies(float((ratio < 0.5).double().mean()), float((ratio < 1.0).double().mean()))


def frechet_between(
    made: Float[np.ndarray, "n d"], real: Float[np.ndarray, "m d"], rng: np.random.Generator, num_resamples: int = 200
) -> tuple[Distance, Float[np.ndarray, "r"]]:
    """Fréchet distance of made features from real ones, its interval by a bootstrap over the made ones, and the
    resampled distances.

    Resamples of one `rng` state draw the same rows: of two sets that began with the same noise, the differences of
    resampled distances are those of pairs. A resample holds rows twice and so lies too high; the interval is moved down
    by as much as its mean is above the distance.
    """
    value = frechet_distance(made, real)
    resampled = np.array(
        [frechet_distance(made[rng.integers(0, len(made), len(made))], real) for _ in range(num_resamples)]
    )
    low, high = np.quantile(resampled, [0.025, 0.975]) - resampled.mean() + value
    return Distance(value, max(0.0, float(low)), float(high)), resampled


def difference(ours: tuple[Distance, np.ndarray], theirs: tuple[Distance, np.ndarray]) -> Distance:
    """How much farther ours is than theirs, with its 95 % interval, of two answers of `frechet_between` with rngs of
    one state; significantly worse if the interval lies above 0."""
    value = ours[0].value - theirs[0].value
    resampled = ours[1] - theirs[1]
    low, high = np.quantile(resampled, [0.025, 0.975]) - resampled.mean() + value
    return Distance(value, float(low), float(high))
