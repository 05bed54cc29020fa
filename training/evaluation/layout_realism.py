"""How made streets compare with recorded ones: counts, spacings, sizes, colours, and how well a network tells them.

Streets are cut into sections; each becomes a row of measures. What a measure's spread is among recorded towns says how
far made ones may lie from their mean.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from worldsim.layouts.street import LEFT, RIGHT, Street
from worldsim.layouts.things import FENCES, HOUSES, ThingColumn, ThingKind, Things

SECTION_LENGTH = 40.0
"""[m]."""
TREES = (ThingKind.BROADLEAF, ThingKind.CONIFER)
GROUPS: dict[str, tuple[ThingKind, ...]] = {
    "house": HOUSES,
    "tree": TREES,
    "lamp": (ThingKind.LAMP,),
    "fence": FENCES,
    "sign": (ThingKind.SIGN,),
}
_SUMMARY = ("mean", "spread", "least")

BesideStreet = Mapping[int, Things]
"""What stands along each side, LEFT and RIGHT."""


def measure_names() -> tuple[str, ...]:
    """Columns of `section_measures`."""
    names = [f"{kind.name.lower()} per 100 m" for kind in ThingKind]
    for group in GROUPS:
        for what in ("gap", "offset", "height", "length", "width", "turn"):
            names += [f"{group} {what}, {summary}" for summary in _SUMMARY]
        names += [f"{group} {channel}, {summary}" for channel in ("red", "green", "blue") for summary in _SUMMARY]
    return (*names, "house colours", "left and right unlike")


def section_measures(street: Street, beside: BesideStreet) -> np.ndarray:
    """The measures of each whole SECTION_LENGTH of a street between its mouths, float64 [k, len(measure_names())];
    NaN where there is nothing to measure."""
    count = int(street.length // SECTION_LENGTH)
    return np.array([_measure(beside, k * SECTION_LENGTH) for k in range(count)]).reshape(count, len(measure_names()))


def _measure(beside: BesideStreet, first: float) -> list[float]:
    sides = []
    for side in (LEFT, RIGHT):
        s = beside[side].rows[:, ThingColumn.S]
        sides.append(beside[side][np.flatnonzero((s >= first) & (s < first + SECTION_LENGTH))])
    kinds = np.concatenate([side.kinds for side in sides])
    rows, colors = np.concatenate([side.rows for side in sides]), np.concatenate([side.colors for side in sides])
    values = [100.0 * float((kinds == kind).sum()) / SECTION_LENGTH for kind in ThingKind]
    for group in GROUPS.values():
        own = np.isin(kinds, group)
        gaps = [np.diff(side.rows[np.isin(side.kinds, group), ThingColumn.S]) for side in sides]
        values += _summary(np.concatenate(gaps))
        for column in (
            ThingColumn.OFFSET,
            ThingColumn.HEIGHT,
            ThingColumn.LENGTH,
            ThingColumn.WIDTH,
        ):
            values += _summary(rows[own, column])
        values += _summary(np.abs(np.sin(rows[own, ThingColumn.TURN])))
        for channel in range(3):
            values += _summary(colors[own, channel].astype(np.float64))
    houses = colors[np.isin(kinds, HOUSES)]
    values.append(float(len(np.unique(houses, axis=0))))
    values.append(float(abs(len(sides[0]) - len(sides[1]))))
    return values


def _summary(values: np.ndarray) -> list[float]:
    return [values.mean(), values.std(), values.min()] if len(values) else [np.nan] * len(_SUMMARY)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One measure: its mean in made towns, in recorded ones, and how far recorded towns spread around theirs."""

    name: str
    made: float
    recorded: float
    spread: float

    @property
    def deviation(self) -> float:
        """Between made and recorded, in spreads of recorded towns."""
        return abs(self.made - self.recorded) / max(self.spread, 1e-9)


def compare(made: Sequence[np.ndarray], recorded: Sequence[np.ndarray]) -> list[Comparison]:
    """Each measure of made against recorded towns, whose sections [k, m] are given town by town."""
    with np.errstate(invalid="ignore"):
        means = [np.array([_nanmean(town) for town in towns]) for towns in (made, recorded)]
    found = []
    for k, name in enumerate(measure_names()):
        columns = [values[:, k][np.isfinite(values[:, k])] for values in means]
        if all(len(column) > 1 for column in columns):
            mine, theirs = columns
            found.append(
                Comparison(
                    name=name, made=float(mine.mean()), recorded=float(theirs.mean()), spread=float(theirs.std())
                )
            )
    return found


def _nanmean(sections: np.ndarray) -> np.ndarray:
    counts = np.isfinite(sections).sum(0)
    return np.where(counts > 0, np.nansum(sections, axis=0) / np.maximum(counts, 1), np.nan)


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive scores higher than a negative one."""
    ranks = rankdata(scores)
    num = int(positive.sum())
    return float((ranks[positive].sum() - num * (num + 1) / 2) / (num * (len(scores) - num)))


def tell_apart(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], *, steps: int = 600, seed: int = 0
) -> float:
    """AUROC with which a small network, that learned from some made and recorded sections, tells others apart.

    Args:
        train: made and recorded sections [k, m] to learn from.
        test: those to tell apart, of other towns.
        steps: of learning.
        seed: of weights and batches.
    """
    inputs = np.concatenate(train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that no section has
        middle, size = np.nanmean(inputs, axis=0), np.nanstd(inputs, axis=0) + 1e-6

    def tensor(rows: np.ndarray) -> torch.Tensor:
        scaled = (rows - middle) / size
        missing = np.isnan(scaled)
        columns = np.concatenate([np.where(missing, 0.0, np.clip(scaled, -5, 5)), missing], axis=1)
        return torch.from_numpy(columns.astype(np.float32))

    generator = torch.Generator().manual_seed(seed)
    made, recorded = tensor(train[0]), tensor(train[1])
    network = nn.Sequential(nn.Linear(made.shape[1], 64), nn.SiLU(), nn.Dropout(0.3), nn.Linear(64, 1))
    with torch.no_grad():
        for parameter in network.parameters():
            bound = 1 / parameter.shape[-1] ** 0.5
            parameter.uniform_(-bound, bound, generator=generator)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
    for _ in range(steps):
        picks = [torch.randint(len(rows), (128,), generator=generator) for rows in (made, recorded)]
        logits = network(torch.cat([made[picks[0]], recorded[picks[1]]]))[:, 0]
        labels = torch.cat([torch.ones(128), torch.zeros(128)])
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        scores = torch.cat([network(tensor(rows))[:, 0] for rows in test]).numpy()
    return auroc(scores, np.arange(len(scores)) < len(test[0]))
