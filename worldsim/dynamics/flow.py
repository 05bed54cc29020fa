"""Rectified flow between noise and data of which it is known how large they are: path, posterior, Euler solver.

Path: x_τ = (1 - τ) ε + τ z, τ from 0 (noise ε) to 1 (data z); velocity v = z - ε = (z - x_τ) / (1 - τ)
(Liu et al. 2022, "Flow Straight and Fast"). Of the next latent it is known where it is likely to be small. With the
prior z ~ N(0, s²) the posterior given x_τ is Gaussian with

    1/σ² = 1/s² + τ²/(1-τ)²,    μ = σ² x_τ τ/(1-τ)²,

and the network estimates the standardised rest (z - μ)/σ: the preconditioning of Karras et al. 2022 carried over to
rectified flow. At τ = 0 the network corrects the prior, near 1 nearly nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

TAU_MAX = 0.98
"""Flow times are clamped here where the posterior is formed: at 1 its standard deviation is 0."""


def expand_time(tau: Tensor, like: Tensor) -> Tensor:
    """`tau` with trailing dims of 1, to multiply `like`."""
    return tau.reshape(*tau.shape, *([1] * (like.dim() - tau.dim())))


def interpolate(noise: Tensor, data: Tensor, tau: Tensor) -> Tensor:
    """x_τ; `tau` has the leading dims of `data`."""
    t = expand_time(tau, data)
    return (1 - t) * noise + t * data


def posterior(x: Tensor, tau: Tensor, prior_std: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the data given x_τ; `prior_std` broadcasts against x."""
    t = expand_time(tau, x).clamp(max=TAU_MAX)
    evidence = (t / (1 - t)) ** 2
    variance = 1 / (1 / prior_std**2 + evidence)
    return variance * x * t / (1 - t) ** 2, variance.sqrt()


def step_times(num_steps: int) -> list[float]:
    """Flow times at which the network is asked, then 1: uniform steps from 0.

    Raises:
        ValueError: num_steps < 1.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}")
    return [k / num_steps for k in range(num_steps)] + [1.0]


def euler_sample(
    denoise: Callable[[Tensor, float], Tensor], noise: Float[Tensor, "..."], num_steps: int
) -> Float[Tensor, "..."]:
    """Data from noise by Euler steps of the flow.

    Args:
        denoise: (x_τ, τ) to the estimate of the data.
    """
    times = step_times(num_steps)
    x = noise
    for tau, following in pairwise(times):
        data = denoise(x, tau)
        x = data if following == 1.0 else x + (following - tau) * (data - x) / (1 - tau)
    return x


def sample_times(shape: tuple[int, ...], generator: torch.Generator, clean_fraction: float) -> Tensor:
    """Training flow times: uniform in [0, 1) with extra weight at 0, and 1 for `clean_fraction` of the frames."""
    tau = torch.rand(shape, generator=generator)
    kind = torch.rand(shape, generator=generator)
    tau = torch.where(kind < 0.25, torch.zeros_like(tau), tau)
    return torch.where(kind > 1 - clean_fraction, torch.ones_like(tau), tau)
