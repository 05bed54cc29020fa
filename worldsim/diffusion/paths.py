"""Paths x_t = α(t) x_0 + σ(t) ε of data x_0 and noise ε: variance preserving (DDPM), Karras's (EDM), rectified flow.

Each path has a time of its own, which runs from `noise_time` to `data_time`: the number of a step, the noise's standard
deviation, or the share of the data. What depends on more than α and σ is here too: how training times are drawn, what a
network sees of x_t and t, and in which coordinates the path of a sample is a straight line.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor


class Level(NamedTuple):
    """How much of data and noise is in x_t at one time: x_t = alpha x_0 + sigma ε."""

    alpha: float
    sigma: float

    @property
    def ratio(self) -> float:
        """Noise over data, σ/α; infinite where there is no data."""
        return self.sigma / self.alpha if self.alpha else math.inf


class Line(NamedTuple):
    """Coordinates in which x_0 and ε held fixed give a straight line: y = x_t / scale, at a position."""

    scale: float
    position: float


def expand_time(t: Tensor, like: Tensor) -> Tensor:
    """`t` with trailing dims of 1, to multiply `like`."""
    return t.reshape(*t.shape, *([1] * (like.dim() - t.dim())))


def posterior(x: Tensor, alpha: Tensor, sigma: Tensor, prior_std: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the data given x_t, if the data are N(0, prior_std²).

    1/s² = 1/prior_std² + (α/σ)² and mean = s² x α/σ²: Karras et al. 2022's c_skip x and c_out, on any path. All
    arguments broadcast; sigma > 0.
    """
    variance = 1 / (1 / prior_std**2 + (alpha / sigma) ** 2)
    return variance * x * alpha / sigma**2, variance.sqrt()


class Path(ABC):
    """x_t = α(t) x_0 + σ(t) ε.

    Times are tensors of any shape; methods return the same shape and dtype. At `data_time` α is 1 and σ is 0.

    Attributes:
        noise_time: where x_t is noise alone, or nearly so.
        data_time: where it is the data.
        data_std: standard deviation that the data are taken to have (preconditioning).
    """

    noise_time: float
    data_time: float
    data_std: float

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Share of the data in x_t."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise in x_t."""

    @abstractmethod
    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """dα/dt and dσ/dt."""

    @abstractmethod
    def time_at(self, log_snr: Tensor) -> Tensor:
        """Where the logarithmic signal-to-noise ratio is `log_snr`; the nearest end if it is so nowhere."""

    @abstractmethod
    def draw_times(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Training times, float32 on the generator's device."""

    def log_snr(self, t: Tensor) -> Tensor:
        """log(α²/σ²); ∞ at the data."""
        return 2 * (self.alpha(t).log() - self.sigma(t).log())

    def interpolate(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t; `t` has the leading dims of `data`."""
        return expand_time(self.sigma(t), data) * noise + expand_time(self.alpha(t), data) * data

    def check_time(self, t: float) -> None:
        """Raises ValueError if `t` is not between `noise_time` and `data_time`."""
        if not min(self.noise_time, self.data_time) <= t <= max(self.noise_time, self.data_time):
            raise ValueError(f"t must lie between noise at {self.noise_time:g} and data at {self.data_time:g}, got {t}")

    def at(self, t: float) -> Level:
        """α and σ at one time, in float64.

        Raises:
            ValueError: see `check_time`.
        """
        self.check_time(t)
        time = torch.tensor(t, dtype=torch.float64)
        return Level(self.alpha(time).item(), self.sigma(time).item())

    def line(self, t: float) -> Line:
        """Scale and position: y = x_t/α is x_0 + (σ/α) ε."""
        level = self.at(t)
        return Line(level.alpha, level.ratio)

    @property
    def data_position(self) -> float:
        """Position of the data on that line."""
        return 0.0

    def input_scale(self, t: Tensor) -> Tensor:
        """What x_t is multiplied by before a network sees it."""
        return torch.ones_like(t)

    def network_time(self, t: Tensor) -> Tensor:
        """What a network is told of the time."""
        return t


class VariancePreserving(Path):
    """DDPM's path (Ho et al. 2020): α_t² = Π (1 - β), σ_t² = 1 - α_t², at steps t = 0 ... T - 1; the data are at -1.

    Between steps σ/α is linear in t. Training times are whole steps, uniform.
    """

    data_time = -1.0

    def __init__(self, betas: Tensor, data_std: float = 1.0) -> None:
        """`betas`: noise variance that each step adds, [T].

        Raises:
            ValueError: betas are not a sequence of numbers in (0, 1), or data_std is not positive.
        """
        outside = betas[~((betas > 0) & (betas < 1))]
        if betas.dim() != 1 or len(betas) == 0 or len(outside):
            seen = f"{outside[0]:g}" if len(outside) else f"shape {tuple(betas.shape)}"
            raise ValueError(f"betas must be a sequence of numbers between 0 and 1, got {seen}")
        _check_positive(data_std=data_std)
        self.betas = betas.double()
        self.data_std = data_std
        self.num_steps = len(betas)
        self.noise_time = len(betas) - 1.0
        log_alpha_squared = torch.log1p(-self.betas).cumsum(0)
        ratios = (-torch.expm1(log_alpha_squared)).sqrt() * torch.exp(-log_alpha_squared / 2)
        self._ratios = torch.cat([ratios.new_zeros(1), ratios])  # σ/α at -1, 0, ..., T - 1

    @classmethod
    def linear(cls, num_steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> VariancePreserving:
        """Linear betas (Ho et al. 2020; DiT's)."""
        _check_steps(num_steps)
        return cls(torch.linspace(first, last, num_steps, dtype=torch.float64))

    @classmethod
    def cosine(cls, num_steps: int = 1000, offset: float = 0.008, most: float = 0.999) -> VariancePreserving:
        """α_t² = f(t)/f(0) with f = cos²(π/2 (t/T + s)/(1 + s)), s = `offset`; no beta over `most` (Nichol and Dhariwal
        2021)."""
        _check_steps(num_steps)
        share = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
        f = torch.cos((share + offset) / (1 + offset) * math.pi / 2) ** 2
        return cls((1 - f[1:] / f[:-1]).clamp(max=most))

    def alpha(self, t: Tensor) -> Tensor:
        """√Π (1 - β)."""
        return torch.rsqrt(1 + self._ratio(t)[0] ** 2).to(t.dtype)

    def sigma(self, t: Tensor) -> Tensor:
        """√(1 - α²)."""
        ratio, _ = self._ratio(t)
        return (ratio * torch.rsqrt(1 + ratio**2)).to(t.dtype)

    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Of the linear σ/α; at a step the slope towards more noise."""
        ratio, slope = self._ratio(t)
        sigma_rate = slope * (1 + ratio**2) ** -1.5
        return (-ratio * sigma_rate).to(t.dtype), sigma_rate.to(t.dtype)

    def time_at(self, log_snr: Tensor) -> Tensor:
        """Also between steps."""
        ratios = self._ratios.to(log_snr.device)
        ratio = torch.exp(-log_snr.double() / 2).clamp(max=ratios[-1])
        after = torch.searchsorted(ratios, ratio).clamp(1, self.num_steps)
        share = (ratio - ratios[after - 1]) / (ratios[after] - ratios[after - 1])
        return (after - 2 + share).clamp(self.data_time, self.noise_time).to(log_snr.dtype)

    def draw_times(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Whole steps, uniform."""
        return torch.randint(self.num_steps, shape, generator=generator, device=generator.device).float()

    def _ratio(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """σ/α and its slope, in float64; at a step the slope towards more noise."""
        if ((t < self.data_time) | (t > self.noise_time)).any():
            raise ValueError(f"t must lie between -1 and {self.noise_time:g}, got {t.min():g} to {t.max():g}")
        ratios = self._ratios.to(t.device)
        before = t.floor().long().clamp(max=self.num_steps - 2) + 1
        slope = ratios[before + 1] - ratios[before]
        return ratios[before] + (t.double() + 1 - before) * slope, slope


@dataclass(frozen=True, kw_only=True)
class KarrasPath(Path):
    """EDM's path (Karras et al. 2022): x_σ = x_0 + σ ε; time is σ itself. Training times are log-normal.

    Attributes:
        sigma_max: where sampling begins.
        sigma_min: the last σ before 0 where sampling times are spaced.
        log_mean, log_std: of ln σ in training (P_mean, P_std).
    """

    sigma_max: float = 80.0
    sigma_min: float = 0.002
    data_std: float = 0.5
    log_mean: float = -1.2
    log_std: float = 1.2

    def __post_init__(self) -> None:
        _check_positive(sigma_min=self.sigma_min, data_std=self.data_std, log_std=self.log_std)
        if self.sigma_max <= self.sigma_min:
            raise ValueError(f"sigma_max must be above sigma_min = {self.sigma_min:g}, got {self.sigma_max:g}")

    @property
    def noise_time(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """sigma_max."""
        return self.sigma_max

    @property
    def data_time(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """0."""
        return 0.0

    def alpha(self, t: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        """The time itself."""
        return t

    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """0 and 1."""
        return torch.zeros_like(t), torch.ones_like(t)

    def time_at(self, log_snr: Tensor) -> Tensor:
        """σ = 1/√SNR, at most sigma_max."""
        return torch.exp(-log_snr / 2).clamp(max=self.sigma_max)

    def draw_times(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Log-normal."""
        drawn = torch.randn(shape, generator=generator, device=generator.device)
        return torch.exp(self.log_mean + self.log_std * drawn)

    def input_scale(self, t: Tensor) -> Tensor:
        """c_in: inputs of unit variance."""
        return torch.rsqrt(t**2 + self.data_std**2)

    def network_time(self, t: Tensor) -> Tensor:
        """c_noise: ln(σ)/4."""
        return t.log() / 4


@dataclass(frozen=True, kw_only=True)
class RectifiedFlow(Path):
    """x_τ = (1 - τ) ε + τ x_0, τ from 0 (noise) to 1 (data) (Liu et al. 2022; flow matching, Lipman et al. 2022).

    Others count time from data to noise; their logit-normal mean is minus this one.

    Attributes:
        training_times: uniform in [0, 1), or logit-normal, more in the middle (Esser et al. 2024).
        logit_mean, logit_std: of ln(τ/(1 - τ)) if logit-normal.
    """

    training_times: Literal["uniform", "logit-normal"] = "uniform"
    logit_mean: float = 0.0
    logit_std: float = 1.0
    data_std: float = 1.0

    def __post_init__(self) -> None:
        _check_positive(logit_std=self.logit_std, data_std=self.data_std)
        if self.training_times not in ("uniform", "logit-normal"):
            raise ValueError(f'training_times must be "uniform" or "logit-normal", got {self.training_times!r}')

    @property
    def noise_time(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """0."""
        return 0.0

    @property
    def data_time(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """1."""
        return 1.0

    def alpha(self, t: Tensor) -> Tensor:
        """τ."""
        return t

    def sigma(self, t: Tensor) -> Tensor:
        """1 - τ."""
        return 1 - t

    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """1 and -1."""
        return torch.ones_like(t), -torch.ones_like(t)

    def time_at(self, log_snr: Tensor) -> Tensor:
        """τ/(1 - τ) = √SNR."""
        return torch.sigmoid(log_snr / 2)

    def draw_times(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform or logit-normal."""
        if self.training_times == "uniform":
            return torch.rand(shape, generator=generator, device=generator.device)
        drawn = torch.randn(shape, generator=generator, device=generator.device)
        return torch.sigmoid(self.logit_mean + self.logit_std * drawn)

    def line(self, t: float) -> Line:
        """x_τ itself is straight in τ."""
        return Line(1.0, t)

    @property
    def data_position(self) -> float:
        """1."""
        return 1.0


def _check_steps(num_steps: int) -> None:
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2, got {num_steps}")


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
