"""Made pictures as a grid, made clips as a film."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor
from tqdm import tqdm

from envs.video import write_mp4
from worldsim.atomic_files import atomic_path
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.diffusion.samplers import Progress
from worldsim.networks.vae3d import frames_to_uint8

FRAME_RATE = 10.0
"""Of films of clips whose own rate is not known [1/s]."""


@contextmanager
def step_bar(choice: SamplerChoice) -> Iterator[Progress]:
    """A progress bar over a sampler's steps."""
    with tqdm(total=choice.steps, desc="sampling", unit="step") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def save_samples(made: Generator, choice: SamplerChoice, num: int, seed: int, path: Path) -> Path:
    """Draw samples, of all classes in turn where there are classes, and save them; see `save_grid`."""
    label = torch.arange(num) % len(made.config.class_names) if made.config.class_names else None
    generator = torch.Generator().manual_seed(seed)
    with step_bar(choice) as progress:
        data = made.sample(num, generator, choice, label=label, progress=progress)
    return save_grid(made.decode(data), path, made.config.frame_rate)


def save_grid(samples: Float[Tensor, "b c ..."], path: Path, frame_rate: float = 0.0) -> Path:
    """Write pictures [b, 3, h, w] side by side as `path`.png, clips [b, 3, t, h, w] as `path`.mp4; returns the file."""
    if samples.dim() == 4:
        path = path.with_name(f"{path.name}.png")
        (sheet,) = grid(samples[:, :, None])
        with atomic_path(path) as temporary:
            temporary.write_bytes(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())
        return path
    path = path.with_name(f"{path.name}.mp4")
    write_mp4(path, grid(samples), frame_rate or FRAME_RATE)
    return path


def grid(clips: Float[Tensor, "b c t h w"], margin: int = 2) -> UInt8[np.ndarray, "t H W c"]:
    """Frames on which all clips play side by side, in rows of about as many as there are rows."""
    frames = np.stack([frames_to_uint8(clip).cpu().numpy() for clip in rearrange(clips, "b c t h w -> b t c h w")])
    num, columns = len(frames), math.ceil(math.sqrt(len(frames)))
    padded = np.pad(frames, ((0, -num % columns), (0, 0), (0, margin), (0, margin), (0, 0)), constant_values=255)
    return rearrange(padded, "(r k) t h w c -> t (r h) (k w) c", k=columns)
