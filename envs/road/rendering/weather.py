"""Light and weather of the reference world: what a seed makes the day look like, and the sky it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, get_args

import cv2
import numpy as np

from worldsim.editing.edits import LookName

Color = tuple[float, float, float]
"""RGB in [0, 255] for surfaces and skies, in units of full light for sun and ambient."""

PANORAMA_WIDTH = 1152
"""Columns of the sky panorama for the full turn."""
PANORAMA_MIN_ELEVATION, PANORAMA_MAX_ELEVATION = np.radians(-2.0), np.radians(62.0)


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Light and weather. Surfaces shine as `color * (ambient + sun * cos(angle to the sun))`, then fade into fog.

    Args:
        sun_azimuth: direction towards the sun, counter-clockwise from x [rad].
        sun_elevation: above the horizon [rad].
        sun: light of the sun, RGB multiples of full light.
        ambient: light from everywhere, RGB multiples of full light.
        zenith: sky colour straight above, RGB [0, 255].
        horizon: sky colour at the horizon and of the fog, RGB [0, 255].
        visibility: distance at which fog hides all but 5 % [m].
        cloudiness: share of the sky under clouds, [0, 1].
        wetness: how wet the ground is, [0, 1]: darker, and mirroring the sky at grazing angles.
        lamps: how brightly lamps and windows are lit, [0, 1].
        cloud_seed: places the clouds and the far hills.
    """

    sun_azimuth: float
    sun_elevation: float
    sun: Color
    ambient: Color
    zenith: Color
    horizon: Color
    visibility: float
    cloudiness: float
    wetness: float
    lamps: float
    cloud_seed: int = 0

    def __post_init__(self):
        for name in ("cloudiness", "wetness", "lamps"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if not self.visibility > 0.0:
            raise ValueError(f"visibility must be positive, got {self.visibility}")

    @staticmethod
    def from_seed(seed: int) -> Weather:
        """One of the weathers below, moved a little towards another one, with its own sun direction."""
        rng = _rng_of(seed)
        main, other, share = _draw_mixture(rng)
        a, b = WEATHERS[main], WEATHERS[other]

        def mix(x: Any, y: Any) -> Any:
            if isinstance(x, tuple):
                return tuple((1 - share) * p + share * q for p, q in zip(x, y, strict=True))
            return (1 - share) * x + share * y

        mixed: dict[str, Any] = {f.name: mix(getattr(a, f.name), getattr(b, f.name)) for f in fields(Weather)}
        azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.85, 1.15) * mixed["sun_elevation"]
        mixed |= {"sun_azimuth": float(azimuth), "sun_elevation": float(elevation)}
        mixed["cloud_seed"] = int(rng.integers(2**31))
        return Weather(**mixed)

    def changed_to(self, look: LookName) -> Weather:
        """The weather of a name, with this one's clouds and the sun in the same direction."""
        return replace(LOOKS[look], sun_azimuth=self.sun_azimuth, cloud_seed=self.cloud_seed)

    @property
    def sun_direction(self) -> np.ndarray:
        """Unit vector towards the sun in the ground frame, [3]."""
        c = np.cos(self.sun_elevation)
        return np.array([c * np.cos(self.sun_azimuth), c * np.sin(self.sun_azimuth), np.sin(self.sun_elevation)])

    def light(self, normals: np.ndarray) -> np.ndarray:
        """Light on surfaces with unit `normals` [n, 3], RGB [n, 3]; a little wraps around the edge of shade."""
        lambert = np.clip((normals @ self.sun_direction + 0.15) / 1.15, 0.0, 1.0)
        sky = 0.85 + 0.15 * normals[:, 2]
        return sky[:, None] * np.array(self.ambient) + lambert[:, None] * np.array(self.sun)

    def fog(self, distance: np.ndarray) -> np.ndarray:
        """Share of the fog's colour in what is seen at `distance` [m], same shape, in [0, 1]."""
        return -np.expm1(-3.0 * (np.asarray(distance) / self.visibility) ** 1.4)


_NOON = Weather(
    sun_azimuth=0.0, sun_elevation=0.95, sun=(0.62, 0.60, 0.55), ambient=(0.50, 0.53, 0.58),
    zenith=(74, 132, 206), horizon=(196, 218, 236), visibility=420.0, cloudiness=0.35, wetness=0.0, lamps=0.0,
)  # fmt: skip
_EVENING = Weather(
    sun_azimuth=0.0, sun_elevation=0.26, sun=(0.72, 0.49, 0.27), ambient=(0.48, 0.45, 0.50),
    zenith=(92, 118, 176), horizon=(246, 204, 160), visibility=320.0, cloudiness=0.4, wetness=0.0, lamps=0.15,
)  # fmt: skip
_OVERCAST = Weather(
    sun_azimuth=0.0, sun_elevation=0.9, sun=(0.14, 0.14, 0.14), ambient=(0.72, 0.74, 0.77),
    zenith=(150, 162, 176), horizon=(204, 210, 216), visibility=300.0, cloudiness=0.9, wetness=0.1, lamps=0.0,
)  # fmt: skip
_FOG = Weather(
    sun_azimuth=0.0, sun_elevation=0.6, sun=(0.12, 0.12, 0.11), ambient=(0.76, 0.78, 0.79),
    zenith=(186, 193, 199), horizon=(206, 211, 214), visibility=105.0, cloudiness=0.2, wetness=0.2, lamps=0.25,
)  # fmt: skip
_RAIN = Weather(
    sun_azimuth=0.0, sun_elevation=0.8, sun=(0.06, 0.06, 0.07), ambient=(0.61, 0.65, 0.71),
    zenith=(108, 120, 136), horizon=(164, 174, 184), visibility=210.0, cloudiness=1.0, wetness=1.0, lamps=0.35,
)  # fmt: skip
_DUSK = Weather(
    sun_azimuth=0.0, sun_elevation=0.09, sun=(0.20, 0.13, 0.13), ambient=(0.37, 0.38, 0.50),
    zenith=(44, 56, 104), horizon=(206, 150, 142), visibility=260.0, cloudiness=0.5, wetness=0.05, lamps=1.0,
)  # fmt: skip

WEATHERS: tuple[Weather, ...] = (_NOON, _EVENING, _OVERCAST, _FOG, _RAIN, _DUSK)
"""Clear noon, golden evening, overcast, fog, light rain, dusk."""
LOOKS: Mapping[LookName, Weather] = MappingProxyType(dict(zip(get_args(LookName), WEATHERS, strict=True)))
"""The same by name."""
WEATHER_SHARES = (0.34, 0.20, 0.16, 0.08, 0.12, 0.10)


def weather_shares(seed: int) -> np.ndarray:
    """How much of each of WEATHERS is in the weather of a seed, float64 [6], together 1."""
    main, other, share = _draw_mixture(_rng_of(seed))
    shares = np.zeros(len(WEATHERS))
    shares[main] += 1 - share
    shares[other] += share
    return shares


def _rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 7001])


def _draw_mixture(rng: np.random.Generator) -> tuple[int, int, float]:
    """Places in WEATHERS of the main weather and the other one, and that one's share."""
    main, other = rng.choice(len(WEATHERS), size=2, p=WEATHER_SHARES)
    return int(main), int(other), 0.3 * float(rng.random())


def smooth_noise(rng: np.random.Generator, height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """Noise in [0, 1], float32 [height, width], of `rows` x `columns` random cells; wraps around horizontally."""
    cells = rng.random((rows, columns), dtype=np.float32)
    cells = np.concatenate([cells[:, -2:], cells, cells[:, :2]], axis=1)
    cell_width = width / columns
    margin = round(2 * cell_width)
    wide = cv2.resize(cells, (width + 2 * margin, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(wide[:, margin : margin + width], 0.0, 1.0)


@lru_cache(maxsize=64)
def sky_panorama(weather: Weather) -> np.ndarray:
    """The sky all around, uint8 [rows, PANORAMA_WIDTH, 3]: columns by azimuth from 0, rows from the top down."""
    rows = round(PANORAMA_WIDTH * (PANORAMA_MAX_ELEVATION - PANORAMA_MIN_ELEVATION) / (2 * np.pi))
    elevation = np.linspace(PANORAMA_MAX_ELEVATION, PANORAMA_MIN_ELEVATION, rows)[:, None]
    azimuth = (np.arange(PANORAMA_WIDTH) + 0.5)[None] * (2 * np.pi / PANORAMA_WIDTH)
    horizon, zenith = np.array(weather.horizon), np.array(weather.zenith)
    height = np.clip(elevation / np.radians(55), 0, 1) ** 0.65
    sky = horizon + (zenith - horizon) * np.broadcast_to(height, (rows, PANORAMA_WIDTH))[..., None]

    sun = weather.sun_direction
    cosine = np.cos(elevation) * (sun[0] * np.cos(azimuth) + sun[1] * np.sin(azimuth)) + np.sin(elevation) * sun[2]
    angle = np.arccos(np.clip(cosine, -1, 1))
    strength = np.mean(weather.sun) * 1.8 * (1 - 0.7 * weather.cloudiness**2)
    glow = strength * (0.75 * np.exp(-((angle / 0.09) ** 2)) + 0.45 * np.exp(-angle / 0.35))
    warm = np.array(weather.sun) / max(weather.sun) * 255
    sky += (warm - sky) * np.clip(glow, 0, 1)[..., None]

    sky += (_cloud_color(weather) - sky) * _clouds(weather, elevation, rows)[..., None]
    hills = _hills(weather, elevation)
    sky += (0.72 * horizon + 0.28 * np.array([84, 104, 116]) * np.mean(weather.ambient) - sky) * hills[..., None]
    return np.clip(np.rint(sky), 0, 255).astype(np.uint8)


def _cloud_color(weather: Weather) -> np.ndarray:
    """Bright under a strong sun, otherwise between the colours of horizon and zenith."""
    base = 0.75 * np.array(weather.horizon) + 0.25 * np.array(weather.zenith)
    return np.clip(base + 60 * np.array(weather.sun), 0, 255)


def _clouds(weather: Weather, elevation: np.ndarray, rows: int) -> np.ndarray:
    """Cover of the clouds, [rows, PANORAMA_WIDTH] in [0, 1]: flat, soft, none near the horizon."""
    rng = np.random.default_rng([weather.cloud_seed, 1])
    noise = 0.62 * smooth_noise(rng, rows, PANORAMA_WIDTH, 6, 16) + 0.38 * smooth_noise(
        rng, rows, PANORAMA_WIDTH, 14, 40
    )
    edge = 0.72 - 0.42 * weather.cloudiness
    cover = np.clip((noise - edge) / 0.28, 0, 1)
    cover = cover * cover * (3 - 2 * cover)
    return 0.75 * cover * np.clip((elevation - np.radians(5)) / np.radians(12), 0, 1)


def _hills(weather: Weather, elevation: np.ndarray) -> np.ndarray:
    """Cover of the far hills at the horizon, [rows, PANORAMA_WIDTH] in [0, 1], fainter in haze."""
    rng = np.random.default_rng([weather.cloud_seed, 2])
    ridge = smooth_noise(rng, 1, PANORAMA_WIDTH, 1, 12) + 0.4 * smooth_noise(rng, 1, PANORAMA_WIDTH, 1, 36)
    top = np.radians(0.8) + np.radians(2.6) * ridge
    cover = np.clip((top - elevation) / np.radians(0.35), 0, 1)
    return cover * np.clip((weather.visibility - 120) / 200, 0, 1)
