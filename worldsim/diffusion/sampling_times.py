"""At which times samplers ask: uniform in time, uniform in log-SNR, or as Karras et al. 2022 space them.

All return the times of `num_steps` steps, from noisy to clean: num_steps + 1 times, the last one `data_time`.
"""

from __future__ import annotations

import math

import torch

from worldsim.diffusion.paths import KarrasPath, Path, VariancePreserving


def uniform_times(path: Path, num_steps: int, start: float | None = None) -> list[float]:
    """Uniform steps; whole steps on a VariancePreserving path, as its networks were trained on these.

    Args:
        start: the first time, if not `noise_time`.

    Raises:
        ValueError: num_steps < 1 or more than there are; start is no time of the path, or the data's.
    """
    first = _first(path, num_steps, start)
    whole = path.data_time - first
    times = [first + whole * (k / num_steps) for k in range(num_steps)]
    if isinstance(path, VariancePreserving):
        if num_steps > -whole:
            raise ValueError(f"num_steps must be at most {-whole:g}, the steps from t = {first:g}, got {num_steps}")
        times = [float(round(t)) for t in times]
    return [*times, path.data_time]


def log_snr_times(path: Path, num_steps: int, start: float | None = None, end: float | None = None) -> list[float]:
    """Uniform in log-SNR from `start` to `end`, where the last step begins (DPM-Solver++'s).

    Args:
        start: the first time, if not `noise_time`.
        end: if not the path's last before the data: step 0, or sigma_min. A RectifiedFlow has none.

    Raises:
        ValueError: num_steps < 1; a time is none of the path; the log-SNR is infinite at start or end.
    """
    low, high = _log_snr_range(path, num_steps, start, end)
    return _from_log_snr(path, torch.linspace(low, high, num_steps, dtype=torch.float64))


def karras_times(
    path: Path, num_steps: int, start: float | None = None, end: float | None = None, rho: float = 7.0
) -> list[float]:
    """σ/α to the power 1/ρ uniform from `start` to `end` (Karras et al. 2022, eq. 5); arguments as of `log_snr_times`.

    Raises:
        ValueError: as there, or rho is not positive.
    """
    if not rho > 0:
        raise ValueError(f"rho must be positive, got {rho}")
    most, least = (math.exp(-log_snr / 2 / rho) for log_snr in _log_snr_range(path, num_steps, start, end))
    ratios = torch.linspace(most, least, num_steps, dtype=torch.float64) ** rho
    return _from_log_snr(path, -2 * ratios.log())


def _first(path: Path, num_steps: int, start: float | None) -> float:
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}")
    if start is None:
        return path.noise_time
    path.check_time(start)
    if start == path.data_time:
        raise ValueError(f"start must be before the data's time, got {start}")
    return start


def _log_snr_range(path: Path, num_steps: int, start: float | None, end: float | None) -> tuple[float, float]:
    first = _first(path, num_steps, start)
    if end is None:
        end = path.sigma_min if isinstance(path, KarrasPath) else 0.0 if isinstance(path, VariancePreserving) else 1.0
    levels = path.at(first), path.at(end)
    for name, t, level in zip(("start", "end"), (first, end), levels, strict=True):
        if not 0 < level.ratio < math.inf:
            raise ValueError(f"{name}: the log-SNR at t = {t:g} is infinite, name a time between noise and data")
    if levels[0].ratio < levels[1].ratio:
        raise ValueError(f"end must be cleaner than start: got {end:g} after {first:g}")
    return -2 * math.log(levels[0].ratio), -2 * math.log(levels[1].ratio)


def _from_log_snr(path: Path, log_snr: torch.Tensor) -> list[float]:
    return [*path.time_at(log_snr).tolist(), path.data_time]
