"""Data from a Gaussian, of which everything on a path is known in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.diffusion.paths import Path
from worldsim.diffusion.predictions import Denoise, Kind, Prediction, convert


class GaussianData:
    """N(mean, Q diag(variances) Qᵀ) in two dimensions, Q a turn by 0.6 rad; float64."""

    def __init__(self, mean: tuple[float, float] = (0.6, -0.4), variances: tuple[float, float] = (0.5, 0.06)) -> None:
        self.mean = torch.tensor(mean, dtype=torch.float64)
        self.variances = torch.tensor(variances, dtype=torch.float64)
        angle = torch.tensor(0.6, dtype=torch.float64)
        self.axes = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])

    @property
    def covariance(self) -> Tensor:
        return self.axes * self.variances @ self.axes.T

    def denoise(self, path: Path, kind: Kind) -> Denoise:
        """E[x_0 | x_t], told as `kind`."""

        def ask(x: Tensor, t: float) -> Prediction:
            level = path.at(t)
            gain = level.alpha * self.variances / (level.alpha**2 * self.variances + level.sigma**2)
            data = self.mean + ((x - level.alpha * self.mean) @ self.axes * gain) @ self.axes.T
            return Prediction(kind, convert(data, x, t, path, Kind.DATA, kind))

        return ask

    def transport(self, path: Path, x: Tensor, t: float, to: float) -> Tensor:
        """Where the flow takes x_t at the time `to`, exactly."""
        now, then = path.at(t), path.at(to)
        stds = [(level.alpha**2 * self.variances + level.sigma**2).sqrt() for level in (now, then)]
        unit = (x - now.alpha * self.mean) @ self.axes / stds[0]
        return then.alpha * self.mean + (unit * stds[1]) @ self.axes.T
