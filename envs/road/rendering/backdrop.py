"""Ground and sky as the camera sees them: the ground texture in perspective, with light and fog by row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np

from envs.road.rendering.ground_texture import NUM_LEVELS, GroundTexture
from envs.road.rendering.weather import (
    PANORAMA_MAX_ELEVATION,
    PANORAMA_MIN_ELEVATION,
    PANORAMA_WIDTH,
    Weather,
    sky_panorama,
)
from worldsim.datatypes.camera import PinholeCamera

MAX_DISTANCE = 600.0
"""Ground farther than this is all fog [m]."""
_MAX_SAMPLES = 8


@dataclass(frozen=True)
class _Band:
    """Neighbouring rows that are sampled alike.

    Args:
        rows: of the ground, a slice.
        samples: all their samples, a slice.
        num_samples: per row, averaged so that rows that cover much ground do not flicker.
        level: of the texture.
    """

    rows: slice
    samples: slice
    num_samples: int
    level: int


class Backdrop:
    """Draws ground and sky onto a canvas of fixed size.

    Args:
        camera: whose frame is the canvas.
    """

    def __init__(self, camera: PinholeCamera):
        self.camera = camera
        self.height, self.width = camera.height_px, camera.width_px
        self.num_sky_rows = int(np.clip(np.floor(camera.horizon) + 1, 0, self.height))
        rows = np.arange(self.num_sky_rows, self.height) + 0.5
        self._columns = -camera.column_rays(np.arange(self.width) + 0.5).astype(np.float32)
        self._distance = self._ground(rows)[0]
        self._sky = self._sky_maps() if self.num_sky_rows else None
        self._bands = lru_cache(maxsize=8)(self._bands_of)
        self._light = lru_cache(maxsize=16)(self._light_of)

    def paint(self, canvas: np.ndarray, ground: GroundTexture, weather: Weather, pose: tuple[float, float, float]):
        """Fill `canvas`, uint8 [height, width, 3], as seen from a vehicle at `pose` = (x, y, yaw)."""
        if self._sky is not None:
            self._paint_sky(canvas, weather, pose[2])
        if self.num_sky_rows < self.height:
            self._paint_ground(canvas[self.num_sky_rows :], ground, weather, pose)

    def _ground(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rows meet the ground: distance ahead of the vehicle's centre, and metres per unit of `_columns`."""
        height = self.camera.mount_height
        forward, up = self.camera.row_rays(rows)
        reach = height / np.maximum(-up, height / MAX_DISTANCE)
        return self.camera.mount_x + reach * forward, reach

    def _sky_maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Panorama columns (for yaw 0) and rows of the sky's pixels at half the canvas's resolution."""
        height, width = (self.num_sky_rows + 1) // 2, (self.width + 1) // 2
        v, u = np.mgrid[0:height, 0:width] * 2.0 + 1.0
        forward, up = self.camera.row_rays(v)
        left = self.camera.column_rays(u)
        azimuth = np.arctan2(left, forward)
        elevation = np.arctan2(up, np.hypot(forward, left))
        per_radian = PANORAMA_WIDTH / (2 * np.pi)
        columns = azimuth * per_radian - 0.5
        rows = (PANORAMA_MAX_ELEVATION - elevation) * per_radian
        limit = (PANORAMA_MAX_ELEVATION - PANORAMA_MIN_ELEVATION) * per_radian - 1.5
        return columns.astype(np.float32), np.clip(rows, 0, limit).astype(np.float32)

    def _paint_sky(self, canvas: np.ndarray, weather: Weather, yaw: float):
        assert self._sky is not None
        columns, rows = self._sky
        turn = (yaw % (2 * np.pi)) * PANORAMA_WIDTH / (2 * np.pi) + PANORAMA_WIDTH // 2
        sky = cv2.remap(_wrap_panorama(weather), columns + np.float32(turn), rows, cv2.INTER_LINEAR)
        size = (2 * sky.shape[1], 2 * sky.shape[0])
        sky = cv2.resize(sky, size, interpolation=cv2.INTER_LINEAR)
        canvas[: self.num_sky_rows] = sky[: self.num_sky_rows, : self.width]

    def _bands_of(self, resolution: float) -> tuple[tuple[_Band, ...], np.ndarray, np.ndarray, np.ndarray]:
        """Bands of rows, and of all samples: distance ahead, metres per column, pixels of their level per metre."""
        rows = np.arange(self.num_sky_rows, self.height)
        far, near = self._ground(rows.astype(float))[0], self._ground(rows + 1.0)[0]

        # as many samples a row, and as coarse a level, as the ground that a pixel covers asks for
        along, across = np.maximum(far - near, 1e-3), self._ground(rows + 0.5)[1] / self.camera.focal
        counts = 2 ** np.clip(np.round(np.log2(along / (1.4 * across))), 0, np.log2(_MAX_SAMPLES)).astype(int)
        footprint = np.maximum(across, along / counts)
        levels = np.clip(np.round(np.log2(footprint / resolution)), 0, NUM_LEVELS - 1).astype(int)

        starts = [0, *(np.flatnonzero((np.diff(counts) != 0) | (np.diff(levels) != 0)) + 1), len(rows)]
        first = np.concatenate([[0], np.cumsum(counts)])
        bands = tuple(
            _Band(slice(a, b), slice(int(first[a]), int(first[b])), int(counts[a]), int(levels[a]))
            for a, b in pairwise(starts)
        )

        within = np.concatenate([(np.arange(n) + 0.5) / n for n in counts])
        distance, reach = self._ground(np.repeat(rows, counts) + within)
        scale = 1 / (resolution * 2.0 ** np.repeat(levels, counts))
        return bands, distance, reach, scale

    def _light_of(self, weather: Weather) -> tuple[np.ndarray, np.ndarray]:
        """By row, what the ground's colour is multiplied with and what is added, float32 [rows, 1, 3] each."""
        light = weather.light(np.array([[0.0, 0.0, 1.0]]))[0] * (1 - 0.3 * weather.wetness)
        slant = np.hypot(self._distance, self.camera.mount_height)
        mirror = 0.55 * weather.wetness * (1 - self.camera.mount_height / slant)[:, None] ** 5
        sky = 0.7 * np.array(weather.horizon) + 0.3 * np.array(weather.zenith)
        fog = weather.fog(slant)[:, None]
        scale = (1 - fog) * (1 - mirror) * light
        offset = (1 - fog) * mirror * sky + fog * np.array(weather.horizon)
        return scale[:, None].astype(np.float32), (offset[:, None] + 0.5).astype(np.float32)

    def _paint_ground(
        self, canvas: np.ndarray, ground: GroundTexture, weather: Weather, pose: tuple[float, float, float]
    ):
        bands, distance, reach, scale = self._bands(ground.resolution)
        x, y, yaw = pose
        cosine, sine = np.cos(yaw), np.sin(yaw)
        from_left = (x - ground.origin[0] + cosine * distance) * scale - 0.5
        from_top = (y - ground.origin[1] + sine * distance) * scale - 0.5
        per_column = reach * scale
        map_x = np.multiply.outer((sine * per_column).astype(np.float32), self._columns)
        map_x += from_left.astype(np.float32)[:, None]
        map_y = np.multiply.outer((-cosine * per_column).astype(np.float32), self._columns)
        map_y += from_top.astype(np.float32)[:, None]
        for band in bands:
            picture = cv2.remap(
                ground.levels[band.level], map_x[band.samples], map_y[band.samples], cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT, borderValue=ground.border,
            )  # fmt: skip
            if band.num_samples > 1:
                size = (self.width, band.rows.stop - band.rows.start)
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            canvas[band.rows] = picture
        factor, offset = self._light(weather)
        lit = canvas * factor
        lit += offset
        np.copyto(canvas, np.minimum(lit, 255.0, out=lit), casting="unsafe")


@lru_cache(maxsize=16)
def _wrap_panorama(weather: Weather) -> np.ndarray:
    """The panorama with half a turn repeated at both ends, so that no view crosses its seam."""
    sky = sky_panorama(weather)
    half = PANORAMA_WIDTH // 2
    return np.concatenate([sky[:, half:], sky, sky[:, :half]], axis=1)
