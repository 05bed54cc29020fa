"""Random numbers by name: the same for the same seed and name, in every process and in any order. numpy only."""

from __future__ import annotations

import hashlib

import numpy as np


def draws_of(seed: int, *name: str | int) -> np.random.Generator:
    """The generator of what is called `name` in the world of a seed."""
    text = "/".join([str(int(seed)), *map(str, name)])
    key = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def draw_class(logits: np.ndarray, share: float) -> int:
    """The class at which the cumulated probabilities of logits [n] pass `share` in [0, 1)."""
    weights = np.exp(logits - logits.max())
    cumulated = np.cumsum(weights)
    return int(np.searchsorted(cumulated, share * cumulated[-1], side="right").clip(0, len(logits) - 1))
