"""The Policy protocol, and the two policies that ignore what they observe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv
    from worldsim.datatypes.scene import SceneState


class Policy(Protocol):
    """Maps observations to actions. It may keep state between `reset` and the end of the episode."""

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Begin an episode in `env`, which has just been reset; all randomness of the episode comes from `seed`."""
        ...

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2] (steer, acceleration in [-1, 1]) for a frame uint8 [h, w, 3] and the env's info."""
        ...


class MemorylessPolicy(Policy, Protocol):
    """A policy that is a function of the scene alone: many drives can share it and ask it at once.

    Attributes:
        memoryless: True, said by the very class that defines `act`.
    """

    memoryless: bool

    def actions(self, scenes: SceneState) -> np.ndarray:
        """The actions float32 [n, 2] for each of the scenes [n], bit for bit those of `act`."""
        ...


def is_memoryless(policy: Policy) -> TypeGuard[MemorylessPolicy]:
    """Whether the class that defines the policy's `act` says so: a subclass that acts otherwise has to say it again."""
    acts = next((kind for kind in type(policy).__mro__ if "act" in vars(kind)), None)
    return acts is not None and vars(acts).get("memoryless") is True


class ConstantPolicy:
    """The same action always; [0, 0] coasts.

    Args:
        action: steer and acceleration in [-1, 1].
    """

    def __init__(self, action: tuple[float, float] = (0.0, 0.0)) -> None:
        if max(abs(a) for a in action) > 1:
            raise ValueError(f"action must lie in [-1, 1], got {action}")
        self.action = np.array(action, np.float32)

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Nothing to prepare."""

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action."""
        return self.action.copy()


class RandomPolicy:
    """Uniform actions, each held for a while.

    Args:
        num_hold: steps an action is held.
    """

    def __init__(self, num_hold: int = 5) -> None:
        if num_hold < 1:
            raise ValueError(f"num_hold must be at least 1, got {num_hold}")
        self.num_hold = num_hold

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Start the sequence of this seed."""
        self._rng = np.random.default_rng(seed)
        self._left = 0

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action held now."""
        if self._left == 0:
            self._action = self._rng.uniform(-1, 1, 2).astype(np.float32)
            self._left = self.num_hold
        self._left -= 1
        return self._action.copy()
