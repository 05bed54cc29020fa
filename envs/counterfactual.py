"""What if: one moment continued under several action sequences, with the same noise."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium
import numpy as np
from einops import rearrange

from envs.driving_env import DrivingEnv
from worldsim.datatypes.scene import SceneState


@dataclass(frozen=True, kw_only=True, eq=False)
class Counterfactuals:
    """`k` continuations of one moment, T steps each. After an episode's end its last instant stands.

    Args:
        frames: RGB, uint8 [k, T+1, h, w, 3], empty of a state-only env; the first is the moment they share.
        scenes: SceneState with leading dims [k, T+1].
        rewards: float64 [k, T], 0 after the end.
        num_steps: driven until the end, int64 [k].
        dt: time between instants [s].
    """

    frames: np.ndarray
    scenes: SceneState
    rewards: np.ndarray
    num_steps: np.ndarray
    dt: float

    def side_by_side(self) -> np.ndarray:
        """The continuations beside each other as one film, uint8 [T+1, h, k * w, 3].

        Raises:
            ValueError: they are of a state-only env, which shows no frames.
        """
        if not self.frames.size:
            raise ValueError("these are continuations of a state-only env, without frames: make it with pictures=True")
        return rearrange(self.frames, "k t h w c -> t h (k w) c")


def counterfactuals(env: gymnasium.Env, actions: np.ndarray) -> Counterfactuals:
    """Continue from where `env` is under each action sequence; `env` itself stays where it is.

    Args:
        env: a DrivingEnv of any world, wrapped or not, after a reset.
        actions: steer and acceleration, [k, T, 2].

    Raises:
        ValueError: actions of another shape or not finite, or the env was not reset.
    """
    actions = np.asarray(actions, np.float32)
    if actions.ndim != 3 or actions.shape[-1] != 2 or 0 in actions.shape:
        raise ValueError(f"actions must be [k, T, 2] with k and T at least 1, got {actions.shape}")
    base = env.unwrapped
    assert isinstance(base, DrivingEnv)
    drives = [_drive(branch, sequence) for branch, sequence in zip(base.branch(len(actions)), actions, strict=True)]
    frames, scenes, rewards, num_steps = zip(*drives, strict=True)
    return Counterfactuals(
        frames=np.stack(frames),
        scenes=SceneState.stack(scenes),
        rewards=np.stack(rewards),
        num_steps=np.array(num_steps),
        dt=base.world.dt,
    )


def _drive(env: DrivingEnv, actions: np.ndarray) -> tuple[np.ndarray, SceneState, np.ndarray, int]:
    """Frames, scenes and rewards of one sequence, and how many of its steps were driven."""
    clip = env.start_clip()
    frames, scenes, rewards = [clip.frames[-1]], [clip.scenes[-1]], np.zeros(len(actions))
    num_steps, ended = 0, False
    for action in actions:
        if not ended:
            _, rewards[num_steps], terminated, truncated, _ = env.step(action)
            num_steps += 1
            ended = terminated or truncated
            clip = env.start_clip()
        frames.append(clip.frames[-1])
        scenes.append(clip.scenes[-1])
    return np.stack(frames), SceneState.stack(scenes), rewards, num_steps
