"""What a world answers of the state that it tracks, be its road users learned or trivial."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from envs.ground_truth import WRONG_WAY_ANGLE
from envs.history import Instant, clip_of
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.partner_path import PartnerPath
from worldsim.datatypes.route import LANE_RANGE, centreline_of
from worldsim.datatypes.route_signals import cycles_from
from worldsim.datatypes.scene import LaneColumn, SceneState
from worldsim.datatypes.start_clip import NO_LANES, StartClip
from worldsim.scene_tracker import TrackedState
from worldsim.surroundings import GroundColumn
from worldsim.tracked_pictures import known_road_users


def tracked_clip(
    tracked: TrackedState, past: Sequence[Instant], dt: float, partner_path: PartnerPath | None, *, pictures: bool
) -> StartClip:
    """The past as a start clip; its route is what is left of the known one, without one the decoded centreline.

    Args:
        tracked: the state of a single drive now.
        past: the newest instants, with frames if there are to be pictures.
        dt: time between them [s].
        partner_path: of scripted road users that come from another road; None without them.
        pictures: False leaves the frames out.
    """
    place = int(tracked.preview.places[0])
    route, lanes = tracked.routes.ahead(0, tracked.vehicles[0], place)
    signals = tracked.signals.ahead(0, float(tracked.routes.arcs[0, place]), float(tracked.times[0]))
    if len(route) < 2:
        route, lanes, signals = centreline_of(past[-1].scene), NO_LANES, None
    surroundings = tracked.surroundings[0]
    cycles = surroundings.light_cycles
    return clip_of(
        past,
        None,
        route,
        dt,
        lanes,
        signals,
        layout=surroundings.layout,
        light_cycles=None if cycles is None else cycles_from(cycles, float(tracked.times[0])),
        road_users=known_road_users(tracked, 0),
        ego_z=float(tracked.ground[0, GroundColumn.Z]),
        sun=surroundings.sun,
        partner_path=partner_path,
        pictures=pictures,
    )


def route_done(tracked: TrackedState, slot: int) -> bool:
    """The ego of a slot has passed the end of its route, near it; False without a route."""
    num_points, preview = int(tracked.routes.counts[slot]), tracked.preview
    at_end = num_points > 1 and int(preview.places[slot]) == num_points - 2
    return bool(at_end and not preview.on_route[slot] and abs(preview.lateral_offset[slot]) <= LANE_RANGE)


def distance_along_lane(scene: SceneState, speed: float, dt: float) -> float:
    """Distance of a step along the lane [m]; 0 where the lane's direction is unknown."""
    return speed * math.cos(float(scene.heading_error)) * dt if scene.lane_valid[LaneColumn.HEADING_ERROR] else 0.0


def heads_wrong_way(scene: SceneState) -> bool:
    """Whether the ego heads against its lane; False where the lane's direction is unknown."""
    known = scene.lane_valid[LaneColumn.HEADING_ERROR]
    return bool(known and abs(wrap_angle(float(scene.heading_error))) > WRONG_WAY_ANGLE)


def past_of(clip: StartClip, pictures: bool) -> tuple[Instant, ...]:
    """The instants of a clip, each with memory of its own; nothing led to the first."""
    controls = np.concatenate([np.zeros((1, 4), np.float32), clip.controls])
    return tuple(
        Instant(
            control=controls[k],
            vehicle=clip.vehicles[k].copy(),
            scene=clip.scenes[k].copy(),
            frame=clip.frames[k].copy() if pictures else None,
        )
        for k in range(len(clip.vehicles))
    )
