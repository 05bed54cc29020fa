"""Compiled kernels: where houses have windows and doors, and vehicles glass and lamps; it follows from their faces.

Shares of a pixel are averaged over its footprint in closed form, so that they melt into their means with distance.
"""

from __future__ import annotations

import math
from enum import IntEnum

from worldsim.compiled import compiled
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

FRONT, SIDE, GABLE = int(Part.FRONT), int(Part.SIDE), int(Part.GABLE)
CAR_FRONT, CAR_REAR, CAR_WINDOWS, CAR_WINDSCREEN, CAR_REAR_WINDOW = (int(p) for p in (
    Part.CAR_FRONT, Part.CAR_REAR, Part.CAR_WINDOWS, Part.CAR_WINDSCREEN, Part.CAR_REAR_WINDOW))  # fmt: skip
TRUCK_BAR, TRUCK_FRONT, TRUCK_CAB_SIDE = (int(p) for p in (
    Part.TRUCK_BAR, Part.TRUCK_FRONT, Part.TRUCK_CAB_SIDE))  # fmt: skip


class Detail(IntEnum):
    """What a face shows, besides its colour.

    GLASS: windows of houses and vehicles. FRAME, DOOR: of houses. LAMP: of vehicles, lit or not. BRAKE_LIGHT: of these
    and the third one what is lit.
    """

    GLASS = 0
    FRAME = 1
    DOOR = 2
    LAMP = 3
    BRAKE_LIGHT = 4


NUM_DETAILS = len(Detail)
GLASS, FRAME, DOOR, LAMP, BRAKE_LIGHT = (int(detail) for detail in Detail)
STOREY, FRONT_BAY, SIDE_BAY = 3.1, 2.7, 3.6
"""Heights of storeys and widths of bays are near these [m]."""


@compiled
def band(x, low, high, width):
    """Share of [x - width / 2, x + width / 2] that lies in [low, high]."""
    return max(min(x + 0.5 * width, high) - max(x - 0.5 * width, low), 0.0) / width


@compiled
def stripes(x, period, low, high, width):
    """The same for the intervals [low, high] + k * period, 0 <= low < high <= period."""
    a, b = (x - 0.5 * width) / period, (x + 0.5 * width) / period
    first, last = math.floor(a), math.floor(b)
    size = high - low
    from_first = min(max((a - first) * period - low, 0.0), size)
    to_last = min(max((b - last) * period - low, 0.0), size)
    return ((last - first) * size + to_last - from_first) / width


@compiled
def meet_face(record, at_x, at_y, inverse, size):
    """Where a ray meets a face, along its base and up from it, and how far both move over a pixel, [m]; `size` is that
    of the pixel in units of the rays."""
    t = 1.0 / inverse
    along = record[U_X] * at_x + record[U_Y] * at_y + record[U_1]
    up = record[V_X] * at_x + record[V_Y] * at_y + record[V_1]
    # how far they move from this pixel to its neighbours
    tx = 1.0 / max(inverse + record[INVERSE_X] * size, 0.3 * inverse)
    ty = 1.0 / max(inverse + record[INVERSE_Y] * size, 0.3 * inverse)
    du = abs(tx * (along + record[U_X] * size) - t * along) + abs(ty * (along + record[U_Y] * size) - t * along)
    dv = abs(tx * (up + record[V_X] * size) - t * up) + abs(ty * (up + record[V_Y] * size) - t * up)
    u, v = t * along - record[U_0], t * up - record[V_0]
    share = record[SHARE]
    return u, v / share, max(du, 1e-4), max(dv, 1e-4) / share


@compiled
def bays_and_storeys(part, base, height):
    """Width of a bay and height of a storey of a facade, and how many storeys it has; [m], [m], [1]."""
    storeys = max(1.0, math.floor((height - 0.4) / STOREY + 0.4))
    bays = max(2.0, math.floor(base / (FRONT_BAY if part == FRONT else SIDE_BAY) + 0.5))
    return base / bays, (height - 0.5) / storeys, storeys


@compiled
def openings(part, u, v, du, dv, base, height):
    """Shares of a pixel that show glass, window frames and the door of a facade.

    Args:
        part: FRONT, with a door in its middle, or SIDE.
        u, v: place along the base and up from it [m].
        du, dv: footprint of the pixel [m].
        base, height: of the facade [m].
    """
    bay, storey, storeys = bays_and_storeys(part, base, height)
    within = band(u, 0.25, base - 0.25, du) * band(v, 0.3, 0.3 + storeys * storey, dv)
    across = stripes(u, bay, 0.29 * bay, 0.71 * bay, du)
    up = stripes(v - 0.3, storey, 0.3 * storey, 0.76 * storey, dv)
    around = stripes(u, bay, 0.24 * bay, 0.76 * bay, du) * stripes(v - 0.3, storey, 0.25 * storey, 0.8 * storey, dv)
    glass = across * up * within
    frame = around * within - glass
    door = 0.0
    if part == FRONT:
        middle = (math.floor(0.5 * base / bay) + 0.5) * bay
        door = band(u, middle - 0.6, middle + 0.6, du) * band(v, 0.0, 2.25, dv)
        hidden = band(u, middle - 0.5 * bay, middle + 0.5 * bay, du) * band(v, 0.0, storey + 0.3, dv)
        glass *= 1.0 - hidden
    return glass, frame, door


@compiled
def gable_window(u, v, du, dv, base):
    """Share of a pixel that shows the one window of a gable with this base [m]."""
    middle = 0.5 * base
    return band(u, middle - 0.5, middle + 0.5, du) * band(v, 0.35, 1.35, dv)


@compiled
def shares_of_face(record, u, v, du, dv):
    """The same place and footprint by shares of the face, which may be a trapezium: across, up, and the size of the
    pixel in both."""
    rise = record[RISE] / record[SHARE]
    w = v / rise
    left = record[TOP_LEFT] * w
    right = record[BASE] + (record[TOP_RIGHT] - record[BASE]) * w
    width = max(right - left, 1e-3)
    return (u - left) / width, w, du / width, dv / rise


@compiled
def _pair(s, low, high, width):
    """Of two bands, one on each side."""
    return band(s, low, high, width) + band(s, 1.0 - high, 1.0 - low, width)


@compiled
def vehicle_glass(part, s, w, ds, dw):
    """Share of a pixel on a vehicle's face, given by `shares_of_face`, that is glass."""
    if part == CAR_WINDOWS:
        return (band(s, 0.07, 0.47, ds) + band(s, 0.53, 0.92, ds)) * band(w, 0.1, 0.88, dw)
    if part == CAR_WINDSCREEN:
        return band(s, 0.06, 0.94, ds) * band(w, 0.05, 0.92, dw)
    if part == CAR_REAR_WINDOW:
        return band(s, 0.08, 0.92, ds) * band(w, 0.14, 0.86, dw)
    if part == TRUCK_FRONT:
        return band(s, 0.06, 0.94, ds) * band(w, 0.52, 0.9, dw)
    if part == TRUCK_CAB_SIDE:
        return band(s, 0.3, 0.9, ds) * band(w, 0.52, 0.88, dw)
    return 0.0


@compiled
def vehicle_lamps(part, s, w, ds, dw):
    """Shares of a pixel on a vehicle's face that are lamps, and of these such as light up when it brakes; the third
    brake light is no lamp unless it is lit."""
    if part in (CAR_REAR, TRUCK_BAR):
        if part == CAR_REAR:
            light = _pair(s, 0.02, 0.25, ds) * band(w, 0.5, 0.92, dw)
        else:
            light = _pair(s, 0.03, 0.2, ds) * band(w, 0.1, 0.9, dw)
        return light, light
    if part == CAR_REAR_WINDOW:
        return 0.0, band(s, 0.34, 0.66, ds) * band(w, 0.87, 1.0, dw)
    if part == CAR_FRONT:
        return _pair(s, 0.02, 0.24, ds) * band(w, 0.5, 0.92, dw), 0.0
    if part == TRUCK_FRONT:
        return _pair(s, 0.04, 0.2, ds) * band(w, 0.02, 0.12, dw), 0.0
    return 0.0, 0.0


@compiled
def fill_details(record, part, state, at_x, at_y, inverse, size, shown):
    """Fill `shown`, float32 [NUM_DETAILS] by Detail, with shares of a pixel where a ray meets a face; a vehicle that
    brakes has a `state`."""
    u, v, du, dv = meet_face(record, at_x, at_y, inverse, size)
    if part <= SIDE:
        rise = record[RISE] / record[SHARE]
        shown[GLASS], shown[FRAME], shown[DOOR] = openings(part, u, v, du, dv, record[BASE], rise)
    elif part == GABLE:
        shown[GLASS] = gable_window(u, v, du, dv, record[BASE])
    else:
        s, w, ds, dw = shares_of_face(record, u, v, du, dv)
        shown[GLASS] = vehicle_glass(part, s, w, ds, dw)
        shown[LAMP], brake_light = vehicle_lamps(part, s, w, ds, dw)
        if state:
            shown[BRAKE_LIGHT] = brake_light


@compiled
def has_details(part):
    """Whether faces of this part show any."""
    return part <= GABLE or CAR_FRONT <= part <= CAR_REAR_WINDOW or TRUCK_BAR <= part <= TRUCK_CAB_SIDE
