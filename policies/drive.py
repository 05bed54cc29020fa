"""drive: the project's only loop of envs and policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from envs.env_group import Answer
from policies.policy import Policy, is_memoryless
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
        trust: in the picture of each instant, float64 [T+1]; 1 where nothing is generated. The first picture is the
            clip's: what the env says of it says nothing of the drive, see `trust_driven`.
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

    @property
    def trust_driven(self) -> np.ndarray:
        """Trust in the pictures of the drive alone, without the start clip's newest, float64 [T]."""
        return self.trust[1:]


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
    return drive_on(Drive(env, policy, seed, observation, info, max_steps, on_step))


class Drive:
    """A policy and an env that has just been reset, on their way; a Rollout when it is over.

    Args:
        env: as for `drive`.
        policy: likewise.
        seed: that the env was reset with.
        observation: what the reset returned.
        info: likewise.
        max_steps: None drives to the episode's end.
        on_step: called after every step.

    Raises:
        ValueError, PolicyError: likewise.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        policy: Policy,
        seed: int,
        observation: Any,
        info: Mapping[str, Any],
        max_steps: int | None = None,
        on_step: OnStep | None = None,
    ) -> None:
        if max_steps is not None and max_steps < 0:
            raise ValueError(f"max_steps must not be negative, got {max_steps}")
        base: Any = env.unwrapped
        self._pixels = np.ndim(observation) == 3
        if not self._pixels and getattr(base, "obs", None) != "state":
            raise ValueError(f"drive needs an env that observes pixels or the state, got {env.observation_space}")

        self.env, self.policy, self.seed = env, policy, seed
        self._max_steps, self._on_step = max_steps, on_step
        self._clip: StartClip = base.start_clip(pictures=self._pixels)
        self._frames, self._infos = [self._frame(observation)], [info]
        self._actions: list[np.ndarray] = []
        self._rewards: list[float] = []
        self._terminated = self._truncated = self._stopped = False
        with blaming_policy("in reset", 0):
            policy.reset(base, seed)

    @property
    def num_steps(self) -> int:
        """Steps driven so far."""
        return len(self._actions)

    @property
    def over(self) -> bool:
        """Whether the env ended it, all steps are done or `on_step` wanted no more."""
        return self._terminated or self._truncated or self._stopped or self.num_steps == self._max_steps

    @property
    def scene(self) -> np.ndarray:
        """The newest scene as a vector, float32 [SCENE_SIZE]."""
        return self._infos[-1]["scene"]

    def ask(self) -> np.ndarray:
        """The policy's action, float32 [2], an array of ours: the policy may use its own again.

        Raises:
            PolicyError: there is none.
        """
        frame, info = self._frames[-1], self._infos[-1]
        shown = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in info.items()}
        try:
            with blaming_policy("in act", self.num_steps):
                answer = self.policy.act(frame.copy(), shown)
            return _read_action(answer, self.num_steps)
        except PolicyError as error:
            error.rollout = self.rollout() if self.num_steps else None
            raise

    def go_on(self, action: np.ndarray, answer: tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]) -> None:
        """Take what the env answered to an action."""
        observation, reward, self._terminated, self._truncated, info = answer
        frame = self._frame(observation)
        self._frames.append(frame)
        self._infos.append(info)
        self._actions.append(action)
        self._rewards.append(float(reward))
        self._stopped = self._on_step is not None and bool(self._on_step(self.num_steps, frame, action, info))

    def rollout(self) -> Rollout:
        """The drive so far."""
        infos = self._infos
        return Rollout(
            clip=self._clip,
            frames=np.stack(self._frames),
            scenes=SceneState.from_vector(np.stack([i["scene"] for i in infos])),
            vehicles=np.stack([i["vehicle"] for i in infos]),
            actions=np.array(self._actions, np.float32).reshape(-1, 2),
            rewards=np.array(self._rewards, np.float64),
            collision=np.array([i["collision"] for i in infos], np.float64),
            off_road=np.array([i["off_road"] for i in infos], np.float64),
            wrong_way=np.array([i["wrong_way"] for i in infos], bool),
            red_light=np.array([i["red_light"] for i in infos], bool),
            stop_sign_missed=np.array([i["stop_sign_missed"] for i in infos], bool),
            trust=np.array([i["trust"] for i in infos], np.float64),
            progress=np.array([i["progress"] for i in infos[1:]], np.float64),
            terminated=bool(self._terminated),
            truncated=bool(self._truncated),
            seed=self.seed,
            dt=float(self._clip.dt),
        )

    def _frame(self, observation: Any) -> np.ndarray:
        return observation if self._pixels else NO_FRAME


def drive_on(drive: Drive) -> Rollout:
    """Go on with a drive until it is over.

    Raises:
        PolicyError: as `drive`.
    """
    while not drive.over:
        action = drive.ask()
        drive.go_on(action, drive.env.step(action))
    return drive.rollout()


StepTogether = Callable[[Sequence[gymnasium.Env], np.ndarray], list[Answer]]
"""One step of envs by actions float32 [n, 2]: what the `step` of each returns. Where it raises, none has moved."""


def drive_together(drives: Sequence[Drive], step: StepTogether) -> list[Rollout | Exception]:
    """Go on with drives until all are over, each a step at a time, and each as if it were alone.

    Args:
        drives: in envs of their own.
        step: steps some of the envs.

    Returns:
        Of each drive its rollout, or what it broke by: PolicyError if that is the policy, else whatever its world
        raised.
    """
    broken: dict[int, Exception] = {}
    while going := [k for k, drive in enumerate(drives) if k not in broken and not drive.over]:
        actions = _ask_all(drives, going, broken)
        answers = _step_all(drives, actions, step, broken)
        for k, answer in answers.items():
            drives[k].go_on(actions[k], answer)
    return [broken[k] if k in broken else drive.rollout() for k, drive in enumerate(drives)]


def _ask_all(drives: Sequence[Drive], going: Sequence[int], broken: dict[int, Exception]) -> dict[int, np.ndarray]:
    """The actions of the drives `going`; those whose policies break are added to `broken`."""
    groups: dict[int, list[int]] = {}
    for k in going:
        groups.setdefault(id(drives[k].policy), []).append(k)
    actions: dict[int, np.ndarray] = {}
    for group in groups.values():
        actions |= _ask_together([drives[k] for k in group], group)
        for k in group:
            if k not in actions:
                try:
                    actions[k] = drives[k].ask()
                except PolicyError as error:
                    broken[k] = error
    return actions


def _ask_together(drives: Sequence[Drive], numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """The actions of drives that share a policy, by number, if it can be asked for all at once and has a good answer
    for each; else none: whoever is asked one by one tells where it breaks."""
    policy = drives[0].policy
    if len(drives) == 1 or not is_memoryless(policy):
        return {}
    scenes = SceneState.from_vector(np.stack([drive.scene for drive in drives]))
    try:
        with blaming_policy("in act", drives[0].num_steps):
            answers = policy.actions(scenes)
        return {k: _read_action(a, 0) for k, a in zip(numbers, answers, strict=True)}
    except (PolicyError, ValueError):
        return {}


def _step_all(
    drives: Sequence[Drive], actions: Mapping[int, np.ndarray], step: StepTogether, broken: dict[int, Exception]
) -> dict[int, Answer]:
    """What the worlds of drives answer to actions; those whose worlds break are added to `broken`."""
    if not actions:
        return {}
    try:
        answers = step([drives[k].env for k in actions], np.stack(list(actions.values())))
        return dict(zip(actions, answers, strict=True))
    except Exception as error:
        if len(actions) == 1:
            broken[next(iter(actions))] = error
            return {}
    alone: dict[int, Answer] = {}
    for k, action in actions.items():  # which of them it was
        alone |= _step_all(drives, {k: action}, step, broken)
    return alone


def _read_action(answer: Any, step: int) -> np.ndarray:
    """A policy's answer as an action, float32 [2], in memory of its own.

    Raises:
        PolicyError: it is none.
    """
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
