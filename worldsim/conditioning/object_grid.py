"""Objects as cells of the picture: targets for a detector of one object a cell, and SceneState's list from it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.actor_map import ActorMap
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_RANGE, ObjectColumn, ObjectKind

NUM_KINDS = len(ObjectKind) - 1
"""Kinds an object can have; EMPTY is said by presence."""
NUM_VALUES = 7
"""Logarithm of the depth, place across in cells, cosine and sine of the viewing angle, speed, length, width."""
SPEED_SCALE, LENGTH_SCALE, WIDTH_SCALE = 10.0, 4.0, 2.0
"""Divide the last three to about unit size [m/s], [m], [m]."""
LEAST_DEPTH = 0.5
"""Nearer objects are beside the camera, not before it [m]."""
LEAST_SHARE, LEAST_PIXELS = 0.25, 8.0
"""Objects of which less is visible beside the one that hides most of it, as a share or in pixels, are no targets."""


class GridTargets(NamedTuple):
    """Of `n` pictures. present: 1 where an object's box has its centre, [n, h, w]. kind: one-hot [n, h, w, K].
    values: [n, h, w, NUM_VALUES]. counted: 0 where neither answer is wrong, [n, h, w]: beside an object's centre, and
    where there is one that others hide."""

    present: Tensor
    kind: Tensor
    values: Tensor
    counted: Tensor


class ObjectGrid(nn.Module):
    """The grid of a picture, a cell every `stride` pixels; nothing learned.

    Args:
        camera: that sees the objects.
        frame_size: height and width [px].
        stride: pixels a cell.
    """

    def __init__(self, camera: CameraGeometry, frame_size: tuple[int, int], stride: int = 8) -> None:
        super().__init__()
        self.camera, self.stride = camera, stride
        self.size = (frame_size[0] // stride, frame_size[1] // stride)
        self.map = ActorMap(camera, frame_size, dt=1.0, stride=stride)
        self.cell = 2 * math.tan(camera.fov / 2) / self.size[1]
        self.tangents: Tensor
        tangents = math.tan(camera.fov / 2) - self.cell * (torch.arange(self.size[1]) + 0.5)
        self.register_buffer("tangents", tangents, persistent=False)

    def make_targets(self, objects: Float[Tensor, "n s 6"], kinds: Int[Tensor, "n s"]) -> GridTargets:
        """What a detector is taught of objects, OBJECT_NAMES in the vehicle frame; of two in one cell the nearer.

        Args:
            kinds: ObjectKind; EMPTY ones are left out.
        """
        n, (h, w) = len(objects), self.size
        box, in_picture, asked = self._find_visible(objects, kinds)
        depth = objects[..., ObjectColumn.X] - self.camera.mount_x
        row, column = self._centre_cells(box)
        values = self._cell_values(objects, depth.clamp(min=LEAST_DEPTH), column)
        one_hot = F.one_hot((kinds - 1).clamp(min=0), NUM_KINDS).to(objects.dtype)

        centres = objects.new_zeros(n, h, w)
        present = objects.new_zeros(n, h, w)
        kind = objects.new_zeros(n, h, w, NUM_KINDS)
        cell_values = objects.new_zeros(n, h, w, NUM_VALUES)
        farthest_first = depth.clamp(min=LEAST_DEPTH).argsort(dim=1, descending=True)
        for slot in farthest_first.unbind(1):  # nearest last, so that it stays
            centres[_cells_of(slot, in_picture, row, column)] = 1
            at = _cells_of(slot, asked, row, column)
            present[at] = 1
            kind[at] = one_hot[at[0], slot[at[0]]]
            cell_values[at] = values[at[0], slot[at[0]]]

        # which of the cells around a centre answers is left to the detector
        beside = F.max_pool2d(centres[:, None], 3, stride=1, padding=1)[:, 0]
        return GridTargets(present, kind, cell_values, counted=torch.maximum(present, 1 - beside))

    def _find_visible(self, objects: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Left, right, top, bottom of objects cut to the picture [n, s, 4] [px]; which of them are in it, and of which
        enough is visible to ask for them, both [n, s]."""
        box, distance, shown = self.map.rectangles(objects, kinds)
        h, w = self.size
        limits = box.new_tensor([w, w, h, h]) * self.stride
        box = torch.minimum(box.clamp(min=0), limits)
        left, right, top, bottom = box.unbind(-1)
        depth = objects[..., ObjectColumn.X] - self.camera.mount_x
        in_picture = shown & (depth > LEAST_DEPTH) & (right > left) & (bottom > top)

        # what the nearer object that hides most of it leaves; several are not added up
        area = (right - left) * (bottom - top)
        overlap = _overlaps(left, right) * _overlaps(top, bottom)
        before = (distance[:, None] < distance[:, :, None]) & shown[:, None]
        pixels = area - torch.where(before, overlap, 0).amax(-1)
        return box, in_picture, in_picture & (pixels >= LEAST_SHARE * area) & (pixels >= LEAST_PIXELS)

    def _centre_cells(self, box: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column [n, s] of the cell with the centre of each box [n, s, 4]."""
        left, right, top, bottom = box.unbind(-1)
        column = ((left + right) / 2 / self.stride).long().clamp(0, self.size[1] - 1)
        row = ((top + bottom) / 2 / self.stride).long().clamp(0, self.size[0] - 1)
        return row, column

    def _cell_values(self, objects: Tensor, depth: Tensor, column: Tensor) -> Tensor:
        """Values [n, s, NUM_VALUES] of objects at a depth, each said from the cell in its column."""
        _, y, yaw, speed, length, width = objects.unbind(-1)
        angle = yaw - torch.atan2(y, depth)
        across = (y / depth - self.tangents[column]) / self.cell
        return torch.stack(
            [
                depth.log(), across, angle.cos(), angle.sin(),
                speed / SPEED_SCALE, length / LENGTH_SCALE, width / WIDTH_SCALE,
            ],
            dim=-1,
        )  # fmt: skip

    def decode_objects(
        self,
        present: Float[Tensor, "n h w"],
        kind: Float[Tensor, "n h w k"],
        values: Float[Tensor, "n h w v"],
        threshold: float = 0.5,
    ) -> tuple[np.ndarray, np.ndarray]:
        """OBJECT_NAMES float32 [n, NUM_OBJECTS, 6], nearest first, and ObjectKind int64 [n, NUM_OBJECTS].

        Args:
            present: logits; of neighbouring cells the surest is taken.
            kind: logits.
            values: as in GridTargets.
            threshold: probability from which an object is there, in (0, 1).
        """
        order = torch.arange(present[0].numel(), device=present.device).view_as(present[0])
        logits = present.double() - 1e-9 * order  # no two are equal
        surest = logits == F.max_pool2d(logits[:, None], 3, stride=1, padding=1)[:, 0]
        found = surest & (logits > math.log(threshold / (1 - threshold)))
        n, row, column = (index.cpu().numpy() for index in torch.nonzero(found, as_tuple=True))

        decoded = values.float().cpu().numpy()[n, row, column].astype(np.float64)
        log_depth, across, cos, sin, speed, length, width = np.moveaxis(decoded, -1, 0)
        depth = np.exp(np.clip(log_depth, math.log(LEAST_DEPTH), math.log(2 * OBJECT_RANGE)))
        x = depth + self.camera.mount_x
        y = (self.tangents.cpu().numpy()[column] + across * self.cell) * depth
        yaw = wrap_angle(np.arctan2(sin, cos) + np.arctan2(y, depth))
        size = np.maximum(length * LENGTH_SCALE, 0.2), np.maximum(width * WIDTH_SCALE, 0.2)
        boxes = np.stack([x, y, yaw, speed * SPEED_SCALE, *size], axis=-1)
        kinds = kind.argmax(-1).cpu().numpy()[n, row, column] + 1

        objects = np.zeros((len(present), NUM_OBJECTS, boxes.shape[-1]), np.float32)
        object_kinds = np.zeros((len(present), NUM_OBJECTS), np.int64)
        distance = np.hypot(x, y)
        for picture in np.unique(n):
            here = np.flatnonzero((n == picture) & (distance <= OBJECT_RANGE))
            here = here[np.argsort(distance[here], kind="stable")][:NUM_OBJECTS]
            objects[picture, : len(here)], object_kinds[picture, : len(here)] = boxes[here], kinds[here]
        return objects, object_kinds


def _cells_of(slot: Tensor, chosen: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of the cells where the object in one slot [n] of each picture has its centre, if it is `chosen`."""
    pictures = torch.nonzero(chosen.gather(1, slot[:, None])[:, 0])[:, 0]
    return pictures, row[pictures, slot[pictures]], column[pictures, slot[pictures]]


def _overlaps(low: Float[Tensor, "n s"], high: Float[Tensor, "n s"]) -> Float[Tensor, "n s s"]:
    """How far intervals overlap, pair by pair."""
    return (torch.minimum(high[:, :, None], high[:, None]) - torch.maximum(low[:, :, None], low[:, None])).clamp(min=0)
