"""Gaussians over standard normal coordinates of the unit cube, and their fit to weighted points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

_LEAST_SHARE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaussian:
    """Independent normals.

    Args:
        mean: [d].
        spread: standard deviations, [d].
    """

    mean: np.ndarray
    spread: np.ndarray

    @staticmethod
    def standard(num_axes: int) -> Gaussian:
        """That of the declared distribution."""
        return Gaussian(mean=np.zeros(num_axes), spread=np.ones(num_axes))

    @staticmethod
    def fit(points: np.ndarray, weights: np.ndarray | None = None, least_spread: float = 0.0) -> Gaussian:
        """That nearest in cross-entropy to points [n, d] with weights [n]: their weighted mean and deviation."""
        w = np.ones(len(points)) if weights is None else weights
        w = w / w.sum()
        mean = w @ points
        return Gaussian(mean=mean, spread=np.maximum(np.sqrt(w @ (points - mean) ** 2), least_spread))

    def mixed(self, other: Gaussian, share: float) -> Gaussian:
        """With a share of the other's parameters."""
        return Gaussian(
            mean=(1 - share) * self.mean + share * other.mean, spread=(1 - share) * self.spread + share * other.spread
        )

    def draw(self, num: int, rng: np.random.Generator) -> np.ndarray:
        """Points [num, d]."""
        return self.mean + self.spread * rng.standard_normal((num, len(self.mean)))

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Of points [n, d], [n]; up to a constant that is the same for all Gaussians of d axes."""
        return -0.5 * (((points - self.mean) / self.spread) ** 2).sum(axis=1) - np.log(self.spread).sum()


def to_normal(shares: np.ndarray) -> np.ndarray:
    """Standard normal coordinates of points of the unit cube."""
    return special.ndtri(np.clip(shares, _LEAST_SHARE, 1 - _LEAST_SHARE))


def to_shares(points: np.ndarray) -> np.ndarray:
    """Points of the unit cube, from their standard normal coordinates."""
    return special.ndtr(points)
