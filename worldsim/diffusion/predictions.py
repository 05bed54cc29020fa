"""What a network says of x_t: noise, data, v, velocity, score or standardised residual, and each from any other.

Every one of them is linear in the data once x_t is known, value = a x_t + b x_0; so two such pairs (a, b) give the
conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import torch
from torch import Tensor

from worldsim.diffusion.paths import Path, expand_time, posterior


class Kind(Enum):
    """What is predicted.

    NOISE: ε (Ho et al. 2020). DATA: x_0. V: α ε - σ x_0 (Salimans and Ho 2022). VELOCITY: dx_t/dt = α' x_0 + σ' ε in
    the path's time (Lipman et al. 2022). SCORE: ∇ log p(x_t | x_0) = -ε/σ (Song et al. 2021). RESIDUAL: (x_0 -
    mean)/std of the posterior under N(0, data_std²), what EDM's network puts out (F in Karras et al. 2022).
    """

    NOISE = "noise"
    DATA = "data"
    V = "v"
    VELOCITY = "velocity"
    SCORE = "score"
    RESIDUAL = "residual"


def pair(kind: Kind, path: Path, t: Tensor) -> tuple[Tensor, Tensor]:
    """a and b of value = a x_t + b x_0, in float64; infinite where σ is 0, but for DATA."""
    t = t.double()
    alpha, sigma = path.alpha(t), path.sigma(t)
    match kind:
        case Kind.NOISE:
            return 1 / sigma, -alpha / sigma
        case Kind.DATA:
            return torch.zeros_like(t), torch.ones_like(t)
        case Kind.V:
            return alpha / sigma, -(alpha**2 + sigma**2) / sigma
        case Kind.VELOCITY:
            alpha_rate, sigma_rate = path.rates(t)
            return sigma_rate / sigma, alpha_rate - sigma_rate * alpha / sigma
        case Kind.SCORE:
            return -1 / sigma**2, alpha / sigma**2
        case Kind.RESIDUAL:
            mean, std = posterior(torch.ones_like(t), alpha, sigma, torch.full_like(t, path.data_std))
            return -mean / std, 1 / std


def convert(value: Tensor, x: Tensor, t: Tensor | float, path: Path, source: Kind, to: Kind) -> Tensor:
    """The prediction `to` that says of x_t what the prediction `source` does.

    Args:
        value: what was predicted, of x's shape.
        t: one time, or times with the leading dims of `x`.

    Raises:
        ValueError: at this time `source` tells nothing of the data, as noise where x_t is noise alone, or everything
            is known, as at the data.
    """
    if source is to:
        return value
    time = torch.as_tensor(t, dtype=torch.float64, device=x.device)
    a, b = pair(source, path, time)
    to_a, to_b = pair(to, path, time)
    of_value = to_b / b
    of_x = to_a - of_value * a
    wrong = ~(of_value.isfinite() & of_x.isfinite())
    if wrong.any():
        raise ValueError(f"{source.value} cannot be turned into {to.value} at t = {time[wrong].flatten()[0]:g}")
    return expand_time(of_x.to(x.dtype), x) * x + expand_time(of_value.to(x.dtype), x) * value


def target(kind: Kind, path: Path, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """What a network should predict; `t` has the leading dims of `data`."""
    alpha, sigma = (expand_time(level, data) for level in (path.alpha(t), path.sigma(t)))
    match kind:
        case Kind.NOISE:
            return noise
        case Kind.DATA:
            return data
        case Kind.V:
            return alpha * noise - sigma * data
        case Kind.VELOCITY:
            alpha_rate, sigma_rate = (expand_time(rate, data) for rate in path.rates(t))
            return alpha_rate * data + sigma_rate * noise
        case Kind.SCORE:
            return -noise / sigma
        case Kind.RESIDUAL:
            x = path.interpolate(data, noise, t)
            mean, std = posterior(x, alpha, sigma, torch.full_like(alpha, path.data_std))
            return (data - mean) / std


@dataclass(frozen=True)
class Prediction:
    """What a network says of x_t.

    Attributes:
        kind: what of it.
        value: the prediction, of x_t's shape.
        variance: where a step's variance lies, 0 for the least and 1 for the most that it can be
            (`worldsim.diffusion.ancestral`); None where that is not predicted.
    """

    kind: Kind
    value: Tensor
    variance: Tensor | None = None

    def to(self, kind: Kind, x: Tensor, t: Tensor | float, path: Path) -> Tensor:
        """The same as another kind of prediction; errors: see `convert`."""
        return convert(self.value, x, t, path, self.kind, kind)


Denoise: TypeAlias = Callable[[Tensor, float], Prediction]
"""What samplers ask: (x_t, t) to a prediction."""


def clip_data(denoise: Denoise, path: Path, limit: float) -> Denoise:
    """`denoise` with its estimate of the data clipped to ±`limit`, as where data are known to be within.

    Raises:
        ValueError: limit is not positive.
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive, got {limit}")

    def clipped(x: Tensor, t: float) -> Prediction:
        prediction = denoise(x, t)
        return Prediction(Kind.DATA, prediction.to(Kind.DATA, x, t, path).clamp(-limit, limit), prediction.variance)

    return clipped
