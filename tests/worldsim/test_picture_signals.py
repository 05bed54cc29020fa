"""Signals of pictures against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from worldsim.picture_signals import LEAST_SEEN, measure_pictures


def test_measures_are_those_of_plain_numpy() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 12, 20, 3), dtype=np.uint8)
    last = rng.uniform(-1, 1, (3, 3, 12, 20)).astype(np.float32)
    seen, recalled = (rng.integers(0, 2, (3, 12, 20)).astype(np.float32) for _ in range(2))
    seen[2] = 0.0
    recorded = rng.integers(0, 256, (3, 12, 20), dtype=np.uint8)

    found = measure_pictures(frames, last, seen, recalled, recorded)

    shown = frames.astype(np.float64) / 127.5 - 1
    changes = np.abs(shown - last.transpose(0, 2, 3, 1)) * seen[..., None]
    share = np.maximum(seen.mean((1, 2)), LEAST_SEEN)
    down, right = np.abs(np.diff(shown, axis=1)), np.abs(np.diff(shown, axis=2))
    assert found.covered == pytest.approx(np.maximum(seen, recalled).mean((1, 2)))
    assert found.recorded == pytest.approx(recorded.mean((1, 2)) / 255)
    assert found.changed == pytest.approx(changes.mean((1, 2, 3)) / share, rel=1e-5)
    assert found.detail == pytest.approx(down.mean((1, 2, 3)) + right.mean((1, 2, 3)))
