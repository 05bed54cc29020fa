"""Compiled kernels: fill a depth buffer with ground and sky, and draw faces and ellipsoids into it.

Bit for bit the same in every process: one thread, no fused or reordered arithmetic.

Frames: "rays" are (X, Y, 1) in the camera's axes right, down, forward, so that a ray times depth is a point. A flat
face has an inverse depth linear in X and Y. A surface is an index into the records of what was drawn, or one of the
ground and the sky.
"""

from __future__ import annotations

import math

import numpy as np

from worldsim.compiled import compiled
from worldsim.datatypes.layout import BoxColumn
from worldsim.gbuffer.classes import Part

NEAR = 0.15
"""Nothing closer to the camera's plane is drawn [m]."""
FAR_GROUND = 600.0
"""Ground farther than this is the horizon's haze [m]."""
SLACK = 2.5
"""Things reach at most this far beyond their boxes, such as eaves [m]."""

# columns of a record: a face's inverse depth, coordinates u and v and outline; or an ellipsoid
INVERSE_X, INVERSE_Y, INVERSE_1 = 0, 1, 2
U_X, U_Y, U_1, U_0 = 3, 4, 5, 6
V_X, V_Y, V_1, V_0 = 7, 8, 9, 10
BASE, RISE, TOP_LEFT, TOP_RIGHT = 11, 12, 13, 14
NORMAL_X, NORMAL_Y, NORMAL_Z = 15, 16, 17
SHARE, FARTHEST, NEAREST = 18, 19, 20
CENTRE_X, CENTRE_Y, CENTRE_Z, RADIUS, FLATNESS = 0, 1, 2, 3, 4
NUM_RECORD = 21
# columns of an attribute
PART, OWNER, STATE, SEED, IS_BALL = 0, 1, 2, 3, 4
NUM_ATTRIBUTES = 5
# of a camera: position, axes row by row, focal length and middle in canvas pixels, culling, whether the ground is z = 0
POSITION, AXES, FOCAL, MIDDLE_X, MIDDLE_Y, COS_HALF, SIN_HALF, DRAW_FROM, GROWN_FROM = 0, 3, 12, 13, 14, 15, 16, 17, 18
IS_FLAT, NUM_CAMERA = 19, 20
GROUND, SKY = -1, -2

POST_PART, LAMP_PART = int(Part.POST), int(Part.LAMP)
X, Y, Z, YAW, LENGTH, WIDTH, HEIGHT = (int(column) for column in BoxColumn)


@compiled
def clear(camera, inverse_depth, surface):
    """Fill the canvas with flat ground at z = 0 and sky."""
    height, width = inverse_depth.shape
    focal = camera[FOCAL]
    down_x, down_y, down_1 = camera[AXES + 2], camera[AXES + 5], camera[AXES + 8]
    per_height = -1.0 / camera[POSITION + 2]
    for row in range(height):
        at_y = (row + 0.5 - camera[MIDDLE_Y]) / focal
        for column in range(width):
            at_x = (column + 0.5 - camera[MIDDLE_X]) / focal
            inverse = (down_x * at_x + down_y * at_y + down_1) * per_height
            if inverse > 1.0 / FAR_GROUND:
                inverse_depth[row, column] = inverse
                surface[row, column] = GROUND
            else:
                inverse_depth[row, column] = 0.0
                surface[row, column] = SKY


@compiled
def _clearance(x, y, z, heights, place):
    """Height of a point above the terrain."""
    rows, columns = heights.shape
    at_x = min(max((x - place[0]) / place[2], 0.0), columns - 1.001)
    at_y = min(max((y - place[1]) / place[2], 0.0), rows - 1.001)
    c, r = int(at_x), int(at_y)
    u, v = at_x - c, at_y - r
    low = heights[r, c] * (1.0 - u) + heights[r, c + 1] * u
    high = heights[r + 1, c] * (1.0 - u) + heights[r + 1, c + 1] * u
    return z - low * (1.0 - v) - high * v


@compiled
def clear_hills(camera, heights, place, inverse_depth, surface):
    """Fill the canvas with terrain and sky: rays of a column from the bottom up, each from where the last one hit."""
    height, width = inverse_depth.shape
    focal = camera[FOCAL]
    ox, oy, oz = camera[POSITION], camera[POSITION + 1], camera[POSITION + 2]
    for column in range(width):
        at_x = (column + 0.5 - camera[MIDDLE_X]) / focal
        last = 0.3
        row = height - 1
        while row >= 0:
            at_y = (row + 0.5 - camera[MIDDLE_Y]) / focal
            dx = at_x * camera[AXES] + at_y * camera[AXES + 3] + camera[AXES + 6]
            dy = at_x * camera[AXES + 1] + at_y * camera[AXES + 4] + camera[AXES + 7]
            dz = at_x * camera[AXES + 2] + at_y * camera[AXES + 5] + camera[AXES + 8]
            near = max(0.97 * last - 0.05, 0.1)
            above = _clearance(ox + near * dx, oy + near * dy, oz + near * dz, heights, place)
            far, below = near, above
            while below > 0.0 and far < FAR_GROUND:
                # the clearance bounds how soon the ground can come, as no slope is steeper than one in one
                near, above = far, below
                far = near + max(0.7 * above, 0.02 * near + 0.05)
                below = _clearance(ox + far * dx, oy + far * dy, oz + far * dz, heights, place)
            if below > 0.0:
                break
            # twice the chord, which meets bilinear heights closely
            for _ in range(2):
                last = near + (far - near) * (above / max(above - below, 1e-9))
                between = _clearance(ox + last * dx, oy + last * dy, oz + last * dz, heights, place)
                if between > 0.0:
                    near, above = last, between
                else:
                    far, below = last, between
            inverse_depth[row, column], surface[row, column] = 1.0 / last, GROUND
            row -= 1
        # what passes over all hills sees the sky, and so does all above it
        for r in range(row + 1):
            inverse_depth[r, column], surface[r, column] = 0.0, SKY


@compiled
def _fill(xs, ys, count, thin, gx, gy, g1, low, high, inverse_depth, surface, index):
    """Scan a convex polygon of canvas pixels; inverse depth is gx * column + gy * row + g1 at pixel centres."""
    height, width = inverse_depth.shape
    top, bottom = ys[0], ys[0]
    for k in range(1, count):
        top, bottom = min(top, ys[k]), max(bottom, ys[k])
    first, last = math.ceil(top - 0.5), math.ceil(bottom - 0.5)
    flat = thin and last <= first
    if flat:  # thinner than a pixel: keep the row it lies in
        first = math.floor(0.5 * (top + bottom))
        last = first + 1
    first, last = max(first, 0), min(last, height)
    for row in range(first, last):
        middle = row + 0.5
        if flat:
            middle = 0.5 * (top + bottom)
        left, right = 1e30, -1e30
        for k in range(count):
            n = k + 1 if k + 1 < count else 0
            x0, y0, x1, y1 = xs[k], ys[k], xs[n], ys[n]
            if y0 > y1:  # both faces of an edge compute the same crossing
                x0, y0, x1, y1 = x1, y1, x0, y0
            if y0 <= middle < y1:
                x = x0 + (middle - y0) * ((x1 - x0) / (y1 - y0))
                left, right = min(left, x), max(right, x)
        if right < left:
            continue
        start, stop = math.ceil(left - 0.5), math.ceil(right - 0.5)
        narrow = thin and stop <= start
        if narrow:
            start = math.floor(0.5 * (left + right))
            stop = start + 1
        start, stop = max(start, 0), min(stop, width)
        along = gy * (row + 0.5) + g1
        if narrow or flat:
            for column in range(start, stop):
                inverse = np.float32(min(max(gx * (column + 0.5) + along, low), high))
                if inverse > inverse_depth[row, column]:
                    inverse_depth[row, column], surface[row, column] = inverse, index
        else:
            for column in range(start, stop):
                inverse = np.float32(gx * (column + 0.5) + along)
                if inverse > inverse_depth[row, column]:
                    inverse_depth[row, column], surface[row, column] = inverse, index


@compiled
def _fill_ball(camera, x, y, z, radius, flatness, extent, inverse_depth, surface, index):
    """An ellipsoid around (x, y, z), relative to the camera, by the exact ray through each pixel centre."""
    height, width = inverse_depth.shape
    focal, middle_x, middle_y = camera[FOCAL], camera[MIDDLE_X], camera[MIDDLE_Y]
    left, right, top, bottom = extent
    c0 = x * x + y * y + flatness * flatness * z * z - radius * radius
    if c0 <= 0.0:  # from inside nothing is seen of it
        return
    first = max(math.floor(top * focal + middle_y), 0)
    last = min(math.ceil(bottom * focal + middle_y), height)
    start = max(math.floor(left * focal + middle_x), 0)
    stop = min(math.ceil(right * focal + middle_x), width)
    nearest = 1.0 / NEAR
    for row in range(first, last):
        at_y = (row + 0.5 - middle_y) / focal
        row_x = at_y * camera[AXES + 3] + camera[AXES + 6]
        row_y = at_y * camera[AXES + 4] + camera[AXES + 7]
        row_z = at_y * camera[AXES + 5] + camera[AXES + 8]
        for column in range(start, stop):
            at_x = (column + 0.5 - middle_x) / focal
            dx = at_x * camera[AXES] + row_x
            dy = at_x * camera[AXES + 1] + row_y
            dz = flatness * (at_x * camera[AXES + 2] + row_z)
            a = dx * dx + dy * dy + dz * dz
            b = dx * x + dy * y + dz * flatness * z
            root = b * b - a * c0
            if root > 0.0 and b > 0.0:
                inverse = np.float32((b + math.sqrt(root)) / c0)
                if inverse > inverse_depth[row, column] and inverse < nearest:
                    inverse_depth[row, column], surface[row, column] = inverse, index


@compiled
def _extent(x, z, xx, xz, zz):
    """Range of x / z over an ellipsoid around (x, z) with squared half axes xx, xz, zz, all of it in front."""
    a = z * z - zz
    b = x * z - xz
    root = math.sqrt(max(b * b - a * (x * x - xx), 0.0))
    return (b - root) / a, (b + root) / a


@compiled
def share_of_height(boxes, i, camera):
    """How much of its height an owner is drawn with, 0 where it is not in view."""
    dx, dy = boxes[i, X] - camera[POSITION], boxes[i, Y] - camera[POSITION + 1]
    level = math.sqrt(camera[AXES + 6] * camera[AXES + 6] + camera[AXES + 7] * camera[AXES + 7])
    forward_x, forward_y = camera[AXES + 6] / level, camera[AXES + 7] / level
    draw_from, grown_from = camera[DRAW_FROM], camera[GROWN_FROM]
    ahead = forward_x * dx + forward_y * dy
    reach = 0.5 * math.sqrt(boxes[i, LENGTH] ** 2 + boxes[i, WIDTH] ** 2) + SLACK
    if ahead < -reach or ahead - reach > draw_from:
        return 0.0
    beside = abs(forward_x * dy - forward_y * dx)
    if beside * camera[COS_HALF] - ahead * camera[SIN_HALF] > reach:
        return 0.0
    c, s = math.cos(boxes[i, YAW]), math.sin(boxes[i, YAW])
    along = max(abs(c * dx + s * dy) - 0.5 * boxes[i, LENGTH], 0.0)
    across = max(abs(c * dy - s * dx) - 0.5 * boxes[i, WIDTH], 0.0)
    distance = math.sqrt(along * along + across * across)
    share = min((draw_from - distance) / (draw_from - grown_from), 1.0)
    return share * share * (3.0 - 2.0 * share) if share > 0.0 else 0.0


@compiled
def draw(
    boxes, seeds, states, first_id, corners, parts, colors, face_starts, balls, ball_parts, ball_colors, ball_starts,
    camera, inverse_depth, surface, records, attributes, paints, count,
):  # fmt: skip
    """Draw all owners in view; returns how many records there are now."""
    height, width = inverse_depth.shape
    ox, oy, oz = camera[POSITION], camera[POSITION + 1], camera[POSITION + 2]
    focal, middle_x, middle_y = camera[FOCAL], camera[MIDDLE_X], camera[MIDDLE_Y]
    r00, r01, r02 = camera[AXES], camera[AXES + 1], camera[AXES + 2]
    r10, r11, r12 = camera[AXES + 3], camera[AXES + 4], camera[AXES + 5]
    r20, r21, r22 = camera[AXES + 6], camera[AXES + 7], camera[AXES + 8]
    p = np.empty((4, 3))
    q = np.empty((4, 3))
    xs, ys = np.empty(8), np.empty(8)

    for i in range(len(boxes)):
        share = share_of_height(boxes, i, camera)
        if share <= 0.0:
            continue
        foot = boxes[i, Z]

        for f in range(face_starts[i], face_starts[i + 1]):
            for j in range(4):
                p[j, 0], p[j, 1] = corners[f, j, 0] - ox, corners[f, j, 1] - oy
                p[j, 2] = foot + (corners[f, j, 2] - foot) * share - oz
            ax, ay, az = p[2, 0] - p[0, 0], p[2, 1] - p[0, 1], p[2, 2] - p[0, 2]
            bx, by, bz = p[3, 0] - p[1, 0], p[3, 1] - p[1, 1], p[3, 2] - p[1, 2]
            nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            size = math.sqrt(nx * nx + ny * ny + nz * nz)
            if size <= 1e-9:
                continue
            nx, ny, nz = nx / size, ny / size, nz / size
            offset = nx * p[0, 0] + ny * p[0, 1] + nz * p[0, 2]
            if offset >= -1e-9:
                continue

            # corners in the camera's frame, cut at the near plane
            behind = 0
            for j in range(4):
                q[j, 0] = r00 * p[j, 0] + r01 * p[j, 1] + r02 * p[j, 2]
                q[j, 1] = r10 * p[j, 0] + r11 * p[j, 1] + r12 * p[j, 2]
                q[j, 2] = r20 * p[j, 0] + r21 * p[j, 1] + r22 * p[j, 2]
                behind += q[j, 2] < NEAR
            if behind == 4:
                continue
            k = 0
            low, high = 1e30, 0.0
            for j in range(4):
                n = (j + 1) & 3
                if q[j, 2] >= NEAR:
                    inverse = 1.0 / q[j, 2]
                    xs[k] = q[j, 0] * inverse * focal + middle_x
                    ys[k] = q[j, 1] * inverse * focal + middle_y
                    low, high = min(low, inverse), max(high, inverse)
                    k += 1
                if (q[j, 2] >= NEAR) != (q[n, 2] >= NEAR):
                    part = (NEAR - q[j, 2]) / (q[n, 2] - q[j, 2])
                    xs[k] = (q[j, 0] + part * (q[n, 0] - q[j, 0])) / NEAR * focal + middle_x
                    ys[k] = (q[j, 1] + part * (q[n, 1] - q[j, 1])) / NEAR * focal + middle_y
                    high = 1.0 / NEAR
                    k += 1
            x_min, x_max, y_min, y_max = xs[0], xs[0], ys[0], ys[0]
            for j in range(1, k):
                x_min, x_max = min(x_min, xs[j]), max(x_max, xs[j])
                y_min, y_max = min(y_min, ys[j]), max(y_max, ys[j])
            if x_max < 0.0 or y_max < 0.0 or x_min > width or y_min > height:
                continue

            # the plane in terms of rays, and coordinates along the base and up the face
            record = records[count]
            record[INVERSE_X] = (nx * r00 + ny * r01 + nz * r02) / offset
            record[INVERSE_Y] = (nx * r10 + ny * r11 + nz * r12) / offset
            record[INVERSE_1] = (nx * r20 + ny * r21 + nz * r22) / offset
            ux, uy, uz = p[1, 0] - p[0, 0], p[1, 1] - p[0, 1], p[1, 2] - p[0, 2]
            size = math.sqrt(ux * ux + uy * uy + uz * uz)
            ux, uy, uz = ux / size, uy / size, uz / size
            vx, vy, vz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
            record[U_X] = ux * r00 + uy * r01 + uz * r02
            record[U_Y] = ux * r10 + uy * r11 + uz * r12
            record[U_1] = ux * r20 + uy * r21 + uz * r22
            record[U_0] = ux * p[0, 0] + uy * p[0, 1] + uz * p[0, 2]
            record[V_X] = vx * r00 + vy * r01 + vz * r02
            record[V_Y] = vx * r10 + vy * r11 + vz * r12
            record[V_1] = vx * r20 + vy * r21 + vz * r22
            record[V_0] = vx * p[0, 0] + vy * p[0, 1] + vz * p[0, 2]
            record[BASE] = size
            record[RISE] = vx * bx + vy * by + vz * bz
            record[TOP_LEFT] = ux * bx + uy * by + uz * bz + size
            record[TOP_RIGHT] = ux * ax + uy * ay + uz * az
            record[NORMAL_X], record[NORMAL_Y], record[NORMAL_Z] = nx, ny, nz
            record[SHARE], record[FARTHEST], record[NEAREST] = share, low, high
            attributes[count, PART], attributes[count, OWNER] = parts[f], first_id + i
            attributes[count, STATE], attributes[count, SEED] = states[i], seeds[i]
            attributes[count, IS_BALL] = 0
            paints[count, 0], paints[count, 1], paints[count, 2] = colors[f, 0], colors[f, 1], colors[f, 2]
            gx, gy = record[INVERSE_X] / focal, record[INVERSE_Y] / focal
            g1 = record[INVERSE_1] - gx * middle_x - gy * middle_y
            thin = parts[f] == POST_PART or parts[f] == LAMP_PART
            _fill(xs, ys, k, thin, gx, gy, g1, low, high, inverse_depth, surface, count)
            count += 1

        for f in range(ball_starts[i], ball_starts[i + 1]):
            x, y = balls[f, 0] - ox, balls[f, 1] - oy
            z = foot + (balls[f, 2] - foot) * share - oz
            radius, half = balls[f, 3], max(balls[f, 4] * share, 0.02)
            cx = r00 * x + r01 * y + r02 * z
            cy = r10 * x + r11 * y + r12 * z
            cz = r20 * x + r21 * y + r22 * z
            rr, more = radius * radius, half * half - radius * radius
            zz = rr + more * r22 * r22
            if cz + math.sqrt(zz) < NEAR:
                continue
            extent = (-1e4, 1e4, -1e4, 1e4)
            if cz - math.sqrt(zz) > NEAR:
                left, right = _extent(cx, cz, rr + more * r02 * r02, more * r02 * r22, zz)
                top, bottom = _extent(cy, cz, rr + more * r12 * r12, more * r12 * r22, zz)
                extent = (left, right, top, bottom)
            if (
                extent[1] * focal + middle_x < 0.0 or extent[0] * focal + middle_x > width
                or extent[3] * focal + middle_y < 0.0 or extent[2] * focal + middle_y > height
            ):  # fmt: skip
                continue
            record = records[count]
            record[CENTRE_X], record[CENTRE_Y], record[CENTRE_Z] = x, y, z
            record[RADIUS], record[FLATNESS] = radius, radius / half
            record[SHARE] = share
            attributes[count, PART], attributes[count, OWNER] = ball_parts[f], first_id + i
            attributes[count, STATE], attributes[count, SEED] = states[i], seeds[i]
            attributes[count, IS_BALL] = 1
            paints[count, 0], paints[count, 1] = ball_colors[f, 0], ball_colors[f, 1]
            paints[count, 2] = ball_colors[f, 2]
            _fill_ball(camera, x, y, z, radius, radius / half, extent, inverse_depth, surface, count)
            count += 1
    return count
