"""Colours of a map's ground, painted once from above: surfaces, markings, wear, as a pyramid of resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from envs.road.rendering.weather import smooth_noise
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.layout import AreaKind, BoxColumn, Layout, LayoutKind, LineColor
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.ground import OVERDRAW, SEAM, GroundGrid
from worldsim.gbuffer.paint import paint_patches, ribbon

FINEST_RESOLUTION = 0.1
"""[m/px] of level 0, coarser where the town would take more than MAX_PIXELS."""
MAX_PIXELS = 36e6
MARGIN = 40.0
"""Ground painted beyond the outermost road [m]."""
NUM_LEVELS = 7
KERB = 0.25
"""Sidewalks have a rim of stone so wide [m]."""
TRACK_WIDTH = 0.55
"""Of the darker tracks of tyres [m]."""
SHADE_SCALE = 8
"""Texture pixels in one of the shade's."""


@dataclass(frozen=True, kw_only=True)
class GroundColors:
    """Colours of the ground under full light, RGB [0, 255]."""

    grass: tuple[float, float, float] = (104, 132, 74)
    grass_dry: tuple[float, float, float] = (128, 138, 82)
    paving: tuple[float, float, float] = (150, 146, 138)
    sidewalk: tuple[float, float, float] = (168, 164, 156)
    kerb: tuple[float, float, float] = (202, 200, 194)
    asphalt: tuple[float, float, float] = (84, 86, 90)
    shoulder: tuple[float, float, float] = (100, 100, 100)
    parking: tuple[float, float, float] = (96, 96, 98)
    white: tuple[float, float, float] = (236, 236, 230)
    yellow: tuple[float, float, float] = (236, 190, 62)


@dataclass(frozen=True, kw_only=True, eq=False)
class GroundTexture:
    """Colours of the ground seen from above; rows grow with y, columns with x.

    Args:
        texels: level after level, row after row, RGB, uint8 [n, 3].
        levels: first texel, rows and columns of each level, int64 [k, 3]; each has half the resolution of the last.
        place: x and y of the outer corner of the first texel, and its size, float64 [3] [m].
        border: colour beyond the painted area, RGB, float64 [3].
    """

    texels: np.ndarray
    levels: np.ndarray
    place: np.ndarray
    border: np.ndarray

    @staticmethod
    def paint(layout: Layout, colors: GroundColors, seed: int, tracks: Sequence[np.ndarray]) -> GroundTexture:
        """Paint a town's ground.

        Args:
            layout: areas, lines, and boxes that shade the ground around them.
            colors: of the surfaces.
            seed: of the mottling of grass and asphalt.
            tracks: lines that tyres have darkened, each [n, 2] [m].
        """
        points = np.concatenate([layout.area_points[:, :2], layout.line_points[:, :2], layout.boxes[:, :2]])
        if not len(points):
            points = np.zeros((1, 2))
        grid = GroundGrid.around(points.min(axis=0), points.max(axis=0), MARGIN, FINEST_RESOLUTION, MAX_PIXELS)
        return _GroundPainter(layout, colors, seed, grid).paint(tracks)


class _GroundPainter:
    """Level 0 while it is being painted."""

    def __init__(self, layout: Layout, colors: GroundColors, seed: int, grid: GroundGrid):
        self.layout, self.colors, self.grid = layout, colors, grid
        self.rng = np.random.default_rng([seed, 7002])
        self.image = self._grass(*grid.shape)

    def paint(self, tracks: Sequence[np.ndarray]) -> GroundTexture:
        self._areas()
        worn = np.array(self.colors.asphalt) * 0.94
        for track in tracks:
            self._fill(ribbon(np.column_stack([track, np.zeros(len(track))]), TRACK_WIDTH), worn)
        self._mottle()
        self._paint()
        return self._pyramid()

    def _areas(self):
        c = self.colors
        surfaces = {
            AreaKind.OTHER: (c.paving, 0.0),
            AreaKind.MEDIAN: (c.grass, 0.0),
            AreaKind.SIDEWALK: (c.sidewalk, 0.0),
            AreaKind.SHOULDER: (c.shoulder, SEAM),
            AreaKind.PARKING: (c.parking, SEAM),
            AreaKind.DRIVABLE: (c.asphalt, SEAM),
            AreaKind.JUNCTION: (c.asphalt, 0.0),
        }
        outlines, kinds = self.layout.areas(), self.layout.area_kinds
        for k in np.flatnonzero(kinds == AreaKind.SIDEWALK):
            self._fill(outlines[k], c.kerb, grow=KERB)
        for kind, (color, grow) in surfaces.items():
            for k in np.flatnonzero(kinds == kind):
                self._fill(outlines[k], color, grow=grow)

    def _paint(self):
        """Lines and crosswalks, a little worn."""
        c = self.colors
        paints = {LineColor.WHITE: c.white, LineColor.YELLOW: c.yellow, LineColor.NONE: c.kerb}
        for patch in paint_patches(self.layout, OVERDRAW * self.grid.resolution):
            color = c.kerb if patch.kind == SemanticClass.CURB else paints[patch.color]
            self._fill(patch.outline, color)

    def _fill(self, outline: np.ndarray, color: Sequence[float] | np.ndarray, grow: float = 0.0):
        self.grid.fill(self.image, outline, [float(round(float(c))) for c in color], grow=grow)

    def _grass(self, height: int, width: int) -> np.ndarray:
        """Fresh and dry grass in large soft patches, [height, width, 3]."""
        resolution = self.grid.resolution
        cells = (max(4, int(height * resolution / 14)), max(4, int(width * resolution / 14)))
        small = smooth_noise(self.rng, height // 16 + 1, width // 16 + 1, *cells)[..., None]
        grass, dry = np.array(self.colors.grass), np.array(self.colors.grass_dry)
        painted = np.rint(grass + (dry - grass) * small).astype(np.uint8)
        return cv2.resize(painted, (width, height), interpolation=cv2.INTER_LINEAR)

    def _mottle(self):
        """Multiply fine soft noise and the shade around things into the picture, in strips to save memory."""
        side = 1024
        noise = 0.5 * smooth_noise(self.rng, side, side, 128, 128) + 0.5 * smooth_noise(self.rng, side, side, 36, 36)
        tile = 128 + 22 * (noise - 0.5)
        height, width = self.image.shape[:2]
        light = self._light_around_things()
        for top in range(0, height, side):
            strip = self.image[top : top + side]
            factor = np.tile(tile[: len(strip)], (1, -(-width // side)))[:, :width]
            rows = (np.arange(top, top + len(strip), dtype=np.float32) + 0.5) / SHADE_SCALE - 0.5
            dark = cv2.resize(_rows_at(light, rows), (width, len(strip)), interpolation=cv2.INTER_LINEAR)
            factor = np.rint(factor * dark).astype(np.uint8)
            self.image[top : top + side] = cv2.multiply(strip, cv2.merge([factor] * 3), scale=1 / 128)

    def _light_around_things(self) -> np.ndarray:
        """Light from the sky that walls and crowns leave to the ground, float32, at the resolution over SHADE_SCALE."""
        height, width = self.image.shape[:2]
        coarse = GroundGrid(
            origin=self.grid.origin,
            resolution=SHADE_SCALE * self.grid.resolution,
            shape=(height // SHADE_SCALE + 1, width // SHADE_SCALE + 1),
        )
        mask = np.zeros(coarse.shape, np.float32)
        boxes, kinds = self.layout.boxes, self.layout.box_kinds
        outlines = corners(boxes[:, [BoxColumn.X, BoxColumn.Y, BoxColumn.YAW, BoxColumn.LENGTH, BoxColumn.WIDTH]])
        for kinds_of, strength in (((LayoutKind.TREE,), 0.22), ((LayoutKind.BUILDING, LayoutKind.WALL), 0.5)):
            for k in np.flatnonzero(np.isin(kinds, kinds_of)):
                coarse.fill(mask, outlines[k], strength, smooth=False)
        return 1 - cv2.GaussianBlur(mask, (0, 0), 0.7 / coarse.resolution)

    def _pyramid(self) -> GroundTexture:
        levels, parts, first = [], [], 0
        image = self.image
        for _ in range(NUM_LEVELS):
            rows, columns = image.shape[:2]
            levels.append((first, rows, columns))
            parts.append(image.reshape(-1, 3))
            first += rows * columns
            even = image[: rows - rows % 2, : columns - columns % 2]
            image = cv2.resize(even, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        return GroundTexture(
            texels=np.concatenate(parts),
            levels=np.array(levels, np.int64),
            place=np.array([*self.grid.origin, self.grid.resolution]),
            border=np.array(self.colors.grass, np.float64),
        )


def _rows_at(image: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of `image` at fractional positions, clamped, float32 [len(rows), width]."""
    low = np.clip(np.floor(rows).astype(int), 0, len(image) - 1)
    high = np.minimum(low + 1, len(image) - 1)
    share = np.clip(rows - low, 0, 1)[:, None].astype(np.float32)
    return image[low] * (1 - share) + image[high] * share
