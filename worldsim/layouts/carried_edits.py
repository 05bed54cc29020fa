"""What has been put, taken away and repainted along an endless drive, in the next of its stretches. numpy only."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.layout import BoxColumn, Layout
from worldsim.layouts.assembly import join_layouts

REACH = 150.0
"""What has been put somewhere is left behind when nothing made is so near to it [m]."""


def carry_edits(made: Layout, found: Layout, following: Layout) -> Layout:
    """The stretch `following`, changed as `found` was changed from how it was `made`.

    Args:
        made: the stretch before, as it was drawn.
        found: the same when it is left.
        following: the next stretch, as it is drawn.
    """
    before, now, after = (_keys(layout) for layout in (made, found, following))
    if before == now:
        return following
    gone, drawn = set(before) - set(now), set(before)
    kept = np.array([key not in gone for key in after], bool)
    put = np.array([key not in drawn for key in now], bool)
    if len(following.boxes):
        gaps = found.boxes[:, None, : BoxColumn.Z] - following.boxes[None, :, : BoxColumn.Z]
        put &= np.hypot(gaps[..., 0], gaps[..., 1]).min(1) < REACH
    all_areas, all_lines = (np.ones(len(kinds), bool) for kinds in (following.area_kinds, following.line_kinds))
    none = np.zeros(0, np.int64)
    return join_layouts([following.select(kept, all_areas, all_lines), found.select(put, none, none)])


def _keys(layout: Layout) -> list[bytes]:
    """What tells each box from others; not its light group, which is numbered anew in every stretch."""
    columns = layout.boxes, layout.box_kinds, layout.box_colors, layout.box_seeds, layout.box_signs
    return [b"".join(values[k].tobytes() for values in columns) for k in range(len(layout.boxes))]
