"""Scripted actors in the learned world: which of the model's actors each of them is, and where it moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from envs.maps.route import route_through
from envs.scripted_actors import ScriptedActors, ScriptedPlay, begin_play, ego_on_route
from worldsim.actors.actors import ACTOR_NAMES, ActorColumn, ParkedColumn, TraitColumn
from worldsim.datatypes.known_road_users import usual_heights
from worldsim.datatypes.partner_path import PartnerPath
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.model_state import ModelState

SAME_ACTOR = 3.0
"""An object of a start clip this near to a scripted actor of its kind is that actor [m]."""


@dataclass(frozen=True, kw_only=True)
class Scripted(ScriptedPlay):
    """Scripted actors in the course of an episode in the learned world.

    Args:
        places: of each in the model's Actors.
    """

    places: tuple[int, ...]

    def partner_path(self) -> PartnerPath | None:
        """The partners' path; None without partners."""
        if self.partner_route is None:
            return None
        return PartnerPath(points=self.partner_route.points, meeting=self.meeting)

    def states(self) -> np.ndarray:
        """ACTOR_NAMES [actors, 10] of the actors; NaN for an acceleration, which follows from their speeds."""
        rows = []
        for actor, box in zip(self.actors, self.boxes().tolist(), strict=True):
            x, y, yaw, length, width = box
            rows.append([x, y, yaw, actor.speed, length, width, 0.0, 1.0, np.nan, np.nan])
        return np.array(rows).reshape(len(rows), len(ACTOR_NAMES))


def begin_scripted_actors(
    scripted_actors: ScriptedActors, clip: StartClip, state: ModelState, model: VehicleModel
) -> tuple[ModelState, Scripted]:
    """The scripted actors at the end of the clip, and the state in which each has a place among the model's actors.

    Raises:
        ValueError: there are more of them than the model has places, or the clip has no route, or no path for partners.
    """
    route = route_through(to_ground_frame(clip.vehicles[-1], clip.route))
    ego_s = ego_on_route(clip.vehicles[0], route, 0.0, model.length, model.width).s
    partner = None
    if clip.partner_path is not None:
        partner = route_through(clip.partner_path.points), clip.partner_path.meeting
    play = begin_play(scripted_actors, route, ego_s, -(len(clip.frames) - 1) * clip.dt, partner)
    scripted = Scripted(**vars(play), places=())
    for vehicle in clip.vehicles[:-1]:
        scripted = scripted.stepped(vehicle, model, clip.dt)
    actors, surroundings = state.tracked.actors, state.tracked.surroundings[0]
    states, kinds, traits = actors.states.copy(), actors.kinds.copy(), actors.traits.copy()
    parked = surroundings.parked_rows
    if len(scripted.actors) > len(kinds[0]):
        raise ValueError(f"the learned world has room for {len(kinds[0])} scripted actors, got {len(scripted.actors)}")
    from_ego = np.hypot(*(states[0, :, :2] - clip.vehicles[-1, :2]).T)
    places: list[int] = []
    for own, actor in zip(scripted.states(), scripted.actors, strict=True):
        distance = np.hypot(*(states[0, :, :2] - own[:2]).T)
        same = (kinds[0] == actor.kind) & (distance < SAME_ACTOR)
        # its own place, else a free one, else that of whoever is farthest from the ego
        merit = np.where(same, 2e6 - distance, np.where(kinds[0] == ObjectKind.EMPTY, 1e6, from_ego))
        merit[places] = -1.0
        place = int(np.argmax(merit))
        states[0, place], kinds[0, place] = own, int(actor.kind)
        states[0, place, ActorColumn.ACCELERATION] = 0.0
        if not same[place]:
            traits[0, place, TraitColumn.HEIGHT] = usual_heights(kinds[0, place])
            traits[0, place, [TraitColumn.Z, TraitColumn.PHASE, TraitColumn.WAITED]] = np.nan, 0.0, 0.0
            traits[0, place, TraitColumn.ID] = traits[0, :, TraitColumn.ID].max() + 1
        places.append(place)

    if not scripted_actors.ambient_traffic:
        traits[0, :, TraitColumn.RECURS] = 0.0  # others come in the place of those who recur; here scripts alone decide

    # who was parked where one of them is now was that one
    positions = states[0, places, None, :2]
    distance = np.hypot(*(parked[:, :2] - positions).T).T
    same = (parked[:, ParkedColumn.KIND] == kinds[0, places, None]) & (distance < SAME_ACTOR)
    actors = replace(actors, states=states, kinds=kinds, traits=traits)
    tracked = replace(state.tracked, actors=actors, surroundings=(surroundings.without_parked(same.any(0)),))
    return replace(state, tracked=tracked), replace(scripted, places=tuple(places))
