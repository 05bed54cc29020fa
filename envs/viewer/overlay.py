"""SceneState as lines in the camera's picture: the lane, the objects as boxes. Plain numbers, no pygame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs.road.traffic.traffic import SCRIPTED_HEIGHTS
from envs.viewer.top_view import lane_sides, object_corners
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.route import centreline_of
from worldsim.datatypes.scene import ObjectColumn, ObjectKind, SceneState

NEAREST = 0.3
"""What is nearer along the camera's axis is cut off [m]."""
_EDGES = np.array([(i, (i + 1) % 4) for i in range(4)])
BOX_EDGES = np.concatenate([_EDGES, _EDGES + 4, np.stack([np.arange(4), np.arange(4) + 4], axis=1)])
"""Corner indices [12, 2] of a box's edges: around the bottom, around the top, upwards."""


class ObjectLines(NamedTuple):
    """An object in the picture.

    Args:
        kind: what it is.
        distance: of its centre from the ego's [m].
        lines: edges of its box in frame pixels (column, row), [n, 2, 2]; none when it is behind the camera.
    """

    kind: ObjectKind
    distance: float
    lines: np.ndarray


def project_lines(lines: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    """Lines in the picture, each cut off where it comes nearer than NEAREST.

    Args:
        lines: their ends in the vehicle frame, [n, 2, 3] [m].
        camera: takes the picture.

    Returns:
        Ends in frame pixels (column, row), [m, 2, 2], m ≤ n: those with no point before the camera are left out.
    """
    lines = np.asarray(lines, float).reshape(-1, 2, 3)
    depths = lines @ camera.axes[2] - camera.axes[2] @ camera.mount
    visible = (depths > NEAREST).any(axis=1)
    lines, depths = lines[visible].copy(), depths[visible]
    for near, far in ((0, 1), (1, 0)):
        cut = depths[:, near] < NEAREST
        share = (NEAREST - depths[cut, near]) / (depths[cut, far] - depths[cut, near])
        lines[cut, near] += share[:, None] * (lines[cut, far] - lines[cut, near])
    pixels, _ = camera.project(lines.reshape(-1, 3))
    return pixels.reshape(-1, 2, 2)


def lane_lines(scene: SceneState, camera: PinholeCamera) -> np.ndarray:
    """The lane's two sides and its centre in frame pixels, [n, 2, 2]; none where the route is not known."""
    pieces = [np.stack([line[:-1], line[1:]], axis=1) for line in (*lane_sides(scene), centreline_of(scene))]
    flat = np.concatenate(pieces).reshape(-1, 2, 2)
    return project_lines(np.concatenate([flat, np.zeros((*flat.shape[:2], 1))], axis=-1), camera)


def object_lines(scene: SceneState, camera: PinholeCamera) -> list[ObjectLines]:
    """The objects of a scene in the picture, farthest first."""
    shown = []
    for pose, number in zip(scene.objects, scene.object_kinds, strict=True):
        kind = ObjectKind(int(number))
        if kind != ObjectKind.EMPTY:
            lines = project_lines(_box_corners(pose, SCRIPTED_HEIGHTS[kind])[BOX_EDGES], camera)
            shown.append(ObjectLines(kind, float(np.hypot(pose[ObjectColumn.X], pose[ObjectColumn.Y])), lines))
    return sorted(shown, key=lambda item: -item.distance)


def _box_corners(pose: np.ndarray, height: float) -> np.ndarray:
    """Corners [8, 3] of an object's box, the bottom's first."""
    ground = object_corners(pose)
    return np.concatenate([np.column_stack([ground, np.full(4, z)]) for z in (0.0, height)])
