"""What is known of a place beside a street when the next thing there is drawn. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.layouts.street import LEFT, Street
from worldsim.layouts.things import FENCES, HOUSES, NUM_KINDS, ThingColumn, Things

FAR, NEAR = 60.0, 10.0
"""Distances to junctions are told up to the first, and finely over the second [m]."""
HISTORY = 40.0
"""So far back it is told where the last thing of a kind stands [m]."""
LOOK_AHEAD = np.array([0.0, 8.0, 16.0, 30.0])
"""Where the street's curvature is told, from the last thing on [m]."""
NUM_ROAD_FEATURES = 16
NUM_FEATURES = NUM_ROAD_FEATURES + NUM_KINDS + 2


def road_features(street: Street, side: int, s: np.ndarray) -> np.ndarray:
    """What the road is like at arc lengths [n] on a side, float64 [n, NUM_ROAD_FEATURES], of about unit size."""
    column = 0 if side == LEFT else 1
    columns = []
    for at_end in (0, 1):
        gap = street.length + street.reaches[1] - s if at_end else s + street.reaches[0]
        near = np.exp(-np.maximum(gap, 0.0) / NEAR)
        opening, lit = float(street.openings[at_end, column]), float(street.lit[at_end])
        columns += [np.minimum(gap, FAR) / FAR, near, opening * near, np.full_like(near, opening), lit * near]
    columns += [np.full_like(s, street.num_lanes - 1.0), np.full_like(s, 4.0 * (street.lane_width - 3.4))]
    ahead = side * street.curvature((s[:, None] + LOOK_AHEAD).ravel()).reshape(len(s), -1)
    return np.column_stack([*columns, np.clip(30.0 * ahead, -3.0, 3.0)])


class StripHistory:
    """What stands on a side of a street so far, from its first node on.

    Args:
        street: the street.
        side: LEFT or RIGHT.
    """

    def __init__(self, street: Street, side: int) -> None:
        self.street, self.side = street, side
        self.s = -street.reaches[0]
        self._last = np.full(NUM_KINDS, -np.inf)
        self._house_end = self._fence_end = -np.inf

    def add(self, kind: int, row: np.ndarray) -> None:
        """Put a thing, THING_NAMES [6], after all others."""
        self.s = float(row[ThingColumn.S])
        self._last[kind] = self.s
        if kind in HOUSES:
            self._house_end = max(self._house_end, self.s + 0.5 * float(row[ThingColumn.WIDTH]))
        if kind in FENCES:
            self._fence_end = max(self._fence_end, self.s + 0.5 * float(row[ThingColumn.LENGTH]))

    def features(self) -> np.ndarray:
        """Of how long ago there was what, float64 [NUM_KINDS + 2], in units of 10 m."""
        back = np.clip(self.s - np.array([*self._last, self._house_end, self._fence_end]), -10.0, HISTORY)
        return back / 10.0


def strip_features(street: Street, side: int, things: Things) -> np.ndarray:
    """What is known before each of `n` things along a side and before the end, float64 [n + 1, NUM_FEATURES]."""
    history = StripHistory(street, side)
    before = [history.features()]
    for kind, row in zip(things.kinds.tolist(), things.rows, strict=True):
        history.add(kind, row)
        before.append(history.features())
    s = np.concatenate([[-street.reaches[0]], things.rows[:, ThingColumn.S]])
    return np.concatenate([road_features(street, side, s), np.stack(before)], axis=1)
