"""Sunlight: how the sun shines on the surfaces in a picture, given where it stands."""

from __future__ import annotations

import math

import numpy as np

from worldsim.compiled import compiled
from worldsim.gbuffer.classes import NO_PART
from worldsim.gbuffer.gbuffer import GBuffer
from worldsim.gbuffer.kernels import AXES, FOCAL, MIDDLE_X, MIDDLE_Y, POSITION
from worldsim.gbuffer.rasterizer import Canvas, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.sparse_image import pixel_at
from worldsim.gbuffer.user_shadows import cast_shadows


def fill_sunlight(
    lit: np.ndarray,
    sun: np.ndarray,
    world: StaticWorld,
    users: RoadUsers,
    canvas: Canvas,
    found: GBuffer,
    supersampling: int,
) -> None:
    """Fill `lit`, float32 [h, w]: the cosine between a surface's normal and the sun's direction, on the ground less
    what shadows take of it, and nothing above 0 by night; in the sky 1 in the sun's direction, less 1 for each quarter
    of a turn away from it.

    Args:
        lit: is filled.
        sun: unit vector towards the sun, [3].
        world: whose boxes cast shadows.
        users: who cast shadows.
        canvas: that was drawn of these.
        found: read off the canvas.
        supersampling: of the canvas.
    """
    sun = np.ascontiguousarray(sun, np.float64)
    light = np.ones(lit.shape, np.float32)
    if sun[2] > 0:
        cast_shadows(
            canvas.camera, supersampling, canvas.inverse_depth, canvas.surface, users.boxes, users.kinds,
            np.append(sun, 1.0), light,
        )  # fmt: skip
    shadow = world.shadow(sun)
    _shine(
        canvas.camera, supersampling, found.depth, found.parts, found.normals, sun, shadow.image, shadow.place, light,
        lit,
    )  # fmt: skip


@compiled
def sample_shadow(image, place, x, y):
    """How much of the sun's light a ground point gets, 0 to 1; all of it beyond the image."""
    x, y = (x - place[0]) / place[2] - 0.5, (y - place[1]) / place[2] - 0.5
    if x < 0.0 or y < 0.0 or x >= image.columns - 1 or y >= image.rows - 1:
        return 1.0
    column, row = int(x), int(y)
    fx, fy = x - column, y - row
    top = pixel_at(image, row, column) * (1.0 - fx) + pixel_at(image, row, column + 1) * fx
    bottom = pixel_at(image, row + 1, column) * (1.0 - fx) + pixel_at(image, row + 1, column + 1) * fx
    return 1.0 - (top * (1.0 - fy) + bottom * fy) / 255.0


@compiled
def _shine(camera, supersampling, depths, parts, normals, sun, image, place, light, lit):
    height, width = depths.shape
    focal = camera[FOCAL]
    for row in range(height):
        at_y = ((row + 0.5) * supersampling - camera[MIDDLE_Y]) / focal
        for column in range(width):
            nx, ny, nz = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            cosine = nx * sun[0] + ny * sun[1] + nz * sun[2]
            depth = depths[row, column]
            if depth == np.inf:
                lit[row, column] = 1.0 - math.acos(min(max(cosine, -1.0), 1.0)) / (0.5 * math.pi)
            elif sun[2] <= 0.0:
                lit[row, column] = min(cosine, 0.0)
            elif parts[row, column] == NO_PART:
                at_x = ((column + 0.5) * supersampling - camera[MIDDLE_X]) / focal
                x = depth * (at_x * camera[AXES] + at_y * camera[AXES + 3] + camera[AXES + 6]) + camera[POSITION]
                y = depth * (at_x * camera[AXES + 1] + at_y * camera[AXES + 4] + camera[AXES + 7])
                y += camera[POSITION + 1]
                lit[row, column] = cosine * sample_shadow(image, place, x, y) * light[row, column]
            else:
                lit[row, column] = cosine
