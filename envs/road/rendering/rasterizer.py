"""Draws standing things over a backdrop, far to near: faces and balls with light, fog and fading detail."""

from __future__ import annotations

import cv2
import numpy as np

from envs.road.rendering.shapes import Shape
from envs.road.rendering.weather import Weather
from worldsim.datatypes.camera import PinholeCamera

NEAR = 0.15
"""Nothing closer to the camera's plane is drawn [m]."""
_SHIFT = 4
_TONES = ((0.0, 1.0, 0.12), (0.22, 0.82, 0.55), (0.45, 0.52, 1.0))
"""Of a ball, dark to bright: share of the radius towards the sun, share of the radius, share of the sun's light."""


class Rasterizer:
    """Draws onto a canvas of fixed size.

    Args:
        camera: whose frame is the canvas.
        line: cv2.LINE_AA, or the much faster cv2.LINE_8 for a canvas that is scaled down afterwards.
    """

    def __init__(self, camera: PinholeCamera, *, line: int = cv2.LINE_AA):
        self.height, self.width, self.focal = camera.height_px, camera.width_px, camera.focal
        self._line = line

    def draw(
        self, canvas: np.ndarray, shape: Shape, face_order: np.ndarray, ball_order: np.ndarray, weather: Weather,
        position: np.ndarray, rotation: np.ndarray,
    ):  # fmt: skip
        """Draw a shape.

        Args:
            canvas: uint8 [height, width, 3].
            shape: in the ground frame.
            face_order: faces with larger values are drawn first, equal ones in the shape's order, [q].
            ball_order: the same for balls, which come after the faces, [b].
            weather: lighting and fog.
            position: of the camera in the ground frame, [3].
            rotation: the camera's right, down and forward axes in the ground frame, rows [3, 3].
        """
        faces, face_colors, face_order = self._faces(shape, face_order, weather, position, rotation)
        balls, ball_colors, ball_order = self._balls(shape, ball_order, weather, position, rotation)

        # painter's algorithm: far to near, faces and balls together
        order = np.argsort(-np.concatenate([face_order, ball_order]), kind="stable").tolist()
        colors = np.rint(np.concatenate([face_colors, ball_colors]).clip(0, 255)).tolist()
        num_faces = len(faces)
        for k in order:
            if k < num_faces:
                cv2.fillConvexPoly(canvas, faces[k], colors[k], self._line, _SHIFT)
            else:
                u, v, radius = balls[k - num_faces]
                cv2.circle(canvas, (u, v), radius, colors[k], -1, self._line, _SHIFT)

    def _faces(self, shape: Shape, order: np.ndarray, weather: Weather, position: np.ndarray, rotation: np.ndarray):
        """Pixel polygons, colours and order of the faces that can be seen."""
        centres = shape.quads.mean(1) - position
        distance = np.linalg.norm(centres, axis=1)
        facing = np.einsum("qd,qd->q", shape.normals, centres)
        visible = np.flatnonzero(((facing < 0) | ~shape.normals.any(1)) & (distance < shape.fades))

        # faces that cross the near plane are cut there, those behind it are left out
        corners = (shape.quads[visible] - position) @ rotation.T
        in_front = corners[..., 2] > NEAR
        visible, corners, in_front = (a[in_front.any(1)] for a in (visible, corners, in_front))
        pixels = self._fixed_point(corners)
        whole = in_front.all(1)
        polygons = list(pixels)
        for k in np.flatnonzero(~whole):
            polygons[k] = self._fixed_point(_clip_to_near_plane(corners[k]))

        low, high = pixels.min(1) >> _SHIFT, pixels.max(1) >> _SHIFT
        shown = ((high >= 0) & (low < (self.width, self.height))).all(1) | ~whole
        keep = np.flatnonzero(shown)
        visible = visible[keep]
        colors = self._face_colors(shape, visible, distance[visible], weather)
        return [polygons[k] for k in keep], colors, order[visible]

    def _face_colors(self, shape: Shape, visible: np.ndarray, distance: np.ndarray, weather: Weather) -> np.ndarray:
        share = np.clip(1.5 * distance / shape.fades[visible] - 0.5, 0, 1)[:, None]
        colors = shape.colors[visible] * (1 - share) + shape.far_colors[visible] * share
        colors = colors * weather.light(shape.normals[visible])
        shining = _emission(shape.glow[visible], weather)[:, None] * (1 - share)
        colors += (shape.lamps[visible] - colors) * shining
        fog = weather.fog(distance)[:, None] * (1 - 0.5 * shining)
        return colors + (np.array(weather.horizon) - colors) * fog

    def _balls(self, shape: Shape, order: np.ndarray, weather: Weather, position: np.ndarray, rotation: np.ndarray):
        """Pixel circles, colours and order of the balls, each in the three tones of light on it."""
        centres = (shape.balls[:, :3] - position) @ rotation.T
        near_enough = np.flatnonzero(centres[:, 2] > 0.4 + 0.5 * shape.balls[:, 3])
        centres, radii = centres[near_enough], shape.balls[near_enough, 3]
        colors, shining = shape.ball_colors[near_enough], _emission(shape.ball_glow[near_enough], weather)[:, None]
        distance = np.linalg.norm(centres, axis=1)
        fog = weather.fog(distance)[:, None] * (1 - 0.6 * shining)

        # a ball is three discs, dark to bright, each nearer to the sun: cheaper than shading pixels, and it looks round
        sun = rotation @ weather.sun_direction
        circles, tones = [], []
        for towards_sun, size, sunlight in _TONES:
            at = centres + (towards_sun * radii)[:, None] * sun
            scale = self.focal / np.maximum(at[:, 2], NEAR)
            circle = np.stack(
                [at[:, 0] * scale + 0.5 * self.width, at[:, 1] * scale + 0.5 * self.height, size * radii * scale]
            )
            circles.append(np.rint((circle - [[0.5], [0.5], [0.0]]) * (1 << _SHIFT)))
            lit = colors * (0.92 * np.array(weather.ambient) + sunlight * np.array(weather.sun))
            lit += (colors - lit) * shining
            tones.append(lit + (np.array(weather.horizon) - lit) * fog)

        pixels = np.stack(circles).transpose(2, 0, 1)
        u, v, radius = (pixels[..., k] for k in range(3))
        limit = 1 << _SHIFT
        shown = (
            (u + radius > 0) & (v + radius > 0) & (u - radius < self.width * limit) & (v - radius < self.height * limit)
        )
        rows, columns = np.nonzero(shown)
        chosen = pixels[rows, columns].astype(int).tolist()
        return chosen, np.stack(tones, axis=1)[rows, columns], order[near_enough][rows]

    def _fixed_point(self, corners: np.ndarray) -> np.ndarray:
        """Image coordinates of points in the camera's frame [..., 3], int32 [..., 2] with _SHIFT fractional bits."""
        pixels = corners[..., :2] * (self.focal / np.maximum(corners[..., 2:], NEAR))
        pixels += (0.5 * self.width - 0.5, 0.5 * self.height - 0.5)
        return np.rint(np.clip(pixels, -3e4, 3e4) * (1 << _SHIFT)).astype(np.int32)

    def shade_ground(self, canvas: np.ndarray, rings: np.ndarray, lights: np.ndarray):
        """Darken the ground softly where rings lie over each other.

        Args:
            canvas: uint8 [height, width, 3].
            rings: corners in the camera's frame, the first ring around all others, [r, k, 3].
            lights: share of the light that each ring leaves, [r].
        """
        if (rings[..., 2] > NEAR).all():
            polygons = list(self._fixed_point(rings))
        else:
            polygons = [self._fixed_point(c) for c in map(_clip_to_near_plane, rings) if len(c) >= 3]
        if not polygons:
            return
        x0, y0 = np.clip((polygons[0].min(0) >> _SHIFT) - 1, 0, (self.width, self.height))
        x1, y1 = np.clip((polygons[0].max(0) >> _SHIFT) + 2, 0, (self.width, self.height))
        if x0 >= x1 or y0 >= y1:
            return
        mask = np.full((y1 - y0, x1 - x0), 255, np.uint8)
        light = 1.0
        for polygon, left in zip(polygons, lights, strict=False):
            light *= left
            cv2.fillConvexPoly(
                mask, polygon - np.array([x0, y0]) * (1 << _SHIFT), round(255 * light), cv2.LINE_AA, _SHIFT
            )
        patch = canvas[y0:y1, x0:x1]
        cv2.multiply(patch, cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB), dst=patch, scale=1 / 255)


def _emission(glow: np.ndarray, weather: Weather) -> np.ndarray:
    """How far lights are on in this weather, [0, 1]."""
    return np.where(glow > 1, 1.0, glow * weather.lamps)


def _clip_to_near_plane(corners: np.ndarray) -> np.ndarray:
    """The part of a convex polygon [k, 3] in front of the near plane."""
    kept = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if a[2] > NEAR:
            kept.append(a)
        if (a[2] > NEAR) != (b[2] > NEAR):
            kept.append(a + (b - a) * ((NEAR - a[2]) / (b[2] - a[2])))
    return np.array(kept).reshape(-1, 3)
