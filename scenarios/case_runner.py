"""Case runners drive a case in one world. The world is chosen here, once; nothing that uses a runner asks which."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np

from envs.carla.leaderboard_routes import read_routes
from envs.driving_env import DrivingEnv, EnvSnapshot
from envs.env_group import Answer, StepWorlds, step_envs
from envs.trivial_worlds import TRIVIAL_WORLDS, make_trivial_env
from envs.vector_env import step_singly
from envs.world import Restorable, WorldLostError
from envs.worlds import WORLDS, WorldName
from policies.drive import Drive, Rollout, drive_on, drive_together
from policies.policy import Policy
from scenarios.scenario import Case
from scenarios.start_clips import StartClips, begin_case

NUM_TOGETHER = 32
"""Cases that are driven together at most, where they can be."""
NUM_REMEMBERED = 8
"""Newest starts that a runner goes back to when another policy drives the same case."""
MAX_ATTEMPTS = 3
"""Attempts at a case whose world is lost in mid-drive; the last loss ends the run."""


class CaseRunner(Protocol):
    """Drives cases in one world.

    Attributes:
        num_together: how many it drives in less time together than one after the other; 1 if there is no gain.
    """

    num_together: int

    def run(self, case: Case, policy: Policy) -> Rollout:
        """The policy's drive from the start of the case.

        Raises:
            InvalidStartError: the case has no usable start in this world.
        """
        ...

    def run_together(self, drives: Sequence[tuple[Case, Policy]]) -> list[Rollout | Exception]:
        """Of each case and policy, bit for bit what `run` returns or raises. A policy drives several of the cases only
        if it is memoryless."""
        ...

    def close(self) -> None:
        """Release the worlds."""
        ...


class RememberedStarts:
    """The newest starts of an env, gone back to where its world can be set back: bit for bit what a reset would give.

    Args:
        env: that is reset.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        base: Any = env.unwrapped
        self._env, self._starts = base, OrderedDict[str, _Start]()
        self.restorable = env is base and isinstance(base, DrivingEnv) and isinstance(base.world, Restorable)

    def begin(self, case: Case, reset: Callable[[], tuple[Any, dict[str, Any]]]) -> tuple[Any, dict[str, Any]]:
        """What `reset` returns, which sets the env to the start of the case and is called if this is not remembered."""
        start = self._starts.get(case.id)
        if start is not None and start.case == case:
            self._env.restore(start.snapshot)
            self._starts.move_to_end(case.id)
            return start.observation, dict(start.info)

        observation, info = reset()
        if self.restorable:
            start = _Start(case=case, snapshot=self._env.snapshot(), observation=observation, info=dict(info))
            self._starts[case.id] = start
            while len(self._starts) > NUM_REMEMBERED:
                self._starts.popitem(last=False)
        return observation, info


@dataclass(frozen=True, kw_only=True, eq=False)
class _Start:
    """A start, and what the env's reset returned."""

    case: Case
    snapshot: EnvSnapshot
    observation: Any
    info: Mapping[str, Any]


class ReferenceCaseRunner:
    """Drives cases in a world that simulates actors: the reference world or CARLA.

    Args:
        env: an env of that world.
        places: reset options that replace the cases' towns; a case takes the place that its seed falls on in turn.
    """

    num_together = 1

    def __init__(self, env: gymnasium.Env, places: Sequence[Mapping[str, Any]] = ()) -> None:
        self.env, self.places = env, places
        self._starts = RememberedStarts(env)

    def run(self, case: Case, policy: Policy) -> Rollout:
        """See CaseRunner. If the world is lost in mid-drive, the case is driven again from its start.

        Raises:
            WorldLostError: the world was lost in each of MAX_ATTEMPTS attempts.
        """
        options = case.reference_options(self.places[case.seed % len(self.places)] if self.places else None)
        for attempts_left in reversed(range(MAX_ATTEMPTS)):
            try:
                observation, info = self._starts.begin(case, lambda: begin_case(self.env, case, options))
                steps = _num_steps(self.env, case)
                return drive_on(Drive(self.env, case.driver(policy), case.seed, observation, info, steps))
            except WorldLostError as error:
                if attempts_left == 0:
                    raise
                print(f"{case.scenario} seed {case.seed} is driven again, the world was lost: {error}", file=sys.stderr)
        raise AssertionError("the last attempt returns or raises")

    def run_together(self, drives: Sequence[tuple[Case, Policy]]) -> list[Rollout | Exception]:
        """See CaseRunner. One after the other: there is one world."""
        outcomes: list[Rollout | Exception] = []
        for case, policy in drives:
            try:
                outcomes.append(self.run(case, policy))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    def close(self) -> None:
        """Release the world."""
        self.env.close()


class LearnedCaseRunner:
    """Drives cases in the learned world, which continues from a clip of the reference world and runs the same scripts,
    or in a trivial one, which continues from it too.

    Args:
        env: an env of that world.
        clips: the start clips, with frames of the same size and the same time step.
        step_worlds: steps worlds of that kind; None steps learned ones, in one pass.
    """

    def __init__(self, env: gymnasium.Env, clips: StartClips, step_worlds: StepWorlds | None = None) -> None:
        base: Any = env.unwrapped
        self.env, self.clips = env, clips
        self._starts = RememberedStarts(env)
        # with pictures a step takes nearly as long for each drive of many as for one alone
        in_one_pass = step_worlds is None and self._starts.restorable and base.obs == "state"
        self.num_together = NUM_TOGETHER if in_one_pass else 1
        self._step_envs = _step_learned if step_worlds is None else partial(step_envs, step_worlds=step_worlds)

    def run(self, case: Case, policy: Policy) -> Rollout:
        """See CaseRunner."""
        return drive_on(self._begin(case, policy))

    def run_together(self, drives: Sequence[tuple[Case, Policy]]) -> list[Rollout | Exception]:
        """See CaseRunner. All step in one pass."""
        begun: list[Drive | Exception] = []
        for case, policy in drives:
            try:
                begun.append(self._begin(case, policy, apart=len(drives) > 1))
            except Exception as error:
                begun.append(error)
        done = iter(drive_together([drive for drive in begun if isinstance(drive, Drive)], self._step_envs))
        return [next(done) if isinstance(drive, Drive) else drive for drive in begun]

    def _begin(self, case: Case, policy: Policy, *, apart: bool = False) -> Drive:
        """The drive of a case at its start: in the runner's env, or in one apart from it."""

        def reset() -> tuple[Any, dict[str, Any]]:
            options = {"start_clip": self.clips.of(case), "scripted_actors": case.actors}
            return self.env.reset(seed=case.seed, options=options)

        observation, info = self._starts.begin(case, reset)
        env: Any = self.env
        if apart:
            (env,) = env.branch(1)
        return Drive(env, case.driver(policy), case.seed, observation, info, _num_steps(env, case))

    def close(self) -> None:
        """Release both worlds."""
        self.env.close()
        self.clips.close()


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
    keep_clips: bool = True,
) -> CaseRunner:
    """The case runner of a world.

    Args:
        world: one of WORLDS, or of TRIVIAL_WORLDS, which have no pictures.
        checkpoint: folder of the learned world's model; None takes the one that ships with the package.
        device: torch device of the learned world.
        carla: the server of world "carla"; None takes CarlaPlaces' defaults.
        num_sampling_steps: denoising steps per frame of the learned world; None takes the model's own number.
        pixels: policies see camera frames and rollouts keep them; without frames, drives are faster.
        keep_clips: the learned world's start clips are kept on disk, for the next run of the same cases.

    Raises:
        FileNotFoundError: the checkpoint or the file of routes does not exist.
        ValueError: there is no such world, it has no pictures, or the file contains no route.
    """
    if world in TRIVIAL_WORLDS:
        if pixels:
            raise ValueError(f"the trivial world {world!r} is state-only: pixels must be False")
        clips = StartClips(lambda: WORLDS["road"].make(obs="state"), pictures=False, made_by="")
        return LearnedCaseRunner(make_trivial_env(world), clips, step_singly)
    if world not in WORLDS:
        raise ValueError(f"no world is named {world!r}; there are {', '.join(WORLDS)}")
    entry, obs = WORLDS[world], "pixels" if pixels else "state"

    if not entry.reference:
        model = {"checkpoint": checkpoint, "device": device, "num_sampling_steps": num_sampling_steps}
        env = entry.make(obs=obs, **{name: value for name, value in model.items() if name in entry.options})
        size = env.world.frame_size
        clips = StartClips(
            lambda: WORLDS["road"].make(frame_size=size, obs="state"),
            pictures=pixels,
            made_by=f"frames {size}" if pixels else "",
            kept=keep_clips,
        )
        return LearnedCaseRunner(env, clips)
    if not entry.remote:
        return ReferenceCaseRunner(entry.make(obs=obs))
    places = CarlaPlaces() if carla is None else carla
    return ReferenceCaseRunner(entry.make(host=places.host, port=places.port, obs=obs), places.options())


shared_case_runner = cache(make_case_runner)
"""As `make_case_runner`, but of one call's arguments this process makes one, which serves all planners and stays open:
worlds are expensive to make."""


def check_device(device: str) -> None:
    """Refuse a device for the world model that is not there.

    Raises:
        ValueError: torch cannot use it.
    """
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"device {device!r} cannot be had: {reason}") from error


def _step_learned(envs: Sequence[Any], actions: np.ndarray) -> list[Answer]:
    """One step of envs of learned worlds that share a model, in one pass."""
    from envs.learned.stepping import step_together

    return step_envs(envs, actions, step_together)


def _num_steps(env: gymnasium.Env, case: Case) -> int:
    base: Any = env.unwrapped
    return math.ceil(case.duration / base.world.dt - 1e-9)
