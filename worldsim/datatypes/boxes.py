"""Oriented boxes in the plane: corners and overlap, vectorised. numpy only.

A box is `[x, y, yaw, length, width]`: centre [m], heading [rad], size along and across the heading [m].
"""

from __future__ import annotations

import math

import numpy as np

_CORNERS = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.5, 0.5]])


def corners(boxes: np.ndarray) -> np.ndarray:
    """Corners [..., 4, 2] of boxes [..., 5]: front left, front right, rear right, rear left."""
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim == 1:  # in plain numbers, to the same bits: numpy takes many times as long for one
        x, y, yaw, length, width = boxes.tolist()
        c, s, (half_length, half_width) = math.cos(yaw), math.sin(yaw), (0.5 * length, 0.5 * width)
        signs = ((1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0))
        local = [(a * half_length, b * half_width) for a, b in signs]
        return np.array([(x + c * u - s * v, y + s * u + c * v) for u, v in local])
    local = _CORNERS * boxes[..., None, 3:5]
    c, s = np.cos(boxes[..., 2, None]), np.sin(boxes[..., 2, None])
    x = boxes[..., 0, None] + c * local[..., 0] - s * local[..., 1]
    y = boxes[..., 1, None] + s * local[..., 0] + c * local[..., 1]
    return np.stack([x, y], axis=-1)


def separation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far boxes `a` and `b` (both [..., 5], broadcast against each other) are apart at least [m], [...]; negative
    where they overlap: how far one would have to be moved.

    Separating axis theorem: of two rectangles that are apart, one of their four axes shows a gap.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    dx, dy = b[..., 0] - a[..., 0], b[..., 1] - a[..., 1]
    turn = b[..., 2] - a[..., 2]
    c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    al, aw, bl, bw = (box[..., k] / 2 for box in (a, b) for k in (3, 4))
    ca, sa, cb, sb = np.cos(a[..., 2]), np.sin(a[..., 2]), np.cos(b[..., 2]), np.sin(b[..., 2])
    along_a = np.abs(ca * dx + sa * dy) - (al + c * bl + s * bw)
    across_a = np.abs(ca * dy - sa * dx) - (aw + s * bl + c * bw)
    along_b = np.abs(cb * dx + sb * dy) - (bl + c * al + s * aw)
    across_b = np.abs(cb * dy - sb * dx) - (bw + s * al + c * aw)
    return np.maximum(np.maximum(along_a, across_a), np.maximum(along_b, across_b))


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether boxes `a` and `b` (both [..., 5], broadcast against each other) share a point, bool [...]."""
    return separation(a, b) <= 0


def wrap_angle(angle: np.ndarray | float) -> np.ndarray:
    """The angle [rad] in [-pi, pi)."""
    return (np.asarray(angle, np.float64) + np.pi) % (2 * np.pi) - np.pi
