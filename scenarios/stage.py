"""Stages: where a case is driven. The choice of the world is made here, once; whoever runs a case never asks."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gymnasium

from envs.carla.leaderboard_routes import RouteError, read_routes
from envs.registration import WORLDS, WorldName
from envs.world import WorldLostError
from policies.drive import Rollout, drive
from policies.policy import Policy
from scenarios.metrics.collision import THRESHOLD
from scenarios.scenario import Case
from worldsim.datatypes.start_clip import StartClip

MOST_LOSSES = 3
"""A world that breaks off this often in one case ends the validation."""


class InvalidStartError(RuntimeError):
    """The episode is over before the policy takes over: the case says nothing about the policy."""


class CaseRunner(Protocol):
    """Drives cases in one world."""

    def run(self, case: Case, policy: Policy) -> Rollout:
        """The policy's drive from the case's start.

        Raises:
            InvalidStartError: there is none.
        """
        ...

    def close(self) -> None:
        """Free the worlds."""
        ...


class ReferenceCaseRunner:
    """Cases in a world with actors.

    Args:
        env: an env of such a world.
        places: reset options that say where, in place of the cases' own towns: case by case in turn, by their seeds.
    """

    def __init__(self, env: gymnasium.Env, places: Sequence[Mapping[str, Any]] = ()) -> None:
        self.env, self.places = env, places

    def run(self, case: Case, policy: Policy) -> Rollout:
        """See Stage. A drive in which the world breaks off is driven again.

        Raises:
            WorldLostError: it broke off again and again.
        """
        options = case.reference_options()
        if self.places:
            options = {**self.places[case.seed % len(self.places)], "scripted_actors": case.actors}
        for losses_left in reversed(range(MOST_LOSSES)):
            try:
                reference_start(self.env, case, options)
                return drive(self.env, policy, case.seed, options, _num_steps(self.env, case))
            except WorldLostError as error:
                if losses_left == 0:
                    raise
                print(f"{case.scenario} seed {case.seed} is lost and driven again: {error}", file=sys.stderr)
        raise AssertionError("the last drive returns or raises")

    def close(self) -> None:
        """Free the world."""
        self.env.close()


class LearnedCaseRunner:
    """Cases in the learned world, which goes on, scripts and all, from the clip that the reference world's start has
    behind it.

    Args:
        env: an env of the learned world.
        recorder: an env of the reference world with the same frames and time step.
    """

    def __init__(self, env: gymnasium.Env, recorder: gymnasium.Env) -> None:
        self.env = env
        self.recorder = recorder

    def run(self, case: Case, policy: Policy) -> Rollout:
        """See Stage."""
        clip = reference_start(self.recorder, case, case.reference_options())
        options = {"start_clip": clip, "scripted_actors": case.actors}
        return drive(self.env, policy, case.seed, options, _num_steps(self.env, case))

    def close(self) -> None:
        """Free both worlds."""
        self.env.close()
        self.recorder.close()


@dataclass(frozen=True, kw_only=True)
class CarlaPlaces:
    """A CARLA server, and where the cases are set there.

    Args:
        host: of the server.
        port: of its RPC.
        maps: of the server, in turn; without one, and without routes, the map it has.
        routes: a file of CARLA leaderboard routes, in turn, each on its own map.

    Raises:
        ValueError: maps and routes are both given.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    maps: tuple[str, ...] = ()
    routes: Path | None = None

    def __post_init__(self) -> None:
        if self.maps and self.routes:
            raise ValueError(f"give maps or routes, which name their maps, not both: {self.maps}")

    def options(self) -> list[dict[str, Any]]:
        """Reset options of each place.

        Raises:
            FileNotFoundError: there is no file of routes.
            ValueError: it has none.
        """
        if self.routes is not None:
            return [{"route": route} for route in read_routes(self.routes)]
        return [{"map": name} for name in self.maps] or [{}]


def make_stage(
    world: WorldName,
    checkpoint: Path | None = None,
    device: str = "cpu",
    carla: CarlaPlaces | None = None,
    *,
    num_sampling_steps: int | None = None,
    pixels: bool = True,
) -> CaseRunner:
    """The stage of a world.

    Args:
        world: one of WORLDS.
        checkpoint: the learned world's; None takes the one that ships with the package.
        device: torch device of the learned world.
        carla: the server of world "carla"; None takes CarlaPlaces' defaults.
        num_sampling_steps: of a frame of the learned world; None takes its own.
        pixels: policies are shown frames, and rollouts keep them; without, drives are faster.

    Raises:
        FileNotFoundError: there is no such checkpoint or file of routes.
        ValueError: no world has that name, or the file of routes has none.
    """
    if world not in WORLDS:
        raise ValueError(f"no world is named {world!r}; there are {', '.join(WORLDS)}")
    entry, obs = WORLDS[world], "pixels" if pixels else "state"

    if not entry.reference:
        model = {"checkpoint": checkpoint, "device": device, "num_sampling_steps": num_sampling_steps}
        env = entry.make(obs=obs, **{name: value for name, value in model.items() if name in entry.options})
        return LearnedCaseRunner(env, WORLDS["road"].make(frame_size=env.world.frame_size))
    if not entry.remote:
        return ReferenceCaseRunner(entry.make(obs=obs))
    places = CarlaPlaces() if carla is None else carla
    return ReferenceCaseRunner(entry.make(host=places.host, port=places.port, obs=obs), places.options())


def reference_start(env: gymnasium.Env, case: Case, options: Mapping[str, Any]) -> StartClip:
    """The clip that ends where the policy takes over, from a world with actors reset with `options`.

    Raises:
        RouteError: the route cannot be driven there: no case can.
        InvalidStartError: the map has no such start, or the ego already touches something or is off the road.
    """
    try:
        _, info = env.reset(seed=case.seed, options=dict(options))
    except RouteError:
        raise
    except ValueError as error:
        raise InvalidStartError(f"{case.scenario} seed {case.seed}: {error}") from error
    if max(info["collision"], info["off_road"]) > THRESHOLD:
        raise InvalidStartError(f"{case.scenario} seed {case.seed}: the start is in a collision or off the road")
    base: Any = env.unwrapped
    return base.start_clip()


def _num_steps(env: gymnasium.Env, case: Case) -> int:
    base: Any = env.unwrapped
    return math.ceil(case.duration / base.world.dt - 1e-9)
