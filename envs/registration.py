"""The factories that make the envs of all worlds, and their registration with Gymnasium."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from envs.config_values import config_from_values
from envs.deprecation import warn_renamed
from envs.driving_env import DrivingEnv, DrivingEnvConfig
from envs.spaces import ObservationMode, shows_pixels
from envs.worlds import WORLDS

if TYPE_CHECKING:  # a world's module is imported when the world is made, and not before: some load torch
    from gymnasium.vector import AutoresetMode

    from envs.carla.config import CarlaWorldConfig
    from envs.learned.learned_world import LearnedWorld
    from envs.road.config import RoadWorldConfig
    from envs.vector_env import DrivingVectorEnv, VectorEnvBase
    from worldsim.dynamics.trust import TrustSignals
    from worldsim.inference import Backend

Factory = TypeVar("Factory", bound=Callable[..., Any])


def register_envs() -> None:
    """Make the ids of all worlds known to Gymnasium."""
    for entry in WORLDS.values():
        entry.register()


def entry_point(factory: Factory) -> Factory:
    """A factory that carries the metadata of its envs, from which Gymnasium learns what it must wrap to render."""
    vars(factory)["metadata"] = DrivingEnv.metadata
    return factory


@entry_point
def make_learned_env(
    *,
    obs: ObservationMode = "pixels",
    extra_obs: Sequence[str] = (),
    render_mode: str | None = None,
    checkpoint: str | Path | None = None,
    num_sampling_steps: int | None = None,
    backend: Backend = "plain",
    device: str = "cpu",
    max_episode_seconds: float = 60.0,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
    pictures: bool | None = None,
    decode_scene: bool = False,
    speed: Backend | None = None,
) -> DrivingEnv:
    """The learned world: the entry point of DriveDiT-v0. Needs no download.

    Args:
        obs: what is observed.
        extra_obs: what more the camera tells, drawn of what is tracked: "depth", "semantic".
        render_mode: None or "rgb_array".
        checkpoint: folder of the world model; None takes the one that ships with the package.
        num_sampling_steps: of a frame; 1 is the fastest, None takes the model's own.
        backend: "plain", "compiled", "int8", "bf16" or "graphs", see `worldsim.inference`.
        device: torch device of the model.
        max_episode_seconds: simulated time until truncation [s].
        trust_threshold: an episode is truncated when `info["trust"]` falls below; 0 never.
        trust_signals: what `info["trust"]` is made from: "free", or "full" for a dearer one that weighs six more.
        pictures: whether the networks that make pictures run. None: only where something needs them, which is when
            pixels or latents are observed, a render mode is given, `trust_threshold` is above 0, `trust_signals` is
            "full" or the scene is decoded. A state-only env is many times faster, drives the same, and shows no
            frames: `info["pictures"]` is 0, `info["trust"]` 1, and the signals behind it are 0.
        decode_scene: also read the scene off each frame, which costs time: `info` then tells how far decoded and
            tracked values are apart, which else is 0 unless trust is made from full signals; and where no lane is
            tracked the decoded one stands in.
        speed: deprecated name of `backend`.
    """
    shows = _decide_pictures(pictures, obs, render_mode, trust_threshold, trust_signals, decode_scene)
    world = _learned_world(checkpoint, num_sampling_steps, backend, device, trust_signals, speed, shows, decode_scene)
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds, trust_threshold=trust_threshold)
    return DrivingEnv(world, config, obs=obs, extra_obs=extra_obs, render_mode=render_mode)


@entry_point
def make_learned_vector_env(
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = "NextStep",
    exact: bool = False,
    obs: ObservationMode = "pixels",
    extra_obs: Sequence[str] = (),
    render_mode: str | None = None,
    checkpoint: str | Path | None = None,
    num_sampling_steps: int | None = None,
    backend: Backend = "plain",
    device: str = "cpu",
    max_episode_seconds: float = 60.0,
    max_episode_steps: int | None = None,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
    pictures: bool | None = None,
    decode_scene: bool = False,
    speed: Backend | None = None,
) -> DrivingVectorEnv:
    """Many drives in one learned world, one forward pass a step: `gymnasium.make_vec("DriveDiT-v0", num_envs=n)`.

    Args:
        num_envs: how many.
        autoreset_mode: see DrivingVectorEnv.
        exact: pass the envs one by one, so that each is bit for bit the single env; otherwise matrix products of
            another size round differently.
        obs: what is observed.
        extra_obs: what more the camera tells, drawn of what is tracked: "depth", "semantic".
        render_mode: None or "rgb_array".
        checkpoint: folder of the world model; None takes the one that ships with the package.
        num_sampling_steps: of a frame; 1 is the fastest, None takes the model's own.
        backend: "plain", "compiled", "int8", "bf16" or "graphs", see `worldsim.inference`.
        device: torch device of the model.
        max_episode_seconds: simulated time until truncation [s].
        max_episode_steps: steps until truncation, if they are over sooner; None or -1 leaves it to the time.
        trust_threshold: an episode is truncated when `info["trust"]` falls below; 0 never.
        trust_signals: what `info["trust"]` is made from: "free", or "full" for a dearer one that weighs six more.
        pictures: whether the networks that make pictures run. None: only where something needs them, which is when
            pixels or latents are observed, a render mode is given, `trust_threshold` is above 0, `trust_signals` is
            "full" or the scene is decoded. A state-only env is many times faster, drives the same, and shows no
            frames: `info["pictures"]` is 0, `info["trust"]` 1, and the signals behind it are 0.
        decode_scene: also read the scene off each frame, which costs time: `info` then tells how far decoded and
            tracked values are apart, which else is 0 unless trust is made from full signals; and where no lane is
            tracked the decoded one stands in.
        speed: deprecated name of `backend`.

    Raises:
        ValueError: num_envs is less than 1, or an argument that the envs refuse.
    """
    from envs.learned.stepping import step_together
    from envs.vector_env import DrivingVectorEnv, step_singly

    if num_envs < 1:
        raise ValueError(f"num_envs must be at least 1, got {num_envs}")
    shows = _decide_pictures(pictures, obs, render_mode, trust_threshold, trust_signals, decode_scene)
    first = _learned_world(checkpoint, num_sampling_steps, backend, device, trust_signals, speed, shows, decode_scene)
    max_episode_seconds = _shorter(max_episode_seconds, max_episode_steps, first.dt)
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds, trust_threshold=trust_threshold)

    worlds = [first, *(copy.copy(first) for _ in range(num_envs - 1))]  # nothing has begun: they share but the model
    envs = [DrivingEnv(world, config, obs=obs, extra_obs=extra_obs, render_mode=render_mode) for world in worlds]
    return DrivingVectorEnv(envs, step_singly if exact else step_together, autoreset_mode)


@entry_point
def make_road_env(
    *,
    obs: ObservationMode = "pixels",
    extra_obs: Sequence[str] = (),
    render_mode: str | None = None,
    frame_size: tuple[int, int] | None = None,
    max_episode_seconds: float = 60.0,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
    world_config: RoadWorldConfig | Mapping[str, Any] | None = None,
) -> DrivingEnv:
    """The reference world: the entry point of DriveDiT-Road-v0.

    Args:
        obs: what is observed; "latent" is not to be had here.
        extra_obs: what more the camera tells: "depth", "semantic".
        render_mode: None or "rgb_array".
        frame_size: height and width of frames [px]; None takes that of `world_config`.
        max_episode_seconds: simulated time until truncation [s].
        trust_threshold: taken alike by all ids; of no effect in a world of truth.
        trust_signals: likewise.
        world_config: all else about the world, as a RoadWorldConfig or as a dict of its fields; None takes its
            defaults.

    Raises:
        ValueError: there are no such signals, or the config is refused.
    """
    from envs.road.config import RoadWorldConfig
    from envs.road.road_world import RoadWorld

    _check_signals(trust_signals)
    world_config = config_from_values(RoadWorldConfig, world_config)
    if frame_size is not None:
        height, width = frame_size
        world_config = replace(world_config, frame_size=(height, width))
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds, trust_threshold=trust_threshold)
    return DrivingEnv(RoadWorld(world_config), config, obs=obs, extra_obs=extra_obs, render_mode=render_mode)


@entry_point
def make_road_vector_env(
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = "NextStep",
    num_workers: int | None = None,
    obs: ObservationMode = "pixels",
    extra_obs: Sequence[str] = (),
    render_mode: str | None = None,
    frame_size: tuple[int, int] | None = None,
    max_episode_seconds: float = 60.0,
    max_episode_steps: int | None = None,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
    world_config: RoadWorldConfig | Mapping[str, Any] | None = None,
) -> VectorEnvBase:
    """Many drives in the reference world, on all cores: `gymnasium.make_vec("DriveDiT-Road-v0", num_envs=n)`.

    Each env is bit for bit the single env.

    Args:
        num_envs: how many.
        autoreset_mode: see VectorEnvBase.
        num_workers: processes that the envs run in; 0 runs them in this one, where their `envs` can be reached. None:
            one a core, but 0 if that would be a single one.
        obs: what is observed; "latent" is not to be had here.
        extra_obs: what more the camera tells: "depth", "semantic".
        render_mode: None or "rgb_array".
        frame_size: height and width of frames [px]; None takes that of `world_config`.
        max_episode_seconds: simulated time until truncation [s].
        max_episode_steps: steps until truncation, if they are over sooner; None or -1 leaves it to the time.
        trust_threshold: taken alike by all ids; of no effect in a world of truth.
        trust_signals: likewise.
        world_config: all else about the world, as a RoadWorldConfig or as a dict of its fields; None takes its
            defaults.

    Raises:
        ValueError: a count that is too small, or an argument that the envs refuse.
    """
    from envs.process_vector_env import ProcessVectorEnv
    from envs.road.config import RoadWorldConfig
    from envs.vector_env import DrivingVectorEnv, step_singly

    if num_envs < 1:
        raise ValueError(f"num_envs must be at least 1, got {num_envs}")
    if num_workers is not None and num_workers < 0:
        raise ValueError(f"num_workers must be at least 0, got {num_workers}")
    world_config = config_from_values(RoadWorldConfig, world_config)
    make_env = partial(
        make_road_env,
        obs=obs,
        extra_obs=extra_obs,
        render_mode=render_mode,
        frame_size=frame_size,
        max_episode_seconds=_shorter(max_episode_seconds, max_episode_steps, world_config.dt),
        trust_threshold=trust_threshold,
        trust_signals=trust_signals,
        world_config=world_config,
    )
    if num_workers is None:
        num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        num_workers = min(num_envs, num_cores)
        num_workers = 0 if num_workers == 1 else num_workers
    if num_workers == 0:
        return DrivingVectorEnv([make_env() for _ in range(num_envs)], step_singly, autoreset_mode)
    return ProcessVectorEnv(make_env, num_envs, num_workers, autoreset_mode)


@entry_point
def make_carla_env(
    *,
    obs: ObservationMode = "pixels",
    extra_obs: Sequence[str] = (),
    render_mode: str | None = None,
    host: str | None = None,
    port: int | None = None,
    frame_size: tuple[int, int] | None = None,
    max_episode_seconds: float = 60.0,
    trust_threshold: float = 0.0,
    trust_signals: TrustSignals = "free",
    world_config: CarlaWorldConfig | Mapping[str, Any] | None = None,
) -> DrivingEnv:
    """A CARLA server: the entry point of DriveDiT-Carla-v0. Connects at the first reset.

    Args:
        obs: what is observed; "latent" is not to be had here.
        extra_obs: what more the camera tells: "depth", "semantic".
        render_mode: None or "rgb_array".
        host: of the server; None takes that of `world_config`.
        port: of its RPC; None likewise.
        frame_size: height and width of frames [px]; None likewise.
        max_episode_seconds: simulated time until truncation [s].
        trust_threshold: taken alike by all ids; of no effect in a world of truth.
        trust_signals: likewise.
        world_config: all else about the world, as a CarlaWorldConfig or as a dict of its fields; None takes its
            defaults.

    Raises:
        ValueError: there are no such signals, or the config is refused.
    """
    from envs.carla.carla_world import CarlaWorld
    from envs.carla.config import CarlaWorldConfig

    _check_signals(trust_signals)
    sensors = tuple(extra_obs) or None
    given = {"host": host, "port": port, "frame_size": frame_size and tuple(frame_size), "sensors": sensors}
    world_config = replace(
        config_from_values(CarlaWorldConfig, world_config),
        **{name: value for name, value in given.items() if value is not None},
    )
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds, trust_threshold=trust_threshold)
    return DrivingEnv(CarlaWorld(world_config), config, obs=obs, extra_obs=extra_obs, render_mode=render_mode)


def _shorter(max_episode_seconds: float, max_episode_steps: int | None, dt: float) -> float:
    """The shorter of two time limits [s], one of them in steps of `dt` [s]; None and -1 steps are no limit.

    Raises:
        ValueError: less than a step.
    """
    if max_episode_steps is None or max_episode_steps == -1:
        return max_episode_seconds
    if max_episode_steps < 1:
        raise ValueError(f"max_episode_steps must be at least 1, or -1 for no limit, got {max_episode_steps}")
    return min(max_episode_seconds, max_episode_steps * dt)


def _learned_world(
    checkpoint: str | Path | None,
    num_sampling_steps: int | None,
    backend: Backend,
    device: str,
    trust_signals: TrustSignals,
    speed: Backend | None,
    pictures: bool,
    decode_scene: bool,
) -> LearnedWorld:
    """The learned world of a factory's arguments."""
    from envs.learned.config import LearnedWorldConfig
    from envs.learned.learned_world import LearnedWorld

    if speed is not None:
        if backend != "plain":
            raise ValueError(f"speed is the old name of backend: give backend alone, got {speed!r} and {backend!r}")
        warn_renamed("speed", "backend", "argument")
        backend = speed
    return LearnedWorld(
        LearnedWorldConfig(
            checkpoint=None if checkpoint is None else Path(checkpoint),
            num_steps=num_sampling_steps,
            backend=backend,
            device=device,
            trust_signals=trust_signals,
            pictures=pictures,
            decode_scene=decode_scene,
        )
    )


def _decide_pictures(
    pictures: bool | None,
    obs: ObservationMode,
    render_mode: str | None,
    trust_threshold: float,
    trust_signals: str,
    decode_scene: bool,
) -> bool:
    """Whether a learned world must make pictures.

    Raises:
        ValueError: `pictures` is False and something needs them.
    """
    needs = {
        f"obs={obs!r}": shows_pixels(obs) or obs == "latent",
        f"render_mode={render_mode!r}": render_mode is not None,
        f"trust_threshold={trust_threshold}": trust_threshold > 0,
        f"trust_signals={trust_signals!r}": trust_signals == "full",
        f"decode_scene={decode_scene}": decode_scene,
    }
    needed = [name for name, need in needs.items() if need]
    if pictures is False and needed:
        raise ValueError(f"pictures=False makes no pictures, but {' and '.join(needed)} need them")
    return bool(needed) if pictures is None else pictures


def _check_signals(signals: str) -> None:
    if signals not in ("free", "full"):
        raise ValueError(f"trust_signals must be 'free' or 'full', got {signals!r}")
