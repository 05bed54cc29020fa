"""Objects as cells of the picture: targets for a detector of one object a cell, and SceneState's list from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_NAMES, OBJECT_RANGE, ObjectColumn, ObjectKind

NUM_KINDS = len(ObjectKind) - 1
"""Kinds an object can have; EMPTY is said by presence."""
NUM_VALUES = 7
"""Logarithm of the distance from the camera, bearing from the cell's middle, cosine and sine of the viewing angle,
speed, length, width."""
SPEED_VALUE = 4
"""Of the values the one that may not be known."""
BEARING_SCALE, SPEED_SCALE, LENGTH_SCALE, WIDTH_SCALE = 0.05, 10.0, 4.0, 2.0
"""Divide the values to about unit size [rad], [m/s], [m], [m]."""
LEAST_DISTANCE = 0.5
"""No object's middle is nearer to the camera [m]."""
VISIBLE_PIXELS = 12
"""Objects of which fewer pixels can be seen are neither asked for nor held against a detector."""
RADIUS = 3
"""Cells around an object's own one that are told how near they are to it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VisibleObjects:
    """The `m` objects that can be seen in some pictures, in the order of the pictures.

    Args:
        pictures: number of the picture that shows the object, int64 [m].
        kinds: ObjectKind, int64 [m].
        objects: OBJECT_NAMES in the vehicle frame, float32 [m, 6]; a speed that is not known is NaN.
        pixels: how many of the picture's pixels show it, int64 [m].
        middles: column and row of the middle of those pixels, float32 [m, 2] [px].

    Raises:
        ValueError: the rows do not match.
    """

    pictures: np.ndarray
    kinds: np.ndarray
    objects: np.ndarray
    pixels: np.ndarray
    middles: np.ndarray

    def __post_init__(self) -> None:
        m = len(self.pictures)
        shapes = (self.kinds.shape, self.objects.shape, self.pixels.shape, self.middles.shape)
        if shapes != ((m,), (m, len(OBJECT_NAMES)), (m,), (m, 2)):
            raise ValueError(f"{m} objects must have kinds, boxes, pixels and middles of as many, got {shapes}")

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.pictures)

    def __getitem__(self, index: np.ndarray) -> VisibleObjects:
        """The objects selected by an index or mask array."""
        return VisibleObjects(
            pictures=self.pictures[index],
            kinds=self.kinds[index],
            objects=self.objects[index],
            pixels=self.pixels[index],
            middles=self.middles[index],
        )


class GridTargets(NamedTuple):
    """Of `n` pictures. near: 1 in the cell with an object's visible middle, less in those around it, else 0, [n, h, w].
    kind: one-hot [n, h, w, K]. values: [n, h, w, NUM_VALUES]. asked: how much kind and values count, [n, h, w].
    speed_known: [n, h, w]. counted: 0 where neither answer is wrong, as too little of an object is visible, [n, h, w].
    All float32."""

    near: np.ndarray
    kind: np.ndarray
    values: np.ndarray
    asked: np.ndarray
    speed_known: np.ndarray
    counted: np.ndarray


class ObjectGrid:
    """The grid of a picture, a cell every `stride` pixels; nothing learned.

    Args:
        camera: that sees the objects.
        frame_size: height and width [px].
        stride: pixels a cell.
    """

    def __init__(self, camera: CameraGeometry, frame_size: tuple[int, int], stride: int = 4) -> None:
        self.camera, self.stride = camera, stride
        self.size = (frame_size[0] // stride, frame_size[1] // stride)
        across = 1 - 2 * (np.arange(self.size[1]) + 0.5) / self.size[1]
        self.bearings = np.arctan(math.tan(camera.fov / 2) * across)
        """Of the middles of the columns, positive left [rad]."""

    def make_targets(self, visible: VisibleObjects, num_pictures: int) -> GridTargets:
        """What a detector is taught of the objects in `num_pictures` pictures; of two in one cell the nearer.

        Args:
            visible: numbered by picture from 0 on.
        """
        n, (h, w) = num_pictures, self.size
        values, distance = self._values(visible.objects)
        farthest_first = np.argsort(-distance, kind="stable")  # of what is written twice, the last stays
        visible, values = visible[farthest_first], values[farthest_first]
        cells = np.floor(visible.middles / self.stride).astype(np.int64).clip(0, [w - 1, h - 1])
        is_asked = visible.pixels >= VISIBLE_PIXELS

        near, asked = np.zeros((n, h, w), np.float32), np.zeros((n, h, w), np.float32)
        kind, cell_values = np.zeros((n, h, w, NUM_KINDS), np.float32), np.zeros((n, h, w, NUM_VALUES), np.float32)
        known, counted = np.zeros((n, h, w), np.float32), np.ones((n, h, w), np.float32)
        one_hot = np.eye(NUM_KINDS, dtype=np.float32)[visible.kinds - 1]

        spread = np.clip(0.15 * np.sqrt(visible.pixels) / self.stride, 0.5, 1.5)
        steps = range(-RADIUS, RADIUS + 1)
        offsets = sorted(((r, c) for r in steps for c in steps), key=lambda o: -(o[0] ** 2 + o[1] ** 2))
        for r, c in offsets:  # the own cell last
            row, column = cells[:, 1] + r, cells[:, 0] + c
            inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
            beside = max(abs(r), abs(c)) <= 1
            at = np.flatnonzero(inside & is_asked)
            where = visible.pictures[at], row[at], column[at]
            amount = np.exp(-0.5 * (r * r + c * c) / spread[at] ** 2)
            np.maximum.at(near, where, amount.astype(np.float32))
            if not beside:
                continue
            asked[where], kind[where], cell_values[where] = amount, one_hot[at], values[at]
            bearing = np.arctan2(visible.objects[at, ObjectColumn.Y], self._ahead(visible.objects[at]))
            cell_values[(*where, 1)] = wrap_angle(bearing - self.bearings[column[at]]) / BEARING_SCALE
            known[where] = np.isfinite(visible.objects[at, ObjectColumn.SPEED])
            at = np.flatnonzero(inside & ~is_asked)
            counted[visible.pictures[at], row[at], column[at]] = 0

        cell_values[..., SPEED_VALUE] = np.where(known > 0, cell_values[..., SPEED_VALUE], 0)
        counted[near == 1] = 1
        return GridTargets(near, kind, cell_values, asked, known, counted)

    def _ahead(self, objects: np.ndarray) -> np.ndarray:
        """Distance ahead of the camera [...] of objects [..., 6]."""
        return objects[..., ObjectColumn.X] - self.camera.mount_x

    def _values(self, objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values [m, NUM_VALUES] of objects but for the bearing, which depends on the cell; their distances [m]."""
        _, y, yaw, speed, length, width = objects.astype(np.float64).T
        ahead = self._ahead(objects.astype(np.float64))
        distance = np.hypot(ahead, y)
        angle = yaw - np.arctan2(y, ahead)
        values = [
            np.log(np.maximum(distance, LEAST_DISTANCE)), np.zeros_like(y), np.cos(angle), np.sin(angle),
            speed / SPEED_SCALE, length / LENGTH_SCALE, width / WIDTH_SCALE,
        ]  # fmt: skip
        return np.stack(values, axis=-1), distance

    def decode_objects(
        self,
        present: Float[np.ndarray, "n h w"],
        kind: Float[np.ndarray, "n h w k"],
        values: Float[np.ndarray, "n h w v"],
        threshold: float = 0.3,
    ) -> tuple[np.ndarray, np.ndarray]:
        """OBJECT_NAMES float32 [n, NUM_OBJECTS, 6], nearest first, and ObjectKind int64 [n, NUM_OBJECTS].

        Args:
            present: logits; of neighbouring cells the surest is taken.
            kind: logits.
            values: as in GridTargets.
            threshold: probability from which an object is there, in (0, 1).
        """
        logits = present.astype(np.float64)
        logits = logits - 1e-9 * np.arange(logits[0].size).reshape(logits[0].shape)  # no two are equal
        padded = np.pad(logits, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).max((-2, -1))
        n, row, column = np.nonzero((logits == around) & (logits > math.log(threshold / (1 - threshold))))

        decoded = values[n, row, column].astype(np.float64)
        log_distance, aside, cos, sin, speed, length, width = np.moveaxis(decoded, -1, 0)
        distance = np.exp(np.clip(log_distance, math.log(LEAST_DISTANCE), math.log(2 * OBJECT_RANGE)))
        bearing = self.bearings[column] + aside * BEARING_SCALE
        x, y = self.camera.mount_x + distance * np.cos(bearing), distance * np.sin(bearing)
        yaw = wrap_angle(np.arctan2(sin, cos) + bearing)
        size = np.maximum(length * LENGTH_SCALE, 0.2), np.maximum(width * WIDTH_SCALE, 0.2)
        boxes = np.stack([x, y, yaw, speed * SPEED_SCALE, *size], axis=-1)
        kinds = kind[n, row, column].argmax(-1) + 1

        objects = np.zeros((len(present), NUM_OBJECTS, len(OBJECT_NAMES)), np.float32)
        object_kinds = np.zeros((len(present), NUM_OBJECTS), np.int64)
        from_ego = np.hypot(x, y)
        for picture in np.unique(n):
            here = np.flatnonzero((n == picture) & (from_ego <= OBJECT_RANGE))
            here = here[np.argsort(from_ego[here], kind="stable")][:NUM_OBJECTS]
            objects[picture, : len(here)], object_kinds[picture, : len(here)] = boxes[here], kinds[here]
        return objects, object_kinds
