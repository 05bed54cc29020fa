"""Colours of a map's ground, painted once from above: surfaces, markings, wear, as a pyramid of resolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from envs.road.rendering.weather import smooth_noise
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, AreaKind, Layout, LayoutKind, LineColor
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.decks import DeckTile
from worldsim.gbuffer.ground_grid import OVERDRAW, SEAM, GroundGrid, pyramids
from worldsim.gbuffer.paint import paint_patches, ribbon
from worldsim.gbuffer.primitives import DECK_COLOR

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
STRIP = 32
"""Rows that are mottled at once."""
_Coat = Callable[[np.ndarray, GroundGrid], None]
"""Paints on an image [rows, columns, 4] of a grid."""


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
    """Colours of the ground seen from above, in sheets: of the base, and of each tile of its decks.

    Rows grow with y, columns with x.

    Args:
        texels: sheet after sheet, level after level, row after row, RGB and how much of it is paint, uint8 [n, 4].
        levels: first texel, rows and columns of each level of each sheet, int64 [sheets, k, 3]; each has half the
            resolution of the last, and no rows where a sheet has no such level.
        places: x and y of the outer corner of the first texel, and its size, float64 [sheets, 3] [m].
        borders: colours beyond the painted areas, RGB, float64 [sheets, 3].
    """

    texels: np.ndarray
    levels: np.ndarray
    places: np.ndarray
    borders: np.ndarray

    @staticmethod
    def paint(
        layout: Layout, colors: GroundColors, seed: int, tracks: Sequence[np.ndarray], tiles: Sequence[DeckTile] = ()
    ) -> GroundTexture:
        """Paint a town's ground.

        Args:
            layout: areas, lines, and boxes that shade the ground around them.
            colors: of the surfaces.
            seed: of the mottling of grass and asphalt.
            tracks: lines that tyres have darkened, each [n, 3] [m].
            tiles: the layout's decks.
        """
        points = np.concatenate([layout.area_points[:, :2], layout.line_points[:, :2], layout.boxes[:, :2]])
        if not len(points):
            points = np.zeros((1, 2))
        grid = GroundGrid.around(points.min(axis=0), points.max(axis=0), MARGIN, FINEST_RESOLUTION, MAX_PIXELS)
        on, below = [], []
        for tile in tiles:
            for paints, part, rows in zip((on, below), (tile.on, tile.below), tile.split(tracks), strict=True):
                own_tracks = [tracks[k] for k in np.flatnonzero(rows).tolist()]
                paints.append(_Paint(layout=part, colors=colors, tracks=own_tracks))
        painter = _GroundPainter(layout, colors, seed, grid)
        parts = [(_halvings(painter.paint(tracks, tiles, below)), grid)]
        for tile, paint in zip(tiles, on, strict=True):
            image, own = painter.paint_deck(tile, paint)
            parts.append((_halvings(image), own))
        texels, levels, places = pyramids(parts)
        borders = np.array([colors.grass, *[DECK_COLOR] * len(tiles)], np.float64)
        return GroundTexture(texels=texels, levels=levels, places=places, borders=borders)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Paint:
    """What is painted on a ground, in two coats: surfaces, and on these, once they are mottled, markings.

    Args:
        layout: of the areas and lines.
        colors: of all.
        tracks: lines that tyres have darkened.
    """

    layout: Layout
    colors: GroundColors
    tracks: Sequence[np.ndarray]

    def surfaces(self, image: np.ndarray, grid: GroundGrid):
        """Areas, and the tracks on them."""
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
            _fill(image, grid, outlines[k], c.kerb, grow=KERB)
        for kind, (color, grow) in surfaces.items():
            for k in np.flatnonzero(kinds == kind):
                _fill(image, grid, outlines[k], color, grow=grow)
        worn = np.array(c.asphalt) * 0.94
        for track in self.tracks:
            _fill(image, grid, ribbon(track, TRACK_WIDTH), worn)

    def markings(self, image: np.ndarray, grid: GroundGrid):
        """Lines and crosswalks."""
        c = self.colors
        paints = {LineColor.WHITE: c.white, LineColor.YELLOW: c.yellow, LineColor.NONE: c.kerb}
        for patch in paint_patches(self.layout, OVERDRAW * grid.resolution):
            color = c.kerb if patch.kind == SemanticClass.CURB else paints[patch.color]
            _fill(image, grid, patch.outline, color, is_paint=True)


def _fill(
    image: np.ndarray, grid: GroundGrid, outline: np.ndarray, color: Sequence[float] | np.ndarray, *,
    grow: float = 0.0, is_paint: bool = False,
):  # fmt: skip
    grid.fill(image, outline, [*(float(round(float(c))) for c in color), 255.0 * is_paint], grow=grow)


class _GroundPainter:
    """The finest level of the base while it is being painted."""

    def __init__(self, layout: Layout, colors: GroundColors, seed: int, grid: GroundGrid):
        self.layout, self.colors, self.grid = layout, colors, grid
        self.rng = np.random.default_rng([seed, 7002])
        self.image = self._grass(*grid.shape)
        side = 1024
        noise = 0.5 * smooth_noise(self.rng, side, side, 128, 128) + 0.5 * smooth_noise(self.rng, side, side, 36, 36)
        self.noise = 128 + 22 * (noise - 0.5)
        self.light = self._light_around_things()

    def paint(self, tracks: Sequence[np.ndarray], tiles: Sequence[DeckTile], below: Sequence[_Paint]) -> np.ndarray:
        """All of the layout, but in each tile of its decks only what is `below` it."""
        whole = _Paint(layout=self.layout, colors=self.colors, tracks=tracks)
        self._coat(whole.surfaces, tiles, [paint.surfaces for paint in below])
        self._mottle(self.image)
        self._coat(whole.markings, tiles, [paint.markings for paint in below])
        return self.image

    def paint_deck(self, tile: DeckTile, paint: _Paint) -> tuple[np.ndarray, GroundGrid]:
        """What lies on a tile of the decks, mottled like the base, and the grid of the image."""
        (rows, columns), part = self.grid.crop(tile.low, tile.high)
        image = np.empty((*part.shape, 4), np.uint8)
        image[:] = *DECK_COLOR, 0
        paint.surfaces(image, part)
        self._mottle(image, (rows.start, columns.start))
        paint.markings(image, part)
        return image, part

    def _coat(self, paint: _Coat, tiles: Sequence[DeckTile], below: Sequence[_Coat]):
        """Paint a coat over all, and below decks one of its own on what was there before."""
        windows = [self.grid.crop(tile.low, tile.high) for tile in tiles]
        before = [self.image[window].copy() for window, _ in windows]
        paint(self.image, self.grid)
        for tile, (window, part), image, paint_below in zip(tiles, windows, before, below, strict=True):
            paint_below(image, part)
            hidden = tile.hides(part)
            self.image[window][hidden] = image[hidden]

    def _grass(self, height: int, width: int) -> np.ndarray:
        """Fresh and dry grass in large soft patches, [height, width, 4]."""
        resolution = self.grid.resolution
        cells = (max(4, int(height * resolution / 14)), max(4, int(width * resolution / 14)))
        small = smooth_noise(self.rng, height // 16 + 1, width // 16 + 1, *cells)[..., None]
        grass, dry = np.array(self.colors.grass), np.array(self.colors.grass_dry)
        painted = np.rint(grass + (dry - grass) * small).astype(np.uint8)
        painted = np.concatenate([painted, np.zeros_like(painted[..., :1])], axis=-1)
        return cv2.resize(painted, (width, height), interpolation=cv2.INTER_LINEAR)

    def _mottle(self, image: np.ndarray, first: tuple[int, int] = (0, 0)):
        """Multiply fine soft noise and the shade around things into an image whose first pixel is this one of the
        grid's, in strips that fit into the processor's cache."""
        side, width = len(self.noise), self.grid.shape[1]
        columns = np.s_[first[1] : first[1] + image.shape[1]]
        noise = self.noise.take(np.arange(columns.start, columns.stop) % side, axis=1)
        for top in range(0, len(image), STRIP):
            strip = image[top : top + STRIP]
            at = np.arange(first[0] + top, first[0] + top + len(strip))
            rows = (at.astype(np.float32) + 0.5) / SHADE_SCALE - 0.5
            dark = cv2.resize(_rows_at(self.light, rows), (width, len(strip)), interpolation=cv2.INTER_LINEAR)
            factor = cv2.multiply(noise[at % side], dark[:, columns], dtype=cv2.CV_8U)
            cv2.multiply(strip, cv2.merge([factor] * 4), dst=strip, scale=1 / 128)

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
        outlines = corners(boxes[:, FOOTPRINT_COLUMNS])
        for kinds_of, strength in (((LayoutKind.TREE,), 0.22), ((LayoutKind.BUILDING, LayoutKind.WALL), 0.5)):
            for k in np.flatnonzero(np.isin(kinds, kinds_of)):
                coarse.fill(mask, outlines[k], strength, smooth=False)
        return 1 - cv2.GaussianBlur(mask, (0, 0), 0.7 / coarse.resolution)


def _halvings(image: np.ndarray) -> list[np.ndarray]:
    """An image and its halvings."""
    levels = [image]
    while len(levels) < NUM_LEVELS and min(levels[-1].shape[:2]) >= 4:
        rows, columns = levels[-1].shape[:2]
        even = levels[-1][: rows - rows % 2, : columns - columns % 2]
        levels.append(cv2.resize(even, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA))
    return levels


def _rows_at(image: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of `image` at fractional positions, clamped, float32 [len(rows), width]."""
    low = np.clip(np.floor(rows).astype(int), 0, len(image) - 1)
    high = np.minimum(low + 1, len(image) - 1)
    share = np.clip(rows - low, 0, 1)[:, None].astype(np.float32)
    return image[low] * (1 - share) + image[high] * share
