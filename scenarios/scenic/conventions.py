"""Scenic's conventions in ours: headings, and which way is right."""

from __future__ import annotations

import math

from worldsim.datatypes.boxes import wrap_angle


def yaw_of_heading(heading: float) -> float:
    """Yaw [rad], 0 along x, of a Scenic heading [rad], 0 along y; both count anticlockwise."""
    return float(wrap_angle(heading + math.pi / 2))


def heading_of_yaw(yaw: float) -> float:
    """The inverse of `yaw_of_heading`."""
    return float(wrap_angle(yaw - math.pi / 2))


def steer_of_scenic(steer: float) -> float:
    """Steer in [-1, 1], positive left, of Scenic's, which is positive right."""
    return -steer
