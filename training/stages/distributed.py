"""Several processes at one training, as `accelerate launch -m drivedit train` starts them; alone, all is as ever.

Every process holds the whole module, draws a part of the batch of its own and steps by the mean of all gradients. The
first one writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
from accelerate import PartialState
from torch import nn


def _processes() -> PartialState:
    """Who this process is among all. The others may wait long while the first one records."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(days=2))


def is_first() -> bool:
    """Whether this process writes."""
    return _processes().is_main_process


def wait_for_all() -> None:
    """Return when every process has come here."""
    _processes().wait_for_everyone()


@contextmanager
def first_process_first() -> Iterator[None]:
    """What is within is done by the first process, then by the others, who find it done."""
    with _processes().main_process_first():
        yield


def process_device() -> str:
    """The torch device of this process: a GPU of its own if there is one."""
    state = _processes()
    if state.num_processes > 1:
        return str(state.device)
    return "cuda" if torch.cuda.is_available() else "cpu"


def step_seed(seed: int, step: int) -> int:
    """Seeds of one step, another one in each process; with one process those that there have always been."""
    state = _processes()
    return (seed * 1_000_003 + step + 7_919 * 1_000_003 * state.process_index) % 2**63


def step_rng(seed: int, step: int) -> np.random.Generator:
    """The random numbers by which this process draws its part of a step's batch."""
    index = _processes().process_index
    return np.random.default_rng([seed, step, index] if index else [seed, step])


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; one that no process has stays None."""
    state = _processes()
    if state.num_processes == 1:
        return
    chosen = list(parameters)
    there = torch.tensor([float(p.grad is not None) for p in chosen], device=chosen[0].device)
    flat = torch.cat([there, *((torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in chosen)])
    torch.distributed.all_reduce(flat)
    flat /= state.num_processes
    there, *gradients = flat.split([len(chosen), *(p.numel() for p in chosen)])
    for p, has, gradient in zip(chosen, there.tolist(), gradients, strict=True):
        p.grad = gradient.view_as(p).clone() if has else None
