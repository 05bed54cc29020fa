"""DrivingVectorEnv: many DrivingEnvs whose worlds step together, as a Gymnasium vector env."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from envs.config_values import plain_spec
from envs.driving_env import DrivingEnv
from envs.env_group import Answer, EnvGroup, Outcome
from envs.world import WorldStep


class VectorEnvBase(VectorEnv[Any, np.ndarray, np.ndarray]):
    """`n` DrivingEnvs side by side, each with its own start, clock and noise, wherever they run.

    Spaces, info and seeds are those of Gymnasium's SyncVectorEnv over the same envs: seed `s` gives env `k` the seed
    `s + k`, `infos[key]` is an array [n] or [n, ...] with `infos["_" + key]` telling whose, and autoreset works by

    | autoreset_mode | when an episode has ended |
    |---|---|
    | NEXT_STEP | the next step resets that env, whatever its action, and returns the start with reward 0 |
    | SAME_STEP | that same step returns the new start; `infos["final_obs"]` and `infos["final_info"]` hold the end |
    | DISABLED | `reset(options={"reset_mask": mask})` resets the envs of a bool [n]; until then stepping is refused |

    The time limit is the envs' own.

    Args:
        first: an env like all of them.
        num_envs: how many there are, at least 1.
        autoreset_mode: a gymnasium.vector.AutoresetMode or its value.

    Raises:
        ValueError: no envs, or an unknown mode.
    """

    def __init__(self, first: DrivingEnv, num_envs: int, autoreset_mode: AutoresetMode | str) -> None:
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**first.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = first.render_mode
        self.single_action_space, self.single_observation_space = first.action_space, first.observation_space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._spec: EnvSpec | None = None
        self._begun = np.zeros(self.num_envs, np.bool_)  # False where reset was not called, or failed
        self._ended = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all envs, or those of `options["reset_mask"]`; the other options go to each of them.

        Args:
            seed: of env 0, env k gets `seed + k`; or one for each env.
            options: of the world, and the mask, bool [n].

        Raises:
            ValueError: not as many seeds as envs, a mask that is not bool [n] or selects no env, or one that leaves an
                env without an episode.
        """
        options = {} if options is None else dict(options)
        mask = self._mask(options.pop("reset_mask", None))
        if seed is None or isinstance(seed, int):
            seed = [None if seed is None else seed + k for k in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{self.num_envs} envs need as many seeds, got {len(seed)}")
        left_out = np.flatnonzero(~mask & ~self._begun).tolist()
        if left_out:
            raise ValueError(f"envs {left_out} have no episode yet: the first reset must not leave them out")

        self._begun &= ~mask  # should an env refuse
        infos = self._reset_envs(np.flatnonzero(mask).tolist(), seed, options)
        self._begun |= mask
        self._ended &= ~mask
        return self._observations(), infos

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step all envs in one pass.

        Args:
            actions: steer and acceleration, [n, 2].

        Returns:
            Observations [n, ...], rewards float64 [n], terminations and truncations bool [n], infos.

        Raises:
            ValueError: actions of another shape or not finite, reset was not called, or (mode DISABLED) an ended env
                was not reset.
        """
        actions = np.asarray(actions, np.float32)
        if actions.shape != (self.num_envs, 2):
            raise ValueError(f"actions must be [{self.num_envs}, 2], got shape {actions.shape}")
        if not np.isfinite(actions).all():
            raise ValueError(f"actions must be finite, got {actions}")
        if self.autoreset_mode == AutoresetMode.DISABLED and self._ended.any():
            raise ValueError(f"envs {np.flatnonzero(self._ended).tolist()} have ended: reset them with a reset_mask")
        not_begun = np.flatnonzero(~self._in_episode()).tolist()
        if not_begun:
            raise ValueError(f"envs {not_begun} have no episode: call reset before step")

        waiting = self._ended if self.autoreset_mode == AutoresetMode.NEXT_STEP else np.zeros_like(self._ended)
        outcome = self._step_envs(actions, waiting)
        self._begun[:] = True
        self._ended = outcome.terminations | outcome.truncations
        return self._observations(), outcome.rewards, outcome.terminations, outcome.truncations, outcome.infos

    @property
    def spec(self) -> EnvSpec | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What `gymnasium.make_vec` made these envs from, in plain values, as `DrivingEnv.spec`."""
        return self._spec

    @spec.setter
    def spec(self, value: EnvSpec | None) -> None:
        self._spec = plain_spec(value)

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The generators of the envs."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The seeds of the envs' generators; -1 where unknown."""
        return self.get_attr("np_random_seed")

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Attribute `name` of each env."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set attribute `name` of each env, to its own of a list or tuple of values, or all to one value.

        Raises:
            ValueError: not as many values as envs.
        """
        if not isinstance(values, (list, tuple)):
            values = [values] * self.num_envs
        if len(values) != self.num_envs:
            raise ValueError(f"{self.num_envs} envs need as many values of {name!r}, got {len(values)}")
        self._set_attr(name, values)

    def render(self) -> tuple[Any, ...] | None:
        """The newest frame of each env in render mode "rgb_array", else None."""
        return None if self.render_mode is None else self.call("render")

    @abstractmethod
    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What method `name` of each env returns for these arguments; of an attribute, its value."""

    @abstractmethod
    def _reset_envs(self, slots: list[int], seeds: Sequence[int | None], options: dict[str, Any]) -> dict[str, Any]:
        """Reset the envs `slots` by their own of `seeds` [n]; their infos."""

    @abstractmethod
    def _step_envs(self, actions: np.ndarray, waiting: np.ndarray) -> Outcome:
        """Step all envs but those that are `waiting` for a reset, which are reset."""

    @abstractmethod
    def _set_attr(self, name: str, values: Sequence[Any]) -> None:
        """Set attribute `name` of each env to its own of `values`."""

    @abstractmethod
    def _in_episode(self) -> np.ndarray:
        """Which envs can be stepped, bool [n]."""

    @abstractmethod
    def _observations(self) -> Any:
        """The newest observations [n, ...], in memory of their own."""

    def _mask(self, mask: Any) -> np.ndarray:
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask must be a bool array [{self.num_envs}], got {mask!r}")
        if not mask.any():
            raise ValueError(f"reset_mask must select at least one env, got {mask}")
        return mask


class DrivingVectorEnv(VectorEnvBase):
    """`n` DrivingEnvs of this process, whose worlds may step in one pass; all else is as in VectorEnvBase.

    Attributes:
        envs: the single envs; their `start_clip`, `get_state`, `set_state` and `branch` work as ever.

    Args:
        envs: at least one, all with the same spaces.
        step_worlds: steps worlds of theirs by controls float32 [k, 4] and returns their answers.
        autoreset_mode: a gymnasium.vector.AutoresetMode or its value.

    Raises:
        ValueError: no envs, envs of different spaces, or an unknown mode.
    """

    def __init__(
        self,
        envs: Sequence[DrivingEnv],
        step_worlds: Callable[[Sequence[Any], np.ndarray], list[WorldStep]],
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.envs = tuple(envs)
        if not self.envs:
            raise ValueError("a vector env needs at least 1 env, got 0")
        for k, env in enumerate(self.envs):
            if env.observation_space != self.envs[0].observation_space:
                raise ValueError(f"env {k} observes {env.observation_space}, env 0 {self.envs[0].observation_space}")
        super().__init__(self.envs[0], len(self.envs), autoreset_mode)
        self._group = EnvGroup(self.envs, step_worlds, same_step=self.autoreset_mode == AutoresetMode.SAME_STEP)

    def step_some(self, slots: Sequence[int], actions: np.ndarray) -> list[Answer]:
        """Step the envs `slots` by actions [k, 2] in one pass, without autoreset: what the `step` of each returns."""
        return self._group.step_some(slots, actions)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What method `name` of each env returns for these arguments; of an attribute, its value."""
        return self._group.call(name, *args, **kwargs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the envs."""
        for env in self.envs:
            env.close()

    def _reset_envs(self, slots: list[int], seeds: Sequence[int | None], options: dict[str, Any]) -> dict[str, Any]:
        return self._group.reset(slots, seeds, options)

    def _step_envs(self, actions: np.ndarray, waiting: np.ndarray) -> Outcome:
        return self._group.step(actions, waiting)

    def _set_attr(self, name: str, values: Sequence[Any]) -> None:
        self._group.set_attr(name, values)

    def _in_episode(self) -> np.ndarray:
        return np.array([env.in_episode for env in self.envs])

    def _observations(self) -> Any:
        empty = create_empty_array(self.single_observation_space, self.num_envs, fn=np.zeros)
        return deepcopy(concatenate(self.single_observation_space, self._group.shown, empty))


def step_singly(worlds: Sequence[Any], controls: np.ndarray) -> list[WorldStep]:
    """One step of worlds of any kind by controls [k, 4], one after the other."""
    return [world.step(control) for world, control in zip(worlds, controls, strict=True)]
