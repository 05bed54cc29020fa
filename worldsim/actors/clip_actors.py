"""Whom a start clip shows: the actors that drive on, and those who are parked. numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldsim.actors.actors import (
    ACTOR_NAMES,
    COLOR,
    NUM_ACTORS,
    STANDING,
    TRAIT_NAMES,
    ActorColumn,
    Actors,
    TraitColumn,
    match_objects,
    object_states,
    with_rates,
)
from worldsim.actors.route_frame import LANE_HALF_WIDTH, RouteFrame, to_frenet
from worldsim.datatypes.known_road_users import KnownRoadUsers, usual_heights
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, BoxColumn
from worldsim.datatypes.scene import BOX_COLUMNS, OBJECT_RANGE
from worldsim.datatypes.start_clip import USER_RANGE, StartClip

LEAVE_BEHIND = 25.0
"""Actors farther behind the ego leave [m]."""
BRAKES = -1.0
"""Taken for the acceleration of who shows brake lights, where it is not known [m/s²]."""


def actors_of_clips(clips: Sequence[StartClip]) -> Actors:
    """The road users at the newest frames of `clips`, without those that are known to be parked; of more than
    NUM_ACTORS the nearest. Their rates are those since the frame before."""
    b = len(clips)
    actors = Actors(
        states=np.zeros((b, NUM_ACTORS, len(ACTOR_NAMES))),
        kinds=np.zeros((b, NUM_ACTORS), np.int64),
        vacant=np.zeros((b, NUM_ACTORS), bool),
        traits=np.zeros((b, NUM_ACTORS, len(TRAIT_NAMES))),
    )
    actors.traits[..., COLOR] = np.nan
    actors.traits[..., [TraitColumn.Z, TraitColumn.PACE, TraitColumn.HEADWAY, TraitColumn.WAY]] = np.nan
    for k, clip in enumerate(clips):
        fill = _fill_from_scene if clip.road_users is None else _fill_from_known
        fill(actors.states[k], actors.kinds[k], actors.traits[k], clip)
    heights = actors.traits[..., TraitColumn.HEIGHT]
    actors.traits[..., TraitColumn.HEIGHT] = np.where(heights > 0, heights, usual_heights(actors.kinds))
    return actors


def parked_in_clip(clip: StartClip) -> tuple[KnownRoadUsers | None, np.ndarray]:
    """Who is parked, None where that is not known, and who each of them is, int64 [p]."""
    if clip.road_users is None:
        return None, np.zeros(0, np.int64)
    rows = np.flatnonzero(clip.road_users.parked)
    return clip.road_users[rows], rows


def _fill_from_scene(states: np.ndarray, kinds: np.ndarray, traits: np.ndarray, clip: StartClip) -> None:
    """Slots [s] with the objects of the last scene."""
    scene = clip.scenes[-1]
    n = len(scene.object_kinds)
    kinds[:n] = scene.object_kinds
    states[:n] = _with_rates(object_states(scene, clip.vehicles[-1]), kinds[:n], clip)
    # one that stands in a lane is waiting, one beside it is parked
    pose = to_frenet(RouteFrame.from_scenes(clip.scenes[-1:]), clip.scenes.objects[-1:].astype(np.float64))
    in_lane = pose.on[0] & (np.abs(pose.lateral[0]) < LANE_HALF_WIDTH)
    states[:n, ActorColumn.DRIVES] = in_lane | (states[:n, ActorColumn.SPEED] > STANDING)
    traits[:, TraitColumn.ID] = np.arange(len(kinds))
    traits[:, TraitColumn.RECURS] = kinds > 0


def _fill_from_known(states: np.ndarray, kinds: np.ndarray, traits: np.ndarray, clip: StartClip) -> None:
    """Slots [s] with those road users that are not parked, nearest first."""
    users, (x, y, yaw) = clip.road_users, clip.vehicles[-1, :3]
    assert users is not None, "such a clip tells of them"
    d = users.boxes[:, :2] - (x, y)
    distance, ahead = np.hypot(d[:, 0], d[:, 1]), np.cos(yaw) * d[:, 0] + np.sin(yaw) * d[:, 1]
    stays = ~users.parked & (ahead >= -LEAVE_BEHIND) & (distance <= USER_RANGE)
    rows = np.argsort(np.where(stays, distance, np.inf), kind="stable")[: min(int(stays.sum()), len(kinds))]
    n, chosen = len(rows), users[rows]

    kinds[:n] = chosen.kinds
    rowed = np.zeros((n, len(ACTOR_NAMES)))
    rowed[:, BOX_COLUMNS] = chosen.boxes[:, FOOTPRINT_COLUMNS]
    rowed[:, ActorColumn.SPEED], rowed[:, ActorColumn.LANE] = chosen.speeds, np.nan
    rowed = _with_rates(rowed, kinds[:n], clip)
    unseen = chosen.braking & (chosen.speeds > STANDING) & (rowed[:, ActorColumn.ACCELERATION] == 0.0)
    rowed[unseen, ActorColumn.ACCELERATION] = BRAKES
    rowed[:, ActorColumn.DRIVES] = 1.0
    states[:n] = rowed

    traits[:n, COLOR] = chosen.colors / 255
    traits[:n, TraitColumn.HEIGHT] = chosen.heights
    if clip.layout.ground_known:  # else nothing is known of levels
        traits[:n, TraitColumn.Z] = chosen.boxes[:, BoxColumn.Z]
    traits[:n, TraitColumn.PHASE] = chosen.phases
    # parked ones have the ids of their rows too; who comes later is numbered on from here
    traits[:, TraitColumn.ID] = len(users)
    traits[:n, TraitColumn.ID] = rows
    traits[:n, TraitColumn.RECURS] = distance[rows] <= OBJECT_RANGE


def _with_rates(states: np.ndarray, kinds: np.ndarray, clip: StartClip) -> np.ndarray:
    """`states` [n, 10] with yaw rates and accelerations of those whom the scene before shows too."""
    if len(clip.vehicles) < 2:
        return states
    before, kinds_before = object_states(clip.scenes[-2], clip.vehicles[-2]), clip.scenes.object_kinds[-2]
    match = match_objects(before, kinds_before, states, kinds, clip.dt, 1.0)
    return with_rates(states, before, match, clip.dt)
