"""Case runners drive a case in one world. The world is chosen here, once; nothing that uses a runner asks which."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gymnasium

from envs.carla.leaderboard_routes import RouteError, read_routes
from envs.world import WorldLostError
from envs.worlds import WORLDS, WorldName
from policies.drive import Rollout, drive
from policies.policy import Policy
from scenarios.metrics.collision import THRESHOLD
from scenarios.scenario import Case
from worldsim.datatypes.start_clip import StartClip

MAX_ATTEMPTS = 3
"""Attempts at a case whose world is lost in mid-drive; the last loss ends the run."""


class InvalidStartError(RuntimeError):
    """The case has no usable start, so it says nothing about the policy."""


class CaseRunner(Protocol):
    """Drives cases in one world."""

    def run(self, case: Case, policy: Policy) -> Rollout:
        """The policy's drive from the start of the case.

        Raises:
            InvalidStartError: the case has no usable start in this world.
        """
        ...

    def close(self) -> None:
        """Release the worlds."""
        ...


class ReferenceCaseRunner:
    """Drives cases in a world that simulates actors: the reference world or CARLA.

    Args:
        env: an env of that world.
        places: reset options that replace the cases' towns; a case takes the place that its seed falls on in turn.
    """

    def __init__(self, env: gymnasium.Env, places: Sequence[Mapping[str, Any]] = ()) -> None:
        self.env, self.places = env, places

    def run(self, case: Case, policy: Policy) -> Rollout:
        """See CaseRunner. If the world is lost in mid-drive, the case is driven again from its start.

        Raises:
            WorldLostError: the world was lost in each of MAX_ATTEMPTS attempts.
        """
        options = case.reference_options(self.places[case.seed % len(self.places)] if self.places else None)
        for attempts_left in reversed(range(MAX_ATTEMPTS)):
            try:
                reference_start(self.env, case, options)
                return drive(self.env, case.driver(policy), case.seed, options, _num_steps(self.env, case))
            except WorldLostError as error:
                if attempts_left == 0:
                    raise
                print(f"{case.scenario} seed {case.seed} is driven again, the world was lost: {error}", file=sys.stderr)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Release the world."""
        self.env.close()


class LearnedCaseRunner:
    """Drives cases in the learned world, which continues from a clip of the reference world and runs the same scripts.

    Args:
        env: an env of the learned world.
        recorder: an env of the reference world with the same frame size and time step; supplies the start clips.
        pictures: False for a state-only env, whose start clips need no frames.
    """

    def __init__(self, env: gymnasium.Env, recorder: gymnasium.Env, *, pictures: bool = True) -> None:
        self.env = env
        self.recorder = recorder
        self.pictures = pictures

    def run(self, case: Case, policy: Policy) -> Rollout:
        """See CaseRunner."""
        clip = reference_start(self.recorder, case, case.reference_options(), pictures=self.pictures)
        options = {"start_clip": clip, "scripted_actors": case.actors}
        return drive(self.env, case.driver(policy), case.seed, options, _num_steps(self.env, case))

    def close(self) -> None:
        """Release both worlds."""
        self.env.close()
        self.recorder.close()


@dataclass(frozen=True, kw_only=True)
class CarlaPlaces:
    """A CARLA server and the places in it where cases start.

    Args:
        host: of the server.
        port: of its RPC.
        maps: cases alternate between these; empty, and without routes, they use the map that is loaded.
        routes: a file of CARLA leaderboard routes; cases alternate between them, each on its own map.

    Raises:
        ValueError: maps and routes are both given.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    maps: tuple[str, ...] = ()
    routes: Path | None = None

    def __post_init__(self) -> None:
        if self.maps and self.routes:
            maps = ", ".join(self.maps)
            raise ValueError(f"give maps or routes, which name their maps, not both; got {maps} and {self.routes}")

    def options(self) -> list[dict[str, Any]]:
        """Reset options of each place.

        Raises:
            FileNotFoundError: the file of routes does not exist.
            ValueError: it contains no route.
        """
        if self.routes is not None:
            return [{"route": route} for route in read_routes(self.routes)]
        return [{"map": name} for name in self.maps] or [{}]


def make_case_runner(
    world: WorldName,
    checkpoint: Path | None = None,
    device: str = "cpu",
    carla: CarlaPlaces | None = None,
    *,
    num_sampling_steps: int | None = None,
    pixels: bool = True,
) -> CaseRunner:
    """The case runner of a world.

    Args:
        world: one of WORLDS.
        checkpoint: folder of the learned world's model; None takes the one that ships with the package.
        device: torch device of the learned world.
        carla: the server of world "carla"; None takes CarlaPlaces' defaults.
        num_sampling_steps: denoising steps per frame of the learned world; None takes the model's own number.
        pixels: policies see camera frames and rollouts keep them; without frames, drives are faster.

    Raises:
        FileNotFoundError: the checkpoint or the file of routes does not exist.
        ValueError: there is no such world, or the file contains no route.
    """
    if world not in WORLDS:
        raise ValueError(f"no world is named {world!r}; there are {', '.join(WORLDS)}")
    entry, obs = WORLDS[world], "pixels" if pixels else "state"

    if not entry.reference:
        model = {"checkpoint": checkpoint, "device": device, "num_sampling_steps": num_sampling_steps}
        env = entry.make(obs=obs, **{name: value for name, value in model.items() if name in entry.options})
        return LearnedCaseRunner(env, WORLDS["road"].make(frame_size=env.world.frame_size), pictures=pixels)
    if not entry.remote:
        return ReferenceCaseRunner(entry.make(obs=obs))
    places = CarlaPlaces() if carla is None else carla
    return ReferenceCaseRunner(entry.make(host=places.host, port=places.port, obs=obs), places.options())


def reference_start(env: gymnasium.Env, case: Case, options: Mapping[str, Any], *, pictures: bool = True) -> StartClip:
    """Reset a world with actors; the start clip ends at the moment the policy takes over. Without `pictures` it has no
    frames, for a state-only drive.

    Raises:
        RouteError: the route cannot be driven on this map, so no case can.
        InvalidStartError: the map has no such start, or the ego starts in a collision or off the road.
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
    return base.start_clip(pictures=pictures)


def _num_steps(env: gymnasium.Env, case: Case) -> int:
    base: Any = env.unwrapped
    return math.ceil(case.duration / base.world.dt - 1e-9)
