"""Small envs of both ids, and what they answer from a moment on."""

import hashlib
from pathlib import Path

import gymnasium
import numpy as np
from small_worlds import SMALL

import drivedit  # noqa: F401  registers the ids
from envs.driving_env import DrivingEnv


def make(env_id: str, obs: str, tiny_checkpoint: Path, **kwargs) -> gymnasium.Env:
    if env_id == "DriveDiT-v0":
        return gymnasium.make(env_id, obs=obs, checkpoint=tiny_checkpoint, **kwargs)
    return gymnasium.make(env_id, obs=obs, world_config=SMALL, frame_size=(48, 48), **kwargs)


ACTION = np.array([0.05, 0.5], np.float32)


def going_on(env: DrivingEnv, num_steps: int = 3) -> str:
    """SHA-256 of what the env answers from here on, and then after an unseeded reset."""
    digest = hashlib.sha256()
    for _ in range(num_steps):
        frame, *numbers, info = env.step(ACTION)
        for value in (frame, *numbers, *info.values()):
            digest.update(np.asarray(value).tobytes())
    digest.update(env.reset()[0].tobytes())
    return digest.hexdigest()
