#!/usr/bin/env bash
# Under bfloat16 autocast on the CPU torch.cat and torch.stack of float16 tensors raise; sums and products do not.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch

half = torch.ones(2, 2, dtype=torch.float16)
OPERATIONS = {
    "half + half": lambda: half + half,
    "half @ half": lambda: half @ half,
    "torch.where(half > 0, half, half)": lambda: torch.where(half > 0, half, half),
    "torch.cat([half, half])": lambda: torch.cat([half, half]),
    "torch.stack([half, half])": lambda: torch.stack([half, half]),
}
print(f"torch {torch.__version__}, inside torch.autocast('cpu', torch.bfloat16)")
print("expected: tensors of one type can be joined, as they can be added and multiplied, and as outside of autocast")
raised = set()
for name, operation in OPERATIONS.items():
    operation()  # outside of autocast all of them work
    with torch.autocast("cpu", torch.bfloat16):
        try:
            print(f"seen: {name}: {operation().dtype}")
        except RuntimeError as error:
            print(f"seen: {name}: RuntimeError: {error}")
            raised.add(name)
sys.exit(0 if raised == {"torch.cat([half, half])", "torch.stack([half, half])"} else 1)
PYTHON
