"""What colour actors have, as the frames show them. numpy, but for the projection."""

from __future__ import annotations

import numpy as np
import torch

from worldsim.conditioning.actor_map import ActorMap
from worldsim.datatypes.scene import ObjectColumn, ObjectKind

BODY = {ObjectKind.CAR: (0.45, 0.8), ObjectKind.TRUCK: (0.25, 0.65), ObjectKind.PEDESTRIAN: (0.2, 0.55)}
"""Between which heights, from the top down, an actor shows its paint or clothes; others all over."""
ASIDE = 0.25
"""Share of the width left out on either side."""
SURE = 60.0
"""Pixels from which on a colour is as sure as it gets."""


def colours_in(
    frames: np.ndarray, actors: np.ndarray, kinds: np.ndarray, actor_map: ActorMap
) -> tuple[np.ndarray, np.ndarray]:
    """Colours of actors, each frame by itself: the median over the middle of each that nobody nearer hides.

    Args:
        frames: RGB, uint8 [n, h, w, 3].
        actors: OBJECT_NAMES [n, s, 6], vehicle frame.
        kinds: ObjectKind [n, s].
        actor_map: of the frames' camera.

    Returns:
        RGB in [0, 1], float64 [n, s, 3], and how sure it is, [n, s], 0 where an actor is not visible.
    """
    h, w = frames.shape[1:3]
    boxes, depths, shown = (
        value.numpy()
        for value in actor_map.rectangles(
            torch.from_numpy(np.ascontiguousarray(actors, np.float32)), torch.from_numpy(np.ascontiguousarray(kinds))
        )
    )
    colours, sure = np.zeros((*kinds.shape, 3)), np.zeros(kinds.shape)
    left, right, top, bottom = np.moveaxis(boxes.astype(np.float64), -1, 0)

    # the middle of each box, at the heights of its body
    low = np.vectorize(lambda kind: BODY.get(kind, (0.0, 1.0))[0])(kinds)
    high = np.vectorize(lambda kind: BODY.get(kind, (0.0, 1.0))[1])(kinds)
    columns = [np.round(np.clip(left + share * (right - left), 0, w)).astype(int) for share in (ASIDE, 1 - ASIDE)]
    rows = [np.round(np.clip(top + share * (bottom - top), 0, h)).astype(int) for share in (low, high)]
    area = (columns[1] - columns[0]) * (rows[1] - rows[0])
    middle_u, middle_v = 0.5 * (left + right), top + 0.5 * (low + high) * (bottom - top)

    for i, k in zip(*np.nonzero(shown & (area > 1)), strict=True):
        before = shown[i] & (depths[i] < depths[i, k])
        across = (left[i] < middle_u[i, k]) & (right[i] > middle_u[i, k])
        if np.any(before & across & (top[i] < middle_v[i, k]) & (bottom[i] > middle_v[i, k])):
            continue
        patch = frames[i, rows[0][i, k] : rows[1][i, k], columns[0][i, k] : columns[1][i, k]]
        colours[i, k] = np.median(patch.reshape(-1, 3), axis=0) / 255
        sure[i, k] = min(area[i, k] / SURE, 1.0)
    return colours, sure


def tracked_colours(frames: np.ndarray, actors: np.ndarray, kinds: np.ndarray, actor_map: ActorMap) -> np.ndarray:
    """One colour for each actor of a clip of `t` frames: the mean over the frames, the surer the more.

    Kind and size tell who is who; arguments as for `colours_in`.

    Returns:
        RGB in [0, 1], float64 [t, s, 3], NaN for those that are never visible.
    """
    colours, sure = colours_in(frames, actors, kinds, actor_map)
    size = np.round(actors[..., [ObjectColumn.LENGTH, ObjectColumn.WIDTH]] * 1000).astype(np.int64)
    who = np.concatenate([kinds[..., None], size], axis=-1).reshape(-1, 3)
    _, index = np.unique(who, axis=0, return_inverse=True)
    index = index.reshape(-1)
    weight = np.bincount(index, sure.ravel())
    total = np.stack([np.bincount(index, (sure * colours[..., c]).ravel()) for c in range(3)], axis=-1)
    mean = np.where(weight[:, None] > 0, total / np.maximum(weight, 1e-9)[:, None], np.nan)
    return np.where(kinds[..., None] > 0, mean[index].reshape(*kinds.shape, 3), np.nan)
