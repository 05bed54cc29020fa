"""Samplers: from noise to data along a path, step by step.

All take the path, `denoise`, x at the first of the times, and the times (`worldsim.diffusion.sampling_times`), from
noisy to clean, and return x at the last one. A last step to `data_time` takes the estimate of the data as it is. What
they draw comes from a generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from worldsim.diffusion.ancestral import ReverseStep
from worldsim.diffusion.paths import Level, Path
from worldsim.diffusion.predictions import Denoise, Kind

Progress: TypeAlias = Callable[[int, int], None]
"""Called after each step with the number of steps done and of all."""


def initial_noise(
    path: Path,
    shape: tuple[int, ...],
    generator: torch.Generator,
    start: float | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """x at the first time: noise of the path's σ there times `temperature`, float32 on the generator's device.

    Args:
        start: the first time, if not `noise_time`.
        temperature: below 1 for samples nearer to the average, less various.

    Raises:
        ValueError: temperature < 0, or start is no time of the path.
    """
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    sigma = path.at(path.noise_time if start is None else start).sigma
    return temperature * sigma * torch.randn(shape, generator=generator, device=generator.device)


def renoise(path: Path, data: Tensor, t: float, generator: torch.Generator) -> Tensor:
    """`data` with the noise of time t, to sample again from there (video to video; SDEdit, Meng et al. 2022)."""
    level = path.at(t)
    return level.alpha * data + level.sigma * _noise_like(data, generator)


def sample_ddpm(
    path: Path,
    denoise: Denoise,
    x: Tensor,
    times: Sequence[float],
    generator: torch.Generator,
    variance: Literal["least", "most"] = "least",
    progress: Progress | None = None,
) -> Tensor:
    """Ancestral sampling (Ho et al. 2020).

    Args:
        variance: of a step whose prediction has none: β̃, exact if the data is a point, or β, if of unit variance.

    Raises:
        ValueError: times are no steps from noisy to clean; variance is neither.
    """
    if variance not in ("least", "most"):
        raise ValueError(f'variance must be "least" or "most", got {variance!r}')
    for t, following in _steps(path, times, progress):
        prediction = denoise(x, t)
        data = prediction.to(Kind.DATA, x, t, path)
        if following == path.data_time:
            x = data
            continue
        step = _reverse_step(path.at(t), path.at(following))
        if prediction.variance is not None:
            std = torch.exp(0.5 * step.log_variance(prediction.variance))
        else:
            std = (step.least_variance if variance == "least" else step.most_variance).sqrt().item()
        x = step.from_noisy.item() * x + step.from_data.item() * data + std * _noise_like(x, generator)
    return x


def sample_ddim(
    path: Path,
    denoise: Denoise,
    x: Tensor,
    times: Sequence[float],
    generator: torch.Generator | None = None,
    eta: float = 0.0,
    progress: Progress | None = None,
) -> Tensor:
    """DDIM (Song et al. 2021): eta 0 draws nothing, eta 1 is DDPM with the least variance.

    Raises:
        ValueError: times are no steps from noisy to clean; eta is not in [0, 1], or positive without a generator.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be between 0 and 1, got {eta}")
    if eta > 0 and generator is None:
        raise ValueError(f"eta = {eta} draws noise: give a generator")
    for t, following in _steps(path, times, progress):
        data = denoise(x, t).to(Kind.DATA, x, t, path)
        if following == path.data_time:
            x = data
            continue
        now, then = path.at(t), path.at(following)
        noise = (x - now.alpha * data) / now.sigma
        drawn_std = eta * math.sqrt(_reverse_step(now, then).least_variance.item())
        x = then.alpha * data + math.sqrt(then.sigma**2 - drawn_std**2) * noise
        if eta > 0 and generator is not None:
            x = x + drawn_std * _noise_like(x, generator)
    return x


def sample_euler(
    path: Path, denoise: Denoise, x: Tensor, times: Sequence[float], progress: Progress | None = None
) -> Tensor:
    """Euler steps of the flow, in the coordinates in which it is straight if the data is a point (`Path.line`).

    Raises:
        ValueError: times are no steps from noisy to clean.
    """
    for t, following in _steps(path, times, progress):
        data = denoise(x, t).to(Kind.DATA, x, t, path)
        x = data if following == path.data_time else _euler_step(path, x, data, t, following)
    return x


def sample_heun(
    path: Path, denoise: Denoise, x: Tensor, times: Sequence[float], progress: Progress | None = None
) -> Tensor:
    """Heun steps in the same coordinates (Karras et al. 2022, algorithm 1): two evaluations a step, at the last to the
    data one.

    Raises:
        ValueError: times are no steps from noisy to clean.
    """
    for t, following in _steps(path, times, progress):
        x = _heun_step(path, denoise, x, t, following)
    return x


def sample_edm(
    path: Path,
    denoise: Denoise,
    x: Tensor,
    times: Sequence[float],
    generator: torch.Generator,
    churn: float = 40.0,
    churn_range: tuple[float, float] = (0.05, 50.0),
    noise_scale: float = 1.003,
    progress: Progress | None = None,
) -> Tensor:
    """Heun steps, each from a noisier x (Karras et al. 2022, algorithm 2; the defaults are theirs for ImageNet).

    Args:
        churn: S_churn; a step raises σ/α by the factor 1 + min(churn / number of steps, √2 - 1).
        churn_range: S_min and S_max, between which σ/α is raised, at most to that of `noise_time`.
        noise_scale: S_noise, standard deviation of what is drawn.

    Raises:
        ValueError: times are no steps from noisy to clean; churn or noise_scale is negative.
    """
    for name, value in (("churn", churn), ("noise_scale", noise_scale)):
        if value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
    growth = 1 + min(churn / max(len(times) - 1, 1), math.sqrt(2) - 1)
    for t, following in _steps(path, times, progress):
        now = path.at(t)
        noisier = t
        if growth > 1 and math.isfinite(now.ratio) and churn_range[0] <= now.ratio <= churn_range[1]:
            log_snr = torch.tensor(-2 * math.log(now.ratio * growth), dtype=torch.float64)
            noisier = path.time_at(log_snr).item()
            then = path.at(noisier)
            kept = then.alpha / now.alpha
            added = math.sqrt(max(then.sigma**2 - (kept * now.sigma) ** 2, 0.0))
            x = kept * x + added * noise_scale * _noise_like(x, generator)
        x = _heun_step(path, denoise, x, noisier, following)
    return x


def sample_dpm_solver(
    path: Path, denoise: Denoise, x: Tensor, times: Sequence[float], progress: Progress | None = None
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022): second order in half the log-SNR by the data estimated a step before, one
    evaluation a step; first order at the first step, where that is infinite, and at the last one to the data.

    Raises:
        ValueError: times are no steps from noisy to clean.
    """
    earlier: Tensor | None = None
    earlier_length = math.inf
    for t, following in _steps(path, times, progress):
        data = denoise(x, t).to(Kind.DATA, x, t, path)
        if following == path.data_time:
            x = data
            continue
        now, then = path.at(t), path.at(following)
        length = math.log(now.ratio / then.ratio)
        extrapolated = data
        if earlier is not None and math.isfinite(earlier_length):
            extrapolated = data + (length / (2 * earlier_length)) * (data - earlier)
        x = (then.sigma / now.sigma) * x - then.alpha * math.expm1(-length) * extrapolated
        earlier, earlier_length = data, length
    return x


def _steps(path: Path, times: Sequence[float], progress: Progress | None) -> Iterator[tuple[float, float]]:
    """Pairs of times; tells the progress after each."""
    towards = 1 if path.data_time > path.noise_time else -1
    wrong = [(t, following) for t, following in pairwise(times) if not (following - t) * towards > 0]
    if len(times) < 2 or wrong:
        seen = f"{wrong[0][1]:g} after {wrong[0][0]:g}" if wrong else f"{len(times)} times"
        ends = f"{path.noise_time:g} (noise) to {path.data_time:g} (data)"
        raise ValueError(f"times must be at least two, each nearer to the data on {ends}, got {seen}")
    path.check_time(times[0])
    path.check_time(times[-1])
    for k, step in enumerate(pairwise(times), start=1):
        yield step
        if progress is not None:
            progress(k, len(times) - 1)


def _euler_step(path: Path, x: Tensor, data: Tensor, t: float, following: float) -> Tensor:
    line, target = path.line(t), path.line(following)
    y = x if line.scale == 1.0 else x / line.scale
    y = y + (target.position - line.position) * (data - y) / (path.data_position - line.position)
    return y if target.scale == 1.0 else target.scale * y


def _heun_step(path: Path, denoise: Denoise, x: Tensor, t: float, following: float) -> Tensor:
    data = denoise(x, t).to(Kind.DATA, x, t, path)
    if following == path.data_time:
        return data
    predicted = _euler_step(path, x, data, t, following)
    data_then = denoise(predicted, following).to(Kind.DATA, predicted, following, path)

    line, target = path.line(t), path.line(following)
    y, y_then = x / line.scale, predicted / target.scale
    slope = (data - y) / (path.data_position - line.position)
    slope_then = (data_then - y_then) / (path.data_position - target.position)
    return target.scale * (y + (target.position - line.position) * 0.5 * (slope + slope_then))


def _reverse_step(now: Level, then: Level) -> ReverseStep:
    return ReverseStep.between(*(torch.tensor(level, dtype=torch.float64) for level in (*now, *then)))


def _noise_like(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)
