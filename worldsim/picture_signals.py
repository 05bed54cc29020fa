"""What pictures tell of themselves for trust, in one walk over their pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from worldsim.compiled import compiled

LEAST_SEEN = 0.01
"""Where less of a picture was fetched, it does not matter how far that was changed."""


class PictureMeasures(NamedTuple):
    """Of `n` pictures, each float64 [n].

    covered: share of the pixels that an earlier picture shows. recorded: mean share of a pixel that goes back to
    recorded frames. changed: how far what the last picture shows was changed, and detail: how far pixels side by side,
    and one below the other, are apart, both means over pixels and colours of a range of 2.
    """

    covered: np.ndarray
    recorded: np.ndarray
    changed: np.ndarray
    detail: np.ndarray


def measure_pictures(
    frames: np.ndarray, last: np.ndarray, seen: np.ndarray, recalled: np.ndarray, recorded: np.ndarray
) -> PictureMeasures:
    """Measure pictures of at least 2 x 2 pixels.

    Args:
        frames: uint8 [n, h, w, 3].
        last: the last pictures, where the surfaces are now, float32 [n, 3, h, w] in [-1, 1].
        seen: 1 where they show these, else 0, float32 [n, h, w].
        recalled: 1 where key frames do, float32 [n, h, w].
        recorded: share of each pixel that goes back to recorded frames, of 255, uint8 [n, h, w].
    """
    measures = PictureMeasures(*np.zeros((4, len(frames))))
    _measure(
        np.ascontiguousarray(frames),
        np.ascontiguousarray(last),
        np.ascontiguousarray(seen),
        np.ascontiguousarray(recalled),
        np.ascontiguousarray(recorded),
        measures.covered,
        measures.recorded,
        measures.changed,
        measures.detail,
    )
    return measures


@compiled
def _measure(frames, last, seen, recalled, recorded, covered, recorded_share, changed, detail):
    """Fill covered, recorded_share, changed and detail."""
    n, height, width = seen.shape
    for k in range(n):
        num_covered, num_seen, total, down, right = 0, 0, 0, 0, 0
        changes = np.zeros(width, np.float32)
        for r in range(height):
            frame = frames[k, r].reshape(3 * width)
            for c in range(3 * width - 3):
                right += abs(np.int32(frame[c + 3]) - np.int32(frame[c]))
            if r > 0:
                above = frames[k, r - 1].reshape(3 * width)
                for c in range(3 * width):
                    down += abs(np.int32(frame[c]) - np.int32(above[c]))
            shares, visible, known = recorded[k, r], seen[k, r], recalled[k, r]
            for c in range(width):
                total += np.int32(shares[c])
                num_seen += np.int32(visible[c])
                num_covered += np.int32(max(visible[c], known[c]))
            for d in range(3):
                before = last[k, d, r]
                for c in range(width):
                    shown = np.float32(frame[3 * c + d]) / np.float32(127.5) - np.float32(1.0)
                    changes[c] += abs(shown - before[c]) * visible[c]

        num = height * width
        covered[k], recorded_share[k] = num_covered / num, total / (255.0 * num)
        changed[k] = changes.sum() / (3.0 * num) / max(num_seen / num, LEAST_SEEN)
        detail[k] = (down / ((height - 1) * width) + right / (height * (width - 1))) / (3.0 * 127.5)
