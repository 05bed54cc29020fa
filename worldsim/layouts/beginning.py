"""How an endless drive goes on from a start clip: where its route is left for a made town, and what stays around it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, AreaKind, BoxColumn, Layout, LineKind, join_polylines
from worldsim.datatypes.route import RouteLaneColumn, to_ground_frame, to_vehicle_frame
from worldsim.datatypes.signals import LIGHT_CYCLE_NAMES, NO_SIGNALS, RouteSignalColumn
from worldsim.datatypes.start_clip import StartClip, cycles_of_layout
from worldsim.layouts.drive import EndlessDrive, Root, RoutePiece, StreetKind, Stretch
from worldsim.layouts.endless import EndlessTown
from worldsim.layouts.layout_model import LayoutModel

LEAVE_AFTER = 170.0
"""The route is left for a made town after this, or as soon as possible then [m]: it is not seen from its beginning."""
JUNCTION_GAP = 28.0
"""It is left so far from any junction [m]."""
STRAIGHT = 0.12
"""And where it turns by no more than this over 20 m [rad]."""
KEEP_RANGE = 55.0
"""What is farther from the route up to there is left out [m]."""
CUT_RANGE = 90.0
"""Beyond the place where it is left everything goes within this distance [m]."""
NEAR_END = 70.0
"""What lies nearer to that place is not in the way of made streets [m]."""
USUAL_LANE = 3.5
"""Width of a lane where it is not known [m]."""


def begin_endless(
    clip: StartClip, model: LayoutModel, seed: int, commands: np.ndarray
) -> tuple[StartClip, EndlessTown, Stretch]:
    """A clip that goes on in a made town, the town, and its first stretch, which the clip then tells of.

    Args:
        clip: recorded in any world.
        model: that draws the town, in float64.
        seed: of the town.
        commands: RouteCommand at its junctions, int64 [c].

    Raises:
        ValueError: the clip has no route, or the ground is not flat.
    """
    if len(clip.route) < 2:
        raise ValueError("an endless drive goes on from a start clip's route, this one has none")
    points = np.concatenate([clip.layout.area_points, clip.layout.line_points])
    if np.abs(points[:, 2]).max(initial=0.0) > 1e-3:
        raise ValueError("an endless drive begins on flat ground at height 0, this start clip's is not")
    vehicle = clip.vehicles[-1]
    route = to_ground_frame(vehicle, clip.route)
    end = _leave_at(route, clip.layout)
    route, lanes = route[: end + 1], clip.lanes[: end + 1].astype(np.float64)
    yaw = float(np.arctan2(*(route[-1] - route[-2])[::-1]))
    kind, to_middle, lane = _street_kind(lanes[-1])
    left = np.array([-np.sin(yaw), np.cos(yaw)])
    middle = route[-1] + to_middle * left

    layout = _kept(clip.layout, route, yaw)
    occupied = np.concatenate([layout.area_points[:, :2], layout.boxes[:, : BoxColumn.Z], route])
    occupied = occupied[np.hypot(*(occupied - route[-1]).T) > NEAR_END]
    root = Root(
        x=float(middle[0]),
        y=float(middle[1]),
        yaw=yaw,
        kind=kind,
        occupied=occupied,
        footprints=layout.boxes[:, FOOTPRINT_COLUMNS],
    )
    length = float(np.hypot(*np.diff(route, axis=0).T).sum())
    signals = (NO_SIGNALS if clip.signals is None else clip.signals).astype(np.float64)
    cycles = cycles_of_layout(layout, clip.light_cycles)
    drive = EndlessDrive(
        seed=seed,
        root=root,
        commands=commands,
        first_lane=lane,
        layout=layout,
        light_cycles=np.zeros((0, len(LIGHT_CYCLE_NAMES))) if cycles is None else cycles,
        route=RoutePiece(
            points=route,
            lanes=lanes,
            signals=signals[signals[:, RouteSignalColumn.S] < length - 5.0],
            turns=np.zeros((0, 3)),
        ),
    )
    town = EndlessTown(model, drive)
    stretch = town.stretch(0)
    told = replace(
        clip,
        route=to_vehicle_frame(vehicle, stretch.route.points).astype(np.float32),
        lanes=stretch.route.lanes.astype(np.float32),
        signals=stretch.route.signals.astype(np.float32),
        layout=stretch.layout,
        light_cycles=stretch.light_cycles,
    )
    return told, town, stretch


def _leave_at(route: np.ndarray, layout: Layout) -> int:
    """The point of a route [r, 2] at which a made town may begin; its last one where no other is fit."""
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(route, axis=0).T))])
    ahead = np.gradient(route, axis=0)
    yaws = np.arctan2(ahead[:, 1], ahead[:, 0])
    areas = layout.areas()
    junctions = [areas[k][:, :2] for k in np.flatnonzero(layout.area_kinds == AreaKind.JUNCTION)]
    for k in range(2, len(route)):
        turn = np.abs(wrap_angle(yaws[(arcs > arcs[k] - 20.0) & (arcs <= arcs[k])] - yaws[k])).max()
        if arcs[k] >= LEAVE_AFTER and turn < STRAIGHT and _gap(route[k], junctions) > JUNCTION_GAP:
            return k
    return len(route) - 1


def _gap(point: np.ndarray, outlines: list[np.ndarray]) -> float:
    """Distance from a point to the nearest of some outlines, negative inside [m]."""
    gaps = [-cv2.pointPolygonTest((outline - point).astype(np.float32), (0.0, 0.0), True) for outline in outlines]
    return min(gaps, default=np.inf)


def _street_kind(lane: np.ndarray) -> tuple[StreetKind, float, int]:
    """The street that a lane, ROUTE_LANE_NAMES [4], is one of, how far its middle is to the left [m], and which of its
    lanes that is, counted from 0 at the middle."""
    half, left, right = lane[[RouteLaneColumn.HALF_WIDTH, RouteLaneColumn.LEFT_EDGE, RouteLaneColumn.RIGHT_EDGE]]
    width = 2 * float(half) if np.isfinite(half) else USUAL_LANE
    if not np.isfinite(left + right):
        left, right = 1.5 * width, 0.5 * width
    num_lanes = int(np.clip(round(float(left + right) / (2 * width)), 1, 2))
    from_outside = int(np.clip(round(float(right) / width - 0.5), 0, num_lanes - 1))
    number = num_lanes - 1 - from_outside
    paint = LineKind.BROKEN if num_lanes == 1 else LineKind.SOLID_SOLID
    return StreetKind(num_lanes=num_lanes, lane_width=width, centre_line=paint), (number + 0.5) * width, number


def _kept(layout: Layout, route: np.ndarray, yaw: float) -> Layout:
    """What lies along a route [r, 2] and not beyond its end, where it runs in direction `yaw`."""
    near = layout.crop(route, KEEP_RANGE)
    end, ahead = route[-1], np.array([np.cos(yaw), np.sin(yaw)])

    def beyond(points: np.ndarray) -> np.ndarray:
        gap = points[:, :2] - end
        return (gap @ ahead > 0) & (np.hypot(gap[:, 0], gap[:, 1]) < CUT_RANGE)

    boxes = near.boxes.copy()
    areas = [
        area[:0] if kind == AreaKind.OTHER and beyond(area).any() else _cut(area, beyond(area), end, ahead)
        for area, kind in zip(near.areas(), near.area_kinds.tolist(), strict=True)
    ]
    lines = [line[_longest(~beyond(line))] for line in near.lines()]
    kept_areas = np.array([len(area) > 2 for area in areas], bool)
    kept_lines = np.array([len(line) > 1 for line in lines], bool)
    rest = near.select(~beyond(boxes), kept_areas, kept_lines)
    area_points, area_starts = join_polylines([area for area in areas if len(area) > 2])
    line_points, line_starts = join_polylines([line for line in lines if len(line) > 1])
    return replace(
        rest, area_points=area_points, area_starts=area_starts, line_points=line_points, line_starts=line_starts
    )


def _cut(area: np.ndarray, beyond: np.ndarray, end: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """An outline [n, 3] without its points that are `beyond`, bool [n]; edges that leave end where they do."""
    kept: list[np.ndarray] = []
    for k in range(len(area)):
        here, there = area[k], area[(k + 1) % len(area)]
        if not beyond[k]:
            kept.append(here)
        if beyond[k] != beyond[(k + 1) % len(area)]:
            a, b = ((point[:2] - end) @ ahead for point in (here, there))
            share = np.clip(a / (a - b), 0.0, 1.0) if (a > 0) != (b > 0) else float(beyond[k])
            kept.append(here + share * (there - here))
    return np.array(kept).reshape(-1, 3)


def _longest(flags: np.ndarray) -> slice:
    """The longest run of True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs = list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))
    return slice(*max(runs, key=lambda run: run[1] - run[0], default=(0, 0)))
