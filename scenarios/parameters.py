"""Parameters of scenarios: name, unit, range and distribution; drawn here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

Distribution = Literal["uniform", "log-uniform", "choice"]
NUM_BINS = 4
"""Bins of a range, for coverage."""
MAX_DRAWS = 10_000
"""Draws before a condition that none of them meets is given up."""
_ROUNDING = 1e-9


class Bins(NamedTuple):
    """What the values of a parameter are counted in: `len(labels)` bins between `len(labels) + 1` ascending edges."""

    edges: tuple[float, ...]
    labels: tuple[str, ...]

    def find(self, value: float) -> int:
        """The bin of a value; one beyond the ends is in the outermost bin."""
        return int(np.clip(np.searchsorted(self.edges, value, side="right") - 1, 0, len(self.labels) - 1))


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a scenario and the values that it takes.

    Args:
        name: in the scenario; "ego speed".
        unit: of its values, "" of a factor or a choice.
        low: least value; of a choice the first.
        high: greatest value; of a choice the last.
        distribution: over that range, or over the choices alike.
        choices: the values of a choice, ascending.
        words: what the choices mean.

    Raises:
        ValueError: the range is none, reaches 0 where its logarithm is drawn, or the choices do not fit.
    """

    name: str
    unit: str = ""
    low: float
    high: float
    distribution: Distribution = "uniform"
    choices: tuple[float, ...] = ()
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"parameter {self.name} needs low < high, got {self.low} and {self.high}")
        if self.distribution == "log-uniform" and self.low <= 0:
            raise ValueError(f"parameter {self.name} is log-uniform and must be above 0, got low = {self.low}")
        if (self.distribution == "choice") != bool(self.choices) or list(self.choices) != sorted(set(self.choices)):
            raise ValueError(f"parameter {self.name}, {self.distribution}: ascending choices, got {self.choices}")
        if self.choices and (self.low, self.high) != (self.choices[0], self.choices[-1]):
            raise ValueError(f"parameter {self.name} ranges over its choices, got {self.low} to {self.high}")
        if self.words and len(self.words) != len(self.choices):
            raise ValueError(f"parameter {self.name} has {len(self.choices)} choices and {len(self.words)} words")

    @property
    def label(self) -> str:
        """Name and unit, for tables."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    @property
    def span(self) -> str:
        """The range in words."""
        if self.choices:
            return " or ".join(self.words or (f"{choice:g}" for choice in self.choices))
        logarithmic = ", log-uniform" if self.distribution == "log-uniform" else ""
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip() + logarithmic

    def draw(self, rng: np.random.Generator) -> float:
        """A value."""
        if self.distribution == "choice":
            return float(rng.choice(np.array(self.choices)))
        if self.distribution == "log-uniform":
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))

    def quantile(self, share: float) -> float:
        """The value that a share of its distribution, [0, 1], lies below."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.distribution == "log-uniform":
            return float(np.clip(self.low * (self.high / self.low) ** share, self.low, self.high))
        return float(np.clip(self.low + (self.high - self.low) * share, self.low, self.high))

    def check(self, value: float) -> None:
        """Refuse a value that it does not take.

        Raises:
            ValueError: names parameter, value and what would be right.
        """
        tolerance = _ROUNDING * max(abs(self.low), abs(self.high))
        inside = math.isfinite(value) and self.low - tolerance <= value <= self.high + tolerance
        if not inside or (self.choices and value not in self.choices):
            raise ValueError(f"{self.name} must be {self.span}, got {value:g}")

    def bins(self) -> Bins:
        """NUM_BINS equal parts of its range, equal in the logarithm where that is drawn; a bin a choice."""
        if self.choices:
            middles = [(a + b) / 2 for a, b in pairwise(self.choices)]
            labels = self.words or tuple(f"{choice:g}" for choice in self.choices)
            return Bins((self.low, *middles, self.high), labels)
        space = np.geomspace if self.distribution == "log-uniform" else np.linspace
        edges = space(self.low, self.high, NUM_BINS + 1).tolist()
        names = [f"{edge:.3g}" for edge in edges]
        labels = tuple(f"{a} to {b} {self.unit}".rstrip() for a, b in pairwise(names))
        return Bins(tuple(edges), labels)


def flag(name: str) -> Parameter:
    """A parameter that is 1 for yes or 0 for no."""
    return Parameter(name=name, low=0.0, high=1.0, distribution="choice", choices=(0.0, 1.0), words=("no", "yes"))


Values = Mapping[str, float]
"""A value of each parameter, by its name."""


def draw_values(
    parameters: Sequence[Parameter], condition: Callable[[Values], bool] | None, rng: np.random.Generator
) -> dict[str, float]:
    """A value of each parameter, in their order; again from the first where the condition is not met.

    Raises:
        ValueError: MAX_DRAWS draws did not meet the condition.
    """
    for _ in range(MAX_DRAWS):
        values = {parameter.name: parameter.draw(rng) for parameter in parameters}
        if condition is None or condition(values):
            return values
    raise ValueError(f"none of {MAX_DRAWS} draws meets the condition")
