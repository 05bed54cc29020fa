"""The reference world's front camera: the picture it takes, and on demand depth and semantic classes of the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from envs.road.rendering import ground_effects, shading
from envs.road.rendering.scenery import Scenery
from envs.road.rendering.weather import (
    PANORAMA_MAX_ELEVATION,
    PANORAMA_MIN_ELEVATION,
    PANORAMA_WIDTH,
    Weather,
    sky_panorama,
)
from worldsim.datatypes.camera import PinholeCamera
from worldsim.gbuffer.gbuffer import GBuffer
from worldsim.gbuffer.rasterizer import Canvas, Rasterizer, RasterizerConfig
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.user_shadows import cast_shadows
from worldsim.gbuffer.view import View

FOG_TABLE_LENGTH = 600
"""The fog's share is tabulated by the metre up to this distance."""
CAST_SHADOW = 0.75
"""Share of the sun's light that a road user's shadow takes at most."""


@dataclass(frozen=True, kw_only=True)
class CameraConfig(PinholeCamera):
    """A camera that this renderer can draw for.

    Args:
        supersampling: canvas pixels per frame pixel and direction.

    Raises:
        ValueError: a size or angle is beyond what is drawn well.
    """

    supersampling: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.supersampling < 1:
            raise ValueError(f"supersampling must be at least 1, got {self.supersampling}")
        if not 0.1 <= self.fov <= 2.6:
            raise ValueError(f"fov must be in [0.1, 2.6] rad, got {self.fov}")
        if not -0.5 <= self.pitch <= 0.5:
            raise ValueError(f"pitch must be in [-0.5, 0.5] rad, got {self.pitch}")


class Camera:
    """Renders what the vehicle's front camera sees; the same inputs give the same bits."""

    def __init__(self, config: CameraConfig):
        self.config = config
        self._rasterizer = Rasterizer(config, RasterizerConfig(supersampling=config.supersampling))
        self._sky_map = lru_cache(maxsize=4)(self._sky_map_of)

    def render(
        self, scenery: Scenery, weather: Weather, view: View, users: RoadUsers, lights: np.ndarray | None = None
    ) -> np.ndarray:
        """The frame seen from a vehicle, RGB, uint8 [height_px, width_px, 3].

        Args:
            scenery: the town.
            weather: lighting and weather.
            view: where the vehicle is.
            users: everyone else, without the vehicle itself.
            lights: SignalKind of each light group, int64 [g]; None: all are dark.
        """
        return self._shade(self._rasterizer.draw(scenery.world, users, view, lights), scenery, weather, view, users)

    def sense(
        self, names: Sequence[str], scenery: Scenery, view: View, users: RoadUsers, lights: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """What the camera tells beside colours, at the same instant.

        Args:
            names: of SENSOR_NAMES.
            scenery: as for `render`, as are the others.
            view: where the vehicle is.
            users: everyone else.
            lights: SignalKind of each light group.

        Returns:
            "depth": along the camera's axis, float16 [h, w] [m], inf in the sky. "semantic": SemanticClass, uint8
            [h, w].

        Raises:
            ValueError: an unknown name.
        """
        return self._rasterizer.sense(names, scenery.world, users, view, lights)

    def gbuffer(self, scenery: Scenery, view: View, users: RoadUsers, lights: np.ndarray | None = None) -> GBuffer:
        """What the frame is a shading of; arguments as for `render`."""
        canvas = self._rasterizer.draw(scenery.world, users, view, lights)
        return self._rasterizer.gbuffer(canvas, scenery.world.ground(canvas.camera))

    def _shade(self, canvas: Canvas, scenery: Scenery, weather: Weather, view: View, users: RoadUsers) -> np.ndarray:
        config, ground = self.config, scenery.ground
        shadow, numbers = scenery.world.shadow(weather.sun_direction), _weather_numbers(weather)
        contact = np.ones((config.height_px, config.width_px), np.float32)
        sun = np.array([*weather.sun_direction, CAST_SHADOW])
        cast_shadows(
            canvas.camera, config.supersampling, canvas.inverse_depth, canvas.surface, users.boxes, users.kinds, sun,
            contact,
        )  # fmt: skip
        frame = np.empty((config.height_px, config.width_px, 3), np.uint8)
        turn = view.yaw % (2 * np.pi) * PANORAMA_WIDTH / (2 * np.pi)
        shading.shade(
            canvas.camera, config.supersampling, canvas.inverse_depth, canvas.surface, canvas.records,
            canvas.attributes, canvas.paints, ground.texels, ground.levels, ground.places, ground.borders, shadow.image,
            shadow.place, contact, self._sky_map(view.grade), sky_panorama(weather), turn, numbers,
            _fog_table(weather), frame,
        )  # fmt: skip
        if weather.wetness > 0.0:
            ground_effects.mirror(canvas.camera, config.supersampling, canvas.surface, numbers, frame)
        return frame

    def _sky_map_of(self, grade: float) -> np.ndarray:
        """Column (for yaw 0) and row of the panorama for each pixel, float32 [h, w, 2]."""
        config = self.config
        c, s = np.cos(grade), np.sin(grade)
        axes = config.axes @ np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
        y, x = np.mgrid[0 : config.height_px, 0 : config.width_px] + 0.5
        rays = np.stack(
            [(x - 0.5 * config.width_px) / config.focal, (y - 0.5 * config.height_px) / config.focal, np.ones_like(x)],
            axis=-1,
        )
        forward, left, up = np.moveaxis(rays @ axes, -1, 0)
        per_radian = PANORAMA_WIDTH / (2 * np.pi)
        columns = np.arctan2(left, forward) * per_radian - 0.5  # half a turn to either side
        rows = (PANORAMA_MAX_ELEVATION - np.arctan2(up, np.hypot(forward, left))) * per_radian
        limit = (PANORAMA_MAX_ELEVATION - PANORAMA_MIN_ELEVATION) * per_radian - 1.5
        return np.stack([columns, np.clip(rows, 0.0, limit)], axis=-1).astype(np.float32)


@lru_cache(maxsize=16)
def load_camera(config: CameraConfig) -> Camera:
    """The camera of a config; the last few are kept."""
    return Camera(config)


@lru_cache(maxsize=64)
def _weather_numbers(weather: Weather) -> np.ndarray:
    """The weather as the shading kernel takes it, float64 [shading.NUM_WEATHER]."""
    return np.array(
        [
            *weather.sun_direction,
            *weather.sun,
            *weather.ambient,
            *weather.horizon,
            *weather.zenith,
            weather.wetness,
            weather.lamps,
        ]
    )


@lru_cache(maxsize=64)
def _fog_table(weather: Weather) -> np.ndarray:
    """Share of the fog at 0, 1, 2 ... metres, float64 [FOG_TABLE_LENGTH + 1]."""
    return weather.fog(np.arange(FOG_TABLE_LENGTH + 1.0))
