"""Colours of road users as pictures show them, where a recording does not tell. numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldsim.gbuffer.reprojection import PictureGeometry

LEAST_PIXELS = 12
"""Of a road user that shows fewer pixels in all its pictures the colour is not known."""


def read_user_colors(frames: np.ndarray, geometries: Sequence[PictureGeometry], user_ids: np.ndarray) -> np.ndarray:
    """RGB in [0, 1] of road users, float64 [s, 3]: the median of the pixels that show them, NaN where too few do.

    Args:
        frames: uint8 [t, h, w, 3].
        geometries: of these frames.
        user_ids: whose colours are wanted, int64 [s].
    """
    colors = np.full((len(user_ids), 3), np.nan)
    for k, wanted in enumerate(user_ids.tolist()):
        shown = [_shown_by(geometry, wanted) for geometry in geometries]
        pixels = np.concatenate([frame[mask] for frame, mask in zip(frames, shown, strict=True)])
        if len(pixels) >= LEAST_PIXELS:
            colors[k] = np.median(pixels, axis=0) / 255.0
    return colors


def _shown_by(geometry: PictureGeometry, user_id: int) -> np.ndarray:
    """Which pixels show a road user, bool [h, w]."""
    rows = np.flatnonzero(geometry.user_ids == user_id)
    return np.isin(geometry.users, rows) if len(rows) else np.zeros(geometry.users.shape, bool)
