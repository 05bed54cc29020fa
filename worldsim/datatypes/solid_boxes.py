"""What of a Layout's boxes is solid: the footprints that a car can run into. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, Layout, LayoutKind

TRUNK, POST = 0.5, 0.25
"""Of a tree and a pole only so much is solid, length and width [m]."""
HOLLOW = (LayoutKind.SIGN, LayoutKind.LIGHT)
"""Kinds that nothing runs into: they hang over the road, or give way."""


def solid_footprints(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """What of a layout's boxes a car can run into: boxes [k, 5] of `worldsim.datatypes.boxes`, and their rows, int64
    [k]. What hangs over the road is none; of a tree it is the trunk, of a pole the post."""
    boxes, kinds = layout.boxes, layout.box_kinds
    footprints = boxes[:, FOOTPRINT_COLUMNS]
    footprints[kinds == LayoutKind.TREE, 3:] = TRUNK
    poles = kinds == LayoutKind.POLE
    # the post stands at the rear end of its arm
    back = np.maximum(0.5 * footprints[poles, 3] - 0.1, 0.0)
    footprints[poles, 0] -= back * np.cos(footprints[poles, 2])
    footprints[poles, 1] -= back * np.sin(footprints[poles, 2])
    footprints[poles, 3:] = POST
    rows = np.flatnonzero(np.isin(kinds, HOLLOW, invert=True))
    return footprints[rows], rows
