"""Costs of the learned world in two checkouts of this project, measured by turns in one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import speed_probe

ROOT = Path(__file__).parents[1]
ROUNDS = 2
"""Each checkout is measured so many times, by turns: a machine that others use too is not equally fast all the time."""
COLD = "cold_start"
_COLD_START = (
    "import time; t = time.perf_counter(); import drivedit, gymnasium; e = gymnasium.make('DriveDiT-v0');"
    "e.reset(seed=0); print(time.perf_counter() - t, time.process_time())"
)


def probe(
    root: Path, num_steps: int, options: dict[str, Any] | None = None, names: Sequence[str] = speed_probe.NAMES
) -> dict[str, float]:
    """What speed_probe measures in the checkout at `root`.

    Args:
        root: a folder with this project, of this version or an older one.
        num_steps: that are timed.
        options: of the envs.
        names: of speed_probe.NAMES, what is measured.

    Raises:
        ValueError: it does not run there; says why.
    """
    request = json.dumps({"num_steps": num_steps, "options": options or {}, "names": list(names)})
    return json.loads(_run(root, [speed_probe.__file__, request]).splitlines()[-1])


def cold_start_seconds(root: Path = ROOT) -> tuple[float, float]:
    """From a cold process to the first frame of the default world, on the clock and of CPU [s]."""
    clock, cpu = _run(root, ["-c", _COLD_START]).split()[-2:]
    return float(clock), float(cpu)


def compare(
    beside: Path, num_steps: int, *, bfloat16: bool, names: Sequence[str] = (*speed_probe.NAMES, COLD)
) -> dict[str, float]:
    """Costs here over those in the checkout `beside`, with networks in float32 there, by name of TARGETS.

    Args:
        beside: root of the other checkout.
        num_steps: that are timed.
        bfloat16: also measure this checkout with networks in bfloat16.
        names: of speed_probe.NAMES, and COLD for the cold start: what is measured.
    """
    probed = [name for name in speed_probe.NAMES if name in names]
    timed = [name for name in probed if name != "env_bytes"]
    runs: dict[str, list[dict[str, float]]] = {"there": [], "here": [], "bf16": []}
    for _ in range(ROUNDS):
        for which, root in (("there", beside), ("here", ROOT)):
            found = (
                probe(root, num_steps, names=[name for name in names if name != COLD]) if set(names) - {COLD} else {}
            )
            runs[which].append(found | ({COLD: cold_start_seconds(root)[1]} if COLD in names else {}))
        if bfloat16 and timed:
            runs["bf16"].append(probe(ROOT, num_steps, {"backend": "bf16"}, timed))

    def best(which: str, name: str) -> float:
        return min(run[name] for run in runs[which])

    rows = {}
    if "step_seconds" in names:
        rows["step_over_beside"] = best("here", "step_seconds") / best("there", "step_seconds")
    if "vector_seconds" in names:
        rows["vector_over_beside"] = best("there", "vector_seconds") / best("here", "vector_seconds")
    if "imagine_seconds" in names:
        rows["imagined_over_beside"] = best("there", "imagine_seconds") / best("here", "imagine_seconds")
    if "env_bytes" in names:
        rows["env_megabytes"] = best("here", "env_bytes") / 1e6
        rows["env_memory_over_beside"] = best("here", "env_bytes") / best("there", "env_bytes")
    if COLD in names:
        rows["cold_start_over_beside"] = best("here", COLD) / best("there", COLD)
    if runs["bf16"] and "step_seconds" in names:
        rows["step_over_beside_bf16"] = best("bf16", "step_seconds") / best("there", "step_seconds")
    if runs["bf16"] and "vector_seconds" in names:
        rows["vector_over_beside_bf16"] = best("there", "vector_seconds") / best("bf16", "vector_seconds")
    if runs["bf16"] and "imagine_seconds" in names:
        rows["imagined_over_beside_bf16"] = best("there", "imagine_seconds") / best("bf16", "imagine_seconds")
    return rows


def _run(root: Path, arguments: list[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=root, env=environment)
    if done.returncode:
        raise ValueError(f"{root}: {arguments[0]} does not run there: {done.stderr.strip()[-500:]}")
    return done.stdout
