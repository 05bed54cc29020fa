"""The session that a config asks for: its worlds, its starts, who can drive."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from envs.maps.map_files import MapFile, read_maps
from envs.registration import make_learned_env, make_road_env
from envs.road.config import RoadWorldConfig
from envs.viewer.config import PlayConfig
from envs.viewer.session import Driver, Session, View
from envs.worlds import WORLDS
from worldsim.datatypes.camera import CameraGeometry

if TYPE_CHECKING:
    from envs.learned.learned_world import LearnedWorld

USUAL_SECONDS = 60.0
"""A drive of the learned world is over after this, unless it is endless [s]."""


def make_session(make_driver: Callable[[str], Driver], config: PlayConfig) -> Session:
    """The drive that `config` asks for, at its start.

    Args:
        make_driver: the policy of a name; ValueError when there is none.
        config: what to drive.

    Raises:
        ValueError: an unknown policy, or an option that the world refuses.
        OSError: a file is missing.
    """
    driver = None if config.policy is None else make_driver(config.policy)
    maps = read_maps(config.maps)
    if config.world == "both":
        learned, alike = _learned_view(config)
        views = (_road_view(alike), learned)
    elif config.world == "learned":
        views = (_learned_view(config)[0],)
    elif config.world == "road":
        views = (_road_view(RoadWorldConfig()),)
    else:
        views = (_view(config.world),)
    return Session(
        views,
        seed=config.seed,
        options=_first_options(config, maps),
        start_options=partial(_start_options, config, maps),
        driver=driver,
        video_folder=config.output,
    )


def _view(name: str) -> View:
    """A world of which nothing is known but its name: its frames are taken to be of the usual camera."""
    entry = WORLDS[name]
    env = entry.make()
    return View(name=entry.title, env=env, camera=CameraGeometry().with_frame_size(env.world.frame_size))


def _road_view(world: RoadWorldConfig) -> View:
    env = make_road_env(frame_size=world.frame_size, world_config=world)
    return View(name="Reference", env=env, camera=CameraGeometry().with_frame_size(world.frame_size))


def _learned_view(config: PlayConfig) -> tuple[View, RoadWorldConfig]:
    """The learned world, and a reference world in whose drives it can go on. One core is left to the face."""
    env = make_learned_env(
        checkpoint=config.checkpoint,
        num_sampling_steps=config.num_sampling_steps,
        max_episode_seconds=math.inf if config.endless else USUAL_SECONDS,
    )
    import torch  # which the env has loaded

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) - 1)))
    model = cast("LearnedWorld", env.world).model.config
    camera = model.camera.with_frame_size(model.frame_size)
    alike = RoadWorldConfig(frame_size=model.frame_size, dt=model.dt, num_context=model.num_context)
    return View(name="Learned", env=env, camera=camera), alike


def _first_options(config: PlayConfig, maps: Sequence[MapFile]) -> dict[str, Any]:
    """Reset options of all drives, but for what those of a start say."""
    return {**maps[0].reset_options} if maps else {"endless": True} if config.endless else {}


def _start_options(config: PlayConfig, maps: Sequence[MapFile], digit: int) -> dict[str, Any]:
    """Reset options of start `digit`; the person's own maps take turns."""
    if config.world == "learned":
        return {"start_index": digit - 1}
    return {**maps[(digit - 1) % len(maps)].reset_options} if maps else {"town": digit}
