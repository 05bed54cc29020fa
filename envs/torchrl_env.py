"""Drives whose moments travel in tensordicts, as TorchRL's planners want. Needs torchrl, which the package does not
install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from tensordict import NonTensorData, NonTensorStack, TensorDict, TensorDictBase
from torchrl.data import Composite, NonTensor
from torchrl.envs import EnvBase, GymWrapper

from envs.driving_env import DrivingEnv, EnvSnapshot
from envs.vector_env import DrivingVectorEnv

MOMENT = "moment"
"""Key of the moments in tensordicts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """All that a drive needs to go on. Nothing writes to it, so that it is its own copy.

    Args:
        snapshot: of the env.
        observation: by the keys of the tensordict.
        terminated: whether the drive has ended.
        truncated: whether it was cut off.
    """

    snapshot: EnvSnapshot
    observation: Mapping[str, torch.Tensor]
    terminated: bool = False
    truncated: bool = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Moment:
        return self


class ImaginedDrivingEnv(EnvBase):
    """Drives as a TorchRL env without a state: a step goes on from the `moment` in its tensordict, and tells the next.

    Any tensordict can be stepped again, in as many ways as it is expanded to, with the same noise: what
    `torchrl.modules.CEMPlanner` and `MPPIPlanner` imagine by. Tensordicts may have any batch size. No picture is made
    where the vector env is state-only.

    Keys are those of `torchrl.envs.GymWrapper` over one of the envs, and `moment`, which is no tensor. The drives of a
    reset get the seeds `s`, `s + 1` and so on, those of the next reset the ones that follow; `set_seed` sets `s`, which
    begins at 0. With `_reset` in a tensordict only those drives begin anew. `reset(options=...)` hands options to the
    worlds: with `{"start_clip": clip}` they go on from where an env of any kind is. A drive that has ended stays where
    it is and earns 0, also in rollouts that go on after an end: a new start would cost more than what is imagined. To
    collect experience, wrap a vector env in GymWrapper instead.

    Args:
        vector_env: such as `gymnasium.make_vec("DriveDiT-v0", num_envs=64, obs="state").unwrapped`. It steps as many
            drives in one pass as it has envs, and should not be used beside this.
    """

    def __init__(self, vector_env: DrivingVectorEnv) -> None:
        super().__init__(batch_size=torch.Size([]))
        self.vector_env = vector_env
        self._next_seed = 0
        self._reader = GymWrapper(vector_env.envs[0])
        self.observation_spec = Composite({**self._reader.observation_spec.clone(), MOMENT: NonTensor(torch.Size([]))})
        self.state_spec = Composite({MOMENT: NonTensor(torch.Size([]))})
        self.action_spec = self._reader.action_spec.clone()
        self.reward_spec = self._reader.reward_spec.clone()
        self.full_done_spec = self._reader.full_done_spec.clone()

    @classmethod
    def __new__(cls, *args: Any, **kwargs: Any) -> ImaginedDrivingEnv:
        """An env that takes tensordicts of any batch size."""
        return super().__new__(cls, *args, _inplace_update=False, _batch_locked=False, **kwargs)

    def maybe_reset(self, tensordict: TensorDictBase) -> TensorDictBase:
        """The same tensordict: nothing is reset within a rollout."""
        return tensordict

    def _reset(self, tensordict: TensorDictBase | None = None, **kwargs: Any) -> TensorDict:
        shape = self.batch_size if tensordict is None else tensordict.batch_size
        if not shape.numel():
            raise ValueError(f"there must be one drive at least, got a tensordict of batch size {tuple(shape)}")
        mask = None if tensordict is None else tensordict.get("_reset", None)
        begun = torch.ones(shape.numel(), dtype=torch.bool) if mask is None else mask.reshape(shape.numel(), -1).any(-1)
        if tensordict is None or begun.all():
            moments: list[Any] = [None] * len(begun)
        else:
            moments = self._moments(tensordict.reshape(-1))
        env = self.vector_env.envs[0]
        for k in begun.nonzero().flatten().tolist():
            observation, _ = env.reset(seed=self._next_seed, options=kwargs.get("options"))
            self._next_seed += 1
            moments[k] = self._moment(env, observation)
        return self._tensordict(moments, shape)

    def _step(self, tensordict: TensorDictBase) -> TensorDict:
        shape = tensordict.batch_size
        flat = tensordict.reshape(-1)
        moments = self._moments(flat)
        actions = flat.get("action").detach().cpu().numpy()
        rewards = torch.zeros(len(moments))

        envs = self.vector_env.envs
        going_on = [k for k, moment in enumerate(moments) if not (moment.terminated or moment.truncated)]
        for begin in range(0, len(going_on), len(envs)):
            some = going_on[begin : begin + len(envs)]
            for env, k in zip(envs, some, strict=False):
                env.restore(moments[k].snapshot)
            answers = self.vector_env.step_some(range(len(some)), actions[some])
            for env, k, (observation, reward, terminated, truncated, _) in zip(envs, some, answers, strict=False):
                moments[k] = self._moment(env, observation, terminated, truncated)
                rewards[k] = reward
        return self._tensordict(moments, shape).set("reward", rewards.reshape(*shape, 1))

    def _moments(self, flat: TensorDictBase) -> list[Moment]:
        """Those of a tensordict of one batch dimension.

        Raises:
            ValueError: it has none.
        """
        kept = flat.get(MOMENT, None)
        if kept is None:
            raise ValueError(
                f"drives go on from the {MOMENT!r} of a tensordict, got one of {sorted(flat.keys())}: reset first"
            )
        return kept.tolist()

    def _set_seed(self, seed: int | None) -> None:
        self._next_seed = 0 if seed is None else seed

    def _moment(self, env: DrivingEnv, observation: Any, terminated: bool = False, truncated: bool = False) -> Moment:
        return Moment(
            snapshot=env.snapshot(),
            observation=self._reader.read_obs(observation),
            terminated=terminated,
            truncated=truncated,
        )

    def _tensordict(self, moments: Sequence[Moment], shape: torch.Size) -> TensorDict:
        """What is seen at moments, and whether drives are over there, as a tensordict of a batch size."""
        terminated, truncated = (
            torch.tensor([getattr(moment, name) for moment in moments], dtype=torch.bool).reshape(-1, 1)
            for name in ("terminated", "truncated")
        )
        flat = TensorDict(
            {
                **{key: torch.stack([moment.observation[key] for moment in moments]) for key in moments[0].observation},
                MOMENT: NonTensorStack(*(NonTensorData(moment) for moment in moments)),  # pyright: ignore[reportAbstractUsage]
                "terminated": terminated,
                "truncated": truncated,
                "done": terminated | truncated,
            },
            batch_size=[len(moments)],
        )
        return cast("TensorDict", flat.reshape(shape) if shape else flat[0])
