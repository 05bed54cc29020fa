"""In which numbers training calculates: bfloat16 where the machine gains by it, measured once a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from training.data.lerobot_layout import read_json, write_json

Precision = Literal["float32", "bfloat16"]
PRECISION_NAME = "precision.json"
"""File in a run's folder."""

LEAST_GAIN = 1.1
"""bfloat16 is chosen if it is faster by this factor."""


def choose_precision(device: str, seconds: float = 10.0) -> Precision:
    """The faster one for training on `device`: on a GPU bfloat16 if it has it; on a CPU a small network of convolutions
    and linear layers is trained in both, in turn, for so many seconds."""
    kind = torch.device(device).type
    if kind == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if kind != "cpu":
        return "float32"
    times = measure_precisions(seconds)
    return "bfloat16" if times["float32"] > LEAST_GAIN * times["bfloat16"] else "float32"


def measure_precisions(seconds: float) -> dict[Precision, float]:
    """The least CPU time [s] of a training step of a small network in each precision, for `seconds` in all."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn((4, 48, 64, 64), generator=generator)
    network = nn.Sequential(
        nn.Conv2d(48, 96, 3, padding=1), nn.GroupNorm(8, 96), nn.SiLU(),
        nn.Conv2d(96, 48, 3, stride=2, padding=1), nn.SiLU(),
        nn.Flatten(2), nn.Linear(1024, 512), nn.GELU(), nn.Linear(512, 256),
    )  # fmt: skip
    best: dict[Precision, float] = {}
    begun = time.perf_counter()
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for attempt in range(1000):
        for precision in precisions:
            started = time.process_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
                loss = network(picture).square().mean()
            loss.backward()
            taken = time.process_time() - started
            if attempt > 0:  # the first ones also prepare
                best[precision] = min(taken, best.get(precision, taken))
        if attempt > 1 and time.perf_counter() - begun > seconds:
            break
    return best


def run_precision(folder: Path, device: str, wanted: Precision | None) -> Precision:
    """The precision of the run in `folder`, chosen when it began and kept ever since.

    Args:
        folder: PRECISION_NAME in it keeps the choice.
        device: that the run begins on.
        wanted: instead of what is faster.

    Raises:
        ValueError: the run has begun in another one.
    """
    path = folder / PRECISION_NAME
    if path.is_file():
        kept = read_json(path)["precision"]
        if wanted not in (None, kept):
            raise ValueError(f"{folder} is trained in {kept}, as {path} says, not in {wanted}; train elsewhere")
        return kept
    chosen = wanted or choose_precision(device)
    write_json(path, {"precision": chosen, "device": device, "chosen_by": "option" if wanted else "measurement"})
    return chosen
