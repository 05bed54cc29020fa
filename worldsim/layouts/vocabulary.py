"""What tokens stand for: things to tokens and back, with the bins of a LayoutModel. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.layout import LineKind
from worldsim.layouts.bins import bin_of, value_in
from worldsim.layouts.layout_model import LayoutModel, ThingToken
from worldsim.layouts.street import Street
from worldsim.layouts.things import NUM_KINDS, ThingColumn, Things

CENTRE_LINES = (LineKind.BROKEN, LineKind.SOLID, LineKind.SOLID_SOLID)
"""The paint between two directions, by token."""
MEASURES = (
    ThingToken.GAP,
    ThingToken.OFFSET,
    ThingToken.LENGTH,
    ThingToken.WIDTH,
    ThingToken.HEIGHT,
    ThingToken.TURN,
)
"""Tokens that are bins, in the order of `LayoutModel.measure_bins`."""
_COLUMNS = (
    ThingColumn.S,
    ThingColumn.OFFSET,
    ThingColumn.LENGTH,
    ThingColumn.WIDTH,
    ThingColumn.HEIGHT,
    ThingColumn.TURN,
)


def measures_of(street: Street, things: Things) -> np.ndarray:
    """Of each thing gap to the one before it (of the first to the street's node), offset, length, width, height and
    turn, float64 [n, 6]."""
    rows = things.rows[:, list(_COLUMNS)].copy()
    rows[:, 0] = np.diff(rows[:, 0], prepend=-street.reaches[0])
    return rows


DIGITS = 3
"""Lengths are drawn to the millimetre."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """The bins and colours of a LayoutModel, as its attributes."""

    measure_bins: np.ndarray
    palettes: np.ndarray

    @staticmethod
    def of(model: LayoutModel) -> Vocabulary:
        """That of a model."""
        return Vocabulary(measure_bins=model.measure_bins.double().numpy(), palettes=model.palettes.numpy())

    def tokens(self, street: Street, things: Things) -> np.ndarray:
        """ThingToken of the things along a side and of the end, int64 [n + 1, 8]."""
        found = np.zeros((len(things) + 1, len(ThingToken)), np.int64)
        found[:-1, ThingToken.KIND], found[-1, ThingToken.KIND] = things.kinds, NUM_KINDS
        found[:-1, ThingToken.VARIANT] = things.variants
        measures = measures_of(street, things)
        for kind in np.unique(things.kinds):
            rows = np.flatnonzero(things.kinds == kind)
            for k, token in enumerate(MEASURES):
                found[rows, token] = bin_of(measures[rows, k], self.measure_bins[kind, k])
        return found

    def row(self, tokens: np.ndarray, last: float, shares: np.ndarray) -> np.ndarray:
        """THING_NAMES [6] that tokens [8] stand for after a thing at arc length `last`, at `shares` [6] of the way
        through their bins."""
        row = np.zeros(len(ThingColumn))
        for k, (token, column) in enumerate(zip(MEASURES, _COLUMNS, strict=True)):
            row[column] = value_in(self.measure_bins[tokens[ThingToken.KIND], k], int(tokens[token]), float(shares[k]))
        row[ThingColumn.S] += last
        return np.round(row, DIGITS)

    def color(self, style: int, kind: int, share: float) -> np.ndarray:
        """RGB uint8 [3] of a thing in the town of a style, at `share` in [0, 1) of the way through its palette."""
        palette = self.palettes[style, kind]
        return palette[int(share * len(palette))]
