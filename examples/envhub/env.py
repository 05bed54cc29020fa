"""DriveDiT as LeRobot's EnvHub loads environments: this file, as `env.py` at the root of a repository on the Hub.

Needs DriveDiT and LeRobot 0.6 in one environment. With the file uploaded as USER/REPOSITORY:

    from lerobot.envs.factory import make_env

    envs = make_env("USER/REPOSITORY", n_envs=4, trust_remote_code=True)["DriveDiT-v0"][0]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper

import drivedit

TASK = "Drive along the route, at the speed limit, without touching anything."
"""What language-conditioned policies are told."""
SECONDS = 60.0
"""Longest drive [s]."""


class LeRobotVectorEnv(VectorWrapper):
    """A vector env of DriveDiT's that answers what LeRobot asks beyond Gymnasium's contract.

    Observations `pixels` and `state` become LeRobot's `observation.image` and `observation.state`. A drive succeeded
    (`infos["is_success"]`) when it came to the end of its route or of its time, without a collision and on the road.
    """

    def __init__(self, envs: drivedit.DrivingVectorEnv) -> None:
        super().__init__(envs)
        self._envs = envs
        num_steps = round(SECONDS * envs.metadata["render_fps"])
        for name, value in (("_max_episode_steps", num_steps), ("task", "drive"), ("task_description", TASK)):
            self.set_attr(name, value)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the envs; LeRobot's own options are not handed to the worlds."""
        options = {key: value for key, value in (options or {}).items() if not key.startswith("lerobot_")}
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step the envs."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        arrived = infos["route_done"] | (infos["truncation_reason"] == drivedit.TruncationReason.TIME)
        infos["is_success"] = arrived & (infos["collision"] <= 0.5) & (infos["off_road"] <= 0.5)
        return observations, rewards, terminations, truncations, infos

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What method `name` of each env returns; of an attribute, its value."""
        return self._envs.call(name, *args, **kwargs)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Attribute `name` of each env."""
        return self._envs.get_attr(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set attribute `name` of each env."""
        self._envs.set_attr(name, values)


def make_env(n_envs: int = 1, use_async_envs: bool = False, cfg: Any = None) -> dict[str, dict[int, LeRobotVectorEnv]]:
    """The learned world as LeRobot asks for it.

    Args:
        n_envs: how many drives.
        use_async_envs: of no effect: the drives step together in one pass, with either.
        cfg: LeRobot's config of an env of the Hub; nothing is read from it.

    Returns:
        The only task's vector env, by suite and task.
    """
    envs = drivedit.make_learned_vector_env(n_envs, obs="both", render_mode="rgb_array", max_episode_seconds=SECONDS)
    return {"DriveDiT-v0": {0: LeRobotVectorEnv(envs)}}
