"""External actors in the learned world: which of the model's actors each of them is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from envs.external_actors import ExternalActors
from worldsim.actors.actors import ACTOR_NAMES, BRAKE_LIGHTS, COLOR, HABITS, SIZE, ActorColumn, Actors, TraitColumn
from worldsim.datatypes.scene import OBJECT_RANGE, ObjectKind
from worldsim.model_state import ModelState

BRAKING = 2 * BRAKE_LIGHTS
"""Taken for the acceleration of who shows brake lights [m/s²]."""


@dataclass(frozen=True, kw_only=True)
class PlacedActors:
    """External actors and their places in the model's Actors. Immutable.

    Args:
        external: who they are, and where.
        places: of each in the model's Actors.
        open_places: which of those had been free for whoever arrives, and will be again.
        evicted: of each, whose place it has taken: an Actors of one world with one slot; None where nobody was there.
    """

    external: ExternalActors
    places: tuple[int, ...] = ()
    open_places: tuple[bool, ...] = ()
    evicted: tuple[Actors | None, ...] = ()

    @staticmethod
    def none() -> PlacedActors:
        """Nobody."""
        return PlacedActors(external=ExternalActors.none())

    def states(self) -> np.ndarray:
        """ACTOR_NAMES [actors, 10]; NaN for an acceleration, which follows from their speeds."""
        rows = np.zeros((len(self.places), len(ACTOR_NAMES)))
        boxes = self.external.objects.boxes
        rows[:, : ActorColumn.YAW + 1], rows[:, SIZE] = boxes[:, :3], boxes[:, 3:]
        rows[:, ActorColumn.SPEED], rows[:, ActorColumn.DRIVES] = self.external.objects.speeds, 1.0
        rows[:, ActorColumn.LANE] = np.nan
        rows[:, ActorColumn.ACCELERATION] = np.where(self.external.braking, BRAKING, np.nan)
        return rows


def place_actors(state: ModelState, placed: PlacedActors, external: ExternalActors) -> tuple[ModelState, PlacedActors]:
    """The state of one drive in which these have places among the model's actors, and no others from outside.

    Who is new is there at once, if need be in place of those of the world's own who are farther from the ego than
    SceneState tells of; these come back where they were when the place is free again, if that is as far away then. Who
    was there before is moved by the next step.

    Raises:
        ValueError: the model has not as many places.
    """
    if np.array_equal(external.ids, placed.external.ids):
        return state, replace(placed, external=external)
    actors = state.tracked.actors.take([0])
    taken = zip(placed.places, placed.open_places, placed.evicted, strict=True)
    known = dict(zip(placed.external.ids.tolist(), taken, strict=True))
    ids, ego = external.ids.tolist(), state.tracked.vehicles[0, :2]
    for gone in set(known) - set(ids):
        _leave(actors, ego, *known.pop(gone))

    new = [row for row, one in enumerate(ids) if one not in known]
    away = np.hypot(*(actors.states[0, :, :2] - ego).T)
    away[actors.kinds[0] == ObjectKind.EMPTY] = np.inf
    away[[place for place, _, _ in known.values() if actors.kinds[0, place] > 0]] = 0.0
    free = [place for place in np.argsort(-away, kind="stable").tolist() if away[place] > OBJECT_RANGE]
    if len(new) > len(free):
        num, theirs = len(away), len(ids) - len(new)
        raise ValueError(
            f"no room for {len(new)} more: the learned world tracks {num} road users that are not parked, and has "
            f"{num - len(free) - theirs} of its own within {OBJECT_RANGE:g} m and {theirs} from outside now; one of "
            f"those can be taken away"
        )
    for row, place in zip(new, free, strict=False):
        known[ids[row]] = place, bool(actors.vacant[0, place]), _evicted_from(actors, place)
    found = [known[one] for one in ids]
    placed = PlacedActors(
        external=external,
        places=tuple(place for place, _, _ in found),
        open_places=tuple(was_open for _, was_open, _ in found),
        evicted=tuple(who for _, _, who in found),
    )
    _begin(actors, placed, new)
    return replace(state, tracked=replace(state.tracked, actors=actors)), placed


def _evicted_from(actors: Actors, place: int) -> Actors | None:
    """A copy of who has that place, if somebody has."""
    if actors.kinds[0, place] == ObjectKind.EMPTY:
        return None
    slot = slice(place, place + 1)
    return Actors(
        states=actors.states[:, slot].copy(),
        kinds=actors.kinds[:, slot].copy(),
        vacant=actors.vacant[:, slot].copy(),
        traits=actors.traits[:, slot].copy(),
    )


def _leave(actors: Actors, ego: np.ndarray, place: int, was_open: bool, evicted: Actors | None) -> None:
    """Give a place back: to who was evicted from it, unless he would appear in sight of the ego at [2] or where another
    one is by now, else to whoever arrives."""
    actors.kinds[0, place] = ObjectKind.EMPTY
    if evicted is not None and _may_return(actors, ego, evicted.states[0, 0]):
        actors.states[0, place], actors.kinds[0, place] = evicted.states[0, 0], evicted.kinds[0, 0]
        actors.vacant[0, place], actors.traits[0, place] = evicted.vacant[0, 0], evicted.traits[0, 0]
        return
    actors.states[0, place], actors.vacant[0, place] = 0.0, was_open or evicted is not None


def _may_return(actors: Actors, ego: np.ndarray, state: np.ndarray) -> bool:
    """Whether a road user with this ACTOR_NAMES state [10] may be there at once: nobody sees or touches it."""
    others = actors.states[0, actors.kinds[0] != ObjectKind.EMPTY]
    reach = 0.5 * (np.hypot(*others[:, SIZE].T) + np.hypot(*state[SIZE]))
    touched = np.hypot(*(others[:, :2] - state[:2]).T) < reach
    return bool(np.hypot(*(state[:2] - ego)) > OBJECT_RANGE and not touched.any())


def _begin(actors: Actors, placed: PlacedActors, rows: list[int]) -> None:
    """Write the external actors of these rows into their places."""
    states = np.nan_to_num(placed.states()[rows], nan=0.0)
    states[:, ActorColumn.LANE] = np.nan
    for own, row in zip(states, rows, strict=True):
        place, traits = placed.places[row], actors.traits[0]
        actors.states[0, place], actors.vacant[0, place] = own, False
        actors.kinds[0, place] = placed.external.objects.kinds[row]
        traits[place, TraitColumn.ID] = traits[:, TraitColumn.ID].max() + 1
        traits[place, COLOR] = placed.external.colors[row] / 255
        traits[place, TraitColumn.HEIGHT] = placed.external.heights[row]
        traits[place, [TraitColumn.PHASE, TraitColumn.RECURS, TraitColumn.WAITED]] = 0.0
        traits[place, TraitColumn.Z], traits[place, TraitColumn.WAY], traits[place, HABITS] = np.nan, np.nan, np.nan
