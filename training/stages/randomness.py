"""The global random generators, owned for a while: what draws from them cannot make a run depend on its past."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's (of all devices), numpy's and Python's global generators begin at `seed` within the block, and go on
    after it as if it had not been.

    Dropout and new networks' weights draw from them. A resumed process has not drawn what the one before it had.

    Args:
        seed: any integer.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed % 2**63)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
