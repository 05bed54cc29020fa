"""What the learned world keeps from step to step, for many slots at once, and what a step of it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from worldsim.datatypes.scene import LANE_NAMES, SceneState
from worldsim.dynamics.rollout import LatentState
from worldsim.dynamics.trust import LATENT_SIGNALS, TrustScores
from worldsim.frame_decoder import PictureState
from worldsim.scene_decoder import DecodedScene
from worldsim.scene_tracker import TrackedState
from worldsim.tracked_scene import TrackedScene


class GeneratedState(NamedTuple):
    """The generated half of a state. latent: what the dynamics model hands on. picture: what the frame decoder does."""

    latent: LatentState
    picture: PictureState

    @property
    def has_full_signals(self) -> bool:
        """Whether the drive was begun with full signals of trust."""
        return self.latent.signals.shape[-1] == len(LATENT_SIGNALS)

    def take(self, slots: Sequence[int]) -> GeneratedState:
        """The given slots, in that order, in memory of their own."""
        return GeneratedState(self.latent.take(slots), self.picture.take(slots))


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """Everything the next step depends on, for `b` slots. Steps never write into a state.

    Args:
        tracked: ego, route and road users.
        generated: latents and pictures; None in a state-only drive.
    """

    tracked: TrackedState
    generated: GeneratedState | None

    @property
    def latent(self) -> LatentState:
        """The generated half's latents and KV cache.

        Raises:
            ValueError: a state-only drive has none.
        """
        if self.generated is None:
            raise ValueError("a state-only drive has no latents: begin it with pictures=True")
        return self.generated.latent

    @property
    def batch_size(self) -> int:
        """Number of slots."""
        return len(self.tracked.seeds)

    def take(self, slots: Sequence[int]) -> ModelState:
        """A state of the given slots, in that order; a slot may be taken many times."""
        rows = list(slots)
        return ModelState(
            tracked=self.tracked.take(rows),
            generated=None if self.generated is None else self.generated.take(rows),
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
    def cache_length(self) -> int:
        """Tokens in the KV cache, 0 of a state-only drive; states that differ in it cannot be joined."""
        return 0 if self.generated is None else self.generated.latent.cache[0].keys.shape[2]

    @staticmethod
    def concat(states: Sequence[ModelState]) -> ModelState:
        """The slots of all the states, in that order, whatever frame each has come to; inverts `take`.

        Raises:
            ValueError: no states, or their caches differ in length, or their signals of trust, or some have no
                pictures.
        """
        lengths = sorted({state.cache_length for state in states})
        if len(lengths) != 1:
            raise ValueError(f"states to join must be of one cache length, got {lengths}")
        if len(states) == 1:
            return states[0]
        tracked = TrackedState.concat([state.tracked for state in states])
        halves = [state.generated for state in states if state.generated is not None]
        if not halves:
            return ModelState(tracked=tracked, generated=None)
        num_full = sum(half.has_full_signals for half in halves)
        if num_full not in (0, len(halves)):
            raise ValueError(f"states to join must all have full signals of trust or none, got {num_full} that do")
        picture = PictureState.concat([half.picture for half in halves])
        latent = LatentState.concat([half.latent for half in halves])
        return ModelState(tracked=tracked, generated=GeneratedState(latent, picture))


@dataclass(frozen=True)
class Prediction:
    """What a step of the learned world answers for `b` slots.

    Args:
        tracked: what is computed and known.
        decoded: what the newest frames show; None where nobody asked for it.
        frames: RGB, uint8 [b, h, w, 3]; None where they were not made.
        trust: how far the pictures may be believed, and the signals behind it.
    """

    tracked: TrackedScene
    decoded: DecodedScene | None
    frames: np.ndarray | None
    trust: TrustScores

    @cached_property
    def scene(self) -> SceneState:
        """SceneState [b]: tracked values, and decoded ones, if there are any, where nothing is tracked (the lane of an
        ego without a known route)."""
        if self.decoded is None:
            return self.tracked.scene
        tracked, scene = self.tracked.scene, self.decoded.scene.copy()
        scene.ego[:], scene.command[:] = tracked.ego, tracked.command
        scene.lane[tracked.lane_valid] = tracked.lane[tracked.lane_valid]
        on_route = tracked.lane_valid[:, LANE_NAMES.index("lateral_offset")]
        scene.route[on_route], scene.route_valid[on_route] = tracked.route[on_route], tracked.route_valid[on_route]
        scene.lead[:], scene.lead_valid[:] = tracked.lead, tracked.lead_valid
        scene.objects[:], scene.object_kinds[:] = tracked.objects, tracked.object_kinds
        scene.signal[:], scene.signal_distance[:] = tracked.signal, tracked.signal_distance
        scene.signal_valid[:] = tracked.signal_valid
        return scene

    @property
    def collision(self) -> np.ndarray:
        """Probability that the ego touches a road user or a solid thing beside the road, float [b]; tracked."""
        return self.tracked.collision

    @cached_property
    def off_road(self) -> np.ndarray:
        """Probability that the ego has left the road, float [b]. Where the road's edges are not tracked leaving one's
        lane counts, or what is decoded where it is."""
        unknown = self.tracked.off_lane if self.decoded is None else self.decoded.off_road
        return np.where(np.isfinite(self.tracked.off_road), self.tracked.off_road, unknown)
