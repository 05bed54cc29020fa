"""The batch of each training step, in an order that a seed alone decides, so that a resumed training repeats it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from training.data.pictures.clips import Clips
from training.data.pictures.labelled import LabelledPictures


class StepBatches:
    """Batches of pictures or clips, every item once a pass, in another order in each.

    The batch of a step is a function of the dataset, the batch size, the seed and the step: a training that resumes at
    step k asks for step k. What does not fill a batch at a pass's end is left out of that pass.

    Args:
        dataset: what is drawn from.
        batch_size: items at a time.
        seed: of the order; of many processes each takes its own.
        num_workers: processes that read ahead; 0 reads in this one.

    Raises:
        ValueError: a count is out of range, or the items do not fill a batch.
    """

    def __init__(self, dataset: LabelledPictures | Clips, batch_size: int, seed: int = 0, num_workers: int = 0) -> None:
        if batch_size < 1 or num_workers < 0:
            raise ValueError(f"batch_size and num_workers cannot be {batch_size}, {num_workers}")
        if len(dataset) < batch_size:
            raise ValueError(f"{len(dataset)} items do not fill a batch of {batch_size}")
        self.dataset = copy.copy(dataset)  # whose epoch is set to the pass, others' stays
        self.batch_size, self.seed, self.num_workers = batch_size, seed, num_workers
        self.steps_per_pass = len(dataset) // batch_size
        self._next_step, self._batches = -1, iter(())

    def at(self, step: int) -> Any:
        """The batch of a step: pictures float32 [b, 3, h, w] with classes int64 [b], or clips float32 [b, t, 3, h, w].

        Steps that follow each other are read ahead; any other begins anew.

        Raises:
            ValueError: an item cannot be read; names it.
        """
        if step != self._next_step:
            self._batches = self._from(step)
        self._next_step = -1  # begin anew after an error
        batch = next(self._batches)
        self._next_step = step + 1
        return batch

    def _from(self, step: int) -> Iterator[Any]:
        epoch, first = divmod(step, self.steps_per_pass)
        while True:
            self.dataset.epoch = epoch
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
            batches = order[: self.steps_per_pass * self.batch_size].reshape(self.steps_per_pass, self.batch_size)
            yield from DataLoader(
                self.dataset,
                batch_sampler=batches[first:].tolist(),
                num_workers=self.num_workers,
                generator=torch.Generator(),  # else the loader would draw from the global one
            )
            epoch, first = epoch + 1, 0
