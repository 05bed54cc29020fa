"""The flat ground of a map, drawn once from above: roads, sidewalks, markings, as a pyramid of resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from envs.road.rendering.weather import smooth_noise

if TYPE_CHECKING:
    from envs.maps.opendrive import LanePolygon, Marking, RoadGeometry

FINEST_RESOLUTION = 0.1
"""[m/px] of level 0, coarser where the town would take more than MAX_PIXELS."""
MAX_PIXELS = 36e6
MAX_SIDE = 32000
"""cv2.remap addresses its source with 16 bits."""
MARGIN = 40.0
"""Ground painted beyond the outermost road [m]."""
NUM_LEVELS = 7
_SHIFT = 5


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


@dataclass(frozen=True, eq=False)
class GroundTexture:
    """Colours of the ground seen from above.

    Args:
        levels: uint8 [rows, columns, 3] each, every next one at half the resolution; rows grow with y, columns with x.
        origin: (x, y) of the outer corner of pixel (0, 0) [m].
        resolution: size of a pixel of level 0 [m].
        border: colour beyond the painted area, RGB.
    """

    levels: tuple[np.ndarray, ...]
    origin: tuple[float, float]
    resolution: float
    border: tuple[int, int, int]

    @staticmethod
    def paint(
        geometry: RoadGeometry, colors: GroundColors, seed: int, pads: Sequence[np.ndarray], shades: np.ndarray
    ) -> GroundTexture:
        """Paint a town's ground.

        Args:
            geometry: roads and markings.
            colors: of the surfaces.
            seed: of the mottling of grass and asphalt.
            pads: paved polygons [k, 2] around buildings [m].
            shades: soft round shadows under things, (x, y, radius, strength in [0, 1]) [n, 4].
        """
        return _GroundPainter(geometry, colors, seed).paint(pads, shades)


class _GroundPainter:
    """Level 0 while it is being painted."""

    def __init__(self, geometry: RoadGeometry, colors: GroundColors, seed: int):
        x_min, y_min, x_max, y_max = geometry.bounds
        self.geometry, self.colors = geometry, colors
        self.rng = np.random.default_rng([seed, 7002])
        self.origin = (x_min - MARGIN, y_min - MARGIN)
        size = np.array([x_max - x_min, y_max - y_min]) + 2 * MARGIN
        self.resolution = max(FINEST_RESOLUTION, float(np.sqrt(size.prod() / MAX_PIXELS)), float(size.max() / MAX_SIDE))
        width, height = np.ceil(size / self.resolution).astype(int)
        self.image = self._grass(int(height), int(width))

    def paint(self, pads: Sequence[np.ndarray], shades: np.ndarray) -> GroundTexture:
        c, g = self.colors, self.geometry
        for pad in pads:
            self._fill(pad, c.paving)
        for lane in self._lanes("sidewalk"):
            self._fill(lane.outline, c.kerb, grow=0.25)
        for kind, color, grow in (
            ("other", c.paving, 0.0), ("median", c.grass, 0.0), ("sidewalk", c.sidewalk, 0.0),
            ("shoulder", c.shoulder, 0.1), ("parking", c.parking, 0.1), ("restricted", c.asphalt, 0.1),
            ("driving", c.asphalt, 0.1),
        ):  # fmt: skip
            for lane in self._lanes(kind):
                self._fill(lane.outline, color, grow)
        for outline in g.junctions:
            self._fill(outline, c.asphalt)
        self._wear()
        self._mottle(shades)
        for crosswalk in g.crosswalks:
            self._crosswalk(np.asarray(crosswalk, float))
        for marking in g.markings:
            self._marking(marking)
        return GroundTexture(self._levels(), self.origin, self.resolution, _round_color(c.grass))

    def _lanes(self, kind: str) -> list[LanePolygon]:
        return [lane for lane in self.geometry.lanes if lane.kind == kind]

    def _grass(self, height: int, width: int) -> np.ndarray:
        """Fresh and dry grass in large soft patches, [height, width, 3]."""
        cells = (max(4, int(height * self.resolution / 14)), max(4, int(width * self.resolution / 14)))
        small = smooth_noise(self.rng, height // 16 + 1, width // 16 + 1, *cells)[..., None]
        grass, dry = np.array(self.colors.grass), np.array(self.colors.grass_dry)
        painted = np.rint(grass + (dry - grass) * small).astype(np.uint8)
        return cv2.resize(painted, (width, height), interpolation=cv2.INTER_LINEAR)

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        """Fixed-point image coordinates of ground points [n, 2]."""
        pixels = (np.asarray(points, float) - self.origin) / self.resolution - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def _fill(self, polygon: np.ndarray, color: Sequence[float] | np.ndarray, grow: float = 0.0):
        """Fill a polygon [k, 2]; `grow` [m] widens it, to seal the seam to its neighbour."""
        pixels = [self._pixels(polygon)]
        cv2.fillPoly(self.image, pixels, _round_color(color), cv2.LINE_AA, _SHIFT)
        thickness = round(2 * grow / self.resolution)
        if thickness > 0:
            cv2.polylines(self.image, pixels, True, _round_color(color), thickness, cv2.LINE_AA, _SHIFT)

    def _wear(self):
        """The slightly darker track of tyres and oil along each lane."""
        worn = np.array(self.colors.asphalt) * 0.94
        for lane in self._lanes("driving"):
            if not lane.in_junction:
                for share in (0.28, 0.72):
                    self._ribbon(lane.left + share * (lane.right - lane.left), 0.55, worn)

    def _mottle(self, shades: np.ndarray):
        """Multiply fine soft noise and the shadows under things into the picture, in strips to save memory."""
        side = 1024
        noise = 0.5 * smooth_noise(self.rng, side, side, 128, 128) + 0.5 * smooth_noise(self.rng, side, side, 36, 36)
        tile = 128 + 22 * (noise - 0.5)
        height, width = self.image.shape[:2]
        shadow = self._shadow(shades)
        for top in range(0, height, side):
            strip = self.image[top : top + side]
            factor = np.tile(tile[: len(strip)], (1, -(-width // side)))[:, :width]
            rows = (np.arange(top, top + len(strip), dtype=np.float32) + 0.5) / 8 - 0.5
            dark = cv2.resize(_rows_at(shadow, rows), (width, len(strip)), interpolation=cv2.INTER_LINEAR)
            factor = np.rint(factor * dark).astype(np.uint8)
            self.image[top : top + side] = cv2.multiply(strip, cv2.merge([factor] * 3), scale=1 / 128)

    def _shadow(self, shades: np.ndarray) -> np.ndarray:
        """Light left under things, float32 at an eighth of the resolution."""
        height, width = self.image.shape[:2]
        mask = np.zeros((height // 8 + 1, width // 8 + 1), np.float32)
        for x, y, radius, strength in shades:
            centre = self._pixels(np.array([x, y])) // 8
            size = round(radius / self.resolution / 8 * (1 << _SHIFT))
            cv2.circle(mask, (int(centre[0]), int(centre[1])), size, float(strength), -1, cv2.LINE_AA, _SHIFT)
        return 1 - cv2.GaussianBlur(mask, (0, 0), 0.6 / (8 * self.resolution))

    def _ribbon(self, points: np.ndarray, width: float, color: Sequence[float] | np.ndarray):
        """A stripe of `width` [m] along a line [n, 2]."""
        side = 0.5 * width * left_normals(points)
        self._fill(np.concatenate([points + side, (points - side)[::-1]]), color)

    def _marking(self, marking: Marking):
        """A lane marking; a kind of two parts, such as solid_broken, is two lines side by side."""
        if marking.kind == "curb":
            self._ribbon(marking.points, 0.2, self.colors.kerb)
            return
        kind = marking.kind.replace("double_solid", "solid_solid").replace("double_broken", "broken_broken")
        parts = [part for part in kind.split("_") if part in ("solid", "broken")] or ["solid"]
        color = self.colors.yellow if marking.color == "yellow" else self.colors.white
        width = float(np.clip(marking.width, 0.14, 0.3))
        for part, offset in zip(parts, (0.0,) if len(parts) == 1 else (0.14, -0.14), strict=False):
            line = marking.points + offset * left_normals(marking.points)
            for piece in [line] if part == "solid" else _dashes(line, marking.dash_length, marking.dash_gap):
                self._ribbon(piece, width, color)

    def _crosswalk(self, polygon: np.ndarray):
        """Zebra stripes across the longer side of a crosswalk [k, 2]."""
        (cx, cy), (w, h), angle = cv2.minAreaRect(polygon.astype(np.float32))
        along = np.radians(angle) + (0.0 if w >= h else 0.5 * np.pi)
        length, depth = max(w, h), min(w, h)
        u = np.array([np.cos(along), np.sin(along)])
        v = np.array([-u[1], u[0]])
        count = max(1, int(length // 1.1))
        for s in (np.arange(count) - 0.5 * (count - 1)) * (length / count):
            centre = np.array([cx, cy]) + s * u
            half_u, half_v = 0.27 * u, 0.5 * depth * v
            corners = [
                centre - half_u - half_v,
                centre + half_u - half_v,
                centre + half_u + half_v,
                centre - half_u + half_v,
            ]
            self._fill(np.array(corners), self.colors.white)

    def _levels(self) -> tuple[np.ndarray, ...]:
        levels = [self.image]
        for _ in range(NUM_LEVELS - 1):
            height, width = levels[-1].shape[:2]
            even = levels[-1][: height - height % 2, : width - width % 2]
            levels.append(cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
        return tuple(levels)


def left_normals(points: np.ndarray) -> np.ndarray:
    """Unit vectors to the left of a line [n, 2] at its points, [n, 2]."""
    steps = np.diff(points, axis=0)
    steps = steps / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
    tangent = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def _rows_at(image: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of `image` at fractional positions, clamped, float32 [len(rows), width]."""
    low = np.clip(np.floor(rows).astype(int), 0, len(image) - 1)
    high = np.minimum(low + 1, len(image) - 1)
    share = np.clip(rows - low, 0, 1)[:, None].astype(np.float32)
    return image[low] * (1 - share) + image[high] * share


def _dashes(points: np.ndarray, length: float, gap: float) -> list[np.ndarray]:
    """The painted pieces of a broken line [n, 2], `length` [m] long with `gap` [m] between them."""
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    pieces = []
    for start in np.arange(0.5 * gap, s[-1], length + gap):
        stop = min(start + length, s[-1])
        at = np.concatenate([[start], s[(s > start) & (s < stop)], [stop]])
        pieces.append(np.stack([np.interp(at, s, points[:, 0]), np.interp(at, s, points[:, 1])], axis=1))
    return pieces


def _round_color(color: Sequence[float] | np.ndarray) -> tuple[int, int, int]:
    r, g, b = (round(float(c)) for c in color)
    return r, g, b
