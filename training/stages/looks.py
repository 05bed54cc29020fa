"""The stage of looks: which style of VAE3D drives have in each weather of the reference world, measured, not trained.

A recorded episode's weather is a mixture of two of the named ones, which its seed tells. Styles are fitted as the same
mixture of one style a name, by least squares, so that a name's style is that of its unmixed weather.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import torch
from tqdm import tqdm

from envs.road.config import RoadWorldConfig
from envs.road.episode_start import draw_town_and_weather
from envs.road.rendering.weather import Weather, weather_shares
from training.data.frame_store import FrameStore
from training.data.recorded_scenes import RecordedScenes
from worldsim.editing.edits import LookName
from worldsim.looks import LearnedLook, Looks
from worldsim.networks.vae3d import VAE3D, Surfaces, frames_to_float, picture_statistics

SAME_SUN = 1e-3
"""Directions to the sun that differ by less are the same."""


@dataclass(frozen=True, kw_only=True)
class LooksStageConfig:
    """How styles are measured.

    Args:
        num_frames: of each episode, evenly spread over it.
        num_episodes: at most so many of the recording, evenly spread over it.
    """

    num_frames: int = 4
    num_episodes: int = 240

    def __post_init__(self) -> None:
        for name in ("num_frames", "num_episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class MeasuredDrives(NamedTuple):
    """Of `e` recorded drives: shares of the named weathers, [e, len(LookName)], styles [e, d], and elevations of the
    sun [e] [rad]."""

    shares: np.ndarray
    styles: np.ndarray
    elevations: np.ndarray


def measure_looks(vae: VAE3D, scenes: RecordedScenes, config: LooksStageConfig) -> Looks:
    """The looks of those names of which the recording has a drive that is mostly so.

    Args:
        vae: trained.
        scenes: of the reference world's towns.
        config: how.

    Raises:
        ValueError: the sun of an episode stands where the weather of its seed does not have it.
    """
    return fit_looks(measure_drives(vae, scenes, config))


def fit_looks(drives: MeasuredDrives) -> Looks:
    """The looks of which drives are mixtures, by least squares."""
    known = np.unique(drives.shares.argmax(axis=1))
    shares = drives.shares[:, known]
    styles = np.linalg.lstsq(shares, drives.styles, rcond=None)[0]
    elevations = np.linalg.lstsq(shares, drives.elevations, rcond=None)[0]
    names: tuple[LookName, ...] = get_args(LookName)
    return {
        names[k]: LearnedLook(style=style.astype(np.float32), sun_elevation=float(elevation))
        for k, style, elevation in zip(known, styles, elevations, strict=True)
    }


@torch.no_grad()
def measure_drives(vae: VAE3D, scenes: RecordedScenes, config: LooksStageConfig) -> MeasuredDrives:
    """What recorded drives tell; see `measure_looks`."""
    store, device = scenes.store, vae.latent_mean.device
    shares, styles, elevations = [], [], []
    for episode in tqdm(_spread(0, len(store.lengths), config.num_episodes), desc="looks", unit="drive"):
        seed, sun = _weather_and_sun(store, int(episode))
        positions = _spread(int(store.starts[episode]), int(store.lengths[episode]), config.num_frames)
        surfaces = Surfaces.stack([scenes.surfaces(int(k)) for k in positions], device)
        frames = frames_to_float(torch.from_numpy(np.stack([store.frames[k] for k in positions])).to(device))
        style = vae.read_style(picture_statistics(frames, surfaces)[None])
        shares.append(weather_shares(seed))
        styles.append(style[0].double().cpu().numpy())
        elevations.append(float(np.arcsin(sun[2])))
    return MeasuredDrives(np.stack(shares), np.stack(styles), np.array(elevations))


def _spread(first: int, count: int, most: int) -> np.ndarray:
    """At most `most` of `count` numbers from `first` on, evenly spread over them."""
    return first + np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)


def _weather_and_sun(store: FrameStore, episode: int) -> tuple[int, np.ndarray]:
    """Seed of the weather, and direction of the sun [3], of an episode."""
    source, scenes = store.episodes[episode].source, store.camera_scenes(episode)
    _, seed = draw_town_and_weather(np.random.default_rng(source.seed), RoadWorldConfig().num_towns)
    sun, drawn = scenes[0].sun, Weather.from_seed(seed).sun_direction
    if sun is None or np.abs(sun - drawn).max() > SAME_SUN:
        raise ValueError(
            f"episode {store.episodes[episode].index}, seed {source.seed}: its sun is at {sun}, that of the weather of"
            f" its seed at {drawn}; right would be a recording of the reference world's towns by this version"
        )
    return seed, sun
