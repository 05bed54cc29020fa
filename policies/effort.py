"""What a planner's decisions cost: wall time, and steps of a world model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.policy import Policy

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv


@dataclass(kw_only=True)
class Effort:
    """What a planner has spent on searches so far; it counts up.

    Args:
        searches: how often it searched.
        seconds: wall time of these [s].
        model_steps: steps of the world model, each of one imagined drive.
    """

    searches: int = 0
    seconds: float = 0.0
    model_steps: int = 0


class TimedPolicy:
    """A policy and what its decisions cost, whatever it is. The first one of all, in which code is loaded and compiled,
    is not counted.

    Args:
        policy: whose calls of `act` are timed; one that searches says by an attribute `effort` how many steps of a
            world model that took.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.wall_seconds: list[float] = []
        """Of each decision since the last reset [s]."""
        self.cpu_seconds: list[float] = []
        """Likewise, of this process's processors, which other processes do not lengthen."""
        self._warm = False

    @property
    def model_steps(self) -> int:
        """Of the same decisions; 0 of a policy without a world model."""
        return self._model_steps() - self._before

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Begin to count anew."""
        self.wall_seconds, self.cpu_seconds = [], []
        self._before = self._model_steps()
        self.policy.reset(env, seed)

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The policy's action."""
        wall, cpu = time.perf_counter(), time.process_time()
        action = self.policy.act(frame, info)
        if self._warm:
            self.wall_seconds.append(time.perf_counter() - wall)
            self.cpu_seconds.append(time.process_time() - cpu)
        else:
            self._warm, self._before = True, self._model_steps()
        return action

    def _model_steps(self) -> int:
        effort = getattr(self.policy, "effort", None)
        return effort.model_steps if isinstance(effort, Effort) else 0
