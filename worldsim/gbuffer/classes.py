"""What a pixel can show: semantic classes, and the parts of things that are shaded alike. numpy only."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

SENSOR_NAMES = ("depth", "semantic")
"""Pictures beside RGB: depth along the camera's axis, float16 [h, w] [m], and SemanticClass, uint8 [h, w]."""
DEPTH_OF_SKY = float("inf")
"""Depth where nothing is seen [m]."""


class SemanticClass(IntEnum):
    """What a pixel shows; GROUND is whatever nothing else lies on: grass, paving, medians."""

    SKY = 0
    ROAD = 1
    SIDEWALK = 2
    GROUND = 3
    MARKING = 4
    CROSSWALK = 5
    STOP_LINE = 6
    CURB = 7
    BUILDING = 8
    ROOF = 9
    TREE = 10
    POLE = 11
    SIGN = 12
    LIGHT = 13
    WALL = 14
    OTHER = 15
    CAR = 16
    TRUCK = 17
    PEDESTRIAN = 18
    BARRIER = 19


class Part(IntEnum):
    """A part of a thing, by how its surface is made."""

    FRONT = 0
    SIDE = 1
    GABLE = 2
    FLAT_ROOF = 3
    SLOPED_ROOF = 4
    TRUNK = 5
    CROWN = 6
    POST = 7
    LAMP = 8
    STOP_SIGN = 9
    YIELD_SIGN = 10
    SPEED_SIGN = 11
    OTHER_SIGN = 12
    SIGN_BACK = 13
    SIGNAL_FACE = 14
    SIGNAL_HOUSING = 15
    WALL = 16
    OTHER = 17
    CAR_SIDE = 18
    CAR_FRONT = 19
    CAR_REAR = 20
    CAR_PANEL = 21
    CAR_WINDOWS = 22
    CAR_WINDSCREEN = 23
    CAR_REAR_WINDOW = 24
    CAR_UNDERSIDE = 25
    CAR_WHEEL = 26
    TRUCK_CARGO = 27
    TRUCK_DOORS = 28
    TRUCK_BAR = 29
    TRUCK_FRONT = 30
    TRUCK_CAB_SIDE = 31
    TRUCK_PLAIN = 32
    TRUCK_WHEEL = 33
    CLOTHES = 34
    HEAD = 35
    BARRIER = 36
    DECK = 37
    DECK_SIDE = 38


NO_PART = 255
"""Where a pixel shows the ground, on whichever level, or the sky."""


_BY_PART = {
    SemanticClass.BUILDING: (Part.FRONT, Part.SIDE, Part.GABLE),
    SemanticClass.ROOF: (Part.FLAT_ROOF, Part.SLOPED_ROOF),
    SemanticClass.TREE: (Part.TRUNK, Part.CROWN),
    SemanticClass.POLE: (Part.POST, Part.LAMP),
    SemanticClass.SIGN: (Part.STOP_SIGN, Part.YIELD_SIGN, Part.SPEED_SIGN, Part.OTHER_SIGN, Part.SIGN_BACK),
    SemanticClass.LIGHT: (Part.SIGNAL_FACE, Part.SIGNAL_HOUSING),
    SemanticClass.WALL: (Part.WALL,),
    SemanticClass.OTHER: (Part.OTHER, Part.DECK, Part.DECK_SIDE),
    SemanticClass.CAR: tuple(part for part in Part if part.name.startswith("CAR_")),
    SemanticClass.TRUCK: tuple(part for part in Part if part.name.startswith("TRUCK_")),
    SemanticClass.PEDESTRIAN: (Part.CLOTHES, Part.HEAD),
    SemanticClass.BARRIER: (Part.BARRIER,),
}

CLASS_OF_PART = np.zeros(len(Part), np.uint8)
"""SemanticClass of each Part; a DECK's class is that of the ground painted on it."""
for _semantic, _parts in _BY_PART.items():
    CLASS_OF_PART[list(_parts)] = _semantic

YELLOW, PAINT = 8, 16
"""Cells of the ground tell in one number what lies there and what is painted on it: a SemanticClass, and PAINT times
that of the paint, to which YELLOW is added if it is."""
SKY_ID, GROUND_ID = -2, -1
"""Instances that are no box and no road user."""
