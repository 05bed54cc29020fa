"""One step of many learned worlds in one forward pass of their model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from envs.learned.external_actors import PlacedActors
from envs.learned.scripted_actors import Scripted
from envs.world import WorldStep
from worldsim.model_state import ModelState

if TYPE_CHECKING:
    from envs.learned.learned_world import LearnedWorld


def step_together(worlds: Sequence[LearnedWorld], controls: np.ndarray) -> list[WorldStep]:
    """One step of many worlds that share a model, in one forward pass; each answers as if it were stepped alone, to
    within rounding.

    Worlds that began with fewer frames than the model attends to are passed by themselves until they have as many.

    Args:
        worlds: each at a moment of its own.
        controls: CONTROL_NAMES, float32 [worlds, 4].

    Raises:
        ValueError: no worlds, a world without a state, or one with another model; or controls that are not finite or
            do not fit. Nothing has moved then.
    """
    if not worlds or any(world.model is not worlds[0].model for world in worlds):
        raise ValueError(f"worlds that step together share one model, got {len(worlds)} worlds")
    if controls.shape != (len(worlds), 4) or not np.isfinite(controls).all():
        raise ValueError(f"controls must be finite and [{len(worlds)}, 4], got shape {controls.shape}: {controls}")
    slots = [world._slot for world in worlds]
    groups: dict[int, list[int]] = {}
    for k, slot in enumerate(slots):
        if slot is None:
            raise ValueError("the world has no state yet: call reset first")
        groups.setdefault(slot[0].cache_length, []).append(k)
    answers: list[WorldStep | None] = [None] * len(worlds)
    for group in groups.values():
        scripted = [worlds[k]._next_scripted() for k in group]
        state = _join([slot for k in group if (slot := slots[k]) is not None])
        config = worlds[0].config
        state, prediction = worlds[0].model.step(
            state,
            controls[group],
            decode_scene=config.decode_scene,
            num_steps=config.num_steps,
            actor_overrides=_overrides(state, scripted, [worlds[k]._placed for k in group]),
        )
        for slot, k in enumerate(group):
            answer = worlds[k]._accept(state, scripted[slot], prediction, slot, controls[k])
            answers[k] = worlds[k]._follow_director(answer)
    return [answer for answer in answers if answer is not None]


def _join(slots: Sequence[tuple[ModelState, int]]) -> ModelState:
    """The given slots of states as one state, which is not copied where they are all of one in their order."""
    state, rows = slots[0][0], [row for _, row in slots]
    if any(other is not state for other, _ in slots):
        return ModelState.concat([other if other.batch_size == 1 else other[row] for other, row in slots])
    return state if rows == list(range(state.batch_size)) else state.take(rows)


def _overrides(state: ModelState, scripted: Sequence[Scripted | None], placed: Sequence[PlacedActors]) -> np.ndarray:
    """Where the actors of scenarios and those from outside are, ACTOR_NAMES [b, s, 10]; NaN for the others."""
    overrides = np.full(state.tracked.actors.states.shape, np.nan)
    for own, play, external in zip(overrides, scripted, placed, strict=True):
        if play is not None:
            own[list(play.places)] = play.states()
        own[list(external.places)] = external.states()
    return overrides
