"""Each kind of world as an env: the entry points of the ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envs.carla.carla_world import CarlaWorld, CarlaWorldConfig
from envs.driving_env import DrivingEnv, DrivingEnvConfig
from envs.road.road_world import RoadWorld, RoadWorldConfig
from envs.spaces import ObservationMode

if TYPE_CHECKING:
    from worldsim.dynamics.trust import TrustSignals  # too
    from worldsim.inference import Backend  # which loads torch


def _check_signals(signals: str) -> None:
    if signals not in ("free", "full"):
        raise ValueError(f"trust_signals must be 'free' or 'full', got {signals!r}")


def make_road_env(
    *,
    obs: ObservationMode = "pixels",
    render_mode: str | None = None,
    frame_size: tuple[int, int] | None = None,
    max_episode_seconds: float = 60.0,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
    world_config: RoadWorldConfig | None = None,
) -> DrivingEnv:
    """The embedded reference world: the entry point of DriveDiT-Road-v0.

    Args:
        obs: what is observed; "latent" is not to be had here.
        render_mode: None or "rgb_array".
        frame_size: height and width of frames [px]; None takes that of `world_config`.
        max_episode_seconds: simulated time until truncation [s].
        trust_threshold: taken alike by all ids; of no effect in a world of truth.
        trust_signals: likewise.
        world_config: all else about the world; None takes its defaults.

    Raises:
        ValueError: there are no such signals.
    """
    _check_signals(trust_signals)
    world_config = world_config or RoadWorldConfig()
    if frame_size is not None:
        world_config = replace(world_config, frame_size=tuple(frame_size))
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds, trust_threshold=trust_threshold)
    return DrivingEnv(RoadWorld(world_config), config, obs=obs, render_mode=render_mode)


def make_learned_env(
    *,
    obs: ObservationMode = "pixels",
    render_mode: str | None = None,
    checkpoint: str | Path | None = None,
    num_sampling_steps: int | None = None,
    backend: Backend = "plain",
    device: str = "cpu",
    max_episode_seconds: float = 60.0,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
) -> DrivingEnv:
    """The learned world: the entry point of DriveDiT-v0. Needs no download.

    Args:
        obs: what is observed.
        render_mode: None or "rgb_array".
        checkpoint: folder of the world model; None takes the one that ships with the package.
        num_sampling_steps: of a frame; 1 is the fastest, None takes the model's own.
        backend: "plain", "compiled", "int8", "bf16" or "graphs", see `worldsim.inference`.
        device: torch device of the model.
        max_episode_seconds: simulated time until truncation [s].
        trust_threshold: an episode is truncated when `info["trust"]` falls below; 0 never.
        trust_signals: what `info["trust"]` is made from: "free", or "full" for a dearer one that weighs two more.
    """
    from envs.learned.learned_world import LearnedWorld, LearnedWorldConfig  # torch is loaded here and not before

    world_config = LearnedWorldConfig(
        checkpoint=None if checkpoint is None else Path(checkpoint),
        num_steps=num_sampling_steps,
        backend=backend,
        device=device,
        trust_signals=trust_signals,
    )
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds, trust_threshold=trust_threshold)
    return DrivingEnv(LearnedWorld(world_config), config, obs=obs, render_mode=render_mode)


def make_carla_env(
    *,
    obs: ObservationMode = "pixels",
    render_mode: str | None = None,
    host: str | None = None,
    port: int | None = None,
    frame_size: tuple[int, int] | None = None,
    max_episode_seconds: float = 60.0,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
    world_config: CarlaWorldConfig | None = None,
) -> DrivingEnv:
    """A CARLA server: the entry point of DriveDiT-Carla-v0. Connects at the first reset.

    Args:
        obs: what is observed; "latent" is not to be had here.
        render_mode: None or "rgb_array".
        host: of the server; None takes that of `world_config`.
        port: of its RPC; None likewise.
        frame_size: height and width of frames [px]; None likewise.
        max_episode_seconds: simulated time until truncation [s].
        trust_threshold: taken alike by all ids; of no effect in a world of truth.
        trust_signals: likewise.
        world_config: all else about the world; None takes its defaults.

    Raises:
        ValueError: there are no such signals.
    """
    _check_signals(trust_signals)
    said = {"host": host, "port": port, "frame_size": frame_size and tuple(frame_size)}
    world_config = replace(
        world_config or CarlaWorldConfig(), **{name: value for name, value in said.items() if value is not None}
    )
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds, trust_threshold=trust_threshold)
    return DrivingEnv(CarlaWorld(world_config), config, obs=obs, render_mode=render_mode)
