"""Many samples of a generator, drawn part by part and kept, so that an interruption loses a part at most."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from tqdm import tqdm

from training.stages.loop import step_generator
from worldsim.array_files import load_arrays
from worldsim.atomic_files import atomic_path
from worldsim.checkpoint import WEIGHTS_NAME
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.networks.vae3d import frames_to_uint8

AT_A_TIME = 250
"""Samples of a part."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Made pictures.

    Args:
        frames: uint8 [n, h, w, 3].
        evaluations: of the network for each; of both, with and without the class, where there is guidance.
        seconds: of the CPU that they took, [s].
    """

    frames: UInt8[Tensor, "n h w 3"]
    evaluations: int
    seconds: float


def setting_name(checkpoint: Path, choice: SamplerChoice, seed: int) -> str:
    """A name for samples of these weights, drawn in this way."""
    digest = hashlib.sha256((checkpoint / WEIGHTS_NAME).read_bytes()).hexdigest()[:12]
    way = f"{choice.sampler}-{choice.steps}-guidance-{choice.guidance:g}-temperature-{choice.temperature:g}"
    return f"{digest}-{way}-seed-{seed}".replace(".", "_")


def draw_samples(made: Generator, choice: SamplerChoice, labels: Int[Tensor, "n"], folder: Path, seed: int) -> Samples:
    """Pictures of these classes; what an earlier call left in `folder` is taken from there.

    Part k draws from a generator seeded with (seed, k), so that two ways of sampling begin with the same noise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frames, evaluations, seconds = [], 0, 0.0
    parts = labels.split(AT_A_TIME)
    for k, part in enumerate(tqdm(parts, desc=f"{choice.sampler}:{choice.steps} at {choice.guidance:g}", unit="part")):
        path = folder / f"part_{k:03d}_of_{len(part)}.npz"
        if not path.is_file():
            _draw_part(made, choice, part, step_generator(seed, k), path)
        kept = load_arrays(path)
        frames.append(torch.from_numpy(kept["frames"]))
        evaluations, seconds = int(kept["evaluations"]), seconds + float(kept["seconds"])
    return Samples(frames=torch.cat(frames), evaluations=evaluations, seconds=seconds)


def _draw_part(made: Generator, choice: SamplerChoice, labels: Tensor, generator: torch.Generator, path: Path) -> None:
    asked = 0

    def count(_network: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal asked
        asked += len(inputs[0])

    counted = made.network.register_forward_pre_hook(count)
    try:
        begun = time.process_time()
        data = made.sample(len(labels), generator, choice, label=labels)
        frames = frames_to_uint8(made.decode(data)).cpu().numpy()
        seconds = time.process_time() - begun
    finally:
        counted.remove()
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, frames=frames, evaluations=asked // len(labels), seconds=seconds)
