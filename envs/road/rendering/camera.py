"""The reference world's front camera: the picture it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from envs.road.rendering.backdrop import Backdrop
from envs.road.rendering.rasterizer import Rasterizer
from envs.road.rendering.road_user_shapes import barrier, car, pedestrian, truck
from envs.road.rendering.scenery import Scenery
from envs.road.rendering.shapes import Shape
from envs.road.rendering.weather import Weather
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.scene import ObjectKind

DRAW_RANGE, GROW_RANGE = 150.0, 115.0
"""Things appear at the first distance, flat on the ground, and have their full height from the second one [m]."""


@dataclass(frozen=True, kw_only=True)
class CameraConfig(PinholeCamera):
    """A camera that this renderer can draw for.

    Args:
        supersampling: canvas pixels per frame pixel and direction.

    Raises:
        ValueError: a size or angle is beyond what is drawn well.
    """

    supersampling: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.supersampling < 1:
            raise ValueError(f"supersampling must be at least 1, got {self.supersampling}")
        if not 0.1 <= self.fov <= 2.6:
            raise ValueError(f"fov must be in [0.1, 2.6] rad, got {self.fov}")
        if not -0.5 <= self.pitch <= 0.5:
            raise ValueError(f"pitch must be in [-0.5, 0.5] rad, got {self.pitch}")


SHADOW_RANGE = 45.0
"""Actors farther than this get no shadow [m]."""
_RINGS = np.array([(0.35, 0.86), (0.18, 0.8), (0.02, 0.7)])
"""Of a shadow: how much larger than the actor [m], share of the light that is left."""
_OCTAGON = np.array([(1, 1), (1, 1), (1, -1), (1, -1), (-1, -1), (-1, -1), (-1, 1), (-1, 1)], float)
_BEVELLED = np.array([(1, 0), (0, 1), (0, 1), (1, 0), (1, 0), (0, 1), (0, 1), (1, 0)], float) * 0.5


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Something that moves, or stands on the road.

    Args:
        kind: what it is; EMPTY is not drawn.
        x: centre in the ground frame [m].
        y: centre in the ground frame [m].
        yaw: [rad].
        length: [m].
        width: [m].
        height: [m].
        color: of paint or clothes, RGB [0, 255].
        braking: brake lights on.
        phase: of a pedestrian's walk [rad].
    """

    kind: ObjectKind
    x: float
    y: float
    yaw: float
    length: float
    width: float
    height: float
    color: tuple[int, int, int]
    braking: bool = False
    phase: float = 0.0


class Camera:
    """Renders what the vehicle's front camera sees; the same inputs give the same bits."""

    def __init__(self, config: CameraConfig):
        self.config = config
        ss = config.supersampling
        canvas = config.with_frame_size((config.height_px * ss, config.width_px * ss))
        self._backdrop = Backdrop(canvas)
        self._rasterizer = Rasterizer(canvas, line=cv2.LINE_AA if ss == 1 else cv2.LINE_8)

    def render(
        self, scenery: Scenery, weather: Weather, pose: tuple[float, float, float], actors: Sequence[Actor]
    ) -> np.ndarray:
        """The frame seen from a vehicle.

        Args:
            scenery: the town.
            weather: lighting and weather.
            pose: x, y, yaw of the vehicle's centre in the ground frame [m, m, rad].
            actors: everything else, without the vehicle itself.

        Returns:
            RGB, uint8 [height_px, width_px, 3].
        """
        config = self.config
        x, y, yaw = (float(p) for p in pose)
        if not np.isfinite([x, y, yaw]).all():
            raise ValueError(f"pose must be finite, got {pose}")

        canvas = np.empty((self._rasterizer.height, self._rasterizer.width, 3), np.uint8)
        self._backdrop.paint(canvas, scenery.ground, weather, (x, y, yaw))

        c, s = np.cos(yaw), np.sin(yaw)
        rotation = config.axes @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        position = np.array([x + c * config.mount_x, y + s * config.mount_x, config.mount_height])

        boxes = np.array([(a.x, a.y, a.yaw, a.length, a.width) for a in actors], float).reshape(-1, 5)
        near_actors, actor_distance = self._in_view(boxes, position, yaw)
        shown = [actors[k] for k in near_actors]
        self._shadows(canvas, boxes[near_actors], position, rotation)

        # scenery and actors hide each other, so they are drawn as one shape, ordered by the distance of their owners
        things, thing_distance = self._in_view(scenery.footprints, position, yaw)
        faces, face_thing = _expand_ranges(scenery.face_starts, things)
        balls, ball_thing = _expand_ranges(scenery.ball_starts, things)
        shapes = [_build_shape(a, position) for a in shown]
        shape = Shape.concatenate([scenery.shapes.select(faces, balls), *shapes])
        face_distance = [thing_distance[face_thing], np.repeat(actor_distance, [len(p.quads) for p in shapes])]
        ball_distance = [thing_distance[ball_thing], np.repeat(actor_distance, [len(p.balls) for p in shapes])]
        faces_at, balls_at = np.concatenate(face_distance), np.concatenate(ball_distance)
        shape = shape.flatten(_grow_share(faces_at), _grow_share(balls_at))
        self._rasterizer.draw(canvas, shape, faces_at, balls_at, weather, position, rotation)
        if config.supersampling == 1:
            return canvas
        return cv2.resize(canvas, (config.width_px, config.height_px), interpolation=cv2.INTER_AREA)

    def _in_view(self, boxes: np.ndarray, position: np.ndarray, yaw: float) -> tuple[np.ndarray, np.ndarray]:
        """Which boxes (x, y, yaw, length, width) [n, 5] may be seen, and the distance of their nearest points."""
        offset = position[:2] - boxes[:, :2]
        ahead = -offset @ (np.cos(yaw), np.sin(yaw))
        beside = np.abs(offset @ (-np.sin(yaw), np.cos(yaw)))
        radius = 0.5 * np.hypot(boxes[:, 3], boxes[:, 4]) + 2.5
        half = 0.5 * self.config.fov
        inside = (ahead > -radius) & (beside * np.cos(half) - ahead * np.sin(half) < radius)
        chosen = np.flatnonzero(inside & (ahead - radius < DRAW_RANGE))
        offset, boxes = offset[chosen], boxes[chosen]
        c, s = np.cos(boxes[:, 2]), np.sin(boxes[:, 2])
        along = np.maximum(np.abs(c * offset[:, 0] + s * offset[:, 1]) - 0.5 * boxes[:, 3], 0)
        across = np.maximum(np.abs(c * offset[:, 1] - s * offset[:, 0]) - 0.5 * boxes[:, 4], 0)
        distance = np.hypot(along, across)
        near = distance < DRAW_RANGE
        return chosen[near], distance[near]

    def _shadows(self, canvas: np.ndarray, boxes: np.ndarray, position: np.ndarray, rotation: np.ndarray):
        """Soft dark rings under actors, which seem to float without; boxes [n, 5], nearest drawn last."""
        gap = np.hypot(boxes[:, 0] - position[0], boxes[:, 1] - position[1])
        order = np.argsort(-gap)
        for k in order[gap[order] < SHADOW_RANGE]:
            # far away one ring is as good as three
            rings = _RINGS if gap[k] < SHADOW_RANGE / 3 else _RINGS[1:2]
            outlines = _ring_outlines(boxes[k], rings[:, 0])
            corners = (outlines - position) @ rotation.T
            self._rasterizer.shade_ground(canvas, corners, rings[:, 1])


def _ring_outlines(box: np.ndarray, grow: np.ndarray) -> np.ndarray:
    """Eight-cornered outlines [r, 8, 3] on the ground around a box (x, y, yaw, length, width), larger by `grow` [r]."""
    x, y, yaw, length, width = box
    bevel = 0.5 * min(length, width)
    half = np.array([0.5 * length, 0.5 * width]) + grow[:, None, None]
    corners = _OCTAGON * half
    corners -= np.sign(_OCTAGON) * _BEVELLED * bevel * half / (0.5 * np.array([length, width]))
    c, s = np.cos(yaw), np.sin(yaw)
    ground = np.zeros((len(grow), 8, 3))
    ground[..., 0] = x + c * corners[..., 0] - s * corners[..., 1]
    ground[..., 1] = y + s * corners[..., 0] + c * corners[..., 1]
    return ground


def _build_shape(actor: Actor, position: np.ndarray) -> Shape:
    """The actor's shape in the ground frame."""
    size = (actor.length, actor.width, actor.height, tuple(int(c) for c in actor.color))
    c, s = np.cos(actor.yaw), np.sin(actor.yaw)
    dx, dy = position[0] - actor.x, position[1] - actor.y
    view = np.array([c * dx + s * dy, c * dy - s * dx])
    match actor.kind:
        case ObjectKind.CAR:
            shape = car(*size, actor.braking)
        case ObjectKind.TRUCK:
            shape = truck(*size, actor.braking, bool(view[0] < 0))
        case ObjectKind.PEDESTRIAN:
            shape = pedestrian(actor.height, actor.color, actor.phase, view)
        case ObjectKind.STATIC:
            shape = barrier(*size)
        case _:
            raise ValueError(f"cannot draw an actor of kind {actor.kind!r}")
    return shape.place(actor.x, actor.y, actor.yaw)


def _grow_share(distance: np.ndarray) -> np.ndarray:
    """Share of its height that a thing shows at a distance: everything near by, nothing at DRAW_RANGE."""
    share = np.clip((DRAW_RANGE - distance) / (DRAW_RANGE - GROW_RANGE), 0, 1)
    return share * share * (3 - 2 * share)


def _expand_ranges(starts: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All indices of the chosen ranges of a partition, and for each which of the chosen ranges it belongs to."""
    counts = starts[chosen + 1] - starts[chosen]
    owner = np.repeat(np.arange(len(chosen)), counts)
    before = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(chosen) else np.zeros(0, int)
    return np.arange(len(owner)) + (starts[chosen] - before)[owner], owner
