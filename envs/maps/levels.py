"""Levels of a map: where the ground is paved, and how high it is, for roads that pass over each other too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import KDTree

from envs.maps.geometry import LEVEL_HEIGHT, PAVED_KINDS, LanePolygon, RoadGeometry

_CELL = 0.2
_MARGIN = 12.0
"""Of the raster around the lanes, for the aprons at their ends [m]."""
_MOST_CELLS = 40_000_000
_COARSE_CELL = 2.0
_PIECE = 20
"""Points of a lane that are put on a level together."""
_REACH = 10.0
"""The slope of the nearest road is followed this far beside it [m]."""
_FAR = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """Paved surfaces of which none lies above another.

    Args:
        mask: paved cells, uint8 [rows, columns].
        tree: over the places of `places`.
        places: where heights are known, float64 [p, 2] [m].
        z: heights there [p] [m].
        gradient: of the height over x and y [p, 2].
    """

    mask: np.ndarray
    tree: KDTree
    places: np.ndarray
    z: np.ndarray
    gradient: np.ndarray

    def height(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heights [n] at points [n, 2] and the distance to the nearest place where one is known [n]."""
        distance, index = self.tree.query(xy)
        offset = xy - self.places[index]
        offset *= np.minimum(1.0, _REACH / np.maximum(distance, 1e-9))[:, None]
        return self.z[index] + np.einsum("nk,nk->n", self.gradient[index], offset), distance


class Levels:
    """All levels of a map.

    Args:
        geometry: of the map.
    """

    def __init__(self, geometry: RoadGeometry) -> None:
        x_min, y_min, x_max, y_max = geometry.bounds
        self.is_flat = not any(lane.left_z.any() or lane.right_z.any() for lane in geometry.lanes)
        self._cell = max(_CELL, float(np.sqrt((x_max - x_min) * (y_max - y_min) / _MOST_CELLS)))
        self._origin = np.array([x_min, y_min]) - _MARGIN
        width, height = x_max - x_min + 2 * _MARGIN, y_max - y_min + 2 * _MARGIN
        self._shape = (int(height / self._cell) + 1, int(width / self._cell) + 1)
        paved = [lane for lane in geometry.lanes if lane.kind in PAVED_KINDS]
        self._any = self._fill([*(lane.outline for lane in paved), *geometry.junctions, *geometry.aprons])
        self._levels = () if self.is_flat else self._split(geometry, paved)

    def paved(self, xy: np.ndarray, z: np.ndarray | float | None) -> np.ndarray:
        """Whether points [n, 2] lie on a paved surface, with `z` on one within LEVEL_HEIGHT of it, bool [n]."""
        if z is None or self.is_flat:
            found = self._read(self._any, xy)
            return found if z is None else found & (np.abs(z) <= LEVEL_HEIGHT)
        found = np.zeros(len(xy), bool)
        for level in self._levels:
            here = self._read(level.mask, xy)
            if here.any():
                found |= here & (np.abs(level.height(xy)[0] - z) <= LEVEL_HEIGHT)
        return found

    def height(self, xy: np.ndarray, near_z: np.ndarray) -> np.ndarray:
        """Height [n] of the road at points [n, 2], on the level nearest to `near_z` [n] where there are several."""
        if self.is_flat:
            return np.zeros(len(xy))
        best, best_cost = np.zeros(len(xy)), np.full(len(xy), np.inf)
        for level in self._levels:
            height, distance = level.height(xy)
            cost = np.abs(height - near_z) + 10 * np.maximum(distance - _FAR, 0.0)
            best, best_cost = np.where(cost < best_cost, height, best), np.minimum(cost, best_cost)
        return best

    def _read(self, mask: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Whether points [n, 2] lie in a cell of `mask` that is not 0, bool [n]."""
        from envs.maps.raster_kernels import read_cells

        x_min, y_min = self._origin.tolist()
        return read_cells(mask, x_min, y_min, self._cell, np.ascontiguousarray(xy))

    def _fill(self, outlines: Sequence[np.ndarray]) -> np.ndarray:
        mask = np.zeros(self._shape, np.uint8)
        for outline in outlines:
            pixels = (outline - self._origin) / self._cell - 0.5
            cv2.fillPoly(mask, [np.rint(pixels * 16).astype(np.int32)], 1, shift=4)
        return mask

    def _split(self, geometry: RoadGeometry, paved: Sequence[LanePolygon]) -> tuple[Level, ...]:
        """Put pieces of lanes one after the other on the first level on which nothing lies above or below them."""
        pieces = [piece for lane in paved for piece in _pieces(lane)]
        cell = max(_COARSE_CELL, 10 * self._cell)
        shape = (int(self._shape[0] * self._cell / cell) + 2, int(self._shape[1] * self._cell / cell) + 2)
        heights: list[np.ndarray] = []
        members: list[list[_Piece]] = []
        for piece in pieces:
            column, row = np.floor((piece.places - self._origin) / cell).astype(np.int64).T
            for level in range(len(heights) + 1):
                if level == len(heights):
                    heights.append(np.full(shape, np.nan, np.float32))
                    members.append([])
                if not (np.abs(heights[level][row, column] - piece.z) > LEVEL_HEIGHT).any():
                    heights[level][row, column] = piece.z
                    members[level].append(piece)
                    break
        levels = []
        for group in members:
            places = np.concatenate([piece.places for piece in group])
            z = np.concatenate([piece.z for piece in group])
            level = Level(
                mask=self._fill([piece.outline for piece in group]),
                tree=KDTree(places),
                places=places,
                z=z,
                gradient=np.concatenate([piece.gradient for piece in group]),
            )
            levels.append(level)

        # what junctions and aprons add belongs to the level of the lanes that are nearest
        for outline in [*geometry.junctions, *geometry.aprons]:
            nearest = min(levels, key=lambda level: float(level.tree.query(outline)[0].mean()))
            nearest.mask[self._fill([outline]) > 0] = 1
        return tuple(levels)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Piece:
    """A piece of a lane's surface.

    Args:
        outline: [k, 2] [m].
        places: its middle line at every point and between them, and its edges, [p, 2] [m].
        z: heights there [p] [m].
        gradient: of the height there [p, 2].
    """

    outline: np.ndarray
    places: np.ndarray
    z: np.ndarray
    gradient: np.ndarray


def _pieces(lane: LanePolygon) -> list[_Piece]:
    """A lane in pieces, with heights every metre or so on both edges and in the middle."""
    left, right = np.column_stack([lane.left, lane.left_z]), np.column_stack([lane.right, lane.right_z])
    steps = np.maximum(
        np.linalg.norm(np.diff(left[:, :2], axis=0), axis=1), np.linalg.norm(np.diff(right[:, :2], axis=0), axis=1)
    )
    s = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 1e-6))])
    at = np.union1d(s, np.arange(0.0, s[-1], 1.0))
    left, right = (np.stack([np.interp(at, s, side[:, k]) for k in range(3)], axis=-1) for side in (left, right))
    middle = (left + right) / 2
    along, across = np.gradient(middle, at, axis=0), left - right
    pieces = []
    for first in range(0, len(at) - 1, _PIECE):
        part = slice(first, first + _PIECE + 1)
        gradient = _gradient(along[part], across[part])
        rows = np.concatenate([left[part], middle[part], right[part]])
        pieces.append(
            _Piece(
                outline=np.concatenate([left[part, :2], right[part, :2][::-1]]),
                places=rows[:, :2],
                z=rows[:, 2],
                gradient=np.tile(gradient, (3, 1)),
            )
        )
    return pieces


def _gradient(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """The gradient [n, 2] of a plane that contains two directions [n, 3] each."""
    normal = np.cross(along, across)
    return -normal[:, :2] / np.maximum(np.abs(normal[:, 2:]), 1e-9) * np.sign(normal[:, 2:])
