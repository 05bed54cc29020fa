"""The route's frame: a smooth curve through its preview, Frenet poses along it, and the lead. numpy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import RoutePreview
from worldsim.datatypes.scene import ROUTE_DISTANCES, LaneColumn, ObjectColumn, SceneState

KNOT_ARCS = np.array([0.0, *ROUTE_DISTANCES, ROUTE_DISTANCES[-1] + 15.0])
"""Arc lengths of the knots of the curve [m]: beside the ego, the preview, and straight on from its end."""
ROUTE_FRAME_ARCS = np.arange(0.0, KNOT_ARCS[-1] + 0.1, 2.5)
"""Arc lengths of a RouteFrame's points [m]."""
ROUTE_SIDE = 10.0
"""Actors farther beside the route have nothing to do with it [m]."""
LANE_HALF_WIDTH = 2.3
"""An actor whose centre is nearer to the route than this is in the ego's way [m]."""
LEAD_RANGE = 60.0
"""Objects farther ahead along the route are not leads [m]."""
LEAD_MARGIN = 0.3
"""Added to the half widths of ego and object to get the ego's corridor [m]."""


class RouteFrame(NamedTuple):
    """The routes near `n` egos, as smooth curves that actors are placed along.

    points: at ROUTE_FRAME_ARCS, vehicle frame, [n, p, 2]. known: False where there is no route, and the points go
    straight ahead, [n].
    """

    points: np.ndarray
    known: np.ndarray

    @staticmethod
    def from_preview(preview: RoutePreview) -> RouteFrame:
        """Through the point beside each ego and its preview; straight on where the preview ends."""
        route, valid, lateral_offset, heading_error = preview[:4]
        beside = np.stack([-lateral_offset * np.sin(heading_error), -lateral_offset * np.cos(heading_error)], axis=-1)
        knots = np.concatenate([beside[:, None], route, np.zeros((len(route), 1, 2))], axis=1).astype(np.float64)
        known = preview.on_route & valid[:, :2].all(-1)
        shown = np.concatenate([np.ones((len(route), 1), bool), valid, np.zeros((len(route), 1), bool)], axis=1)

        straight = np.stack([KNOT_ARCS, np.zeros(len(KNOT_ARCS))], axis=-1)
        knots = np.where(known[:, None, None], knots, straight)
        shown |= ~known[:, None]
        for k in (2 + np.flatnonzero(~shown[:, 2:].all(axis=0))).tolist():
            d = knots[:, k - 1] - knots[:, k - 2]
            d /= np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-6)[:, None]
            beyond = knots[:, k - 1] + d * (KNOT_ARCS[k] - KNOT_ARCS[k - 1])
            knots[:, k] = np.where(shown[:, k, None], knots[:, k], beyond)
        return RouteFrame(_smooth(knots), known)

    @staticmethod
    def from_scenes(scenes: SceneState) -> RouteFrame:
        """Along the routes that SceneStates [n] show."""
        num = len(scenes.route)
        return RouteFrame.from_preview(
            RoutePreview(
                points=scenes.route,
                valid=scenes.route_valid,
                lateral_offset=scenes.lateral_offset,
                heading_error=scenes.heading_error,
                places=np.zeros(num, np.int64),
                arcs=np.zeros(num),
                on_route=np.all(scenes.lane_valid[:, [LaneColumn.LATERAL_OFFSET, LaneColumn.HEADING_ERROR]], axis=-1),
            )
        )


_GAPS = np.diff(KNOT_ARCS)
"""Between the knots [k-1] [m]."""
_SHARE = (_GAPS[:-1] / (_GAPS[:-1] + _GAPS[1:]))[:, None]
"""Weight of the chord after an inner knot in its slope, [k-2, 1]."""
_BETWEEN = np.clip(np.searchsorted(KNOT_ARCS, ROUTE_FRAME_ARCS, side="right") - 1, 0, len(_GAPS) - 1)
"""The knot before each point [p]."""


def _hermite_weights() -> tuple[np.ndarray, ...]:
    """Of the knot before each point, its slope, the knot behind it and its slope, each [p, 1]."""
    gap = _GAPS[_BETWEEN][:, None]
    t = (ROUTE_FRAME_ARCS - KNOT_ARCS[_BETWEEN])[:, None] / gap
    return (1 + 2 * t) * (1 - t) ** 2, t * (1 - t) ** 2 * gap, t**2 * (3 - 2 * t), t**2 * (t - 1) * gap


_HERMITE = _hermite_weights()


def _smooth(knots: np.ndarray) -> np.ndarray:
    """Points at ROUTE_FRAME_ARCS [n, p, 2] of the Hermite spline through knots [n, k, 2] at KNOT_ARCS, its slopes those
    of the parabolas through three knots: on a bend a chord of 10 m is far from the road."""
    chords = np.diff(knots, axis=1) / _GAPS[:, None]
    inner = (1 - _SHARE) * chords[:, :-1] + _SHARE * chords[:, 1:]
    slopes = np.concatenate([2 * chords[:, :1] - inner[:, :1], inner, chords[:, -1:]], axis=1)
    begin, begin_slope, end, end_slope = _HERMITE
    return (
        begin * knots[:, _BETWEEN]
        + begin_slope * slopes[:, _BETWEEN]
        + end * knots[:, _BETWEEN + 1]
        + end_slope * slopes[:, _BETWEEN + 1]
    )


class FrenetPose(NamedTuple):
    """Actors in the route's frame, all [n, s].

    s: arc length [m]. lateral: offset to the left [m]. heading: yaw relative to the route's [rad]. bend_near and
    bend_far: how much the route turns in the 8 and 16 m ahead of an actor that drives along it [rad]. on: whether the
    actor is near the route at all.
    """

    s: np.ndarray
    lateral: np.ndarray
    heading: np.ndarray
    bend_near: np.ndarray
    bend_far: np.ndarray
    on: np.ndarray


_MIDDLES = (ROUTE_FRAME_ARCS[1:] + ROUTE_FRAME_ARCS[:-1]) / 2
"""Arc lengths of the middles of a RouteFrame's segments [p-1] [m]."""


def to_frenet(route_frame: RouteFrame, in_ego_frame: np.ndarray) -> FrenetPose:
    """Actors [n, s, 6 or more], OBJECT_NAMES first, from the vehicle frame to the frame of the route."""
    # the nearest point of the nearest segment
    first, along = route_frame.points[:, :-1], np.diff(route_frame.points, axis=1)
    size = np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-6)
    direction = along / size[..., None]
    offset = in_ego_frame[:, :, None, :2] - first[:, None]
    fraction = np.clip((offset * direction[:, None]).sum(-1), 0, size[:, None])
    miss = offset - fraction[..., None] * direction[:, None]
    at = (miss**2).sum(-1).argmin(-1)
    rows = np.arange(len(in_ego_frame))[:, None]

    # beyond the ends the first and last segments go straight on: `s` is not clipped
    d = direction[rows, at]
    o = offset[rows, np.arange(at.shape[1]), at]
    lateral = d[..., 0] * o[..., 1] - d[..., 1] * o[..., 0]
    ahead = (d * o).sum(-1)
    s = ROUTE_FRAME_ARCS[at] + ahead

    # the route's yaw between the middles of its segments, so that it does not jump from one to the next
    yaws = np.unwrap(np.arctan2(direction[..., 1], direction[..., 0]), axis=-1)

    def yaw_at(arc: np.ndarray) -> np.ndarray:
        k = np.clip(np.searchsorted(_MIDDLES, arc, side="right") - 1, 0, len(_MIDDLES) - 2)
        before, middle = yaws[rows, k], _MIDDLES[k]
        slope = (yaws[rows, k + 1] - before) / (_MIDDLES[k + 1] - middle)
        return slope * (np.clip(arc, _MIDDLES[0], _MIDDLES[-1]) - middle) + before

    here = yaw_at(s)
    heading = wrap_angle(in_ego_frame[..., ObjectColumn.YAW] - here)
    way = np.where(np.cos(heading) < 0, -1.0, 1.0)
    on = route_frame.known[:, None] & (s > -2) & (s < ROUTE_FRAME_ARCS[-1] + 2) & (np.abs(lateral) < ROUTE_SIDE)
    near, far = np.split(yaw_at(np.concatenate([s + 8 * way, s + 16 * way], axis=1)), 2, axis=1)
    return FrenetPose(s, lateral, heading, near - here, far - here, on)


def find_lead(
    pose: FrenetPose, actors: np.ndarray, kinds: np.ndarray, ego: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`nearest_ahead` among actors [n, s, 6 or more], OBJECT_NAMES first, of given poses and kinds [n, s]."""
    return nearest_ahead(
        pose.s,
        pose.lateral,
        pose.heading,
        actors[..., ObjectColumn.LENGTH],
        actors[..., ObjectColumn.WIDTH],
        actors[..., ObjectColumn.SPEED],
        kinds > 0,
        ego,
    )


def find_scene_lead(scene: SceneState, ego: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`nearest_ahead` among the objects of SceneStates [n] on their own routes."""
    pose = to_frenet(RouteFrame.from_scenes(scene), scene.objects)
    return find_lead(pose, scene.objects, scene.object_kinds, ego)


def nearest_ahead(
    s: np.ndarray,
    lateral: np.ndarray,
    heading: np.ndarray,
    length: np.ndarray,
    width: np.ndarray,
    speed: np.ndarray,
    there: np.ndarray,
    ego: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest object in the ego's corridor on its route.

    Args:
        s: arc length ahead of the ego [..., k] [m].
        lateral: offset from the route [..., k] [m].
        heading: against the route [..., k] [rad].
        length: of the objects [..., k] [m].
        width: of the objects [..., k] [m].
        speed: along their own heading [..., k] [m/s].
        there: False for those to leave out, bool [..., k].
        ego: length and width [m].
    """
    c, sn = np.abs(np.cos(heading)), np.abs(np.sin(heading))
    half_along = (c * length + sn * width) / 2
    half_across = (sn * length + c * width) / 2
    gap = s - half_along - ego[0] / 2
    inside = np.abs(lateral) < half_across + ego[1] / 2 + LEAD_MARGIN
    ahead = there & (s > 0) & inside & (gap < LEAD_RANGE)
    gap = np.where(ahead, gap, np.inf)
    at = gap.argmin(-1)[..., None]
    along = np.take_along_axis(speed * np.cos(heading), at, axis=-1)[..., 0]
    present = np.any(ahead, axis=-1)
    return np.where(present, np.maximum(gap.min(-1), 0.0), 0.0), np.where(present, along, 0.0), present
