"""Where the surfaces in a picture were in another picture, and whether they were seen there. numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from worldsim.compiled import compiled
from worldsim.datatypes.layout import BOX_NAMES, BoxColumn

DEPTH_TOLERANCE, DEPTH_SLACK = 0.08, 0.3
"""Depths agree that differ by less than this share of them, and so much more [m]."""
ALIKE = 0.3
"""Pixels side by side show one thing if their depths differ by no more than this share, beside the slack."""
LEAST_SHARE = 0.1
"""Pixels with less weight in an interpolated colour do not matter."""
SIZE_TOLERANCE = 0.1
"""A road user's length, width and height change by less [m]."""
MAX_MOVE = 5.0
"""A road user that is farther from where it was is not the same one, whatever its id [m]."""
NEAR = 0.05
"""What is not so far before the camera is nowhere in its picture [m]."""
OUTSIDE = 3.0
"""Grid coordinates are cut to this distance from the middle; the picture's edge is at 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureGeometry:
    """Where what a picture shows is; [h, w] is the picture's size, `n` the number of road users.

    Args:
        depth: along the camera's axis, float32 [h, w] [m]; inf in the sky, NaN where it is not known.
        users: row of the road user that a pixel shows, -1 for what does not move, int16 [h, w].
        mixed: pixels that also show what is behind it, or before it, bool [h, w].
        user_ids: int64 [n].
        user_kinds: ObjectKind, int64 [n].
        user_boxes: BOX_NAMES, float64 [n, 7].
        axes: right, down and forward of the camera in the ground frame, rows, float64 [3, 3].
        position: of the camera in the ground frame, float64 [3] [m].
        focal: focal length [px].

    Raises:
        ValueError: the shapes do not match.
    """

    depth: np.ndarray
    users: np.ndarray
    mixed: np.ndarray
    user_ids: np.ndarray
    user_kinds: np.ndarray
    user_boxes: np.ndarray
    axes: np.ndarray
    position: np.ndarray
    focal: float

    def __post_init__(self) -> None:
        if self.depth.ndim != 2 or not self.users.shape == self.mixed.shape == self.depth.shape:
            shapes = (self.depth.shape, self.users.shape, self.mixed.shape)
            raise ValueError(f"depth, users and mixed must be [h, w] alike, got {shapes}")
        n = len(self.user_ids)
        if self.user_kinds.shape != (n,) or self.user_boxes.shape != (n, len(BOX_NAMES)):
            shapes = (self.user_kinds.shape, self.user_boxes.shape)
            raise ValueError(f"{n} road users must have as many kinds and boxes, got {shapes}")


def reproject(
    new: PictureGeometry, old: PictureGeometry, stride: int = 1, *, pure: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Where in an old picture the surfaces of a new one were: static ones by the camera's motion, road users by theirs.

    Args:
        new: of height and width that are multiples of `stride`.
        old: may have another size.
        stride: pixels of the new picture to a cell, for whose middle the answer is given.
        pure: what is seen must have been seen there in all pixels that a colour is interpolated from, and nothing else
            in them: colours of one thing must not stick to another.

    Returns:
        Grid float32 [h / stride, w / stride, 2] for torch's grid_sample(align_corners=False); and 1.0 where what is
        seen was seen there too, else 0.0, float32 [h / stride, w / stride].

    Raises:
        ValueError: the new picture's size is no multiple of `stride`.
    """
    height, width = new.depth.shape
    if stride < 1 or height % stride or width % stride:
        raise ValueError(f"stride must divide the picture of {height} x {width} px, got {stride}")
    grid = np.empty((height // stride, width // stride, 2), np.float32)
    visible = np.empty(grid.shape[:2], np.float32)
    matches, moves = _match_users(
        new.user_ids, new.user_kinds, new.user_boxes, old.user_ids, old.user_kinds, old.user_boxes
    )
    fill_reprojection(
        new.depth, new.users, new.axes, new.position, new.focal, old.depth, old.users, old.axes, old.position,
        old.focal, matches, moves, stride, grid, visible,
    )  # fmt: skip
    if pure:
        _keep_pure(old.depth, old.users, old.mixed, grid, visible)
    return grid, visible


_X, _Y, _Z, _YAW, _LENGTH = (int(c) for c in (BoxColumn.X, BoxColumn.Y, BoxColumn.Z, BoxColumn.YAW, BoxColumn.LENGTH))
_NUM_BOX = len(BOX_NAMES)


@compiled
def _match_users(new_ids, new_kinds, new_boxes, old_ids, old_kinds, old_boxes):
    """Of each new road user its old row, -1 for none, and the motion from now to then: cosine and sine of the turn,
    and the shift of the ground frame's origin."""
    matches = np.full(len(new_ids), -1, np.int64)
    moves = np.zeros((len(new_ids), 5))
    for i in range(len(new_ids)):
        moves[i, 0] = 1.0
        for j in range(len(old_ids)):
            if old_ids[j] != new_ids[i] or old_kinds[j] != new_kinds[i]:
                continue
            same = True
            for k in range(_LENGTH, _NUM_BOX):
                same = same and abs(old_boxes[j, k] - new_boxes[i, k]) < SIZE_TOLERANCE
            dx, dy = old_boxes[j, _X] - new_boxes[i, _X], old_boxes[j, _Y] - new_boxes[i, _Y]
            if same and dx * dx + dy * dy < MAX_MOVE * MAX_MOVE:
                turn = old_boxes[j, _YAW] - new_boxes[i, _YAW]
                c, s = math.cos(turn), math.sin(turn)
                x, y = new_boxes[i, _X], new_boxes[i, _Y]
                matches[i] = j
                moves[i, 0], moves[i, 1] = c, s
                moves[i, 2] = old_boxes[j, _X] - (c * x - s * y)
                moves[i, 3] = old_boxes[j, _Y] - (s * x + c * y)
                moves[i, 4] = old_boxes[j, _Z] - new_boxes[i, _Z]
                break
    return matches, moves


@compiled
def _inverse_depth_between(depth, u, v):
    """Inverse depth at a place between pixels, bilinear, which is exact on planes."""
    rows, columns = depth.shape
    at_x, at_y = min(max(u - 0.5, 0.0), columns - 1.0), min(max(v - 0.5, 0.0), rows - 1.0)
    c, r = min(int(at_x), max(columns - 2, 0)), min(int(at_y), max(rows - 2, 0))
    right, below = min(c + 1, columns - 1), min(r + 1, rows - 1)
    a, b = at_x - c, at_y - r
    upper = (1.0 - a) / depth[r, c] + a / depth[r, right]
    lower = (1.0 - a) / depth[below, c] + a / depth[below, right]
    return (1.0 - b) * upper + b * lower


@compiled
def fill_reprojection(
    depth, users, axes, position, focal, old_depth, old_users, old_axes, old_position, old_focal,
    matches, moves, stride, grid, visible,
):  # fmt: skip
    """Fill grid and visible."""
    height, width = depth.shape
    old_height, old_width = old_depth.shape
    # from the new camera to the old one
    turn = np.zeros((3, 3))
    shift = np.zeros(3)
    for i in range(3):
        for k in range(3):
            shift[i] += old_axes[i, k] * (position[k] - old_position[k])
            for j in range(3):
                turn[i, j] += old_axes[i, k] * axes[j, k]
    aside = 0.5 * stride - stride // 2 - 0.5  # from the pixel that is looked at to the cell's middle
    for r in range(grid.shape[0]):
        row = r * stride + stride // 2
        at_y = (row + 0.5 - 0.5 * height) / focal
        for c in range(grid.shape[1]):
            column = c * stride + stride // 2
            at_x = (column + 0.5 - 0.5 * width) / focal
            z, user = depth[row, column], users[row, column]
            is_sky = z == np.inf
            x_there, y_there, z_there = 0.0, 0.0, 0.0
            if user < 0 or matches[user] < 0:
                x_there = turn[0, 0] * at_x + turn[0, 1] * at_y + turn[0, 2]
                y_there = turn[1, 0] * at_x + turn[1, 1] * at_y + turn[1, 2]
                z_there = turn[2, 0] * at_x + turn[2, 1] * at_y + turn[2, 2]
                if not is_sky:
                    x_there, y_there, z_there = z * x_there + shift[0], z * y_there + shift[1], z * z_there + shift[2]
            else:
                x = position[0] + z * (axes[0, 0] * at_x + axes[1, 0] * at_y + axes[2, 0])
                y = position[1] + z * (axes[0, 1] * at_x + axes[1, 1] * at_y + axes[2, 1])
                up = position[2] + z * (axes[0, 2] * at_x + axes[1, 2] * at_y + axes[2, 2])
                dx = moves[user, 0] * x - moves[user, 1] * y + moves[user, 2] - old_position[0]
                dy = moves[user, 1] * x + moves[user, 0] * y + moves[user, 3] - old_position[1]
                dz = up + moves[user, 4] - old_position[2]
                x_there = old_axes[0, 0] * dx + old_axes[0, 1] * dy + old_axes[0, 2] * dz
                y_there = old_axes[1, 0] * dx + old_axes[1, 1] * dy + old_axes[1, 2] * dz
                z_there = old_axes[2, 0] * dx + old_axes[2, 1] * dy + old_axes[2, 2] * dz

            per_depth = old_focal / max(z_there, NEAR)
            u = x_there * per_depth + 0.5 * old_width
            v = y_there * per_depth + 0.5 * old_height
            scale = old_focal / focal
            grid[r, c, 0] = min(max(2.0 * (u + scale * aside) / old_width - 1.0, -OUTSIDE), OUTSIDE)
            grid[r, c, 1] = min(max(2.0 * (v + scale * aside) / old_height - 1.0, -OUTSIDE), OUTSIDE)

            seen = False
            if z_there > NEAR and 0.0 <= u < old_width and 0.0 <= v < old_height:
                i, j = int(v), int(u)
                there = old_depth[i, j]
                expected_user = matches[user] if user >= 0 else -1
                if old_users[i, j] == expected_user and (user < 0 or expected_user >= 0):
                    if is_sky:
                        seen = there == np.inf
                    else:
                        tolerance = DEPTH_TOLERANCE * z_there + DEPTH_SLACK
                        seen = abs(there - z_there) < tolerance
                        if not seen and there == there:
                            # far away the ground is metres deeper a pixel on
                            between = 1.0 / _inverse_depth_between(old_depth, u, v)
                            seen = abs(between - z_there) < tolerance
            visible[r, c] = 1.0 if seen else 0.0


@compiled
def _keep_pure(depth, users, mixed, grid, visible):
    """Erase from `visible` what is interpolated from pixels of different things: the nearest is of the right one."""
    height, width = depth.shape
    for r in range(grid.shape[0]):
        for c in range(grid.shape[1]):
            if visible[r, c] == 0.0:
                continue
            u, v = 0.5 * (grid[r, c, 0] + 1.0) * width, 0.5 * (grid[r, c, 1] + 1.0) * height
            row, column = min(max(int(v), 0), height - 1), min(max(int(u), 0), width - 1)
            z, user = depth[row, column], users[row, column]
            # the neighbours that it is interpolated from
            aside_x, aside_y = u - (column + 0.5), v - (row + 0.5)
            pure = not mixed[row, column]
            for i in range(2):
                for j in range(2):
                    share = (abs(aside_y) if i else 1.0 - abs(aside_y)) * (abs(aside_x) if j else 1.0 - abs(aside_x))
                    k = min(max(row + (i if aside_y > 0 else -i), 0), height - 1)
                    m = min(max(column + (j if aside_x > 0 else -j), 0), width - 1)
                    if share < LEAST_SHARE or (k == row and m == column):
                        continue
                    alike = depth[k, m] == z or abs(depth[k, m] - z) < ALIKE * min(depth[k, m], z) + DEPTH_SLACK
                    pure = pure and alike and users[k, m] == user and not mixed[k, m]
            if not pure:
                visible[r, c] = 0.0
