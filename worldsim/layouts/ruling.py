"""What rules made junctions: poles with lights, stop and yield signs, and the lights' cycles. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.layout import NO_SIGNAL, Layout, LayoutKind, SignFace
from worldsim.datatypes.signals import LIGHT_CYCLE_NAMES, LightCycleColumn
from worldsim.layouts.junction import Leg

HEAD = (0.3, 0.45, 1.3)
"""Length, width and height of a traffic light's head [m]."""
LOW_HEAD, HIGH_HEAD = 2.6, 4.9
"""Lower edges of the head on the pole and of the one on the arm [m]."""
ARM_LENGTH, POST_WIDTH = 4.0, 0.2
"""Of a light's pole [m]."""
POST_SETBACK = 0.7
"""Between the sidewalk and a pole or a sign [m]."""
LIGHT_POST, SIGN_POST = 0.5, 1.2
"""Lights and signs stand this far before the junction [m]."""
PLATE, PLATE_FOOT = 0.75, 2.0
"""Size of a sign's plate, and its lower edge [m]."""
POLE_COLOR, HEAD_COLOR = (92, 96, 100), (30, 32, 34)
GREENS = (12.0, 20.0)
"""Shortest and longest green of a phase [s]."""
YELLOW, ALL_RED = 3.0, 2.0
"""[s]."""


def lights(leg: Leg, group: int) -> Layout:
    """The pole for the traffic that comes by a leg: one head on it, one on the arm over the lanes."""
    out, left = np.array([np.cos(leg.yaw), np.sin(leg.yaw)]), np.array([-np.sin(leg.yaw), np.cos(leg.yaw)])
    foot = leg.point(LIGHT_POST, leg.half_width + leg.sidewalk + POST_SETBACK)
    arm_yaw = leg.yaw - np.pi / 2
    middle = foot - (0.5 * ARM_LENGTH - 0.1) * left
    heads = [(foot + 0.25 * out, LOW_HEAD), (foot - (ARM_LENGTH - 0.5) * left + 0.25 * out, HIGH_HEAD)]
    boxes = [[*middle, 0.0, arm_yaw, ARM_LENGTH, POST_WIDTH, HIGH_HEAD + HEAD[2] + 0.1]]
    boxes += [[*place, z, leg.yaw, *HEAD] for place, z in heads]
    return Layout(
        boxes=np.array(boxes),
        box_kinds=np.array([LayoutKind.POLE, LayoutKind.LIGHT, LayoutKind.LIGHT], np.int64),
        box_colors=np.array([POLE_COLOR, HEAD_COLOR, HEAD_COLOR], np.uint8),
        box_color_valid=np.ones(3, bool),
        box_seeds=np.zeros(3, np.uint32),
        box_signals=np.array([NO_SIGNAL, group, group], np.int64),
        box_signs=np.zeros(3, np.int64),
    )


def sign(leg: Leg, face: SignFace) -> Layout:
    """A sign for the traffic that comes by a leg."""
    place = leg.point(SIGN_POST, leg.half_width + leg.sidewalk + POST_SETBACK)
    return Layout(
        boxes=np.array([[*place, 0.0, leg.yaw, 0.1, PLATE, PLATE_FOOT + PLATE]]),
        box_kinds=np.array([LayoutKind.SIGN], np.int64),
        box_colors=np.zeros((1, 3), np.uint8),
        box_color_valid=np.zeros(1, bool),
        box_seeds=np.zeros(1, np.uint32),
        box_signals=np.array([NO_SIGNAL], np.int64),
        box_signs=np.array([face], np.int64),
    )


def draw_cycles(rng: np.random.Generator) -> np.ndarray:
    """LIGHT_CYCLE_NAMES float64 [2, 4] of a junction's two phases: of the street that leads in with the one opposite,
    and of those across."""
    greens, start = rng.uniform(*GREENS, 2), float(rng.random())
    period = float(greens.sum() + 2 * (YELLOW + ALL_RED))
    cycles = np.zeros((2, len(LIGHT_CYCLE_NAMES)))
    cycles[:, LightCycleColumn.PERIOD] = period
    cycles[:, LightCycleColumn.GREEN], cycles[:, LightCycleColumn.YELLOW] = greens, YELLOW
    offsets = start * period + np.array([0.0, greens[0] + YELLOW + ALL_RED])
    cycles[:, LightCycleColumn.OFFSET] = offsets % period
    return cycles
