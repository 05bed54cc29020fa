"""The courses of all actors around many egos: by lanes where these are known, else along the egos' routes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldsim.actors.actors import ActorColumn, Actors, ParkedColumn, TraitColumn
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.courses import find_courses, free_courses
from worldsim.actors.lane_graph import Streets
from worldsim.actors.leads import find_leads
from worldsim.actors.route_frame import FrenetPose, RouteFrame
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn

_STANDING_COLUMNS = [ActorColumn.X, ActorColumn.Y, ActorColumn.YAW, ActorColumn.LENGTH, ActorColumn.WIDTH]
_FOOTPRINT = slice(ParkedColumn.X, ParkedColumn.WIDTH + 1)
"""Of PARKED_NAMES: a box."""


def find_all_courses(
    actors: Actors,
    vehicles: np.ndarray,
    route_frame: RouteFrame,
    streets: Sequence[Streets | None],
    in_ego_frame: np.ndarray,
    pose: FrenetPose,
    goals: np.ndarray | None = None,
) -> np.ndarray:
    """COURSE_NAMES [b, s, 18] of the actors around `vehicles` [b, 6]; those on no lane have gap and lead along the
    ego's route, or straight ahead.

    Args:
        actors: in the ground frame.
        vehicles: the egos.
        route_frame: their routes.
        streets: of each world; None where nothing is known of its lanes.
        in_ego_frame: the actors, ACTOR_NAMES in the vehicle frame, [b, s, 10].
        pose: theirs along the routes.
        goals: as for `find_courses`, [b, s, 2].
    """
    courses = free_courses(actors.kinds.shape)
    routes = rotate(route_frame.points, vehicles[:, VehicleColumn.YAW, None]) + vehicles[:, None, :2]
    for k, street in enumerate(streets):
        if street is not None and len(street.lanes):
            courses[k] = find_courses(
                street.lanes,
                street.light_cycles,
                street.time,
                actors.states[k],
                actors.kinds[k],
                np.where(actors.kinds[k] > 0, actors.traits[k, :, TraitColumn.WAY], 0.0),
                vehicles[k],
                routes[k],
                None if goals is None else goals[k],
                actors.traits[k, :, TraitColumn.WAITED],
            )
    beside = (courses[..., CourseColumn.ON_LANE] == 0) & (actors.kinds > 0)
    if beside.any():
        gap, lead_speed = find_leads(in_ego_frame, actors.kinds, pose, vehicles[:, VehicleColumn.SPEED])
        courses[..., CourseColumn.GAP] = np.where(beside, gap, courses[..., CourseColumn.GAP])
        courses[..., CourseColumn.LEAD_SPEED] = np.where(beside, lead_speed, courses[..., CourseColumn.LEAD_SPEED])
    return courses


def join_standing(actors: Actors, standing: Sequence[np.ndarray]) -> Actors:
    """The actors, and after them those who stand on the road, PARKED_NAMES [w, 7] in each world."""
    most = max(len(rows) for rows in standing)
    if most == 0:
        return actors
    b = len(actors.kinds)
    added = Actors(
        states=np.zeros((b, most, len(ActorColumn))),
        kinds=np.zeros((b, most), np.int64),
        vacant=np.zeros((b, most), bool),
        traits=np.zeros((b, most, len(TraitColumn))),
    )
    for k, rows in enumerate(standing):
        added.states[k][: len(rows), _STANDING_COLUMNS] = rows[:, _FOOTPRINT]
        # whatever it is, it waits for nobody and comes to no junction
        added.kinds[k, : len(rows)] = ObjectKind.STATIC
    names = ("states", "kinds", "vacant", "traits")
    return Actors(**{name: np.concatenate([getattr(actors, name), getattr(added, name)], axis=1) for name in names})
