"""A classifier of labelled pictures: it tells whether a made picture is of its class, and its features compare sets."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from training.data.pictures.labelled import LabelledPictures
from training.data.pictures.step_batches import StepBatches
from training.stages.distributed import step_seed
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.randomness import seeded

BATCH_SIZE = 64
SHIFT = 2
"""Pictures are moved by up to so many pixels either way while it learns [px]."""
AT_A_TIME = 250
"""Pictures that go through it together."""


class Classifier(nn.Module):
    """Three convolutions that halve the picture each, the mean over what is left, and a linear layer.

    Args:
        num_classes: of the answer.
        width: channels of the first convolution; the others have twice and four times as many.
    """

    def __init__(self, num_classes: int, width: int = 24) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 4 * width)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, after) for after in channels[1:])
        self.hidden = nn.Linear(16 * channels[-1], 64)
        self.head = nn.Linear(64, num_classes)

    def features(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 64"]:
        """What the answer is read from, of pictures in [-1, 1] of at least 8 × 8."""
        x = pictures
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.silu(norm(convolution(x)))
        return F.silu(self.hidden(F.adaptive_avg_pool2d(x, 4).flatten(1)))

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c"]:
        """Logits of the classes."""
        return self.head(self.features(pictures))


class Reading(NamedTuple):
    """What a classifier makes of `n` pictures."""

    features: Float[np.ndarray, "n 64"]
    labels: np.ndarray
    """The likeliest class of each, int64 [n]."""


def training_name(pictures: Float[Tensor, "n 3 h w"], labels: Int[np.ndarray, "n"], num_steps: int, seed: int) -> str:
    """A name for the classifier that learns from these pictures, in this way."""
    digest = hashlib.sha256(pictures.numpy().tobytes() + labels.tobytes()).hexdigest()[:12]
    return f"{digest}-steps-{num_steps}-seed-{seed}"


def train_classifier(pictures: LabelledPictures, folder: Path, num_steps: int, seed: int) -> Classifier:
    """Learn to tell the classes of pictures apart; loads what an earlier call left in `folder`.

    Raises:
        ValueError: the pictures do not fill a batch, or one cannot be read; or `folder` holds another one's weights.
    """
    with seeded(seed):
        made = Classifier(len(pictures.class_names))
    path = folder / "classifier.safetensors"
    if stage_done(made, path):
        return made
    loop = LoopConfig(num_steps=num_steps, learning_rate=2e-3, weight_decay=0.05, save_every=200, seed=seed)
    batches = StepBatches(pictures, min(BATCH_SIZE, len(pictures)), seed=step_seed(seed, 0))

    def loss(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch, labels = batches.at(step)
        down, right = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
        moved = F.pad(batch, (SHIFT,) * 4, mode="replicate")[
            ..., SHIFT + down : SHIFT + down + batch.shape[-2], SHIFT + right : SHIFT + right + batch.shape[-1]
        ]
        return {"loss": F.cross_entropy(made(moved), labels, label_smoothing=0.05)}

    TrainLoop(made, loss, loop, folder).run("classifier")
    finish_stage(made, path)
    return made.eval()


@torch.no_grad()
def read_pictures(classifier: Classifier, pictures: Float[Tensor, "n 3 h w"]) -> Reading:
    """Features and classes of pictures in [-1, 1]."""
    features = [classifier.features(part) for part in pictures.split(AT_A_TIME)]
    labels = [classifier.head(part).argmax(-1) for part in features]
    return Reading(torch.cat(features).numpy(), torch.cat(labels).numpy())
