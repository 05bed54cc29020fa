"""What the learned world keeps from step to step, for many slots at once, and what a step of it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.actors.actors import Actors
from worldsim.datatypes.route import RoutePreview, stack_routes
from worldsim.datatypes.scene import SceneState
from worldsim.dynamics.rollout import LatentState


class DecoderInputs(NamedTuple):
    """What the frames of `b` slots are made from.

    latents: the newest, newest first, [b, NUM_KEPT, c, h, w]. objects: who is around, OBJECT_NAMES [b, s, 6] in the
    vehicle frame. kinds: ObjectKind [b, s]. colours: RGB in [0, 1], [b, s, 3].
    """

    latents: Tensor
    objects: np.ndarray
    kinds: np.ndarray
    colours: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """Everything the next step depends on, for `b` slots. Steps never write into a state.

    Args:
        rolling: latents, KV cache and frame numbers.
        vehicles: ego motion, VEHICLE_NAMES, float64 [b, 6].
        commands: RouteCommand or UNKNOWN_COMMAND, int64 [b].
        routes: the way to go, ground frame, float64 [b, r, 2], NaN after a route's end.
        preview: where the egos are on their routes.
        actors: the others.
        look: of the start, [b, 4 c].
        seeds: what each slot's noise is drawn from, [b].
        encoder: what the causal encoder keeps of the frames so far, [b, kernel - 1, d, h, w], for FULL_SIGNALS of
            trust; None where FREE_SIGNALS are enough.
    """

    rolling: LatentState
    vehicles: np.ndarray
    commands: np.ndarray
    routes: np.ndarray
    preview: RoutePreview
    actors: Actors
    look: Tensor
    seeds: tuple[int, ...]
    encoder: Tensor | None = None

    @property
    def batch_size(self) -> int:
        """Number of slots."""
        return len(self.seeds)

    def take(self, slots: Sequence[int]) -> ModelState:
        """A state of the given slots, in that order; a slot may be taken many times."""
        rows = list(slots)
        return ModelState(
            rolling=self.rolling.take(rows),
            vehicles=self.vehicles[rows],
            commands=self.commands[rows],
            routes=self.routes[rows],
            preview=RoutePreview(*(value[rows] for value in self.preview)),
            actors=self.actors.take(rows),
            look=self.look[rows],
            seeds=tuple(self.seeds[i] for i in rows),
            encoder=None if self.encoder is None else self.encoder[rows],
        )

    def __getitem__(self, slot: int) -> ModelState:
        """One slot as a batch of one."""
        return self.take([slot])

    def repeat(self, num: int) -> ModelState:
        """Each slot `num` times, with the same noise."""
        return self.take([i for i in range(self.batch_size) for _ in range(num)])

    def copy(self) -> ModelState:
        """The same values in memory of their own."""
        return self.take(range(self.batch_size))

    @property
    def view(self) -> DecoderInputs:
        """What the newest frames are made from."""
        return DecoderInputs(
            latents=self.rolling.latents,
            objects=self.actors.seen_from(self.vehicles)[..., :6],
            kinds=self.actors.kinds,
            colours=self.actors.colours,
        )

    @property
    def cache_length(self) -> int:
        """Tokens in the KV cache; states that differ in it cannot be joined."""
        return self.rolling.cache[0].keys.shape[2]

    @staticmethod
    def concat(states: Sequence[ModelState]) -> ModelState:
        """The slots of all the states, in that order, whatever frame each has come to; inverts `take`.

        Raises:
            ValueError: no states, or their caches differ in length, or their signals of trust.
        """
        lengths = sorted({state.cache_length for state in states})
        if len(lengths) != 1:
            raise ValueError(f"states to join must be of one cache length, got {lengths}")
        encoders = [state.encoder for state in states if state.encoder is not None]
        if len(encoders) not in (0, len(states)):
            raise ValueError(f"states to join must all have full signals of trust or none, got {len(encoders)} that do")
        if len(states) == 1:
            return states[0]
        return ModelState(
            rolling=LatentState.concat([state.rolling for state in states]),
            vehicles=np.concatenate([state.vehicles for state in states]),
            commands=np.concatenate([state.commands for state in states]),
            routes=stack_routes([route for state in states for route in state.routes]),
            preview=RoutePreview(*(np.concatenate(v) for v in zip(*(state.preview for state in states), strict=True))),
            actors=Actors.concat([state.actors for state in states]),
            look=torch.cat([state.look for state in states]),
            seeds=tuple(seed for state in states for seed in state.seeds),
            encoder=torch.cat(encoders) if encoders else None,
        )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a step of the learned world shows.

    Args:
        frames: RGB, uint8 [b, h, w, 3], or None when not decoded.
        scene: SceneState [b]; ego motion as integrated, lane and route as the known route says, objects and lead as
            tracked; the lane's width and speed limit as seen.
        seen: SceneState [b] as seen in the latents alone.
        vehicles: ego motion, VEHICLE_NAMES, float64 [b, 6].
        collision: probability by how far the tracked actors are, float [b].
        collision_seen: probability as seen in the latents, float [b].
        off_road: probability, float [b]; 0 where the known route says that the ego is inside its lane, else as seen.
        off_road_seen: probability as seen in the latents, float [b].
        ego_estimate: speed [m/s] and yaw rate [rad/s] as seen in the latents, [b, 2].
        signals: trust in [0, 1] and what it is made from, each float [b].
    """

    frames: np.ndarray | None
    scene: SceneState
    seen: SceneState
    vehicles: np.ndarray
    collision: np.ndarray
    collision_seen: np.ndarray
    off_road: np.ndarray
    off_road_seen: np.ndarray
    ego_estimate: np.ndarray
    signals: dict[str, np.ndarray]
