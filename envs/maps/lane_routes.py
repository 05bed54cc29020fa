"""Routes over lanes that follow each other: a point a metre, with the limits, commands and stop lines along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from envs.maps.geometry import TURN_ANGLE, Lane, LaneKey
from envs.maps.route import Route, RouteStops
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import RouteCommand

SEAM = 1e-3
"""Between two lanes that follow each other, so that arc length rises [m]."""
COMMAND_DISTANCE = 30.0
"""A junction's command is given from this far before it [m]."""
SAME_STOP = 15.0
"""Two stops for one signal on a route are closer than this only where the map says the same twice [m]."""


def route_over(
    chain: Sequence[Lane],
    gaps: np.ndarray,
    skipped: np.ndarray,
    start: float,
    length: float,
    lane_rows: Mapping[LaneKey, int],
    lane_stops: Mapping[LaneKey, Sequence[tuple[float, int]]],
) -> Route:
    """The route over lanes one after the other, one point a metre.

    Args:
        chain: the lanes, or pieces of them.
        gaps: from the end of each to the beginning of the next [m].
        skipped: how much of each lane lies before the piece that is in `chain` [m].
        start: how far into the first one the route begins [m].
        length: of the route, less where the lanes end before [m].
        lane_rows: what the route's `lanes` say of each lane.
        lane_stops: arc length of each stop line on a lane [m], and for which signal it is.
    """
    offsets = np.concatenate([[0.0], np.cumsum([lane.length for lane in chain] + gaps)])
    s = np.concatenate([lane.s + offset for lane, offset in zip(chain, offsets, strict=False)])
    points = np.concatenate([lane.points for lane in chain])
    end = min(start + length, float(s[-1]))
    at = np.arange(start, max(end, start + 1.0) + 1e-6, 1.0)

    commands = np.zeros(len(at), np.int64)
    for begin, finish, command in _junctions(chain, offsets):
        here = (at >= begin - COMMAND_DISTANCE) & (at <= finish)
        commands[here & (commands == RouteCommand.FOLLOW)] = command

    def along(values: np.ndarray) -> np.ndarray:
        return np.interp(at, s, values)

    # a limit holds from its place on: no ramps between two limits
    limits = np.concatenate([lane.speed_limit for lane in chain])
    here = np.clip(np.searchsorted(s, at + 1e-9, side="right") - 1, 0, len(s) - 1)
    rows = np.repeat([lane_rows[lane.key] for lane in chain], [len(lane.points) for lane in chain])
    return Route(
        points=np.stack([along(points[:, 0]), along(points[:, 1])], axis=1),
        z=along(np.concatenate([lane.z for lane in chain])),
        yaw=wrap_angle(along(np.unwrap(np.concatenate([lane.yaw for lane in chain])))),
        half_width=along(np.concatenate([lane.half_width for lane in chain])),
        speed_limit=limits[here],
        command=commands,
        lanes=rows[here],
        stops=_stops_along(chain, offsets - np.append(skipped, 0.0) - start, float(len(at) - 1), skipped, lane_stops),
        length=float(len(at) - 1),
    )


def _stops_along(
    chain: Sequence[Lane],
    offsets: np.ndarray,
    length: float,
    skipped: np.ndarray,
    lane_stops: Mapping[LaneKey, Sequence[tuple[float, int]]],
) -> RouteStops:
    """Stop lines on a route; lane arc length plus `offsets` gives the route's."""
    found: list[tuple[float, int]] = []
    last: dict[int, float] = {}
    for lane, offset, first in zip(chain, offsets.tolist(), skipped.tolist(), strict=False):
        for at, index in sorted(lane_stops.get(lane.key, ())):
            s = at + offset
            if not first - 1e-6 <= at <= first + lane.length + 1e-6 or not 0 <= s <= length:
                continue
            if s - last.get(index, -np.inf) > SAME_STOP:
                found.append((s, index))
                last[index] = s
    found.sort()
    return RouteStops(
        s=np.array([s for s, _ in found], np.float64), signals=np.array([index for _, index in found], np.int64)
    )


def clip_lane(lane: Lane, start: float, end: float) -> Lane:
    """The lane from arc length `start` to `end` [m]."""
    inside = (lane.s > start) & (lane.s < end)
    s = np.concatenate([[start], lane.s[inside], [end]])
    x, y, z, yaw, half_width = (
        np.interp(s, lane.s, of) for of in (lane.points[:, 0], lane.points[:, 1], lane.z, lane.yaw, lane.half_width)
    )
    limits = np.array([lane.limit_at(float(at)) for at in s])
    return replace(
        lane,
        points=np.stack([x, y], -1),
        z=z,
        yaw=yaw,
        half_width=half_width,
        s=s - start,
        speed_limit=limits,
    )


def _junctions(chain: Sequence[Lane], offsets: np.ndarray) -> list[tuple[float, float, RouteCommand]]:
    """Beginning, end [m] and command of each passage of a junction, in order."""
    found = []
    i = 0
    while i < len(chain):
        j = i
        while j < len(chain) and chain[j].junction >= 0 and chain[j].junction == chain[i].junction:
            j += 1
        if j > i:
            turn = float(wrap_angle(chain[j - 1].yaw[-1] - chain[i].yaw[0]))
            command = RouteCommand.STRAIGHT
            if abs(turn) > TURN_ANGLE:
                command = RouteCommand.LEFT if turn > 0 else RouteCommand.RIGHT
            found.append((float(offsets[i]), float(offsets[j]), command))
        i = max(j, i + 1)
    return found
