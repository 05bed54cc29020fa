"""Compiled kernel: from the canvas to frame pixels. What most of a pixel shows, exactly at its middle, and coverage."""

from __future__ import annotations

import math

import numpy as np

from worldsim.compiled import compiled
from worldsim.gbuffer.blocks import COLUMNS, ROWS, cell_at
from worldsim.gbuffer.classes import NO_PART, PAINT, YELLOW, Part, SemanticClass
from worldsim.gbuffer.face_details import fill_details, has_details
from worldsim.gbuffer.ground import COARSER
from worldsim.gbuffer.kernels import (
    AXES,
    BASE,
    CENTRE_X,
    CENTRE_Y,
    CENTRE_Z,
    FARTHEST,
    FLATNESS,
    FOCAL,
    GROUND,
    INVERSE_1,
    INVERSE_X,
    INVERSE_Y,
    IS_BALL,
    IS_FLAT,
    MIDDLE_X,
    MIDDLE_Y,
    NEAREST,
    NORMAL_X,
    NORMAL_Y,
    NORMAL_Z,
    OWNER,
    PART,
    POSITION,
    RADIUS,
    RISE,
    SEED,
    SHARE,
    SKY,
    STATE,
    TOP_LEFT,
    TOP_RIGHT,
    U_0,
    U_1,
    U_X,
    U_Y,
    V_0,
    V_1,
    V_X,
    V_Y,
)

DECK = int(Part.DECK)
"""Part: what is from here on belongs to the ground; the seed of a DECK is the number of its tile."""
BASE_AND_PAINT, PAINT_COVERAGE = 0, 1
"""Columns of a ground cell."""
PAINT_COLORS = np.array([[255, 255, 255], [255, 200, 0]], np.uint8)
"""White and yellow."""
APART = 0.1
"""Samples whose inverse depths differ by more than this share are of things one before the other."""
NO_GROUND = int(SemanticClass.GROUND)
"""Class beyond the raster."""


@compiled
def _ground_class(x, y, footprint, cells, blocks, levels, place):
    """Class of the ground, class of paint on it (plus YELLOW), and coverage of the paint, seen over `footprint` [m]."""
    level, size = 0, place[2]
    while footprint > COARSER * size and level + 1 < len(levels) and levels[level + 1, ROWS] > 0:
        level += 1
        size *= 2.0
    rows, columns = levels[level, ROWS], levels[level, COLUMNS]
    at_x, at_y = (x - place[0]) / size, (y - place[1]) / size
    column, row = math.floor(at_x), math.floor(at_y)
    if column < 0 or row < 0 or column >= columns or row >= rows:
        return NO_GROUND, 0, 0.0
    base = cells[cell_at(blocks, levels, level, row, column), BASE_AND_PAINT] % PAINT
    # paint between the middles of cells, bilinear
    column, row = math.floor(at_x - 0.5), math.floor(at_y - 0.5)
    share_x, share_y = at_x - 0.5 - column, at_y - 0.5 - row
    paint, coverage = 0, 0.0
    for j in range(2):
        for i in range(2):
            r, c = min(max(row + j, 0), rows - 1), min(max(column + i, 0), columns - 1)
            cell = cells[cell_at(blocks, levels, level, r, c)]
            if cell[PAINT_COVERAGE] > 0:
                weight = (share_x if i else 1.0 - share_x) * (share_y if j else 1.0 - share_y)
                coverage += weight * cell[PAINT_COVERAGE]
                paint = max(paint, cell[BASE_AND_PAINT] // PAINT)
    return base, paint, coverage / 255.0


@compiled
def _on_face(record, u, v):
    """Where a point with these coordinates [m] lies on its face, across from left to right and up, -1 to 1."""
    up = min(max(v * record[SHARE] / max(record[RISE], 1e-6), 0.0), 1.0)
    left = record[TOP_LEFT] * up
    right = record[BASE] + (record[TOP_RIGHT] - record[BASE]) * up
    across = min(max((u - left) / max(right - left, 1e-3), 0.0), 1.0)
    return 2.0 * across - 1.0, 2.0 * up - 1.0


@compiled
def _is_mixed(top, left, supersampling, best, nearest, inverse_depth, surface, attributes, num_boxes):
    """Whether samples of a pixel show another road user than `best`, or what is elsewhere than that."""
    owner = attributes[best, OWNER] if best >= 0 else best
    for i in range(top, top + supersampling):
        for j in range(left, left + supersampling):
            s = surface[i, j]
            other = attributes[s, OWNER] if s >= 0 else s
            apart = abs(inverse_depth[i, j] - nearest) > APART * nearest
            if other != owner and (apart or owner >= num_boxes or other >= num_boxes):
                return True
    return False


@compiled
def resolve(
    camera, supersampling, inverse_depth, surface, records, attributes, paints, class_of_part,
    num_boxes, cells, blocks, levels, places, classes_wanted, all_wanted, ids, kinds, parts, depths, coordinates,
    on_face, details, facing, normals, mixed, colors, coverage,
):  # fmt: skip
    """Fill the frame's arrays; those not wanted may be empty."""
    height, width = depths.shape
    focal, middle_x, middle_y = camera[FOCAL], camera[MIDDLE_X], camera[MIDDLE_Y]
    ox, oy, oz = camera[POSITION], camera[POSITION + 1], camera[POSITION + 2]
    num = supersampling * supersampling
    base_levels, base_place = levels[0], places[0]
    for row in range(height):
        for column in range(width):
            # what most samples show, the nearer of two that are even
            top, left = row * supersampling, column * supersampling
            best, most, nearest = surface[top, left], 0, np.float32(0.0)
            same = True
            for i in range(top, top + supersampling):
                for j in range(left, left + supersampling):
                    same = same and surface[i, j] == best
            if same:
                nearest = inverse_depth[top, left]
            else:
                for a in range(num):
                    s = surface[top + a // supersampling, left + a % supersampling]
                    count, near = 0, np.float32(0.0)
                    for b in range(num):
                        if surface[top + b // supersampling, left + b % supersampling] == s:
                            count += 1
                            near = max(near, inverse_depth[top + b // supersampling, left + b % supersampling])
                    if count > most or (count == most and near > nearest):
                        best, most, nearest = s, count, near

            # that surface at the pixel's middle
            at_x = ((column + 0.5) * supersampling - middle_x) / focal
            at_y = ((row + 0.5) * supersampling - middle_y) / focal
            dx = at_x * camera[AXES] + at_y * camera[AXES + 3] + camera[AXES + 6]
            dy = at_x * camera[AXES + 1] + at_y * camera[AXES + 4] + camera[AXES + 7]
            dz = at_x * camera[AXES + 2] + at_y * camera[AXES + 5] + camera[AXES + 8]
            inverse = float(nearest)
            if best == GROUND and camera[IS_FLAT] > 0.0:
                inverse = max(-dz / oz, 0.5 * inverse)
            elif best == GROUND and same:
                total = 0.0
                for a in range(num):
                    total += inverse_depth[top + a // supersampling, left + a % supersampling]
                inverse = total / num
            elif best >= 0 and attributes[best, IS_BALL] == 0:
                record = records[best]
                exact = record[INVERSE_X] * at_x + record[INVERSE_Y] * at_y + record[INVERSE_1]
                # the middle may lie beyond the face's edge
                inverse = min(max(exact, record[FARTHEST]), record[NEAREST])
            elif best >= 0:
                record = records[best]
                flat = record[FLATNESS]
                x, y, z = record[CENTRE_X], record[CENTRE_Y], record[CENTRE_Z] * flat
                a, b = dx * dx + dy * dy + flat * flat * dz * dz, dx * x + dy * y + dz * flat * z
                c = x * x + y * y + z * z - record[RADIUS] * record[RADIUS]
                if b * b > a * c:
                    inverse = (b + math.sqrt(b * b - a * c)) / c
            depths[row, column] = 1.0 / inverse if best != SKY else np.inf
            if not classes_wanted:
                continue

            footprint = supersampling / (focal * max(inverse, 1e-6))
            kind, base, paint, share = 0, 0, 0, 0.0
            is_deck = best >= 0 and attributes[best, PART] == DECK
            if best == GROUND or is_deck:
                x, y = ox + dx / inverse, oy + dy / inverse
                if is_deck:
                    sheet = attributes[best, SEED] + 1
                    base, paint, share = _ground_class(x, y, footprint, cells, blocks, levels[sheet], places[sheet])
                else:
                    base, paint, share = _ground_class(x, y, footprint, cells, blocks, base_levels, base_place)
                kind = paint % YELLOW if share > 0.5 else base
            elif best >= 0:
                kind = class_of_part[attributes[best, PART]]
            kinds[row, column] = kind
            if not all_wanted:
                continue

            mixed[row, column] = not same and _is_mixed(
                top, left, supersampling, best, nearest, inverse_depth, surface, attributes, num_boxes
            )
            seen_paint = paint if share > 0.0 else 0
            if same:
                if best == GROUND or is_deck:
                    covered = int(255.0 * share + 0.5)
                    coverage[row, column, base] = 255 - covered
                    if covered > 0:
                        coverage[row, column, paint % YELLOW] += covered
                else:
                    coverage[row, column, kind] = 255
            else:
                left_over = 255
                for a in range(num):
                    i, j = top + a // supersampling, left + a % supersampling
                    part = left_over // (num - a)
                    left_over -= part
                    s = surface[i, j]
                    sheet = attributes[s, SEED] + 1 if s >= 0 and attributes[s, PART] == DECK else 0
                    if s == GROUND or sheet > 0:
                        ray_x = (j + 0.5 - middle_x) / focal
                        ray_y = (i + 0.5 - middle_y) / focal
                        t = 1.0 / inverse_depth[i, j]
                        x = ox + t * (ray_x * camera[AXES] + ray_y * camera[AXES + 3] + camera[AXES + 6])
                        y = oy + t * (ray_x * camera[AXES + 1] + ray_y * camera[AXES + 4] + camera[AXES + 7])
                        under, over, share = _ground_class(x, y, t / focal, cells, blocks, levels[sheet], places[sheet])
                        covered = int(part * share + 0.5)
                        coverage[row, column, under] += part - covered
                        if covered > 0:
                            coverage[row, column, over % YELLOW] += covered
                            seen_paint = over
                    elif s == SKY:
                        coverage[row, column, 0] += part
                    else:
                        coverage[row, column, class_of_part[attributes[s, PART]]] += part

            if best < 0:
                ids[row, column], parts[row, column] = best, NO_PART
                ray = math.sqrt(dx * dx + dy * dy + dz * dz)
                if best == GROUND:
                    if seen_paint > 0:
                        for d in range(3):
                            colors[row, column, d] = PAINT_COLORS[min(seen_paint // YELLOW, 1), d]
                    coordinates[row, column, 0], coordinates[row, column, 1] = ox + dx / inverse, oy + dy / inverse
                    facing[row, column] = -dz / ray
                    normals[row, column, 2] = 1.0
                else:
                    normals[row, column, 0], normals[row, column, 1] = dx / ray, dy / ray
                    normals[row, column, 2] = dz / ray
                continue
            record = records[best]
            ids[row, column] = attributes[best, OWNER] if attributes[best, PART] < DECK else GROUND
            parts[row, column] = NO_PART if is_deck else attributes[best, PART]
            for d in range(3):
                colors[row, column, d] = int(paints[best, d] + 0.5)
            t = 1.0 / inverse
            if attributes[best, IS_BALL] == 0:
                u = t * (record[U_X] * at_x + record[U_Y] * at_y + record[U_1]) - record[U_0]
                v = (t * (record[V_X] * at_x + record[V_Y] * at_y + record[V_1]) - record[V_0]) / record[SHARE]
                nx, ny, nz = record[NORMAL_X], record[NORMAL_Y], record[NORMAL_Z]
                if not is_deck:
                    on_face[row, column, 0], on_face[row, column, 1] = _on_face(record, u, v)
                part = attributes[best, PART]
                if has_details(part):
                    size = supersampling / focal
                    fill_details(record, part, attributes[best, STATE], at_x, at_y, inverse, size, details[row, column])
            else:
                nx = (t * dx - record[CENTRE_X]) / record[RADIUS]
                ny = (t * dy - record[CENTRE_Y]) / record[RADIUS]
                nz = (t * dz - record[CENTRE_Z]) * record[FLATNESS] / record[RADIUS]
                u, v = math.atan2(ny, nx) * record[RADIUS], t * dz - record[CENTRE_Z]
                nz *= record[FLATNESS]
                size = max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
                nx, ny, nz = nx / size, ny / size, nz / size
            if is_deck:
                u, v = ox + t * dx, oy + t * dy
            coordinates[row, column, 0], coordinates[row, column, 1] = u, v
            normals[row, column, 0], normals[row, column, 1], normals[row, column, 2] = nx, ny, nz
            facing[row, column] = abs(nx * dx + ny * dy + nz * dz) / math.sqrt(dx * dx + dy * dy + dz * dz)
