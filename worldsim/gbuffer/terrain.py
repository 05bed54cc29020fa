"""Heights of the ground of a Layout: a base that everything stands on, and decks, such as bridges, above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import KDTree

from worldsim.datatypes.layout import AreaKind, Layout
from worldsim.gbuffer.ground_grid import GroundGrid

CELL = 1.0
"""Size of a cell of heights [m], coarser on large maps."""
MAX_CELLS = 1e6
MARGIN = 60.0
"""Ground beyond the outermost point of the layout [m]."""
SAMPLE_STEP = 1.0
"""Outlines are sampled so finely [m]."""
DECK_HEIGHT = 2.5
"""What lies so far above other ground is a deck [m]."""
DECK_REACH = 9.0
"""Ground so near below makes it one [m]."""
DECK_MASK = 10.0
"""A deck reaches so far around its points, within its areas [m]."""
DECK_CLEARANCE = 0.05
"""So far above the base a deck is drawn [m]."""
STEP = 0.5
"""What lies beside a deck belongs to it if it is no more than this higher or lower [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Terrain:
    """Heights at the corners of cells; rows grow with y, columns with x.

    Args:
        heights: of the base, float64 [rows, columns] [m]; [0, 0] for flat ground at z = 0.
        place: x and y of the first corner, and the size of a cell, float64 [3] [m].
        deck: heights of decks, NaN where there is none, float64 [rows, columns] [m].
    """

    heights: np.ndarray
    place: np.ndarray
    deck: np.ndarray

    @property
    def is_flat(self) -> bool:
        """Whether the ground is the plane z = 0."""
        return self.heights.size == 0

    @staticmethod
    def of_layout(layout: Layout) -> Terrain:
        """The terrain that a layout's areas and lines lie on; in between and beyond it goes on smoothly."""
        if layout.is_flat:
            return _FLAT
        known, is_road = _known_points(layout)
        if not len(known):  # points alone are no ground
            return _FLAT
        is_deck = _above_others(known)
        is_deck &= is_road | _continues(known, known[is_deck & is_road])
        grid = GroundGrid.around(known[:, :2].min(axis=0), known[:, :2].max(axis=0), MARGIN, CELL, MAX_CELLS)
        corners = _corners(grid)
        heights = _interpolate(known[~is_deck], corners, grid.shape)
        deck = np.full(grid.shape, np.nan)
        if is_deck.any():
            near = KDTree(known[is_deck][:, :2]).query(corners)[0].reshape(grid.shape) < DECK_MASK
            near &= _inside_high_areas(layout, grid, heights)
            over = _interpolate(known[is_deck], corners, grid.shape)
            # one corner more around, on the ground itself, so that decks begin without a step
            clear = near & (over > heights + DECK_CLEARANCE)
            near &= cv2.dilate(clear.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            deck[near] = np.where(clear, over, heights)[near]
        return Terrain(heights=heights, place=np.array([*grid.origin, grid.resolution]), deck=deck)

    def height(self, xy: np.ndarray) -> np.ndarray:
        """Heights of the base at points [n, 2], [n] [m]."""
        if self.is_flat:
            return np.zeros(len(xy))
        rows, columns = self.heights.shape
        at = (np.asarray(xy, np.float64) - self.place[:2]) / self.place[2]
        x, y = np.clip(at[:, 0], 0, columns - 1.001), np.clip(at[:, 1], 0, rows - 1.001)
        c, r = x.astype(int), y.astype(int)
        u, v = x - c, y - r
        low = self.heights[r, c] * (1 - u) + self.heights[r, c + 1] * u
        high = self.heights[r + 1, c] * (1 - u) + self.heights[r + 1, c + 1] * u
        return low * (1 - v) + high * v


_FLAT = Terrain(heights=np.zeros((0, 0)), place=np.array([0.0, 0.0, 1.0]), deck=np.zeros((0, 0)))


def _known_points(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, 3] of which the layout tells heights, and which of them belong to roads, bool [n]."""
    roads, others = list(layout.lines()), []
    for area, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True):
        (others if kind == AreaKind.OTHER else roads).append(np.concatenate([area, area[:1]]))
    parts = [sample_lines(lines) for lines in (roads, others)]
    return np.concatenate(parts), np.repeat([True, False], [len(part) for part in parts])


def sample_lines(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Points [n, 3] on polylines, not farther apart than SAMPLE_STEP."""
    parts = [np.zeros((0, 3))]
    for line in lines:
        if len(line) < 2:
            continue
        steps = np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1)
        counts = np.maximum(np.ceil(steps / SAMPLE_STEP).astype(int), 1)
        first = np.concatenate([[0], np.cumsum(counts)])
        at = np.interp(np.arange(first[-1] + 1), first, np.arange(len(line)))
        parts.append(np.stack([np.interp(at, np.arange(len(line)), line[:, k]) for k in range(3)], axis=1))
    # one point a decimetre is enough
    points = np.concatenate(parts)
    return points[np.unique(np.rint(points * 10).astype(np.int64), axis=0, return_index=True)[1]]


def _above_others(points: np.ndarray) -> np.ndarray:
    """Which points [n, 3] have others right below them, bool [n]."""
    cells = np.floor(points[:, :2] / (0.5 * DECK_REACH)).astype(np.int64)
    cells -= cells.min(axis=0)
    shape = cells.max(axis=0) + 1
    lowest = np.full(shape, np.inf, np.float32)
    np.minimum.at(lowest, (cells[:, 0], cells[:, 1]), points[:, 2].astype(np.float32))
    around = -cv2.dilate(-np.where(np.isinf(lowest), 1e9, lowest).astype(np.float32), np.ones((5, 5), np.uint8))
    # a slope is no deck: within the reach it may climb that much by itself
    return points[:, 2] - around[cells[:, 0], cells[:, 1]] > DECK_HEIGHT + 0.12 * DECK_REACH


def _continues(points: np.ndarray, deck: np.ndarray) -> np.ndarray:
    """Which points [n, 3] continue a deck [k, 3], bool [n]; ground beside houses may climb as steeply."""
    if not len(deck):
        return np.zeros(len(points), bool)
    distance, nearest = KDTree(deck[:, :2]).query(points[:, :2])
    return (distance < DECK_REACH) & (np.abs(points[:, 2] - deck[nearest, 2]) < STEP)


def _corners(grid: GroundGrid) -> np.ndarray:
    rows, columns = np.mgrid[0 : grid.shape[0], 0 : grid.shape[1]]
    return np.stack([columns.ravel(), rows.ravel()], axis=1) * grid.resolution + grid.origin


def _interpolate(known: np.ndarray, corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Heights [rows, columns] at corners: linear between known points [n, 3], beyond them those of the nearest."""
    from scipy.interpolate import LinearNDInterpolator  # takes half a second, and flat ground needs none

    places, corners = known[:, :2] - corners[0], corners - corners[0]  # triangles lose precision far from the origin
    distance, nearest = KDTree(places).query(corners)
    heights = known[nearest, 2]
    close = distance < 15.0
    if len(known) > 3 and np.linalg.matrix_rank(places - places[0]) == 2:
        linear = LinearNDInterpolator(places, known[:, 2])(corners[close])
        heights[close] = np.where(np.isfinite(linear), linear, heights[close])
    image, away = heights.reshape(shape), distance.reshape(shape)
    # far from what is known the steps between nearest points become hills
    for radius, from_distance in ((4, 6.0), (10, 15.0), (20, 35.0)):
        soft = cv2.blur(image, (2 * radius + 1, 2 * radius + 1))
        share = np.clip((away - from_distance) / from_distance, 0.0, 1.0)
        image = image + (soft - image) * share
    return image


def _inside_high_areas(layout: Layout, grid: GroundGrid, heights: np.ndarray) -> np.ndarray:
    """Which corners lie in areas that pass over the base somewhere, or next to them, bool [rows, columns]."""
    mask = np.zeros(grid.shape, np.uint8)
    base = Terrain(heights=heights, place=np.array([*grid.origin, grid.resolution]), deck=heights)
    for outline, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True):
        line = sample_lines([np.concatenate([outline, outline[:1]])])
        if kind != AreaKind.OTHER and (line[:, 2] - base.height(line[:, :2])).max() > DECK_HEIGHT:
            grid.fill(mask, outline + 0.5 * grid.resolution, 1, smooth=False)
    # whole cells carry the edges of the road
    return cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0
