"""Compiled kernels: the detail of surfaces, such as windows, lamps and the faces of signs.

Detail is averaged over the pixel's footprint in closed form, so that it melts into its mean with distance instead of
flickering.
"""

from __future__ import annotations

import math

from worldsim.compiled import compiled
from worldsim.datatypes.signals import SignalKind
from worldsim.gbuffer.classes import Part
from worldsim.gbuffer.kernels import (
    BASE,
    INVERSE_X,
    INVERSE_Y,
    RISE,
    SHARE,
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

FRONT, SIDE, GABLE, SLOPED_ROOF = (int(p) for p in (
    Part.FRONT, Part.SIDE, Part.GABLE, Part.SLOPED_ROOF))  # fmt: skip
TRUNK, LAMP, STOP_SIGN, YIELD_SIGN, SPEED_SIGN, OTHER_SIGN, SIGNAL_FACE, WALL = (int(p) for p in (
    Part.TRUNK, Part.LAMP, Part.STOP_SIGN, Part.YIELD_SIGN, Part.SPEED_SIGN, Part.OTHER_SIGN,
    Part.SIGNAL_FACE, Part.WALL))  # fmt: skip
CAR_SIDE, CAR_FRONT, CAR_REAR, CAR_WINDOWS, CAR_WINDSCREEN, CAR_REAR_WINDOW = (int(p) for p in (
    Part.CAR_SIDE, Part.CAR_FRONT, Part.CAR_REAR, Part.CAR_WINDOWS, Part.CAR_WINDSCREEN,
    Part.CAR_REAR_WINDOW))  # fmt: skip
TRUCK_CARGO, TRUCK_DOORS, TRUCK_BAR, TRUCK_FRONT, TRUCK_CAB_SIDE, BARRIER = (int(p) for p in (
    Part.TRUCK_CARGO, Part.TRUCK_DOORS, Part.TRUCK_BAR, Part.TRUCK_FRONT, Part.TRUCK_CAB_SIDE,
    Part.BARRIER))  # fmt: skip
RED_STATE, YELLOW_STATE, GREEN_STATE = (int(k) for k in (SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN))

NO_LAMP = (0.0, 0.0, 0.0, 0.0)
WINDOW_LIGHT = (255.0, 222.0, 158.0)


@compiled
def _band(x, low, high, width):
    """Share of [x - width / 2, x + width / 2] that lies in [low, high]."""
    return max(min(x + 0.5 * width, high) - max(x - 0.5 * width, low), 0.0) / width


@compiled
def _stripes(x, period, low, high, width):
    """The same for the intervals [low, high] + k * period, 0 <= low < high <= period."""
    a, b = (x - 0.5 * width) / period, (x + 0.5 * width) / period
    first, last = math.floor(a), math.floor(b)
    size = high - low
    from_first = min(max((a - first) * period - low, 0.0), size)
    to_last = min(max((b - last) * period - low, 0.0), size)
    return ((last - first) * size + to_last - from_first) / width


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
    storeys = max(1.0, math.floor((height - 0.4) / 3.1 + 0.4))
    storey = (height - 0.5) / storeys
    bay = base / max(2.0, math.floor(base / (2.7 if part == FRONT else 3.6) + 0.5))
    within = _band(u, 0.25, base - 0.25, du) * _band(v, 0.3, 0.3 + storeys * storey, dv)
    across = _stripes(u, bay, 0.29 * bay, 0.71 * bay, du)
    up = _stripes(v - 0.3, storey, 0.3 * storey, 0.76 * storey, dv)
    frame = _stripes(u, bay, 0.24 * bay, 0.76 * bay, du) * _stripes(v - 0.3, storey, 0.25 * storey, 0.8 * storey, dv)
    window = across * up * within
    frame = frame * within - window
    if seed & 2:  # courses of brick
        joint = _stripes(v, 0.5, 0.0, 0.1, dv)
        color = _mix(color, (0.82 * color[0], 0.8 * color[1], 0.8 * color[2]), joint)
    color = _mix(color, (0.72 * color[0], 0.72 * color[1], 0.74 * color[2]), _band(v, 0.0, 0.6, dv))
    color = _mix(color, (0.7 * color[0] + 62.0, 0.7 * color[1] + 62.0, 0.7 * color[2] + 60.0), frame)

    column, row = math.floor(u / bay), math.floor((v - 0.3) / storey)
    lit = 0.45
    if du < bay and dv < storey:
        lit = 1.0 if _hash(seed, column, row) < 0.45 else 0.0
    if part == FRONT:
        middle = (math.floor(0.5 * base / bay) + 0.5) * bay
        door = _band(u, middle - 0.6, middle + 0.6, du) * _band(v, 0.0, 2.25, dv)
        hidden = _band(u, middle - 0.5 * bay, middle + 0.5 * bay, du) * _band(v, 0.0, storey + 0.3, dv)
        window *= 1.0 - hidden
        tone = 60.0 + 60.0 * _hash(seed, 5, 7)
        color = _mix(color, (tone + 20.0, 0.8 * tone, 0.6 * tone), door)
    color = _mix(color, (74.0, 90.0, 108.0), window)
    color = _mix(color, (0.8 * color[0] + 34.0, 0.8 * color[1] + 34.0, 0.8 * color[2] + 34.0),
                 _band(v, height - 0.4, height, dv))  # fmt: skip
    return color, 0.8 * lit * window


@compiled
def _sign(part, s, w, ds, dw, straight):
    """Faces of traffic signs; `straight` is the middle of an octagon."""
    red, white, black = (196.0, 30.0, 34.0), (240.0, 240.0, 236.0), (40.0, 40.0, 44.0)
    if part == STOP_SIGN:
        text = _band(s, 0.14, 0.86, ds) * _band(w, 0.3, 0.7, dw) if straight else 0.0
        return _mix(red, white, text)
    if part == YIELD_SIGN:
        return _mix(red, white, _band(s, 0.24, 0.76, ds) * _band(w, 0.3, 0.8, dw))
    if part == SPEED_SIGN:
        if not straight:
            return red
        inner = _mix(white, black, _band(s, 0.3, 0.7, ds) * _band(w, 0.2, 0.8, dw))
        return _mix(red, inner, _band(s, 0.17, 0.83, ds))
    return _mix(white, (40.0, 90.0, 170.0), _band(s, 0.08, 0.92, ds) * _band(w, 0.08, 0.92, dw))


@compiled
def _signal_face(state, s, w, ds, dw):
    """Three lamps in a dark housing, the lit one larger, as its glow makes it; colour and light."""
    color = (26.0, 28.0, 30.0)
    color = _mix(color, (96.0, 26.0, 24.0), _band(s, 0.24, 0.76, ds) * _band(w, 0.73, 0.94, dw))
    color = _mix(color, (96.0, 74.0, 22.0), _band(s, 0.24, 0.76, ds) * _band(w, 0.4, 0.6, dw))
    color = _mix(color, (22.0, 84.0, 52.0), _band(s, 0.24, 0.76, ds) * _band(w, 0.07, 0.28, dw))
    if state == RED_STATE:
        return color, (255.0, 44.0, 32.0, _band(s, 0.05, 0.95, ds) * _band(w, 0.64, 1.0, dw))
    if state == YELLOW_STATE:
        return color, (255.0, 186.0, 36.0, _band(s, 0.05, 0.95, ds) * _band(w, 0.32, 0.68, dw))
    if state == GREEN_STATE:
        return color, (44.0, 246.0, 128.0, _band(s, 0.05, 0.95, ds) * _band(w, 0.0, 0.36, dw))
    return color, NO_LAMP


@compiled
def _pair(s, low, high, width):
    """Of two bands, one on each side."""
    return _band(s, low, high, width) + _band(s, 1.0 - high, 1.0 - low, width)


@compiled
def _vehicle(part, s, w, ds, dw, state, color, lamps, glass):
    """Windows, lights, plates; colour and light."""
    dark = (46.0, 47.0, 50.0)
    tail = (255.0, 54.0, 40.0, 1.0) if state else (176.0, 24.0, 26.0, 0.8 * lamps)
    if part == CAR_SIDE:
        sill = (0.4 * color[0] + 18.0, 0.4 * color[1] + 18.0, 0.4 * color[2] + 18.0)
        return _mix(color, sill, _band(w, 0.0, 0.16, dw)), NO_LAMP
    if part == CAR_WINDOWS:
        return _mix(
            color, glass, (_band(s, 0.07, 0.47, ds) + _band(s, 0.53, 0.92, ds)) * _band(w, 0.1, 0.88, dw)
        ), NO_LAMP
    if part == CAR_WINDSCREEN:
        return _mix(color, glass, _band(s, 0.06, 0.94, ds) * _band(w, 0.05, 0.92, dw)), NO_LAMP
    if part == CAR_REAR_WINDOW:
        color = _mix(color, glass, _band(s, 0.08, 0.92, ds) * _band(w, 0.14, 0.86, dw))
        high = _band(s, 0.34, 0.66, ds) * _band(w, 0.87, 1.0, dw)
        return color, (255.0, 54.0, 40.0, high if state else 0.0)
    if part == CAR_REAR:
        bumper = (0.45 * color[0] + 20.0, 0.45 * color[1] + 20.0, 0.45 * color[2] + 20.0)
        color = _mix(color, bumper, _band(w, 0.0, 0.28, dw))
        color = _mix(color, (216.0, 216.0, 206.0), _band(s, 0.36, 0.64, ds) * _band(w, 0.32, 0.58, dw))
        light = _pair(s, 0.02, 0.25, ds) * _band(w, 0.5, 0.92, dw)
        color = _mix(color, (132.0, 22.0, 24.0), light)
        return color, (tail[0], tail[1], tail[2], tail[3] * light)
    if part == CAR_FRONT:
        color = _mix(color, dark, _band(s, 0.2, 0.8, ds) * _band(w, 0.06, 0.5, dw))
        light = _pair(s, 0.02, 0.24, ds) * _band(w, 0.5, 0.92, dw)
        color = _mix(color, (228.0, 230.0, 222.0), light)
        return color, (255.0, 250.0, 226.0, lamps * light)
    if part == TRUCK_DOORS:
        shade = (0.7 * color[0], 0.7 * color[1], 0.7 * color[2])
        seam = min(_band(s, 0.485, 0.515, ds) + _band(w, 0.0, 0.035, dw) + _pair(s, 0.0, 0.02, ds), 1.0)
        return _mix(color, shade, seam), NO_LAMP
    if part == TRUCK_CARGO:
        shade = (0.86 * color[0], 0.86 * color[1], 0.86 * color[2])
        return _mix(color, shade, _band(w, 0.0, 0.05, dw)), NO_LAMP
    if part == TRUCK_BAR:
        light = _pair(s, 0.03, 0.2, ds) * _band(w, 0.1, 0.9, dw)
        color = _mix(color, (132.0, 22.0, 24.0), light)
        return color, (tail[0], tail[1], tail[2], tail[3] * light)
    if part == TRUCK_FRONT:
        color = _mix(color, glass, _band(s, 0.06, 0.94, ds) * _band(w, 0.52, 0.9, dw))
        color = _mix(color, dark, _band(s, 0.1, 0.9, ds) * _band(w, 0.14, 0.36, dw))
        light = _pair(s, 0.04, 0.2, ds) * _band(w, 0.02, 0.12, dw)
        color = _mix(color, (228.0, 230.0, 222.0), light)
        return color, (255.0, 250.0, 226.0, lamps * light)
    if part == TRUCK_CAB_SIDE:
        return _mix(color, glass, _band(s, 0.3, 0.9, ds) * _band(w, 0.52, 0.88, dw)), NO_LAMP
    return color, NO_LAMP


@compiled
def face_detail(records, index, part, state, seed, color, at_x, at_y, inverse, size, lamps, glass):
    """Colour and light of a face where a ray meets it; `size` is the footprint in units of the rays."""
    t = 1.0 / inverse
    u = t * (records[index, U_X] * at_x + records[index, U_Y] * at_y + records[index, U_1]) - records[index, U_0]
    v = t * (records[index, V_X] * at_x + records[index, V_Y] * at_y + records[index, V_1]) - records[index, V_0]
    # footprint along both coordinates: how far they move from this pixel to its neighbours
    tx = 1.0 / max(inverse + records[index, INVERSE_X] * size, 0.3 * inverse)
    ty = 1.0 / max(inverse + records[index, INVERSE_Y] * size, 0.3 * inverse)
    along = records[index, U_X] * at_x + records[index, U_Y] * at_y + records[index, U_1]
    up = records[index, V_X] * at_x + records[index, V_Y] * at_y + records[index, V_1]
    du = abs(tx * (along + records[index, U_X] * size) - t * along) + abs(
        ty * (along + records[index, U_Y] * size) - t * along
    )
    dv = abs(tx * (up + records[index, V_X] * size) - t * up) + abs(ty * (up + records[index, V_Y] * size) - t * up)
    du, dv = max(du, 1e-4), max(dv, 1e-4)
    share = records[index, SHARE]
    v, dv, rise = v / share, dv / share, records[index, RISE] / share

    if part <= SIDE:
        color, lit = _facade(part, u, v, du, dv, records[index, BASE], rise, seed, color)
        return color, (WINDOW_LIGHT[0], WINDOW_LIGHT[1], WINDOW_LIGHT[2], lit * lamps)
    if part == SLOPED_ROOF:
        dark = (0.8 * color[0], 0.8 * color[1], 0.8 * color[2])
        return _mix(color, dark, _stripes(v, 0.5, 0.0, 0.14, dv) * 0.8 + 0.2 * _stripes(u, 0.8, 0.0, 0.2, du)), NO_LAMP
    if part == GABLE:
        middle = 0.5 * records[index, BASE]
        window = _band(u, middle - 0.5, middle + 0.5, du) * _band(v, 0.35, 1.35, dv)
        return _mix(color, (74.0, 90.0, 108.0), window), NO_LAMP
    if part == TRUNK:
        return _mix(color, (0.7 * color[0], 0.7 * color[1], 0.7 * color[2]), _stripes(u, 0.12, 0.0, 0.05, du)), NO_LAMP
    if part == LAMP:
        return color, (WINDOW_LIGHT[0], WINDOW_LIGHT[1], WINDOW_LIGHT[2], lamps)
    if part == WALL:
        if seed:  # a hedge
            tone = 1.0 + 0.22 * math.sin(7.0 * u) * math.sin(9.0 * v + 3.0 * u) * min(1.0, 0.12 / du)
            return (tone * color[0], tone * color[1], tone * color[2]), NO_LAMP
        cap = _band(v, rise - 0.14, rise, dv)
        return _mix(color, (0.8 * color[0], 0.8 * color[1], 0.8 * color[2]), 1.0 - cap), NO_LAMP

    # the rest is made by shares of the face, which may be a trapezium
    w, dw = v / rise, dv / rise
    left = records[index, TOP_LEFT] * w
    right = records[index, BASE] + (records[index, TOP_RIGHT] - records[index, BASE]) * w
    width = max(right - left, 1e-3)
    s, ds = (u - left) / width, du / width
    if STOP_SIGN <= part <= OTHER_SIGN:
        return _sign(part, s, w, ds, dw, abs(records[index, TOP_LEFT]) < 0.02), NO_LAMP
    if part == SIGNAL_FACE:
        return _signal_face(state, s, w, ds, dw)
    if part == BARRIER:
        return _mix(color, (238.0, 236.0, 228.0), _band(w, 0.55, 0.8, dw)), NO_LAMP
    return _vehicle(part, s, w, ds, dw, state, color, lamps, glass)
