"""Compiled kernel: the shadows of road users on the ground under and beside them."""

from __future__ import annotations

import math

from worldsim.compiled import compiled
from worldsim.gbuffer.kernels import (
    AXES,
    FOCAL,
    GROUND,
    HEIGHT,
    LENGTH,
    MIDDLE_X,
    MIDDLE_Y,
    POSITION,
    WIDTH,
    YAW,
    X,
    Y,
    Z,
)

SHADOW_RANGE = 45.0
"""Road users farther than this get no shadow [m]."""


@compiled
def cast_shadows(camera, supersampling, inverse_depth, surface, boxes, kinds, sun, contact):
    """Darken `contact` (light left, float32 [h, w]) under and beside road users, softly.

    `sun` is the direction towards it and how much of the light it gives.
    """
    height, width = contact.shape
    focal = camera[FOCAL] / supersampling
    middle_x, middle_y = camera[MIDDLE_X] / supersampling, camera[MIDDLE_Y] / supersampling
    level = max(sun[2], 0.2)
    for i in range(len(boxes)):
        if kinds[i] == 0:
            continue
        dx, dy = boxes[i, X] - camera[POSITION], boxes[i, Y] - camera[POSITION + 1]
        dz = boxes[i, Z] - camera[POSITION + 2]
        if dx * dx + dy * dy > SHADOW_RANGE * SHADOW_RANGE:
            continue
        length, breadth, tall = 0.5 * boxes[i, LENGTH], 0.5 * boxes[i, WIDTH], boxes[i, HEIGHT]
        shift_x, shift_y = -0.5 * tall * sun[0] / level, -0.5 * tall * sun[1] / level
        shift = math.sqrt(shift_x * shift_x + shift_y * shift_y)
        radius = math.sqrt(length * length + breadth * breadth) + 0.8 + 2.0 * shift
        # columns and rows of a disc on the ground around it
        ahead = dx * camera[AXES + 6] + dy * camera[AXES + 7] + dz * camera[AXES + 8]
        right = dx * camera[AXES] + dy * camera[AXES + 1] + dz * camera[AXES + 2]
        below = dx * camera[AXES + 3] + dy * camera[AXES + 4] + dz * camera[AXES + 5]
        near, far = ahead - radius, ahead + radius
        if far < 0.3:
            continue
        near = max(near, 0.3)
        left_most = min((right - radius) / near, (right - radius) / far) * focal + middle_x
        right_most = max((right + radius) / near, (right + radius) / far) * focal + middle_x
        lift = 0.1 * radius
        top = (below - lift) / far * focal + middle_y
        bottom = (below + lift) / near * focal + middle_y
        c, s = math.cos(boxes[i, YAW]), math.sin(boxes[i, YAW])
        for row in range(max(int(top) - 1, 0), min(int(bottom) + 2, height)):
            for column in range(max(int(left_most), 0), min(int(right_most) + 1, width)):
                m, n = row * supersampling + supersampling // 2, column * supersampling + supersampling // 2
                if surface[m, n] != GROUND:
                    continue
                at_x = (n + 0.5 - camera[MIDDLE_X]) / camera[FOCAL]
                at_y = (m + 0.5 - camera[MIDDLE_Y]) / camera[FOCAL]
                t = 1.0 / inverse_depth[m, n]
                gx = t * (at_x * camera[AXES] + at_y * camera[AXES + 3] + camera[AXES + 6]) - dx
                gy = t * (at_x * camera[AXES + 1] + at_y * camera[AXES + 4] + camera[AXES + 7]) - dy
                # under it, and where it stands in the sun: rounded boxes with soft rims
                along = max(abs(c * gx + s * gy) - length + 0.15, 0.0)
                across = max(abs(c * gy - s * gx) - breadth + 0.15, 0.0)
                gap = math.sqrt(along * along + across * across)
                light = 1.0 - 0.55 * max(1.0 - gap / 0.6, 0.0) ** 2
                gx, gy = gx - shift_x, gy - shift_y
                grow = 0.5 * shift
                along = max(abs(c * gx + s * gy) - length - grow * abs(c * sun[0] + s * sun[1]), 0.0)
                across = max(abs(c * gy - s * gx) - breadth - grow * abs(c * sun[1] - s * sun[0]), 0.0)
                gap = math.sqrt(along * along + across * across)
                light *= 1.0 - sun[3] * max(1.0 - gap / (0.3 + 0.3 * shift), 0.0)
                contact[row, column] *= light
