"""A start of the learned world from another place along its route: the ego stands there, in pictures painted anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from envs.learned.editing import paint_anew
from envs.maps.route import route_through
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import NO_FRAME, StartClip
from worldsim.model_state import ModelState
from worldsim.surroundings import GroundColumn
from worldsim.world_model import WorldModel

MOST_ASIDE = 2.0
"""The ego may stand this far from its route [m]."""
MOST_TURNED = 0.5
"""And be turned by this much against it [rad]."""
LEAST_AHEAD = 20.0
"""So much of the route has to lie ahead [m]."""


def place_on_route(route: np.ndarray, pose: tuple[float, float, float]) -> float:
    """Arc length of a pose x, y, yaw [m, m, rad] along a route, float64 [r, 2] in the ground frame [m].

    Raises:
        ValueError: it is not on the route, heads another way, or is at its end; says where the route runs.
    """
    line = route_through(route)
    s, aside, yaw = line.project(np.array(pose[:2]))
    turned, (x, y) = float(wrap_angle(pose[2] - yaw)), line.pose_at(s, 0.0, 0.0)[:2]
    if abs(aside) > MOST_ASIDE or abs(turned) > MOST_TURNED or s > line.length - LEAST_AHEAD:
        ends = " to ".join(f"({x:.1f}, {y:.1f})" for x, y in (line.points[0], line.points[-1]))
        raise ValueError(
            f"start_pose {tuple(round(value, 2) for value in pose)} is {abs(aside):.1f} m beside the start's route, "
            f"turned by {abs(turned):.2f} rad against it, {line.length - s:.1f} m before its end. The route runs "
            f"{line.length:.0f} m from {ends}; the nearest place on it is ({x:.2f}, {y:.2f}, {yaw:.3f}). Right would "
            f"be at most {MOST_ASIDE:g} m and {MOST_TURNED:g} rad, {LEAST_AHEAD:g} m before the end at the latest"
        )
    return float(s)


def stand_at(
    model: WorldModel, state: ModelState, clip: StartClip, pose: tuple[float, float, float]
) -> tuple[ModelState, StartClip]:
    """The state of one drive in which the ego stands at x, y, yaw [m, m, rad], and the clip that shows it.

    Args:
        model: of the state.
        state: of one drive, at the end of `clip`.
        clip: whose ground, route and road users are known.
        pose: on the clip's route.

    Raises:
        ValueError: the clip tells too little of its surroundings, or `pose` is not on its route.
    """
    if len(clip.route) < 2 or not clip.layout.ground_known or clip.road_users is None:
        raise ValueError("start_pose needs a start that tells its route, ground and road users; this one does not")
    s = place_on_route(to_ground_frame(clip.vehicles[-1], clip.route), pose)
    moved = _standing_clip(clip, state, pose, s)
    tracked = model.tracker.begin([moved], state.tracked.seeds)
    scene = model.tracker.read(tracked).scene[0]
    moved = replace(moved, scenes=SceneState.stack([scene] * len(clip.vehicles)))
    tracked = model.tracker.paint(model.tracker.begin([moved], state.tracked.seeds), [None])
    state = replace(state, tracked=tracked)
    if state.generated is None:
        return state, moved

    # nothing that was seen at the start is seen here, but it looks alike
    state, frames = paint_anew(model, state, state.generated.picture.style, moved)
    return state, replace(moved, frames=frames)


def _standing_clip(clip: StartClip, state: ModelState, pose: tuple[float, float, float], s: float) -> StartClip:
    """The clip in which the ego has stood at `pose`, `s` metres along its route; what it sees is not known yet."""
    t, routes = len(clip.vehicles), state.tracked.routes
    vehicle, own = np.array([*pose, 0.0, 0.0, 0.0]), state.tracked.surroundings[0]
    place = int(routes.segments_at(np.array([[s]]))[0, 0])
    points, lanes = routes.ahead(0, vehicle, place)
    return replace(
        clip,
        frames=np.stack([NO_FRAME] * t),
        controls=np.zeros_like(clip.controls),
        vehicles=np.repeat(vehicle[None], t, axis=0),
        route=points,
        lanes=lanes,
        signals=state.tracked.signals.ahead(0, float(routes.arcs[0, place]), 0.0),
        ego_z=own.ground_under(vehicle, float(state.tracked.ground[0, GroundColumn.Z]))[0],
    )
