"""What a generator costs and how good it is, measured: time and memory of steps, loss, PSNR and SSIM."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from training.data.pictures.clips import Clips
from training.data.pictures.labelled import LabelledPictures
from training.evaluation.image_metrics import psnr, ssim
from training.generative.showing import save_grid
from training.generative.stages import draw_known
from worldsim.diffusion.generator import Generator, GeneratorConfig, known_ends
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.networks.vae3d import frames_to_uint8

NOISE_STRENGTH = 0.5
"""Pictures get as much noise as there is signal, and are restored."""


def draw_batch(data: LabelledPictures | Clips, num: int, seed: int, device: str) -> tuple[Tensor, Tensor | None]:
    """Pictures [b, 3, h, w] with their classes, or clips [b, 3, t, h, w] with None, drawn by a seed."""
    chosen = np.random.default_rng(seed).choice(len(data), num, replace=len(data) < num).tolist()
    if isinstance(data, LabelledPictures):
        items = [data[k] for k in chosen]
        return torch.stack([x for x, _ in items]).to(device), torch.tensor([label for _, label in items]).to(device)
    return rearrange(torch.stack([data[k] for k in chosen]), "b t c h w -> b c t h w").to(device), None


def time_steps(
    models: Sequence[Generator], batches: Sequence[tuple[Tensor, Tensor | None]], repeats: int
) -> list[dict[str, float]]:
    """Median seconds of the steps of each model on its batch, the models' taken in turn: a training step with encoding
    (`train_seconds`) and without (`encoded_train_seconds`, the same where there is no autoencoder), an evaluation of
    the network (`sample_seconds`)."""
    taken: list[dict[str, list[float]]] = [{} for _ in models]
    for attempt in tqdm(range(repeats + 1), desc="timed steps", unit="round"):  # the first ones also prepare
        for made, (pixels, label), times in zip(models, batches, taken, strict=True):
            latents = made.encode(pixels)
            steps = {
                "train_seconds": lambda made=made, x=pixels, y=label: train_step(made, x, y),
                "encoded_train_seconds": lambda made=made, x=pixels, y=label, z=latents: train_step(made, x, y, z),
                "sample_seconds": lambda made=made, x=latents: made.sample(
                    len(x), torch.Generator(), SamplerChoice(sampler="euler", steps=1)
                ),
            }
            if made.autoencoder is None:
                del steps["encoded_train_seconds"]
            for name, step in steps.items():
                begun = time.perf_counter()
                step()
                if pixels.is_cuda:
                    torch.cuda.synchronize()
                if attempt:
                    times.setdefault(name, []).append(time.perf_counter() - begun)
    medians = [{name: statistics.median(values) for name, values in times.items()} for times in taken]
    return [{"encoded_train_seconds": times["train_seconds"]} | times for times in medians]


def train_step(made: Generator, pixels: Tensor, label: Tensor | None, data: Tensor | None = None) -> None:
    """Forward and backward of a training step on pictures or clips, or on their data where these are there: then known
    frames are taken from these too."""
    generator = torch.Generator().manual_seed(0)
    x = made.encode(pixels) if data is None else data
    known = None
    if made.sees_known and data is None:
        known = draw_known(made, pixels, generator)
    elif made.sees_known:
        some = torch.ones(len(x), dtype=torch.long, device=x.device)
        known = known_ends(x, some, torch.zeros_like(some))
    made.losses(x, label, known, generator).total.mean().backward()
    made.zero_grad(set_to_none=True)


def step_megabytes(config: GeneratorConfig, batch_size: int, device: str) -> float:
    """What a generator of random weights and a training step of it with encoding take: peak memory of the GPU, or what
    they add to a process of their own [MB]."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        _step_of(config, batch_size, device)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_added_megabytes, config, batch_size).result()


def _added_megabytes(config: GeneratorConfig, batch_size: int) -> float:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on that of what follows
    before = _peak_megabytes()
    _step_of(config, batch_size, "cpu")
    return _peak_megabytes() - before


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e6


def _step_of(config: GeneratorConfig, batch_size: int, device: str) -> None:
    made = Generator(config).to(device)
    frames = () if config.num_frames == 1 else (config.num_frames,)
    pixels = torch.zeros(batch_size, 3, *frames, config.height, config.width, device=device)
    label = torch.zeros(batch_size, dtype=torch.long, device=device) if config.class_names else None
    train_step(made, pixels, label)


def check_known(made: Generator, num_known: int) -> None:
    """Refuse a number of known frames from which nothing can be predicted.

    Raises:
        ValueError: `num_known` frames leave nothing to predict, or are no whole number of latents.
    """
    factor = made.frames_per_latent
    if num_known % factor or not 0 < num_known < made.config.num_frames:
        most = made.config.num_frames - factor
        raise ValueError(f"num_known must be a multiple of {factor} from {factor} to {most}, got {num_known}")


def judge(
    made: Generator,
    pixels: Tensor,
    label: Tensor | None,
    sampling: SamplerChoice,
    num_known: int,
    seed: int,
    path: Path,
) -> dict[str, float]:
    """Loss, PSNR [dB] and SSIM of a generator on pictures or clips; writes truth and what was made of it to `path`.

    Of clips the frames after the first `num_known` are predicted and compared; pictures are noised to NOISE_STRENGTH
    and restored.

    Raises:
        ValueError: `num_known` leaves nothing to predict, or is no whole number of latents.
    """
    generator = torch.Generator().manual_seed(seed)
    data = made.encode(pixels)
    known, begin, strength, first = None, None, 1.0, 0
    if made.sees_known:
        check_known(made, num_known)
        count = torch.full((len(data),), num_known // made.frames_per_latent, device=data.device)
        known, first = known_ends(data, count, torch.zeros_like(count)), num_known
    else:
        begin, strength = data, NOISE_STRENGTH
    with torch.no_grad():
        loss = made.losses(data, label, known, generator, label_dropout=0.0).error.mean()
    found = made.sample(len(data), generator, sampling, label=label, known=known, begin=begin, strength=strength)
    answers = made.decode(found)
    save_grid(torch.cat([pixels, answers]), path, made.config.frame_rate)
    true, guess = (_frames(x)[:, first:] for x in (pixels, answers))
    return {"loss": float(loss), "psnr": float(psnr(guess, true).mean()), "ssim": float(ssim(guess, true).mean())}


def _frames(x: Tensor) -> np.ndarray:
    """uint8 [b, t, h, w, 3]."""
    x = x[:, :, None] if x.dim() == 4 else x
    return frames_to_uint8(rearrange(x, "b c t h w -> b t c h w")).cpu().numpy()
