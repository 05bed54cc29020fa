"""CEM, iCEM and MPPI: how the next sequences are drawn from the costs of those before. numpy only; know no world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

SearcherName = Literal["cem", "icem", "mppi"]
"""The searchers of `make_searcher`."""


@dataclass(frozen=True, kw_only=True)
class ICEMConfig:
    """What iCEM adds to CEM (Pinneri et al. 2020, "Sample-efficient Cross-Entropy Method for Real-time Planning").

    Args:
        noise_exponent: β of the noise, whose power falls with the frequency f as 1/f^β: 0 is white, 2 wanders.
        momentum: share of the mean before that a refitted mean keeps.
        kept_elites: share of the elites that go on to the next round, and shifted to the next search.
        decay: by which each round has fewer sequences than the one before.

    Raises:
        ValueError: a number is out of its range.
    """

    noise_exponent: float = 2.0
    momentum: float = 0.1
    kept_elites: float = 0.5
    decay: float = 1.25

    def __post_init__(self) -> None:
        if not self.noise_exponent >= 0:
            raise ValueError(f"noise_exponent must not be negative, got {self.noise_exponent}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if not 0 < self.kept_elites <= 1:
            raise ValueError(f"kept_elites must be in (0, 1], got {self.kept_elites}")
        if not self.decay >= 1:
            raise ValueError(f"decay must be at least 1, got {self.decay}")


@dataclass(frozen=True, kw_only=True)
class MPPIConfig:
    """How sharply MPPI prefers cheap sequences (Williams et al. 2017, "Information Theoretic MPC").

    Costs have no natural scale, and one collision is worth any number of metres, so that the temperature counts in
    units of the spread of the better half: the median cost above the cheapest.

    Args:
        temperature: λ in exp(-(J - J_min) / λ); small ones come near to taking the cheapest.

    Raises:
        ValueError: the temperature is not positive.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")


class Searcher(Protocol):
    """Searches the cheapest sequence of actions: it says which to try, and is told what they cost.

    Attributes:
        num_kept: cheapest sequences that stay known from round to round.
        num_carried: cheapest sequences that, shifted, are tried again in the next search.
    """

    num_kept: int
    num_carried: int

    def begin(self, horizon: int, std: np.ndarray, rng: np.random.Generator) -> None:
        """Begin a search for actions [horizon, 2], by first guesses of spread `std` [2]."""
        ...

    def noise(self, num: int) -> np.ndarray:
        """Deviations [num, horizon, 2] for the first round, in which the caller knows what they deviate from."""
        ...

    def tell(self, actions: np.ndarray, costs: np.ndarray) -> None:
        """All sequences [n, horizon, 2] that are known now, those of the last round and those kept, and costs [n]."""
        ...

    def ask(self, num: int) -> np.ndarray:
        """The sequences [k, horizon, 2] to try next; `num` in the first round, k is at most that."""
        ...

    def answer(self) -> np.ndarray | None:
        """The result [horizon, 2] where it is none of those tried; None: the cheapest of them."""
        ...


class CEM:
    """The cross-entropy method (Rubinstein 1999): a normal distribution refitted to the elites. Knots are drawn; the
    actions between them are interpolated.

    Args:
        num_elites: sequences the distribution is refitted to, and which are kept.
        num_knots: points that are drawn.
        min_std: refitted spreads stay above this fraction of the first.
    """

    num_carried = 1

    def __init__(self, num_elites: int, num_knots: int, min_std: float) -> None:
        self.num_kept = num_elites
        self.num_knots, self.min_std = num_knots, min_std

    def begin(self, horizon: int, std: np.ndarray, rng: np.random.Generator) -> None:
        """See Searcher."""
        self._horizon, self._std, self._rng = horizon, std, rng

    def noise(self, num: int) -> np.ndarray:
        """See Searcher."""
        return interpolate_knots(self._rng.normal(0.0, self._std, (num, self.num_knots, 2)), self._horizon)

    def tell(self, actions: np.ndarray, costs: np.ndarray) -> None:
        """See Searcher."""
        elites = actions[cheapest(costs, self.num_kept)]
        spread = elites[:, knot_steps(self.num_knots, self._horizon)].std(axis=0)
        self._mean, self._spread = elites.mean(axis=0), np.maximum(spread, self.min_std * self._std)

    def ask(self, num: int) -> np.ndarray:
        """See Searcher."""
        knots = self._rng.normal(0.0, 1.0, (num, self.num_knots, 2)) * self._spread
        return self._mean + interpolate_knots(knots, self._horizon)

    def answer(self) -> None:
        """The cheapest."""


class ICEM:
    """CEM with coloured noise, momentum, elites that are kept and shifted on, and ever fewer sequences.

    Args:
        num_elites: sequences the distribution is refitted to.
        min_std: refitted spreads stay above this fraction of the first.
        config: the rest.
    """

    def __init__(self, num_elites: int, min_std: float, config: ICEMConfig | None = None) -> None:
        self.config = config or ICEMConfig()
        self.num_elites, self.min_std = num_elites, min_std
        self.num_kept = self.num_carried = max(1, round(self.config.kept_elites * num_elites))

    def begin(self, horizon: int, std: np.ndarray, rng: np.random.Generator) -> None:
        """See Searcher."""
        self._horizon, self._std, self._rng = horizon, std, rng
        self._mean: np.ndarray | None = None
        self._spread = np.broadcast_to(std, (horizon, 2))
        self._num_rounds = 0

    def noise(self, num: int) -> np.ndarray:
        """See Searcher."""
        return self._colored(num) * self._std

    def tell(self, actions: np.ndarray, costs: np.ndarray) -> None:
        """See Searcher."""
        elites, old = actions[cheapest(costs, self.num_elites)], self.config.momentum
        mean, spread = elites.mean(axis=0), elites.std(axis=0)
        if self._mean is not None:
            mean, spread = old * self._mean + (1 - old) * mean, old * self._spread + (1 - old) * spread
        self._mean, self._spread = mean, np.maximum(spread, self.min_std * self._std)
        self._num_rounds += 1

    def ask(self, num: int) -> np.ndarray:
        """See Searcher. The mean itself is among them, which the best is often near to."""
        assert self._mean is not None
        wanted = int(num * self.config.decay**-self._num_rounds)
        drawn = self._mean + self._colored(min(num, max(wanted, 2 * self.num_elites))) * self._spread
        drawn[-1] = self._mean
        return drawn

    def answer(self) -> None:
        """The cheapest."""

    def _colored(self, num: int) -> np.ndarray:
        return np.swapaxes(colored_noise((num, 2, self._horizon), self.config.noise_exponent, self._rng), 1, 2)


class MPPI:
    """Model predictive path integral control: the mean of all sequences, weighted by exp(-cost). Knots are drawn; the
    actions between them are interpolated. The spread never shrinks.

    Args:
        num_knots: points that are drawn.
        config: the rest.
    """

    num_kept = 0
    num_carried = 1

    def __init__(self, num_knots: int, config: MPPIConfig | None = None) -> None:
        self.num_knots, self.config = num_knots, config or MPPIConfig()

    def begin(self, horizon: int, std: np.ndarray, rng: np.random.Generator) -> None:
        """See Searcher."""
        self._horizon, self._std, self._rng = horizon, std, rng

    def noise(self, num: int) -> np.ndarray:
        """See Searcher."""
        return interpolate_knots(self._rng.normal(0.0, self._std, (num, self.num_knots, 2)), self._horizon)

    def tell(self, actions: np.ndarray, costs: np.ndarray) -> None:
        """See Searcher."""
        excess = costs - costs.min()
        scale = self.config.temperature * max(float(np.median(excess)), 1e-9)
        weights = np.exp(-excess / scale)
        self._mean = np.einsum("n,nha->ha", weights / weights.sum(), actions)

    def ask(self, num: int) -> np.ndarray:
        """See Searcher. The first of them is the mean itself."""
        drawn = self._mean + self.noise(num)
        drawn[0] = self._mean
        return drawn

    def answer(self) -> np.ndarray:
        """The weighted mean."""
        return self._mean


def cheapest(costs: np.ndarray, num: int) -> np.ndarray:
    """Indices of the `num` least costs [n], the least first."""
    return np.argsort(costs, kind="stable")[:num]


def knot_steps(num_knots: int, horizon: int) -> np.ndarray:
    """The steps at which knots lie, evenly from the first to the last, int64 [num_knots]."""
    return np.linspace(0, horizon - 1, num_knots).round().astype(int)


def interpolate_knots(knots: np.ndarray, horizon: int) -> np.ndarray:
    """Knots [n, k, 2] to one value a step, linearly, [n, horizon, 2]."""
    position = np.interp(np.arange(horizon), knot_steps(knots.shape[1], horizon), np.arange(knots.shape[1]))
    left = np.minimum(position.astype(int), knots.shape[1] - 2)
    weight = (position - left)[None, :, None]
    return (1 - weight) * knots[:, left] + weight * knots[:, left + 1]


def colored_noise(shape: tuple[int, ...], exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance along its last axis whose power falls as 1/f^exponent (Timmer and König 1995)."""
    length = shape[-1]
    frequency = np.fft.rfftfreq(length)
    scale = np.maximum(frequency, 1.0 / length) ** (-exponent / 2)
    parts = rng.normal(size=(2, *shape[:-1], len(scale))) * scale
    real, imaginary = parts

    # the constant, and the highest frequency of an even length, have no imaginary part
    alone = [0] if length % 2 else [0, -1]
    imaginary[..., alone] = 0.0
    real[..., alone] *= np.sqrt(2.0)

    counted = scale.copy()
    counted[alone] /= np.sqrt(2.0)
    variance = 4.0 * np.sum(counted**2) / length**2
    return np.fft.irfft(real + 1j * imaginary, n=length, axis=-1) / np.sqrt(variance)
