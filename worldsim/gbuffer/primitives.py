"""Faces and ellipsoids of a Layout's boxes and of road users, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.layout import BOX_NAMES, BoxColumn, Layout
from worldsim.gbuffer import road_users, static_templates
from worldsim.gbuffer.classes import Part
from worldsim.gbuffer.decks import DeckTile
from worldsim.gbuffer.placing import choose_in_view, place
from worldsim.gbuffer.road_users import USER_TEMPLATES, RoadUsers
from worldsim.gbuffer.static_templates import STATIC_TEMPLATES
from worldsim.gbuffer.templates import NUM_PARAMETERS, Template
from worldsim.gbuffer.terrain import Terrain

DECK_THICKNESS, DECK_COLOR = 0.8, (150.0, 148.0, 144.0)
"""Of bridges [m], RGB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Primitives:
    """Flat faces and vertical ellipsoids of `n` owners, lying owner by owner, in the ground frame.

    Args:
        boxes: of the owners, BOX_NAMES, float64 [n, 7].
        seeds: of their surfaces' detail, int64 [n].
        corners: of the faces, anticlockwise as seen from outside, base first, float64 [q, 4, 3] [m].
        parts: Part, int64 [q].
        colors: RGB [0, 255], float32 [q, 3].
        face_starts: owner k has the faces face_starts[k] to face_starts[k + 1], int64 [n + 1].
        balls: centre, radius and half height, float64 [b, 5] [m].
        ball_parts: Part, int64 [b].
        ball_colors: RGB [0, 255], float32 [b, 3].
        ball_starts: as face_starts, int64 [n + 1].
    """

    boxes: np.ndarray
    seeds: np.ndarray
    corners: np.ndarray
    parts: np.ndarray
    colors: np.ndarray
    face_starts: np.ndarray
    balls: np.ndarray
    ball_parts: np.ndarray
    ball_colors: np.ndarray
    ball_starts: np.ndarray

    @property
    def size(self) -> int:
        """Faces and ellipsoids together."""
        return len(self.corners) + len(self.balls)

    @staticmethod
    def of_road_users(users: RoadUsers) -> Primitives:
        """What road users look like."""
        chosen, parameters, colors = road_users.choose_templates(users)
        return _place(_USERS, chosen, parameters, users.boxes, np.zeros(len(chosen), np.int64), colors)

    @staticmethod
    def of_decks(terrain: Terrain, tiles: Sequence[DeckTile]) -> Primitives:
        """The cells of bridges: their upper and lower sides, and their rims. Seeds are the numbers of their tiles."""
        rows, columns = (
            np.concatenate([np.zeros(0, np.int64), *(getattr(tile, name) for tile in tiles)])
            for name in ("rows", "columns")
        )
        padded = np.zeros((terrain.deck.shape[0] + 1, terrain.deck.shape[1] + 1), bool)
        padded[rows + 1, columns + 1] = True
        n = len(rows)
        around = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # columns and rows of a cell's corners, anticlockwise
        top = np.empty((n, 4, 3))
        for k, (right, up) in enumerate(around):
            top[:, k, :2] = terrain.place[:2] + np.stack([columns + right, rows + up], axis=1) * terrain.place[2]
            top[:, k, 2] = terrain.deck[rows + up, columns + right]
        bottom = top - (0.0, 0.0, DECK_THICKNESS)
        faces, owners, parts = [top, bottom[:, ::-1]], [np.arange(n)] * 2, [Part.DECK] * n + [Part.DECK_SIDE] * n
        is_clear = np.zeros((n, 4), bool)
        for k, (right, up) in enumerate(around):
            is_clear[:, k] = top[:, k, 2] > terrain.heights[rows + up, columns + right]
        for k, (right, up) in enumerate(((0, -1), (1, 0), (0, 1), (-1, 0))):
            a, b = k, (k + 1) % 4
            # where it begins on the ground it has no side
            rim = np.flatnonzero(~padded[rows + 1 + up, columns + 1 + right] & (is_clear[:, a] | is_clear[:, b]))
            faces.append(np.stack([bottom[rim, a], bottom[rim, b], top[rim, b], top[rim, a]], axis=1))
            owners.append(rim)
            parts += [Part.DECK_SIDE] * len(rim)
        owner = np.concatenate(owners)
        order = np.argsort(owner, kind="stable")
        boxes = np.zeros((n, len(BOX_NAMES)))
        boxes[:, :2] = top[:, :, :2].mean(axis=1)
        boxes[:, BoxColumn.Z] = terrain.height(boxes[:, :2])
        boxes[:, [BoxColumn.LENGTH, BoxColumn.WIDTH]] = terrain.place[2]
        return Primitives(
            boxes=boxes,
            seeds=np.repeat(np.arange(len(tiles)), [len(tile.rows) for tile in tiles]),
            corners=np.concatenate(faces)[order],
            parts=np.array(parts, np.int64)[order],
            colors=np.full((len(owner), 3), DECK_COLOR, np.float32),
            face_starts=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]),
            balls=np.zeros((0, 5)),
            ball_parts=np.zeros(0, np.int64),
            ball_colors=np.zeros((0, 3), np.float32),
            ball_starts=np.zeros(n + 1, np.int64),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Instances:
    """Templates with the parameters of `n` owners: a tenth of the memory that their primitives take.

    Args:
        boxes: of the owners, BOX_NAMES, float64 [n, 7].
        seeds: of their surfaces' detail, int64 [n].
        chosen: StaticTemplate of each, int64 [n].
        parameters: of its template, float64 [n, NUM_PARAMETERS].
        colors: two of each, RGB [0, 255], float64 [n, 2, 3].
    """

    boxes: np.ndarray
    seeds: np.ndarray
    chosen: np.ndarray
    parameters: np.ndarray
    colors: np.ndarray

    @staticmethod
    def of_layout(layout: Layout) -> Instances:
        """What a layout's boxes look like."""
        chosen, parameters, colors = static_templates.choose_templates(layout)
        seeds = layout.box_seeds.astype(np.int64)
        return Instances(boxes=layout.boxes, seeds=seeds, chosen=chosen, parameters=parameters, colors=colors)

    def in_view(self, camera: np.ndarray) -> Primitives:
        """Primitives of all owners; those that a camera, numbers of `kernels.NUM_CAMERA`, does not see have none."""
        chosen = np.empty_like(self.chosen)
        choose_in_view(self.chosen, self.boxes, camera, chosen)
        return _place(_STATIC, chosen, self.parameters, self.boxes, self.seeds, self.colors)


class _Templates:
    """Templates one after the other in arrays."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self.num_faces = np.array([len(t.parts) for t in templates] + [0])
        self.num_balls = np.array([len(t.balls) for t in templates] + [0])
        fields = ("corners", "parts", "paints", "added", "balls", "ball_parts", "ball_paints", "ball_added")
        joined = [np.concatenate([getattr(t, name) for t in templates]) for name in fields]
        face_starts, ball_starts = (np.concatenate([[0], np.cumsum(n[:-1])]) for n in (self.num_faces, self.num_balls))
        self.arrays = (*joined[:4], face_starts, *joined[4:], ball_starts)


_STATIC, _USERS = _Templates(STATIC_TEMPLATES), _Templates(USER_TEMPLATES)


def _place(
    templates: _Templates, chosen: np.ndarray, parameters: np.ndarray, boxes: np.ndarray, seeds: np.ndarray,
    colors: np.ndarray,
) -> Primitives:  # fmt: skip
    assert parameters.shape == (len(chosen), NUM_PARAMETERS)
    face_starts = np.zeros(len(chosen) + 1, np.int64)
    ball_starts = np.zeros(len(chosen) + 1, np.int64)
    # the last count is for -1, which draws nothing
    np.cumsum(templates.num_faces[chosen], out=face_starts[1:])
    np.cumsum(templates.num_balls[chosen], out=ball_starts[1:])
    num_faces, num_balls = int(face_starts[-1]), int(ball_starts[-1])
    out = (
        np.empty((num_faces, 4, 3)), np.empty(num_faces, np.int64), np.empty((num_faces, 3), np.float32),
        np.empty((num_balls, 5)), np.empty(num_balls, np.int64), np.empty((num_balls, 3), np.float32),
    )  # fmt: skip
    place(chosen, parameters, boxes, colors, templates.arrays, out, face_starts, ball_starts)
    return Primitives(
        boxes=boxes,
        seeds=seeds,
        corners=out[0],
        parts=out[1],
        colors=out[2],
        face_starts=face_starts,
        balls=out[3],
        ball_parts=out[4],
        ball_colors=out[5],
        ball_starts=ball_starts,
    )
