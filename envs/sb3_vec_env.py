"""A DrivingVectorEnv as Stable-Baselines3 wants it. Needs stable-baselines3, which the package does not install."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from envs.vector_env import DrivingVectorEnv


class SB3VecEnv(DummyVecEnv):
    """The envs of a vector env as Stable-Baselines3's VecEnv: they step in one pass, and reset when they have ended.

    `infos` are the envs' own with "TimeLimit.truncated" and, at an end, "terminal_observation". All else is as in
    DummyVecEnv. The vector env's autoreset mode plays no part; it should not be stepped beside this.

    Args:
        vector_env: such as `gymnasium.make_vec("DriveDiT-v0", num_envs=8).unwrapped`.
    """

    def __init__(self, vector_env: DrivingVectorEnv) -> None:
        super().__init__([lambda env=env: env for env in vector_env.envs])
        self.vector_env = vector_env

    def step_wait(self) -> VecEnvStepReturn:
        """Step all envs by the actions that `step_async` was given."""
        answers = self.vector_env.step_some(range(self.num_envs), self.actions)
        for k, (obs, reward, terminated, truncated, info) in enumerate(answers):
            self.buf_rews[k], self.buf_dones[k] = reward, terminated or truncated
            self.buf_infos[k] = {**info, "TimeLimit.truncated": truncated and not terminated}
            if terminated or truncated:
                self.buf_infos[k]["terminal_observation"] = obs
                obs, self.reset_infos[k] = self.envs[k].reset()
            self._save_obs(k, obs)
        return self._obs_from_buf(), np.copy(self.buf_rews), np.copy(self.buf_dones), deepcopy(self.buf_infos)
