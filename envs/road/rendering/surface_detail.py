"""Compiled kernels: the detail of surfaces, such as windows, lamps and the faces of signs.

Detail is averaged over the pixel's footprint in closed form, so that it melts into its mean with distance instead of
flickering.
"""

from __future__ import annotations

import math

from worldsim.compiled import compiled
from worldsim.datatypes.signals import SignalKind
from worldsim.gbuffer.classes import Part
from worldsim.gbuffer.face_details import (
    band,
    bays_and_storeys,
    gable_window,
    meet_face,
    openings,
    shares_of_face,
    stripes,
    vehicle_glass,
    vehicle_lamps,
)
from worldsim.gbuffer.kernels import BASE, RISE, SHARE, TOP_LEFT

FRONT, SIDE, GABLE, SLOPED_ROOF = (int(p) for p in (
    Part.FRONT, Part.SIDE, Part.GABLE, Part.SLOPED_ROOF))  # fmt: skip
TRUNK, LAMP, STOP_SIGN, YIELD_SIGN, SPEED_SIGN, OTHER_SIGN, SIGNAL_FACE, WALL = (int(p) for p in (
    Part.TRUNK, Part.LAMP, Part.STOP_SIGN, Part.YIELD_SIGN, Part.SPEED_SIGN, Part.OTHER_SIGN,
    Part.SIGNAL_FACE, Part.WALL))  # fmt: skip
CAR_SIDE, CAR_FRONT, CAR_REAR, CAR_REAR_WINDOW = (int(p) for p in (
    Part.CAR_SIDE, Part.CAR_FRONT, Part.CAR_REAR, Part.CAR_REAR_WINDOW))  # fmt: skip
TRUCK_CARGO, TRUCK_DOORS, TRUCK_BAR, TRUCK_FRONT, BARRIER = (int(p) for p in (
    Part.TRUCK_CARGO, Part.TRUCK_DOORS, Part.TRUCK_BAR, Part.TRUCK_FRONT, Part.BARRIER))  # fmt: skip
RED_STATE, YELLOW_STATE, GREEN_STATE = (int(k) for k in (SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN))

NO_LAMP = (0.0, 0.0, 0.0, 0.0)
WINDOW_LIGHT = (255.0, 222.0, 158.0)


@compiled
def _hash(a, b, c):
    """A number in [0, 1) by three integers."""
    h = (a * 73856093) ^ (b * 19349663) ^ (c * 83492791)
    h = (h ^ (h >> 13)) * 1274126177
    return ((h ^ (h >> 16)) & 0xFFFF) / 65536.0


@compiled
def _mix(color, other, share):
    return (
        color[0] + (other[0] - color[0]) * share,
        color[1] + (other[1] - color[1]) * share,
        color[2] + (other[2] - color[2]) * share,
    )


@compiled
def _facade(part, u, v, du, dv, base, height, seed, color):
    """Storeys of windows, a door, plinth and cornice; colour, and how much of it is a lit window."""
    bay, storey, _ = bays_and_storeys(part, base, height)
    window, frame, door = openings(part, u, v, du, dv, base, height)
    if seed & 2:  # courses of brick
        joint = stripes(v, 0.5, 0.0, 0.1, dv)
        color = _mix(color, (0.82 * color[0], 0.8 * color[1], 0.8 * color[2]), joint)
    color = _mix(color, (0.72 * color[0], 0.72 * color[1], 0.74 * color[2]), band(v, 0.0, 0.6, dv))
    color = _mix(color, (0.7 * color[0] + 62.0, 0.7 * color[1] + 62.0, 0.7 * color[2] + 60.0), frame)

    column, row = math.floor(u / bay), math.floor((v - 0.3) / storey)
    lit = 0.45
    if du < bay and dv < storey:
        lit = 1.0 if _hash(seed, column, row) < 0.45 else 0.0
    if part == FRONT:
        tone = 60.0 + 60.0 * _hash(seed, 5, 7)
        color = _mix(color, (tone + 20.0, 0.8 * tone, 0.6 * tone), door)
    color = _mix(color, (74.0, 90.0, 108.0), window)
    color = _mix(color, (0.8 * color[0] + 34.0, 0.8 * color[1] + 34.0, 0.8 * color[2] + 34.0),
                 band(v, height - 0.4, height, dv))  # fmt: skip
    return color, 0.8 * lit * window


@compiled
def _sign(part, s, w, ds, dw, straight):
    """Faces of traffic signs; `straight` is the middle of an octagon."""
    red, white, black = (196.0, 30.0, 34.0), (240.0, 240.0, 236.0), (40.0, 40.0, 44.0)
    if part == STOP_SIGN:
        text = band(s, 0.14, 0.86, ds) * band(w, 0.3, 0.7, dw) if straight else 0.0
        return _mix(red, white, text)
    if part == YIELD_SIGN:
        return _mix(red, white, band(s, 0.24, 0.76, ds) * band(w, 0.3, 0.8, dw))
    if part == SPEED_SIGN:
        if not straight:
            return red
        inner = _mix(white, black, band(s, 0.3, 0.7, ds) * band(w, 0.2, 0.8, dw))
        return _mix(red, inner, band(s, 0.17, 0.83, ds))
    return _mix(white, (40.0, 90.0, 170.0), band(s, 0.08, 0.92, ds) * band(w, 0.08, 0.92, dw))


@compiled
def _signal_face(state, s, w, ds, dw):
    """Three lamps in a dark housing, the lit one larger, as its glow makes it; colour and light."""
    color = (26.0, 28.0, 30.0)
    color = _mix(color, (96.0, 26.0, 24.0), band(s, 0.24, 0.76, ds) * band(w, 0.73, 0.94, dw))
    color = _mix(color, (96.0, 74.0, 22.0), band(s, 0.24, 0.76, ds) * band(w, 0.4, 0.6, dw))
    color = _mix(color, (22.0, 84.0, 52.0), band(s, 0.24, 0.76, ds) * band(w, 0.07, 0.28, dw))
    if state == RED_STATE:
        return color, (255.0, 44.0, 32.0, band(s, 0.05, 0.95, ds) * band(w, 0.64, 1.0, dw))
    if state == YELLOW_STATE:
        return color, (255.0, 186.0, 36.0, band(s, 0.05, 0.95, ds) * band(w, 0.32, 0.68, dw))
    if state == GREEN_STATE:
        return color, (44.0, 246.0, 128.0, band(s, 0.05, 0.95, ds) * band(w, 0.0, 0.36, dw))
    return color, NO_LAMP


@compiled
def _vehicle(part, s, w, ds, dw, state, color, lamps, glass):
    """Windows, lights, plates; colour and light."""
    dark = (46.0, 47.0, 50.0)
    lamp, brake_light = vehicle_lamps(part, s, w, ds, dw)
    if part == CAR_SIDE:
        sill = (0.4 * color[0] + 18.0, 0.4 * color[1] + 18.0, 0.4 * color[2] + 18.0)
        return _mix(color, sill, band(w, 0.0, 0.16, dw)), NO_LAMP
    if part == CAR_REAR:
        bumper = (0.45 * color[0] + 20.0, 0.45 * color[1] + 20.0, 0.45 * color[2] + 20.0)
        color = _mix(color, bumper, band(w, 0.0, 0.28, dw))
        color = _mix(color, (216.0, 216.0, 206.0), band(s, 0.36, 0.64, ds) * band(w, 0.32, 0.58, dw))
    if part in (CAR_REAR, TRUCK_BAR):
        color = _mix(color, (132.0, 22.0, 24.0), lamp)
        if state:
            return color, (255.0, 54.0, 40.0, brake_light)
        return color, (176.0, 24.0, 26.0, 0.8 * lamps * lamp)
    if part == TRUCK_DOORS:
        shade = (0.7 * color[0], 0.7 * color[1], 0.7 * color[2])
        edges = band(s, 0.0, 0.02, ds) + band(s, 0.98, 1.0, ds)
        seam = min(band(s, 0.485, 0.515, ds) + band(w, 0.0, 0.035, dw) + edges, 1.0)
        return _mix(color, shade, seam), NO_LAMP
    if part == TRUCK_CARGO:
        shade = (0.86 * color[0], 0.86 * color[1], 0.86 * color[2])
        return _mix(color, shade, band(w, 0.0, 0.05, dw)), NO_LAMP

    color = _mix(color, glass, vehicle_glass(part, s, w, ds, dw))
    if part == CAR_REAR_WINDOW:
        return color, (255.0, 54.0, 40.0, brake_light if state else 0.0)
    if part in (CAR_FRONT, TRUCK_FRONT):
        if part == CAR_FRONT:
            color = _mix(color, dark, band(s, 0.2, 0.8, ds) * band(w, 0.06, 0.5, dw))
        else:
            color = _mix(color, dark, band(s, 0.1, 0.9, ds) * band(w, 0.14, 0.36, dw))
        return _mix(color, (228.0, 230.0, 222.0), lamp), (255.0, 250.0, 226.0, lamps * lamp)
    return color, NO_LAMP


@compiled
def face_detail(records, index, part, state, seed, color, at_x, at_y, inverse, size, lamps, glass):
    """Colour and light of a face where a ray meets it; `size` is the footprint in units of the rays."""
    u, v, du, dv = meet_face(records[index], at_x, at_y, inverse, size)
    rise = records[index, RISE] / records[index, SHARE]

    if part <= SIDE:
        color, lit = _facade(part, u, v, du, dv, records[index, BASE], rise, seed, color)
        return color, (WINDOW_LIGHT[0], WINDOW_LIGHT[1], WINDOW_LIGHT[2], lit * lamps)
    if part == SLOPED_ROOF:
        dark = (0.8 * color[0], 0.8 * color[1], 0.8 * color[2])
        return _mix(color, dark, stripes(v, 0.5, 0.0, 0.14, dv) * 0.8 + 0.2 * stripes(u, 0.8, 0.0, 0.2, du)), NO_LAMP
    if part == GABLE:
        return _mix(color, (74.0, 90.0, 108.0), gable_window(u, v, du, dv, records[index, BASE])), NO_LAMP
    if part == TRUNK:
        return _mix(color, (0.7 * color[0], 0.7 * color[1], 0.7 * color[2]), stripes(u, 0.12, 0.0, 0.05, du)), NO_LAMP
    if part == LAMP:
        return color, (WINDOW_LIGHT[0], WINDOW_LIGHT[1], WINDOW_LIGHT[2], lamps)
    if part == WALL:
        if seed:  # a hedge
            tone = 1.0 + 0.22 * math.sin(7.0 * u) * math.sin(9.0 * v + 3.0 * u) * min(1.0, 0.12 / du)
            return (tone * color[0], tone * color[1], tone * color[2]), NO_LAMP
        cap = band(v, rise - 0.14, rise, dv)
        return _mix(color, (0.8 * color[0], 0.8 * color[1], 0.8 * color[2]), 1.0 - cap), NO_LAMP

    s, w, ds, dw = shares_of_face(records[index], u, v, du, dv)
    if STOP_SIGN <= part <= OTHER_SIGN:
        return _sign(part, s, w, ds, dw, abs(records[index, TOP_LEFT]) < 0.02), NO_LAMP
    if part == SIGNAL_FACE:
        return _signal_face(state, s, w, ds, dw)
    if part == BARRIER:
        return _mix(color, (238.0, 236.0, 228.0), band(w, 0.55, 0.8, dw)), NO_LAMP
    return _vehicle(part, s, w, ds, dw, state, color, lamps, glass)
