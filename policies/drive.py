"""drive: the project's only loop of an env and a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from policies.policy import Policy
from policies.policy_error import PolicyError, blaming_policy
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import StartClip

OnStep = Callable[[int, np.ndarray, np.ndarray, Mapping[str, Any]], bool | None]
"""Called after each step with the number of steps so far, the new frame, the action that led to it and the env's info;
returning True ends the drive."""
NO_FRAME = np.zeros((0, 0, 3), np.uint8)
"""The frame of an env that does not observe pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollout:
    """A drive of T steps: T+1 instants and the T actions between them. actions[t] leads from instant t to t+1.

    Args:
        clip: the past from which the drive started; its newest frame is frames[0].
        frames: RGB, uint8 [T+1, h, w, 3]; empty [T+1, 0, 0, 3] if the env does not observe pixels.
        scenes: SceneState with leading dim [T+1].
        vehicles: VEHICLE_NAMES, float64 [T+1, 6].
        actions: steer and acceleration, float32 [T, 2].
        rewards: float64 [T].
        collision: probability at each instant, float64 [T+1].
        off_road: probability at each instant, float64 [T+1].
        wrong_way: bool [T+1].
        red_light: a stop line was crossed on red on the way to each instant, bool [T+1]; where lights and signs are not
            known (`scenes.signal_valid`) this and the next are False.
        stop_sign_missed: a stop sign was passed without a stop on the way to each instant, bool [T+1].
        trust: in the picture of each instant, float64 [T+1]; 1 where nothing is generated.
        progress: distance along the route in each step, float64 [T] [m].
        terminated: the env ended the episode.
        truncated: the env's time ran out.
        seed: of the env and the policy.
        dt: time between instants [s].
    """

    clip: StartClip
    frames: np.ndarray
    scenes: SceneState
    vehicles: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray
    wrong_way: np.ndarray
    red_light: np.ndarray
    stop_sign_missed: np.ndarray
    trust: np.ndarray
    progress: np.ndarray
    terminated: bool
    truncated: bool
    seed: int
    dt: float

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.actions)

    @property
    def seconds(self) -> float:
        """Simulated time [s]."""
        return self.num_steps * self.dt


def drive(
    env: gymnasium.Env,
    policy: Policy,
    seed: int,
    options: Mapping[str, Any] | None = None,
    max_steps: int | None = None,
    on_step: OnStep | None = None,
) -> Rollout:
    """Reset the env and let the policy drive until the env ends, `max_steps` are done or `on_step` returns True.

    The policy is shown copies: whatever it writes into them, the rollout stays what the env said.

    Args:
        env: a DrivingEnv that observes pixels, wrapped or not; or one with obs="state", which is faster, and gives
            policies empty frames.
        policy: drives the ego.
        seed: for the env and the policy.
        options: reset options of the env.
        max_steps: None drives to the episode's end.
        on_step: called after every step.

    Raises:
        ValueError: max_steps is negative, or the env observes neither pixels nor the state.
        PolicyError: the policy raised, ended the process or answered with no action; says in which step, and has the
            drive up to there.
    """
    observation, info = env.reset(seed=seed, options=None if options is None else dict(options))
    return drive_on(env, policy, seed, observation, info, max_steps, on_step)


def drive_on(
    env: gymnasium.Env,
    policy: Policy,
    seed: int,
    observation: Any,
    info: Mapping[str, Any],
    max_steps: int | None = None,
    on_step: OnStep | None = None,
) -> Rollout:
    """`drive` in an env that has just been reset.

    Args:
        env: likewise.
        policy: likewise.
        seed: that it was reset with.
        observation: what the reset returned.
        info: likewise.
        max_steps: None drives to the episode's end.
        on_step: called after every step.

    Raises:
        ValueError, PolicyError: likewise.
    """
    if max_steps is not None and max_steps < 0:
        raise ValueError(f"max_steps must not be negative, got {max_steps}")

    base: Any = env.unwrapped
    pixels = np.ndim(observation) == 3
    if not pixels and getattr(base, "obs", None) != "state":
        raise ValueError(f"drive needs an env that observes pixels or the state, got {env.observation_space}")
    frame = observation if pixels else NO_FRAME
    clip = base.start_clip(pictures=pixels)
    with blaming_policy("in reset", 0):
        policy.reset(base, seed)

    frames, infos, actions, rewards = [frame], [info], [], []
    terminated = truncated = False

    def rollout() -> Rollout:
        return Rollout(
            clip=clip,
            frames=np.stack(frames),
            scenes=SceneState.from_vector(np.stack([i["scene"] for i in infos])),
            vehicles=np.stack([i["vehicle"] for i in infos]),
            actions=np.array(actions, np.float32).reshape(-1, 2),
            rewards=np.array(rewards, np.float64),
            collision=np.array([i["collision"] for i in infos], np.float64),
            off_road=np.array([i["off_road"] for i in infos], np.float64),
            wrong_way=np.array([i["wrong_way"] for i in infos], bool),
            red_light=np.array([i["red_light"] for i in infos], bool),
            stop_sign_missed=np.array([i["stop_sign_missed"] for i in infos], bool),
            trust=np.array([i["trust"] for i in infos], np.float64),
            progress=np.array([i["progress"] for i in infos[1:]], np.float64),
            terminated=bool(terminated),
            truncated=bool(truncated),
            seed=seed,
            dt=float(clip.dt),
        )

    while not (terminated or truncated) and (max_steps is None or len(actions) < max_steps):
        try:
            action = _ask(policy, frame, info, len(actions))
        except PolicyError as error:
            error.rollout = rollout() if actions else None
            raise
        observation, reward, terminated, truncated, info = env.step(action)
        frame = observation if pixels else NO_FRAME
        frames.append(frame)
        infos.append(info)
        actions.append(action)
        rewards.append(float(reward))
        if on_step is not None and on_step(len(actions), frame, actions[-1], info):
            break
    return rollout()


def _ask(policy: Policy, frame: np.ndarray, info: Mapping[str, Any], step: int) -> np.ndarray:
    """The policy's action, float32 [2], an array of ours: the policy may use its own again.

    Raises:
        PolicyError: there is none.
    """
    shown = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in info.items()}
    with blaming_policy("in act", step):
        answer = policy.act(frame.copy(), shown)
    try:
        action = np.array(answer, np.float32)
    except (TypeError, ValueError) as error:
        raise PolicyError(f"answered {answer!r:.80} instead of an action", step) from error
    if answer is None or action.shape != (2,):
        what = "None" if answer is None else f"an array of shape {action.shape}"
        raise PolicyError(f"answered {what} instead of an action [2] = steer, acceleration", step)
    if not np.isfinite(action).all():
        raise PolicyError(f"answered {action.tolist()}, an action is finite", step)
    return action
