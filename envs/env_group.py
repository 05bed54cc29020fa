"""EnvGroup: the envs of one process in a vector env, and what their infos become together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.driving_env import DrivingEnv
from envs.world import WorldStep
from worldsim.datatypes.scene import control_from_action

Answer = tuple[Any, float, bool, bool, dict[str, Any]]
"""What the step of one env returns."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a step of `n` envs brought, besides their observations.

    Args:
        rewards: float64 [n].
        terminations: bool [n].
        truncations: bool [n].
        infos: as Gymnasium's vector envs have them.
    """

    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray
    infos: dict[str, Any]


StepWorlds = Callable[[Sequence[Any], np.ndarray], list[WorldStep]]
"""One step of worlds by controls float32 [k, 4]: their answers."""


def step_envs(envs: Sequence[DrivingEnv], actions: np.ndarray, step_worlds: StepWorlds) -> list[Answer]:
    """One step of envs by actions [k, 2] in one pass: what the `step` of each returns."""
    if not envs:
        return []
    steps = step_worlds([env.world for env in envs], control_from_action(actions))
    return [env.process_step(step) for env, step in zip(envs, steps, strict=True)]


class EnvGroup:
    """Envs of this process that step together.

    Attributes:
        shown: the newest observation of each; None where there is none.

    Args:
        envs: at least one.
        step_worlds: steps worlds of theirs.
        same_step: an env whose episode ends is reset in that same step.
    """

    def __init__(
        self,
        envs: Sequence[DrivingEnv],
        step_worlds: StepWorlds,
        *,
        same_step: bool,
    ) -> None:
        self.envs = tuple(envs)
        self.shown: list[Any] = [None] * len(self.envs)
        self._step_worlds, self._same_step = step_worlds, same_step

    def reset(self, slots: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any]) -> dict[str, Any]:
        """Reset the envs `slots`, by their own of `seeds` [n]; returns their infos."""
        infos: list[dict[str, Any] | None] = [None] * len(self.envs)
        for k in slots:
            self.shown[k], infos[k] = self.envs[k].reset(seed=seeds[k], options=options)
        return stack_infos(infos)

    def step(self, actions: np.ndarray, waiting: np.ndarray) -> Outcome:
        """Step all envs by actions [n, 2] but those that are `waiting`, bool [n], which are reset."""
        num = len(self.envs)
        rewards, infos = np.zeros(num), []
        terminations, truncations = np.zeros((2, num), np.bool_)
        stepped = np.flatnonzero(~waiting).tolist()
        answers = dict(zip(stepped, self.step_some(stepped, actions[stepped]), strict=True))
        for k, env in enumerate(self.envs):
            if k in answers:
                self.shown[k], rewards[k], terminations[k], truncations[k], info = answers[k]
            else:
                self.shown[k], info = env.reset()
            if self._same_step and (terminations[k] or truncations[k]):
                end = {"final_obs": self.shown[k], "final_info": info}
                self.shown[k], info = env.reset()
                info = {**end, **info}
            infos.append(info)
        return Outcome(rewards=rewards, terminations=terminations, truncations=truncations, infos=stack_infos(infos))

    def step_some(self, slots: Sequence[int], actions: np.ndarray) -> list[Answer]:
        """Step the envs `slots` by actions [k, 2] in one pass, without autoreset: what the `step` of each returns."""
        return step_envs([self.envs[k] for k in slots], actions, self._step_worlds)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What method `name` of each env returns for these arguments; of an attribute, its value."""
        values = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(value(*args, **kwargs) if callable(value) else value for value in values)

    def set_attr(self, name: str, values: Sequence[Any]) -> None:
        """Set attribute `name` of each env to its own of `values`."""
        for env, value in zip(self.envs, values, strict=True):
            env.set_wrapper_attr(name, value)


def stack_infos(infos: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Infos of `n` envs as one, exactly as Gymnasium's vector envs do it, a key at a time instead of a value at a time.

    None stands for an env that has nothing to say.
    """
    stacked: dict[str, Any] = {}
    for key in dict.fromkeys(key for info in infos if info is not None for key in info):
        there = np.array([info is not None and key in info for info in infos])
        values = [info[key] for info in infos if info is not None and key in info]
        if key != "final_obs" and isinstance(values[0], Mapping):
            stacked[key] = stack_infos([info.get(key) if info is not None else None for info in infos])
        elif key != "final_obs" and isinstance(values[0], (bool, int, float, np.number, np.ndarray)):
            stacked[key] = _spread(np.array(values, np.asarray(values[0]).dtype), there)
        else:
            some = np.empty(len(values), object)
            some[:] = values
            stacked[key] = _spread(some, there)
        stacked[f"_{key}"] = there
    return stacked


def join_infos(groups: Sequence[dict[str, Any]], sizes: Sequence[int]) -> dict[str, Any]:
    """The stacked infos of groups of `sizes` envs as those of all of them."""
    joined: dict[str, Any] = {}
    for key in dict.fromkeys(key for infos in groups for key in infos):
        parts = [infos.get(key) for infos in groups]
        known = next(part for part in parts if part is not None)
        if isinstance(known, dict):
            joined[key] = join_infos([{} if part is None else part for part in parts], sizes)
        else:
            missing = (None if known.dtype == object else 0, known.shape[1:], known.dtype)
            joined[key] = np.concatenate(
                [_filled(size, *missing) if part is None else part for part, size in zip(parts, sizes, strict=True)]
            )
    return joined


def _spread(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Values [k, ...] at the places where `there` [n] holds, zeros or None elsewhere."""
    if len(values) == len(there):
        return values
    spread = _filled(len(there), None if values.dtype == object else 0, values.shape[1:], values.dtype)
    spread[there] = values
    return spread


def _filled(num: int, value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.full((num, *shape), value, dtype)
