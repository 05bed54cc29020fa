"""How many threads torch may use: as many as asked for, and one in a process that was forked off a running torch."""

from __future__ import annotations

import os
import warnings

import torch

_TORCH_LOADED_BY = os.getpid()


def set_threads(num_threads: int | None) -> None:
    """Let torch use `num_threads` threads in this process; None leaves torch as it is.

    OpenMP's threads do not live on in a forked process, which then waits for them for ever: Gymnasium's
    `vectorization_mode="async"` forks by default. There torch is kept on one thread, which needs no others.

    Raises:
        ValueError: several threads were asked for in a forked process.
    """
    forked = os.getpid() != _TORCH_LOADED_BY
    spawn = "gymnasium.make_vec(..., vectorization_mode='async', vector_kwargs={'context': 'spawn'})"
    if forked and num_threads is not None and num_threads > 1:
        raise ValueError(f"a process forked after torch began has 1 thread, asked for {num_threads}; use {spawn}")
    if forked and torch.get_num_threads() > 1:
        warnings.warn(
            f"this process was forked after torch began its threads, so torch runs on one thread here; {spawn} "
            f"gives each process its own, and without vectorization_mode all envs step in one pass, which is faster",
            RuntimeWarning,
            stacklevel=2,
        )
        num_threads = 1
    if num_threads is not None:
        torch.set_num_threads(num_threads)
