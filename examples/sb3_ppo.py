"""Stable-Baselines3's PPO in the learned world, from pixels, the state or features. Needs stable-baselines3.

python examples/sb3_ppo.py --obs features
drivedit validate --policy examples/sb3_ppo.py:Driver
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from stable_baselines3 import PPO

import drivedit
from envs.sb3_vec_env import SB3VecEnv
from policies.sb3 import SB3Policy

POLICY_PATH = Path("runs/sb3_ppo/policy.zip")


@dataclass(frozen=True, kw_only=True)
class SB3Config:
    """What to train, and for how long.

    Args:
        out: file for the policy.
        obs: what the policy observes.
        num_steps: env steps in total.
        num_envs: envs that run in parallel.
        rollout_length: steps of each env between two updates.
        checkpoint: folder of the world model; None takes the one that ships with the package.
        seed: of network, exploration and envs.
    """

    out: Path = POLICY_PATH
    obs: Literal["features", "state", "pixels"] = "features"
    num_steps: int = 24_000
    num_envs: int = 16
    rollout_length: int = 32
    checkpoint: Path | None = None
    seed: int = 0


def learn(config: SB3Config) -> PPO:
    """Train a policy, write it and return it."""
    envs = drivedit.make_learned_vector_env(config.num_envs, obs=config.obs, checkpoint=config.checkpoint)
    policy = PPO(
        "CnnPolicy" if config.obs == "pixels" else "MlpPolicy",
        SB3VecEnv(envs),
        n_steps=config.rollout_length,
        batch_size=config.num_envs * config.rollout_length // 4,
        gamma=0.97,
        gae_lambda=0.9,
        learning_rate=lambda left: 3e-3 * left if config.obs == "features" else 3e-4 * left,
        policy_kwargs={"log_std_init": -1.5},
        seed=config.seed,
        device="cpu",
    )
    policy.learn(config.num_steps, progress_bar=False)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    policy.save(config.out)
    return policy


class Driver(SB3Policy):
    """The learned policy as a DriveDiT policy; `--policy sb3:runs/sb3_ppo/policy.zip --allow-pickle` is the same.

    Args:
        path: written by `learn`, here, so that what is pickled in it may be loaded.
    """

    def __init__(self, path: Path = POLICY_PATH) -> None:
        super().__init__(path, allow_pickle=True)


if __name__ == "__main__":
    learn(tyro.cli(SB3Config, description=__doc__))
