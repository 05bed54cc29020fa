"""DrivingVectorEnv: many DrivingEnvs whose worlds step together, as a Gymnasium vector env."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from envs.config_values import plain_spec
from envs.driving_env import DrivingEnv
from envs.world import WorldStep
from worldsim.datatypes.scene import control_from_action

Answer = tuple[Any, float, bool, bool, dict[str, Any]]
"""What the step of one env returns."""


class DrivingVectorEnv(VectorEnv[Any, np.ndarray, np.ndarray]):
    """`n` DrivingEnvs side by side, each with its own start, clock and noise.

    Spaces, info and seeds are those of Gymnasium's SyncVectorEnv over the same envs: seed `s` gives env `k` the seed
    `s + k`, `infos[key]` is an array [n] or [n, ...] with `infos["_" + key]` telling whose, and autoreset works by

    | autoreset_mode | when an episode has ended |
    |---|---|
    | NEXT_STEP | the next step resets that env, whatever its action, and returns the start with reward 0 |
    | SAME_STEP | that same step returns the new start; `infos["final_obs"]` and `infos["final_info"]` hold the end |
    | DISABLED | `reset(options={"reset_mask": mask})` resets the envs of a bool [n]; until then stepping is refused |

    The time limit is the envs' own.

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
        first = self.envs[0]
        for k, env in enumerate(self.envs):
            if env.observation_space != first.observation_space:
                raise ValueError(f"env {k} observes {env.observation_space}, env 0 {first.observation_space}")
        self.num_envs = len(self.envs)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**first.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = first.render_mode
        self.single_action_space, self.single_observation_space = first.action_space, first.observation_space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._step_worlds = step_worlds
        self._spec: EnvSpec | None = None
        self._shown: list[Any] = [None] * self.num_envs  # None where reset was not called, or failed
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
        left_out = [k for k in np.flatnonzero(~mask).tolist() if self._shown[k] is None]
        if left_out:
            raise ValueError(f"envs {left_out} have no episode yet: the first reset must not leave them out")

        infos: dict[str, Any] = {}
        for k in np.flatnonzero(mask).tolist():
            self._shown[k] = None  # should the env refuse
            self._shown[k], info = self.envs[k].reset(seed=seed[k], options=options)
            infos = self._add_info(infos, info, k)
        self._ended &= ~mask
        return self._stacked(), infos

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
        if self.autoreset_mode == AutoresetMode.DISABLED and self._ended.any():
            raise ValueError(f"envs {np.flatnonzero(self._ended).tolist()} have ended: reset them with a reset_mask")
        not_begun = [k for k, env in enumerate(self.envs) if not env.in_episode]
        if not_begun:
            raise ValueError(f"envs {not_begun} have no episode: call reset before step")

        rewards, infos = np.zeros(self.num_envs), {}
        terminations, truncations = np.zeros((2, self.num_envs), np.bool_)
        waiting = self._ended if self.autoreset_mode == AutoresetMode.NEXT_STEP else np.zeros_like(self._ended)
        stepped = np.flatnonzero(~waiting).tolist()
        answers = dict(zip(stepped, self.step_some(stepped, actions[stepped]), strict=True))
        for k, env in enumerate(self.envs):
            if k in answers:
                self._shown[k], rewards[k], terminations[k], truncations[k], info = answers[k]
            else:
                self._shown[k], info = env.reset()
            if self.autoreset_mode == AutoresetMode.SAME_STEP and (terminations[k] or truncations[k]):
                infos = self._add_info(infos, {"final_obs": self._shown[k], "final_info": info}, k)
                self._shown[k], info = env.reset()
            infos = self._add_info(infos, info, k)
        self._ended = terminations | truncations
        return self._stacked(), rewards, terminations, truncations, infos

    def step_some(self, slots: Sequence[int], actions: np.ndarray) -> list[Answer]:
        """Step the envs `slots` by actions [k, 2] in one pass, without autoreset: what the `step` of each returns."""
        if not slots:
            return []
        controls = control_from_action(actions)
        steps = self._step_worlds([self.envs[k].world for k in slots], controls)
        return [self.envs[k].process_step(step) for k, step in zip(slots, steps, strict=True)]

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

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What method `name` of each env returns for these arguments; of an attribute, its value."""
        values = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(value(*args, **kwargs) if callable(value) else value for value in values)

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
        for env, value in zip(self.envs, values, strict=True):
            env.set_wrapper_attr(name, value)

    def render(self) -> tuple[Any, ...] | None:
        """The newest frame of each env in render mode "rgb_array", else None."""
        return None if self.render_mode is None else tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the envs."""
        for env in self.envs:
            env.close()

    def _mask(self, mask: Any) -> np.ndarray:
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask must be a bool array [{self.num_envs}], got {mask!r}")
        if not mask.any():
            raise ValueError(f"reset_mask must select at least one env, got {mask}")
        return mask

    def _stacked(self) -> Any:
        """The newest observations [n, ...], in memory of their own."""
        empty = create_empty_array(self.single_observation_space, self.num_envs, fn=np.zeros)
        return deepcopy(concatenate(self.single_observation_space, self._shown, empty))


def step_singly(worlds: Sequence[Any], controls: np.ndarray) -> list[WorldStep]:
    """One step of worlds of any kind by controls [k, 4], one after the other."""
    return [world.step(control) for world, control in zip(worlds, controls, strict=True)]
