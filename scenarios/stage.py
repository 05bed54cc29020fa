"""Stages: where a case is driven. The choice of the world is made here, once; whoever runs a case never asks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Protocol

import gymnasium

from envs.driving_env import make_dream_env, make_road_env
from policies.drive import Rollout, drive
from policies.policy import Policy
from scenarios.metrics.collision import THRESHOLD
from scenarios.scenario import Case
from worldsim.start_clip import StartClip

WorldName = Literal["learned", "road"]


class InvalidStartError(RuntimeError):
    """The episode is over before the policy takes over: the case says nothing about the policy."""


class Stage(Protocol):
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


class ReferenceStage:
    """Cases in a world with actors.

    Args:
        env: an env of such a world.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = env

    def run(self, case: Case, policy: Policy) -> Rollout:
        """See Stage."""
        reference_start(self.env, case)
        return drive(self.env, policy, case.seed, case.reference_options(), _num_steps(self.env, case))

    def close(self) -> None:
        """Free the world."""
        self.env.close()


class LearnedStage:
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
        clip = reference_start(self.recorder, case)
        return drive(self.env, policy, case.seed, {"start": clip, "scenario": case.actors}, _num_steps(self.env, case))

    def close(self) -> None:
        """Free both worlds."""
        self.env.close()
        self.recorder.close()


def make_stage(world: WorldName, checkpoint: Path | None = None, device: str = "cpu") -> Stage:
    """The stage of a world.

    Args:
        world: "learned" or "road".
        checkpoint: the learned world's; None takes the one that ships with the package.
        device: torch device of the learned world.

    Raises:
        ValueError: no world has that name.
    """
    if world == "road":
        return ReferenceStage(make_road_env())
    if world == "learned":
        env = make_dream_env(checkpoint=checkpoint, device=device)
        return LearnedStage(env, make_road_env(frame_size=env.world.frame_size))
    raise ValueError(f"no world is named {world!r}; there are learned and road")


def reference_start(env: gymnasium.Env, case: Case) -> StartClip:
    """The clip that ends where the policy takes over, from a world with actors.

    Raises:
        InvalidStartError: the map has no such start, or the ego already touches something or is off the road.
    """
    try:
        _, info = env.reset(seed=case.seed, options=case.reference_options())
    except ValueError as error:
        raise InvalidStartError(f"{case.scenario} seed {case.seed}: {error}") from error
    if max(info["collision"], info["off_road"]) > THRESHOLD:
        raise InvalidStartError(f"{case.scenario} seed {case.seed}: the start is in a collision or off the road")
    base: Any = env.unwrapped
    return base.start_clip()


def _num_steps(env: gymnasium.Env, case: Case) -> int:
    base: Any = env.unwrapped
    return math.ceil(case.duration / base.world.dt - 1e-9)
