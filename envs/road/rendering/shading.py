"""Compiled kernel: the picture as shading of what the rasteriser drew. Light, fog, sky, ground, wetness.

A pixel whose samples show one surface is shaded once, others sample by sample.
"""

from __future__ import annotations

import math

from envs.road.rendering.surface_detail import NO_LAMP, face_detail
from worldsim.compiled import compiled
from worldsim.gbuffer.classes import Part
from worldsim.gbuffer.kernels import (
    AXES,
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
    PART,
    POSITION,
    SEED,
    SKY,
    STATE,
)
from worldsim.gbuffer.sunlight import sample_shadow

# of the weather's numbers
SUN_DIRECTION, SUN, AMBIENT, HORIZON, ZENITH, WETNESS, LAMPS = 0, 3, 6, 9, 12, 15, 16
NUM_WEATHER = 17
CROWN, HEAD, DECK = (int(p) for p in (Part.CROWN, Part.HEAD, Part.DECK))

PAINT = 3
"""Column of a texel."""
MAX_SHARPNESS = 4.0
"""Edges of paint are at most so much steeper than between two texels."""


@compiled
def _ground(camera, at_x, at_y, inverse, size, gradient, texels, levels, place, border):
    """The ground's colour under a pixel: several bilinear samples along the ray where it is grazed."""
    t = 1.0 / inverse
    across = t * size
    along = abs(gradient) * t * across
    count, share = 1, 1.0
    while count < 8 and along > 1.5 * across * count:
        count *= 2
        share *= 0.5
    footprint = max(across, along * share)
    level, texel = 0, place[2]
    while footprint > 1.4 * texel and level + 1 < len(levels) and levels[level + 1, 1] > 0:
        level += 1
        texel *= 2.0
    # near the camera, where texels are magnified, the edges of paint are made as sharp as its pixels
    sharpness = min(texel / footprint, MAX_SHARPNESS) if level == 0 else 1.0
    first, rows, columns = levels[level, 0], levels[level, 1], levels[level, 2]
    per_metre = 1.0 / texel
    ray_x = at_x * camera[AXES] + camera[AXES + 6]
    ray_y = at_x * camera[AXES + 1] + camera[AXES + 7]
    from_x = (camera[POSITION] - place[0]) * per_metre - 0.5
    from_y = (camera[POSITION + 1] - place[1]) * per_metre - 0.5
    red, green, blue = 0.0, 0.0, 0.0
    for sample in range(count):
        y = ((sample + 0.5) * share - 0.5) * size
        far = per_metre / max(inverse + gradient * y, 0.3 * inverse)
        y += at_y
        x, y = from_x + far * (ray_x + y * camera[AXES + 3]), from_y + far * (ray_y + y * camera[AXES + 4])
        if x < 0.0 or y < 0.0 or x >= columns - 1 or y >= rows - 1:
            red, green, blue = red + border[0], green + border[1], blue + border[2]
            continue
        column, row = int(x), int(y)
        fx, fy = x - column, y - row
        k = first + row * columns + column
        n = k + columns
        d = fx * fy
        a, b, c = 1.0 - fx - fy + d, fx - d, fy - d
        red += a * texels[k, 0] + b * texels[k + 1, 0] + c * texels[n, 0] + d * texels[n + 1, 0]
        green += a * texels[k, 1] + b * texels[k + 1, 1] + c * texels[n, 1] + d * texels[n + 1, 1]
        blue += a * texels[k, 2] + b * texels[k + 1, 2] + c * texels[n, 2] + d * texels[n + 1, 2]
        if sharpness > 1.0:
            p, q, r, s = texels[k, PAINT], texels[k + 1, PAINT], texels[n, PAINT], texels[n + 1, PAINT]
            if max(p, q, r, s) > min(p, q, r, s) + 8:
                most, least = k, k
                for other in (k + 1, n, n + 1):
                    most = other if texels[other, PAINT] > texels[most, PAINT] else most
                    least = other if texels[other, PAINT] < texels[least, PAINT] else least
                coverage = a * p + b * q + c * r + d * s
                sharp = min(max((coverage - 127.5) * sharpness + 127.5, 0.0), 255.0)
                more = (sharp - coverage) / (float(texels[most, PAINT]) - texels[least, PAINT])
                more = min(max(more, -1.0), 1.0)
                red += more * (float(texels[most, 0]) - texels[least, 0])
                green += more * (float(texels[most, 1]) - texels[least, 1])
                blue += more * (float(texels[most, 2]) - texels[least, 2])
    return red * share, green * share, blue * share


@compiled
def shade(
    camera, supersampling, inverse_depth, surface, records, attributes, paints, texels, levels, places, borders,
    shadow, shadow_place, contact, sky_map, panorama, turn, weather, fog_table, frame,
):  # fmt: skip
    """Paint the frame, uint8 [h, w, 3]; see Camera for what the arrays hold."""
    height, width = contact.shape
    focal, middle_x, middle_y = camera[FOCAL], camera[MIDDLE_X], camera[MIDDLE_Y]
    num = supersampling * supersampling
    lamps, wetness = weather[LAMPS], weather[WETNESS]
    sx, sy, sz = weather[SUN_DIRECTION], weather[SUN_DIRECTION + 1], weather[SUN_DIRECTION + 2]
    down_gradient = -camera[AXES + 5] / camera[POSITION + 2]
    glass = (
        44.0 + 0.12 * weather[ZENITH], 56.0 + 0.14 * weather[ZENITH + 1], 66.0 + 0.16 * weather[ZENITH + 2],
    )  # fmt: skip
    sky_rows, sky_columns = panorama.shape[0], panorama.shape[1]
    lambert_up = min(max((sz + 0.15) / 1.15, 0.0), 1.0)
    base_levels, base_place, base_border = levels[0], places[0], borders[0]
    for row in range(height):
        for column in range(width):
            top, left = row * supersampling, column * supersampling
            first = surface[top, left]
            same = True
            for i in range(top, top + supersampling):
                for j in range(left, left + supersampling):
                    same = same and surface[i, j] == first
            samples = 1 if same else num
            red, green, blue = 0.0, 0.0, 0.0
            for a in range(samples):
                if same:
                    index, inverse = first, float(inverse_depth[top, left])
                    at_x = (left + 0.5 * supersampling - middle_x) / focal
                    at_y = (top + 0.5 * supersampling - middle_y) / focal
                    size = supersampling / focal
                else:
                    i = top + a // supersampling
                    j = left + a - (i - top) * supersampling
                    index, inverse = surface[i, j], float(inverse_depth[i, j])
                    at_x, at_y = (j + 0.5 - middle_x) / focal, (i + 0.5 - middle_y) / focal
                    size = 1.0 / focal
                if index == SKY:
                    at = sky_map[row, column, 0] + turn
                    if at < 0.0:
                        at += sky_columns
                    elif at >= sky_columns:
                        at -= sky_columns
                    c0, r0 = int(at), int(sky_map[row, column, 1])
                    fx, fy = at - c0, sky_map[row, column, 1] - r0
                    c1, r1 = c0 + 1 if c0 + 1 < sky_columns else 0, min(r0 + 1, sky_rows - 1)
                    p, q, r, t = (1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy
                    red += p * panorama[r0, c0, 0] + q * panorama[r0, c1, 0]
                    red += r * panorama[r1, c0, 0] + t * panorama[r1, c1, 0]
                    green += p * panorama[r0, c0, 1] + q * panorama[r0, c1, 1]
                    green += r * panorama[r1, c0, 1] + t * panorama[r1, c1, 1]
                    blue += p * panorama[r0, c0, 2] + q * panorama[r0, c1, 2]
                    blue += r * panorama[r1, c0, 2] + t * panorama[r1, c1, 2]
                    continue
                dx = at_x * camera[AXES] + at_y * camera[AXES + 3] + camera[AXES + 6]
                dy = at_x * camera[AXES + 1] + at_y * camera[AXES + 4] + camera[AXES + 7]
                dz = at_x * camera[AXES + 2] + at_y * camera[AXES + 5] + camera[AXES + 8]
                ray = math.sqrt(at_x * at_x + at_y * at_y + 1.0)
                glow = 0.0
                lamp = NO_LAMP
                if index == GROUND:
                    gradient = down_gradient
                    if same and camera[IS_FLAT] > 0.0:
                        inverse = max(-dz / camera[POSITION + 2], 0.3 * inverse)
                    elif same:
                        end = supersampling - 1
                        gradient = (float(inverse_depth[top + end, left]) - inverse) * focal / max(end, 1)
                        inverse = 0.5 * (inverse + float(inverse_depth[top + end, left + end]))
                    color = _ground(
                        camera, at_x, at_y, inverse, size, gradient, texels, base_levels, base_place, base_border
                    )
                    t = 1.0 / inverse
                    gx, gy = camera[POSITION] + t * dx, camera[POSITION + 1] + t * dy
                    lit = lambert_up * sample_shadow(shadow, shadow_place, gx, gy) * contact[row, column]
                    nz = 1.0
                    open_sky = 0.5 + 0.5 * contact[row, column]
                    dry = 1.0 - 0.3 * wetness
                    color = (dry * color[0], dry * color[1], dry * color[2])
                else:
                    part = attributes[index, PART]
                    left_over = 1.0
                    color = (float(paints[index, 0]), float(paints[index, 1]), float(paints[index, 2]))
                    open_sky = 1.0
                    if attributes[index, IS_BALL]:
                        t = 1.0 / inverse
                        px, py, pz = (
                            t * dx - records[index, CENTRE_X],
                            t * dy - records[index, CENTRE_Y],
                            t * dz - records[index, CENTRE_Z],
                        )
                        flat = records[index, FLATNESS] * records[index, FLATNESS]
                        nx, ny, nz = px, py, pz * flat
                        norm = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
                        nx, ny, nz = nx * norm, ny * norm, nz * norm
                        if part == CROWN:
                            near = min(1.0, 0.12 / (t * size))
                            phase = float(attributes[index, SEED] & 63)
                            tone = math.sin(4.3 * px + phase) * math.sin(4.7 * py + 1.7 * phase) * math.sin(5.1 * pz)
                            tone = 1.0 + 0.3 * near * tone
                            color = (tone * color[0], tone * color[1], tone * color[2])
                            open_sky = 0.94 + 0.14 * nz
                        elif part == HEAD and nz < 0.35:
                            color = (206.0, 162.0, 132.0)
                    else:
                        nx, ny, nz = records[index, NORMAL_X], records[index, NORMAL_Y], records[index, NORMAL_Z]
                        if same:
                            exact = (
                                records[index, INVERSE_X] * at_x
                                + records[index, INVERSE_Y] * at_y
                                + records[index, INVERSE_1]
                            )
                            inverse = min(max(exact, records[index, FARTHEST]), records[index, NEAREST])
                        if part == DECK:
                            sheet = attributes[index, SEED] + 1
                            color = _ground(
                                camera, at_x, at_y, inverse, size, records[index, INVERSE_Y], texels, levels[sheet],
                                places[sheet], borders[sheet],
                            )  # fmt: skip
                            dry = 1.0 - 0.3 * wetness
                            color = (dry * color[0], dry * color[1], dry * color[2])
                            t = 1.0 / inverse
                            gx, gy = camera[POSITION] + t * dx, camera[POSITION + 1] + t * dy
                            left_over = sample_shadow(shadow, shadow_place, gx, gy)
                        else:
                            color, lamp = face_detail(
                                records, index, part, attributes[index, STATE], attributes[index, SEED], color, at_x,
                                at_y, inverse, size, lamps, glass,
                            )  # fmt: skip
                            glow = lamp[3]
                    lit = min(max((nx * sx + ny * sy + nz * sz + 0.15) / 1.15, 0.0), 1.0) * left_over
                sky_light = (0.85 + 0.15 * nz) * open_sky
                place_on = ray / inverse
                step = min(place_on, 598.0)
                k = int(step)
                fog = fog_table[k] + (fog_table[k + 1] - fog_table[k]) * (step - k)
                fog *= 1.0 - 0.5 * glow
                value = color[0] * (sky_light * weather[AMBIENT] + lit * weather[SUN])
                value += (lamp[0] - value) * glow
                red += value + (weather[HORIZON] - value) * fog
                value = color[1] * (sky_light * weather[AMBIENT + 1] + lit * weather[SUN + 1])
                value += (lamp[1] - value) * glow
                green += value + (weather[HORIZON + 1] - value) * fog
                value = color[2] * (sky_light * weather[AMBIENT + 2] + lit * weather[SUN + 2])
                value += (lamp[2] - value) * glow
                blue += value + (weather[HORIZON + 2] - value) * fog
            scale = 1.0 / samples
            frame[row, column, 0] = int(min(max(red * scale, 0.0), 255.0) + 0.5)
            frame[row, column, 1] = int(min(max(green * scale, 0.0), 255.0) + 0.5)
            frame[row, column, 2] = int(min(max(blue * scale, 0.0), 255.0) + 0.5)
