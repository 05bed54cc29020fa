#!/usr/bin/env bash
# numpy.random: generators seeded with [7, 3] and [7, 3, 0] draw the same numbers, as long as the lists are of at most four words.
#
# Exits with 0 while that is so, with 1 once they differ.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np

PAIRS = {
    "a zero is added to two words": ([7, 3], [7, 3, 0]),
    "a zero is added to three words": ([7, 3, 1], [7, 3, 1, 0]),
    "a zero is added to four words": ([7, 3, 1, 2], [7, 3, 1, 2, 0]),
    "a one is added": ([7, 3], [7, 3, 1]),
}
print(f"numpy {np.__version__}, numpy.random.default_rng(seed).random() for lists of integers that differ")
print("expected: [seed, frame] and [seed, frame, 0], the usual way to give each part of a simulation its own stream, are different streams")
same = set()
for name, (one, other) in PAIRS.items():
    draws = [float(np.random.default_rng(seed).random()) for seed in (one, other)]
    print(f"seen: {name}: {one} {draws[0]:.6f}, {other} {draws[1]:.6f}")
    if draws[0] == draws[1]:
        same.add(name)
sys.exit(0 if same == {"a zero is added to two words", "a zero is added to three words"} else 1)
PYTHON
