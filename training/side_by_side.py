"""Costs of the learned world in two checkouts of this project, measured by turns in one run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from training import speed_probe

ROOT = Path(__file__).parents[1]
ROUNDS = 2
"""Each checkout is measured so many times, by turns: a machine that others use too is not equally fast all the time."""
_COLD_START = (
    "import time; t = time.perf_counter(); import drivedit, gymnasium; e = gymnasium.make('DriveDiT-v0');"
    "e.reset(seed=0); print(time.perf_counter() - t)"
)


def probe(root: Path, num_steps: int, options: dict[str, Any] | None = None) -> dict[str, float]:
    """What speed_probe measures in the checkout at `root`.

    Args:
        root: a folder with this project, of this version or an older one.
        num_steps: that are timed.
        options: of the envs.

    Raises:
        ValueError: it does not run there; says why.
    """
    request = json.dumps({"num_steps": num_steps, "options": options or {}})
    return json.loads(_run(root, [speed_probe.__file__, request]).splitlines()[-1])


def cold_start_seconds(root: Path = ROOT) -> float:
    """From a cold process to the first frame of the default world [s]."""
    return float(_run(root, ["-c", _COLD_START]).split()[-1])


def compare(beside: Path, num_steps: int, *, bfloat16: bool) -> dict[str, float]:
    """Costs here over those in the checkout `beside`, with networks in float32 there, by name of TARGETS.

    Args:
        beside: root of the other checkout.
        num_steps: that are timed.
        bfloat16: also measure this checkout with networks in bfloat16.
    """
    runs: dict[str, list[dict[str, float]]] = {"there": [], "here": [], "bf16": []}
    for _ in range(ROUNDS):
        runs["there"].append(probe(beside, num_steps) | {"cold_start": cold_start_seconds(beside)})
        runs["here"].append(probe(ROOT, num_steps) | {"cold_start": cold_start_seconds()})
        if bfloat16:
            runs["bf16"].append(probe(ROOT, num_steps, {"backend": "bf16"}))

    def best(which: str, name: str) -> float:
        return min(run[name] for run in runs[which])

    rows = {
        "step_over_beside": best("here", "step_seconds") / best("there", "step_seconds"),
        "vector_over_beside": best("there", "vector_seconds") / best("here", "vector_seconds"),
        "env_megabytes": best("here", "env_bytes") / 1e6,
        "env_memory_over_beside": best("here", "env_bytes") / best("there", "env_bytes"),
        "cold_start_over_beside": statistics.median(
            here["cold_start"] / there["cold_start"] for here, there in zip(runs["here"], runs["there"], strict=True)
        ),
    }
    if bfloat16:
        rows["step_over_beside_bf16"] = best("bf16", "step_seconds") / best("there", "step_seconds")
        rows["vector_over_beside_bf16"] = best("there", "vector_seconds") / best("bf16", "vector_seconds")
    return rows


def _run(root: Path, arguments: list[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=root, env=environment)
    if done.returncode:
        raise ValueError(f"{root}: {arguments[0]} does not run there: {done.stderr.strip()[-500:]}")
    return done.stdout
