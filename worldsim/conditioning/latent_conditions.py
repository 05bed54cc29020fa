"""ConditionMap: what the dynamics model is told of a picture that is to be made, at the latents' resolution.

All of it is geometry: surfaces, road users and their motion, the route on the ground that the depth shows, and where
what is seen was a step ago. Nothing is learned here. numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from worldsim.compiled import compiled
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.scene import ROUTE_DISTANCES
from worldsim.gbuffer.classes import NO_PART, Part, SemanticClass
from worldsim.gbuffer.reprojection import PictureGeometry, reproject
from worldsim.gbuffer.surface_map import SurfaceChannel, SurfaceMap
from worldsim.gbuffer.view import View

STRIDE, QUARTER = 8, 4
"""Pixels of a latent's cell, and of a quarter of it, in either direction."""
ROUTE_SCALES = (2.0, 8.0)
"""A ground point's distance from the route is given at these scales [m]."""
ROUTE_RANGE = 64.0
"""The route is drawn so far along itself and so far from the camera [m]."""
FLOW_SCALE = 4.0
"""Cells by which the picture has moved that count as 1."""
LEAST_WEIGHT = 1e-3
"""Of a quarter that was not visible, beside 1 of one that was, in saying where its cell was."""
LEAST_MOVE = 0.01
"""A road user that has moved less from one frame to the next stands still [m], or [rad]."""


class ConditionChannel(IntEnum):
    """First channel of each group; all lie in -1 to 1. Groups of quarters have a channel for each quarter of a cell.

    COVERAGE: shares of each SemanticClass, 0 to 1.
    USERS: quarters; share of road users.
    PAINT: quarters; share of markings, crosswalks and stop lines.
    INVERSE_DEPTH: quarters; 2.5 m over the depth, at most 1, 0 in the sky.
    FACING: cosine between the surface's normal and the ray.
    SUNLIGHT: how the sun shines on the surfaces, and in the sky how near it is.
    COLOR: RGB of boxes and road users, times their share.
    PLACE: what tells boxes and road users apart, times their share.
    SIGNAL: whether lamps show red, yellow, green; the most of any pixel.
    BRAKING: whether brake lights are on; the most of any pixel.
    HEADING: cosine and sine of road users' heading relative to the ray, times their share.
    MOVING: share of road users that move.
    FLOW: by how many cells, of FLOW_SCALE, what is seen has moved in the picture, to the right and down.
    VISIBLE: share of what was seen a step ago.
    ROUTE: quarters; distance from the route to the left at each of ROUTE_SCALES, -1 to 1, and how near along the
        route, 1 at the ego and 0 at ROUTE_RANGE; 0 where the ground or the route is not seen.
    KNOWN: whether the layout knows its ground; its boxes; and whether it is known where the sun stands.
    """

    COVERAGE = 0
    USERS = COVERAGE + len(SemanticClass)
    PAINT = USERS + 4
    INVERSE_DEPTH = PAINT + 4
    FACING = INVERSE_DEPTH + 4
    SUNLIGHT = FACING + 1
    COLOR = SUNLIGHT + 1
    PLACE = COLOR + 3
    SIGNAL = PLACE + 3
    BRAKING = SIGNAL + 3
    HEADING = BRAKING + 1
    MOVING = HEADING + 2
    FLOW = MOVING + 1
    VISIBLE = FLOW + 2
    ROUTE = VISIBLE + 1
    KNOWN = ROUTE + 4 * (len(ROUTE_SCALES) + 1)


NUM_CONDITION_CHANNELS = ConditionChannel.KNOWN + 3
SUN_KNOWN = ConditionChannel.KNOWN + 2
"""That which says whether the sun is known; the two before it say what of the layout is."""
ROUTE_CHANNELS = slice(ConditionChannel.ROUTE, ConditionChannel.KNOWN)
NEARNESS_CHANNELS = slice(ConditionChannel.KNOWN - 4, ConditionChannel.KNOWN)
"""Those of ROUTE that say how near along the route."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionMap:
    """What is known of a picture before its latent is made; [h, w] is the latent's size.

    Args:
        channels: by ConditionChannel, float32 [NUM_CONDITION_CHANNELS, h, w].
        grid: where in the picture before what is seen was, for grid_sample(align_corners=False), float32 [h, w, 2].
        geometry: of the picture at that resolution.
    """

    channels: np.ndarray
    grid: np.ndarray
    geometry: PictureGeometry

    @property
    def visible(self) -> np.ndarray:
        """Share of what is seen that was seen a step ago too, float32 [h, w]."""
        return self.channels[ConditionChannel.VISIBLE]


def draw_conditions(
    surfaces: SurfaceMap, before: PictureGeometry | None, view: View, route: np.ndarray, route_valid: np.ndarray
) -> ConditionMap:
    """Draw what the dynamics model is told of a picture.

    Args:
        surfaces: in the picture, whose size is a multiple of STRIDE.
        before: of the picture a step ago, None where there is none.
        view: from where the picture is seen.
        route: the preview at ROUTE_DISTANCES, vehicle frame, [r, 2] [m].
        route_valid: which of its points are known, bool [r]; those come first.
    """
    geometry = surfaces.geometry
    height, width = geometry.depth.shape
    if height % STRIDE or width % STRIDE:
        raise ValueError(f"a picture's sides must be multiples of {STRIDE} px, got {height} x {width}")
    channels = np.zeros((NUM_CONDITION_CHANNELS, height // STRIDE, width // STRIDE), np.float32)
    _fill_surfaces(surfaces.channels, channels)
    _fill_users(geometry.users, _describe_users(geometry, before), channels)
    known = np.asarray(route_valid, bool)
    if known.sum() > 1:
        lies = (
            geometry.axes,
            geometry.position,
            geometry.focal,
            view.x,
            view.y,
            math.cos(view.yaw),
            math.sin(view.yaw),
        )
        points = np.ascontiguousarray(route[known], np.float64)
        _fill_route(surfaces.parts, geometry.depth, *lies, points, _ROUTE_DISTANCES, channels)

    grid = still_grid(*channels.shape[1:])
    if before is not None:
        moved, visible = reproject_cells(geometry, before)
        flow = (grid - moved) * (0.5 / FLOW_SCALE * np.array(grid.shape[1::-1], np.float32))
        channels[ConditionChannel.FLOW : ConditionChannel.VISIBLE] = flow.clip(-1.0, 1.0).transpose(2, 0, 1)
        channels[ConditionChannel.VISIBLE] = visible
        grid = moved
    return ConditionMap(channels=channels, grid=grid, geometry=shrink_geometry(geometry))


def reproject_cells(new: PictureGeometry, old: PictureGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Where in an old picture the cells of a new one were, float32 [h, w, 2], and which share of them was seen there,
    float32 [h, w]; a cell was where those of its quarters were that were seen."""
    quarters, visible = reproject(new, old, QUARTER)
    height, width = visible.shape[0] // 2, visible.shape[1] // 2
    grid, share = np.empty((height, width, 2), np.float32), np.empty((height, width), np.float32)
    _join_quarters(quarters, visible, grid, share)
    return grid, share


def still_grid(height: int, width: int) -> np.ndarray:
    """The grid, float32 [h, w, 2], that fetches each cell from where it is."""
    x, y = ((np.arange(n, dtype=np.float32) + 0.5) * (2.0 / n) - 1.0 for n in (width, height))
    return np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1).copy()


def shrink_geometry(geometry: PictureGeometry) -> PictureGeometry:
    """The geometry of a picture with one pixel for each cell of STRIDE pixels."""
    middle = slice(STRIDE // 2, None, STRIDE)
    return replace(
        geometry,
        depth=geometry.depth[middle, middle].copy(),
        users=geometry.users[middle, middle].copy(),
        mixed=np.zeros_like(geometry.mixed[middle, middle]),
        focal=geometry.focal / STRIDE,
    )


def _describe_users(geometry: PictureGeometry, before: PictureGeometry | None) -> np.ndarray:
    """Of each road user cosine and sine of its heading relative to the ray to it, and 1 if it moves; [n, 3]."""
    boxes = geometry.user_boxes
    away = boxes[:, [BoxColumn.X, BoxColumn.Y]] - geometry.position[:2]
    angle = boxes[:, BoxColumn.YAW] - np.arctan2(away[:, 1], away[:, 0])
    moving = np.zeros(len(boxes))
    if before is not None:
        # one that was not there, or is another, came from somewhere
        same = geometry.user_ids[:, None] == before.user_ids
        moved = np.abs(boxes[:, None, _POSE] - before.user_boxes[:, _POSE]).max(-1, initial=0.0) > LEAST_MOVE
        moving = np.where(same.any(1), (same & moved).any(1), True)
    return np.stack([np.cos(angle), np.sin(angle), moving], axis=-1)


_POSE = [BoxColumn.X, BoxColumn.Y, BoxColumn.YAW]
_ROUTE_DISTANCES = np.array(ROUTE_DISTANCES)
_S, _C = SurfaceChannel, ConditionChannel
_MEANS = np.array(
    [
        *((_S.COVERAGE + k, _C.COVERAGE + k) for k in range(len(SemanticClass))),
        (_S.FACING, _C.FACING),
        (_S.SUNLIGHT, _C.SUNLIGHT),
        *((_S.COLOR + k, _C.COLOR + k) for k in range(3)),
        *((_S.PLACE + k, _C.PLACE + k) for k in range(3)),
        *((_S.KNOWN + k, _C.KNOWN + k) for k in range(3)),
    ]
)
"""Channels that are averaged over a cell, from and to."""
_MOST = np.array([*((_S.SIGNAL + k, _C.SIGNAL + k) for k in range(3)), (_S.BRAKING, _C.BRAKING)])
"""Channels of which a cell has the largest value."""
_PAINTS = (SemanticClass.MARKING, SemanticClass.CROSSWALK, SemanticClass.STOP_LINE)
_USERS = (SemanticClass.CAR, SemanticClass.TRUCK, SemanticClass.PEDESTRIAN, SemanticClass.BARRIER)
_QUARTERS = np.array(
    [
        *((_S.COVERAGE + k, _C.PAINT, 1.0) for k in _PAINTS),
        *((_S.COVERAGE + k, _C.USERS, 1.0) for k in _USERS),
        (_S.INVERSE_DEPTH, _C.INVERSE_DEPTH, 0.5),
    ]
)
"""Channels that are averaged over quarters of a cell and added, from, to and factor."""
_HEADING, _MOVING, _ROUTE = (int(c) for c in (_C.HEADING, _C.MOVING, _C.ROUTE))
_DECK = int(Part.DECK)
_NEAR_SCALE, _FAR_SCALE = ROUTE_SCALES
_STRAIGHT_BACK = -10.0
"""Lengths of the route's first piece by which it is taken to go straight on behind its first point."""


@compiled
def _fill_surfaces(surfaces, channels):
    """Fill the channels that are means, quarters' means or the most of the surfaces'."""
    height, width = surfaces.shape[1], surfaces.shape[2]
    share = np.float32(1.0 / (STRIDE * STRIDE))
    # a pixel's channels lie side by side in memory: cell by cell, not channel by channel
    for r in range(height):
        for c in range(0, width, STRIDE):
            for m in range(len(_MEANS)):
                total = np.float32(0.0)
                for k in range(STRIDE):
                    total += surfaces[_MEANS[m, 0], r, c + k]
                channels[_MEANS[m, 1], r // STRIDE, c // STRIDE] += share * total
    for r in range(height):
        for c in range(0, width, QUARTER):
            which = 2 * (r // QUARTER % 2) + c // QUARTER % 2
            for m in range(len(_QUARTERS)):
                source, target = int(_QUARTERS[m, 0]), int(_QUARTERS[m, 1]) + which
                part = np.float32(_QUARTERS[m, 2] / (QUARTER * QUARTER))
                total = np.float32(0.0)
                for k in range(QUARTER):
                    total += surfaces[source, r, c + k]
                channels[target, r // STRIDE, c // STRIDE] += part * total
    for m in range(len(_MOST)):
        source, target = surfaces[_MOST[m, 0]], channels[_MOST[m, 1]]
        for r in range(height):
            for c in range(width):
                if source[r, c] > target[r // STRIDE, c // STRIDE]:
                    target[r // STRIDE, c // STRIDE] = source[r, c]


@compiled
def _fill_users(users, described, channels):
    """Fill HEADING and MOVING."""
    share = np.float32(1.0 / (STRIDE * STRIDE))
    for r in range(users.shape[0]):
        for c in range(users.shape[1]):
            user = users[r, c]
            if user >= 0:
                i, j = r // STRIDE, c // STRIDE
                channels[_HEADING, i, j] += share * described[user, 0]
                channels[_HEADING + 1, i, j] += share * described[user, 1]
                channels[_MOVING, i, j] += share * described[user, 2]


@compiled
def _join_quarters(quarters, visible, grid, share):
    """Fill the grid and the share that was visible of each cell."""
    h, w = share.shape
    for i in range(h):
        for j in range(w):
            x, y, total, seen = 0.0, 0.0, 0.0, 0.0
            for r in range(2 * i, 2 * i + 2):
                for c in range(2 * j, 2 * j + 2):
                    weight = visible[r, c] + LEAST_WEIGHT
                    # by how much the quarter has moved, the cell's middle is taken to have
                    x += weight * (quarters[r, c, 0] - ((c + 0.5) / w - 1.0))
                    y += weight * (quarters[r, c, 1] - ((r + 0.5) / h - 1.0))
                    total += weight
                    seen += 0.25 * visible[r, c]
            grid[i, j, 0] = (2.0 * j + 1.0) / w - 1.0 + x / total
            grid[i, j, 1] = (2.0 * i + 1.0) / h - 1.0 + y / total
            share[i, j] = seen


@compiled
def _fill_route(parts, depth, axes, position, focal, x, y, cos, sin, points, distances, channels):
    """Fill ROUTE: for the middle of each quarter that shows ground how far that is from the route, and along it."""
    height, width = depth.shape
    last = len(points) - 2
    for r in range(QUARTER // 2, height, QUARTER):
        ray_y = (r + 0.5 - 0.5 * height) / focal
        for c in range(QUARTER // 2, width, QUARTER):
            z = depth[r, c]
            if z > ROUTE_RANGE or not (parts[r, c] == NO_PART or parts[r, c] == _DECK):
                continue
            ray_x = (c + 0.5 - 0.5 * width) / focal
            gx = position[0] + z * (axes[0, 0] * ray_x + axes[1, 0] * ray_y + axes[2, 0]) - x
            gy = position[1] + z * (axes[0, 1] * ray_x + axes[1, 1] * ray_y + axes[2, 1]) - y
            ahead, left = cos * gx + sin * gy, cos * gy - sin * gx

            nearest, side, along, beyond = np.inf, 0.0, 0.0, False
            for s in range(last + 1):
                dx, dy = points[s + 1, 0] - points[s, 0], points[s + 1, 1] - points[s, 1]
                ox, oy = ahead - points[s, 0], left - points[s, 1]
                squared = max(dx * dx + dy * dy, 1e-4)
                full = (ox * dx + oy * dy) / squared
                fraction = min(max(full, _STRAIGHT_BACK if s == 0 else 0.0), 1.0)
                miss = (ox - fraction * dx) ** 2 + (oy - fraction * dy) ** 2
                if miss < nearest:
                    nearest, side = miss, dx * oy - dy * ox
                    along = distances[s] + fraction * (distances[s + 1] - distances[s])
                    beyond = s == last and full > 1.0
            if beyond:
                continue
            distance = math.sqrt(nearest) if side >= 0.0 else -math.sqrt(nearest)
            which = _ROUTE + 2 * (r // QUARTER % 2) + c // QUARTER % 2
            i, j = r // STRIDE, c // STRIDE
            channels[which, i, j] = min(max(distance / _NEAR_SCALE, -1.0), 1.0)
            channels[which + 4, i, j] = min(max(distance / _FAR_SCALE, -1.0), 1.0)
            channels[which + 8, i, j] = min(max(1.0 - along / ROUTE_RANGE, 0.0), 1.0)
