"""The driving model's rectified flow (`worldsim.diffusion.paths`): a posterior whose prior is known, training times.

Of the next latent it is known where it is likely to be small. With the prior z ~ N(0, s²) the posterior given
x_τ = (1 - τ) ε + τ z is Gaussian, and the network estimates the standardised rest (z - mean)/std. At τ = 0 the network
corrects the prior, near 1 nearly nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.diffusion import paths
from worldsim.diffusion.paths import RectifiedFlow, expand_time

FLOW = RectifiedFlow()
TAU_MAX = 0.98
"""Flow times are clamped here where the posterior is formed: at 1 its standard deviation is 0."""


def posterior(x: Tensor, tau: Tensor, prior_std: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the data given x_τ; `prior_std` broadcasts against x."""
    t = expand_time(tau, x).clamp(max=TAU_MAX)
    return paths.posterior(x, FLOW.alpha(t), FLOW.sigma(t), prior_std)


def sample_times(shape: tuple[int, ...], generator: torch.Generator, clean_fraction: float) -> Tensor:
    """Training flow times: uniform in [0, 1) with extra weight at 0, and 1 for `clean_fraction` of the frames."""
    tau = torch.rand(shape, generator=generator)
    kind = torch.rand(shape, generator=generator)
    tau = torch.where(kind < 0.25, torch.zeros_like(tau), tau)
    return torch.where(kind > 1 - clean_fraction, torch.ones_like(tau), tau)
