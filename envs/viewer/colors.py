"""Colours of the viewer's faces: one meaning each."""

from __future__ import annotations

from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind

Color = tuple[int, int, int]

BACKGROUND = (16, 19, 24)
CARD = (26, 30, 38)
RAISED = (40, 46, 57)
LINE = (58, 66, 80)
TEXT = (232, 236, 242)
DIM = (138, 148, 164)
ACCENT = (86, 196, 190)
ALARM = (240, 98, 84)
WARM = (244, 184, 96)

OBJECT_COLORS = {
    ObjectKind.CAR: (122, 166, 240),
    ObjectKind.TRUCK: (178, 148, 240),
    ObjectKind.PEDESTRIAN: WARM,
    ObjectKind.STATIC: DIM,
}
SIGNAL_COLORS = {
    SignalKind.RED: (236, 72, 60),
    SignalKind.YELLOW: (250, 204, 60),
    SignalKind.GREEN: (70, 200, 110),
    SignalKind.STOP: (236, 72, 60),
    SignalKind.YIELD: (250, 204, 60),
}
