"""The second level of the ground: decks in tiles, and which areas and lines lie on them and which below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from worldsim.datatypes.layout import Layout
from worldsim.gbuffer.ground_grid import GroundGrid
from worldsim.gbuffer.terrain import Terrain, sample_lines

TILE = 64.0
"""Decks are cut into squares so large, of which each has its own picture [m]."""
TILE_MARGIN = 8.0
"""The picture of a tile goes on around its cells [m]."""
RIM = 2
"""Decks are followed so many cells beyond their outermost ones: roads do not end at cells."""
MIN_GAP = 0.3
"""So far above the base a deck hides what is painted on it from above [m]."""
CLEAR_GAP = 2.0
"""Where it is so far above, heights tell what lies on it and what below [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DeckTile:
    """A piece of the decks of a layout, and what lies there on either level.

    Args:
        rows: of the terrain's cells that it is made of, int64 [k].
        columns: of the same.
        low: x and y of the corner of its picture, which has a margin, float64 [2] [m].
        high: of the opposite corner.
        on: areas and lines that lie on it.
        below: areas and lines that lie below it.
        overhead: how high it is above the base at the corners of all cells, -inf elsewhere, float64 [rows, columns].
        terrain: that it belongs to.
    """

    rows: np.ndarray
    columns: np.ndarray
    low: np.ndarray
    high: np.ndarray
    on: Layout
    below: Layout
    overhead: np.ndarray
    terrain: Terrain

    def hides(self, grid: GroundGrid) -> np.ndarray:
        """Which pixels of a grid are base below the deck, on which nothing of the deck may be seen, bool [h, w]."""
        rows, columns = np.mgrid[0 : grid.shape[0], 0 : grid.shape[1]] + 0.5
        xy = np.stack([columns, rows], axis=-1) * grid.resolution + grid.origin
        return _nearest(self.overhead, xy, self.terrain) > MIN_GAP

    def split(self, lines: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Which of some polylines [n, 3] lie on the deck and which below it, in this tile, two of bool [k].

        One that passes over itself lies on both, one that is elsewhere on neither.
        """
        return _split(lines, self.low, self.high, self.overhead, self.terrain)


def deck_tiles(layout: Layout, terrain: Terrain) -> tuple[DeckTile, ...]:
    """The decks of a layout whose terrain is given."""
    there = np.isfinite(terrain.deck)
    if not there.any():
        return ()
    whole = there[:-1, :-1] & there[1:, :-1] & there[:-1, 1:] & there[1:, 1:]
    rim = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    overhead = cv2.dilate(np.where(there, terrain.deck, -np.inf), rim) - terrain.heights
    rows, columns = np.nonzero(whole)
    size = terrain.place[2]
    keys = np.stack([rows, columns], axis=1) // max(round(TILE / size), 1)
    tiles, tile_of = np.unique(keys, axis=0, return_inverse=True)
    outlines = [np.concatenate([area, area[:1]]) for area in layout.areas()]
    made = []
    for k in range(len(tiles)):
        own = np.flatnonzero(tile_of.ravel() == k)
        r, c = rows[own], columns[own]
        low = terrain.place[:2] + size * np.array([c.min(), r.min()]) - TILE_MARGIN
        high = terrain.place[:2] + size * np.array([c.max() + 1, r.max() + 1]) + TILE_MARGIN
        areas = _split(outlines, low, high, overhead, terrain)
        lines = _split(layout.lines(), low, high, overhead, terrain)
        on, below = (layout.select(np.zeros(0, np.int64), a, b) for a, b in zip(areas, lines, strict=True))
        made.append(
            DeckTile(
                rows=r, columns=c, low=low, high=high, on=on, below=below, overhead=overhead, terrain=terrain
            )
        )  # fmt: skip
    return tuple(made)


def _split(
    lines: Sequence[np.ndarray], low: np.ndarray, high: np.ndarray, overhead: np.ndarray, terrain: Terrain
) -> tuple[np.ndarray, np.ndarray]:
    on, below = np.zeros(len(lines), bool), np.zeros(len(lines), bool)
    for k, points in _reaching(lines, low, high):
        gap = _nearest(overhead, points[:, :2], terrain)
        height = points[:, 2] - terrain.height(points[:, :2])
        # an area whose outline runs beside the deck lies where most of it is near
        clear = gap > CLEAR_GAP
        if not clear.any():
            middle = np.linalg.norm(points[:, :2] - 0.5 * (low + high), axis=1)
            clear, gap = middle == middle.min(), np.full(len(points), CLEAR_GAP)
        is_on = height[clear] > 0.5 * gap[clear]
        on[k], below[k] = is_on.any(), not is_on.all()
    return on, below


def _reaching(lines: Sequence[np.ndarray], low: np.ndarray, high: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Which polylines come into a rectangle, by index, with points [n, 3] on them: those in it, or else all."""
    for k, line in enumerate(lines):
        if len(line) < 2 or (line[:, :2].max(axis=0) < low).any() or (line[:, :2].min(axis=0) > high).any():
            continue
        points = sample_lines([line])
        inside = ((points[:, :2] >= low) & (points[:, :2] <= high)).all(axis=1)
        yield k, points[inside] if inside.any() else points


def _nearest(values: np.ndarray, xy: np.ndarray, terrain: Terrain) -> np.ndarray:
    """Values at the corners [rows, columns] nearest to points [..., 2]."""
    at = np.rint((xy - terrain.place[:2]) / terrain.place[2]).astype(np.int64)
    at = np.clip(at, 0, np.array(values.shape[::-1]) - 1)
    return values[at[..., 1], at[..., 0]]
