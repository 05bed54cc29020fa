"""Samplers: which points of a search space to try next, from how robust the drives at those before were."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np

from scenarios.falsification.cross_entropy import Gaussian, to_normal, to_shares
from scenarios.falsification.search_space import SearchSpace

SamplerName = Literal["cross-entropy", "cma", "random"]
MAX_REDRAWS = 200
"""Draws for one point that meets the scenario's condition; then one of the declared distribution takes its place."""
ELITE_SHARE = 0.2
"""Of a generation, what the cross-entropy method fits its next distribution to."""
SMOOTHING = 0.7
"""Of the new fit in the next distribution; the rest is the one before."""
LEAST_SPREAD = 0.15
"""Where no axis has a greater standard deviation, in that of a standard normal, the search begins elsewhere."""


class Sampler(Protocol):
    """Proposes points of the unit cube by generations. What it proposes is a function of its seed and of what it was
    told, so that a search can be repeated."""

    def ask(self) -> np.ndarray:
        """The points of the next generation, [n, d], all of which meet the scenario's condition."""
        ...

    def tell(self, points: np.ndarray, robustness: np.ndarray) -> None:
        """How robust the drives at the points [n, d] of the last generation were, [n]; the least is wanted."""
        ...


class RandomSampler:
    """Draws from the declared distribution, whatever it finds."""

    def __init__(self, space: SearchSpace, rng: np.random.Generator, size: int) -> None:
        self.space, self.rng, self.size = space, rng, size

    def ask(self) -> np.ndarray:
        """See Sampler."""
        return np.array([self.space.draw(self.rng) for _ in range(self.size)])

    def tell(self, points: np.ndarray, robustness: np.ndarray) -> None:
        """Nothing is learned."""


class CrossEntropySampler:
    """The cross-entropy method (Rubinstein 1999; De Boer et al. 2005): a Gaussian over the axes' quantiles, as standard
    normals, is fitted to the best of each generation. Where it has narrowed down, it begins anew, elsewhere."""

    def __init__(self, space: SearchSpace, rng: np.random.Generator, size: int) -> None:
        self.space, self.rng, self.size = space, rng, size
        self._gaussian = Gaussian.standard(space.num_axes)

    def ask(self) -> np.ndarray:
        """See Sampler."""
        return draw_admitted(self.space, self.rng, self.size, lambda: to_shares(self._gaussian.draw(1, self.rng))[0])

    def tell(self, points: np.ndarray, robustness: np.ndarray) -> None:
        """Move towards the best fifth."""
        best = np.argsort(robustness, kind="stable")[: max(round(ELITE_SHARE * len(points)), 2)]
        fit = Gaussian.fit(to_normal(points[best]))
        self._gaussian = self._gaussian.mixed(fit, SMOOTHING)
        if self._gaussian.spread.max() < LEAST_SPREAD or (robustness < 0).all():
            self._gaussian = Gaussian.standard(self.space.num_axes)


class CMASampler:
    """CMA-ES (Hansen and Ostermeier 2001) by the package cma, in the unit cube. Where it has converged, or a whole
    generation fails, it begins anew from a draw."""

    def __init__(self, space: SearchSpace, rng: np.random.Generator, size: int) -> None:
        check_cma()
        self.space, self.rng, self.size = space, rng, size
        self._asked: list[np.ndarray] = []
        self._begin()

    def ask(self) -> np.ndarray:
        """See Sampler."""
        inside = [np.asarray(x) for x in self._strategy.ask()]
        self._asked = [
            point if self.space.admits(point) else draw_admitted(self.space, self.rng, 1, self._ask_one)[0]
            for point in inside
        ]
        return np.array(self._asked)

    def tell(self, points: np.ndarray, robustness: np.ndarray) -> None:
        """Adapt mean and covariance."""
        self._strategy.tell(self._asked, robustness.tolist())
        if self._strategy.stop() or (robustness < 0).all():
            self._begin()

    def _ask_one(self) -> np.ndarray:
        return np.asarray(self._strategy.ask(1)[0])

    def _begin(self) -> None:
        import cma

        options: dict[str, Any] = {
            "bounds": [0.0, 1.0],
            "popsize": self.size,
            "randn": lambda *shape: self.rng.standard_normal(shape),
            "seed": np.nan,  # numpy's global generator is none of its business
            "verbose": -9,
            "tolfun": 1e-3,
            "tolx": 1e-3,
        }
        self._strategy = cma.CMAEvolutionStrategy(self.space.draw(self.rng), 0.3, options)


SAMPLERS: dict[SamplerName, Callable[[SearchSpace, np.random.Generator, int], Sampler]] = {
    "cross-entropy": CrossEntropySampler,
    "cma": CMASampler,
    "random": RandomSampler,
}


def check_cma() -> None:
    """Refuse to search by CMA-ES where its package is missing.

    Raises:
        ValueError: it is not installed.
    """
    if importlib.util.find_spec("cma") is None:
        raise ValueError("sampler 'cma': the package cma is not installed; pip install 'drivedit[search]' installs it")


def draw_admitted(space: SearchSpace, rng: np.random.Generator, num: int, draw: Callable[[], np.ndarray]) -> np.ndarray:
    """`num` points [num, d] of `draw` that meet the scenario's condition; those of MAX_REDRAWS draws that do not are
    replaced by one of the declared distribution."""
    points = []
    for _ in range(num):
        point = next((p for _ in range(MAX_REDRAWS) if space.admits(p := draw())), None)
        points.append(space.draw(rng) if point is None else point)
    return np.array(points)
