"""SamplerChoice: a sampler by its name, with its steps, guidance and temperature, as commands and callers choose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from worldsim.diffusion.paths import KarrasPath, Path, VariancePreserving
from worldsim.diffusion.predictions import Denoise
from worldsim.diffusion.samplers import (
    Progress,
    sample_ddim,
    sample_ddpm,
    sample_dpm_solver,
    sample_edm,
    sample_euler,
    sample_heun,
)
from worldsim.diffusion.sampling_times import karras_times, log_snr_times, uniform_times

SamplerName = Literal["ddpm", "ddim", "euler", "heun", "edm", "dpm-solver"]


@dataclass(frozen=True, kw_only=True)
class SamplerChoice:
    """How samples are drawn.

    Args:
        sampler: "ddpm" and "edm" draw noise in every step, the others only at the beginning.
        steps: from noise to data; Heun's evaluate the network twice.
        guidance: scale s of u + s (c - u); 1 for none.
        temperature: of the initial noise.

    Raises:
        ValueError: there is no such sampler, no steps, or the temperature is negative.
    """

    sampler: SamplerName = "dpm-solver"
    steps: int = 20
    guidance: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.sampler not in get_args(SamplerName):
            raise ValueError(f"sampler must be one of {', '.join(get_args(SamplerName))}, got {self.sampler!r}")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.temperature < 0:
            raise ValueError(f"temperature must not be negative, got {self.temperature}")

    def times(self, path: Path, start: float | None) -> list[float]:
        """At which times the network is asked: as Karras et al. 2022 on their path, uniform in log-SNR for DPM-Solver++
        on DDPM's, else uniform."""
        if isinstance(path, KarrasPath):
            return karras_times(path, self.steps, start)
        if self.sampler == "dpm-solver" and isinstance(path, VariancePreserving):
            return log_snr_times(path, self.steps, start)
        return uniform_times(path, self.steps, start)

    def run(
        self,
        path: Path,
        denoise: Denoise,
        x: Tensor,
        start: float | None,
        generator: torch.Generator,
        progress: Progress | None = None,
    ) -> Tensor:
        """Sample from `x`, which is as noisy as the path is at `start`, None for noise alone."""
        times = self.times(path, start)
        match self.sampler:
            case "ddpm":
                return sample_ddpm(path, denoise, x, times, generator, progress=progress)
            case "ddim":
                return sample_ddim(path, denoise, x, times, generator, progress=progress)
            case "euler":
                return sample_euler(path, denoise, x, times, progress)
            case "heun":
                return sample_heun(path, denoise, x, times, progress)
            case "edm":
                return sample_edm(path, denoise, x, times, generator, progress=progress)
            case "dpm-solver":
                return sample_dpm_solver(path, denoise, x, times, progress)
