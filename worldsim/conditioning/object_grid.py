"""Objects as cells of the picture: what a detector of one object a cell is taught, and SceneState's list from it."""

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
from worldsim.datatypes.scene import NUM_OBJECTS, OBJECT_RANGE, ObjectKind

NUM_KINDS = len(ObjectKind) - 1
"""Kinds an object can have; EMPTY is said by presence."""
NUM_VALUES = 7
"""Logarithm of the depth, place across in cells, cosine and sine of the viewing angle, speed, length, width."""
SPEED_SCALE, LENGTH_SCALE, WIDTH_SCALE = 10.0, 4.0, 2.0
"""Divide the last three to about unit size [m/s], [m], [m]."""
LEAST_DEPTH = 0.5
"""Nearer objects are beside the camera, not before it [m]."""
LEAST_SHARE, LEAST_PIXELS = 0.25, 8.0
"""Of whom less is to be seen beside the one who hides most, as a share or in pixels, is not asked for."""


class GridTargets(NamedTuple):
    """Of `n` pictures. present: 1 where an object's picture has its centre, [n, h, w]. kind: one-hot [n, h, w, K].
    values: [n, h, w, NUM_VALUES]. counted: 0 where neither answer is wrong, [n, h, w]: beside an object's centre, and
    where one is that is hidden by others."""

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

    def targets(self, objects: Float[Tensor, "n s 6"], kinds: Int[Tensor, "n s"]) -> GridTargets:
        """What is to be told of objects, OBJECT_NAMES in the vehicle frame; of two in one cell the nearer.

        Args:
            kinds: ObjectKind; EMPTY ones are left out.
        """
        n, (h, w) = len(objects), self.size
        box, reach, shown = self.map.rectangles(objects, kinds)
        limits = box.new_tensor([w, w, h, h]) * self.stride
        left, right, top, bottom = torch.minimum(box.clamp(min=0), limits).unbind(-1)
        area = (right - left) * (bottom - top)
        hidden = _overlaps(left, right) * _overlaps(top, bottom)
        before = (reach[:, None] < reach[:, :, None]) & shown[:, None]
        pixels = area - torch.where(before, hidden, 0).amax(-1)
        x, y, yaw, speed, length, width = objects.unbind(-1)
        depth = x - self.camera.mount_x
        there = shown & (depth > LEAST_DEPTH) & (right > left) & (bottom > top)
        asked = there & (pixels >= LEAST_SHARE * area) & (pixels >= LEAST_PIXELS)
        column = ((left + right) / 2 / self.stride).long().clamp(0, w - 1)
        row = ((top + bottom) / 2 / self.stride).long().clamp(0, h - 1)
        depth = depth.clamp(min=LEAST_DEPTH)
        angle = yaw - torch.atan2(y, depth)
        across = (y / depth - self.tangents[column]) / self.cell
        values = torch.stack(
            [
                depth.log(), across, angle.cos(), angle.sin(),
                speed / SPEED_SCALE, length / LENGTH_SCALE, width / WIDTH_SCALE,
            ],
            dim=-1,
        )  # fmt: skip
        out = GridTargets(
            present=objects.new_zeros(n, h, w),
            kind=objects.new_zeros(n, h, w, NUM_KINDS),
            values=objects.new_zeros(n, h, w, NUM_VALUES),
            counted=objects.new_ones(n, h, w),
        )
        any_there = objects.new_zeros(n, h, w)
        one_hot = F.one_hot((kinds - 1).clamp(min=0), NUM_KINDS).to(objects.dtype)
        farthest_first = depth.argsort(dim=1, descending=True)
        for k in range(objects.shape[1]):  # nearest last, so that it stays
            slot = farthest_first[:, k]
            for cells, chosen in ((any_there, there), (out.present, asked)):
                rows = torch.nonzero(chosen.gather(1, slot[:, None])[:, 0])[:, 0]
                at = (rows, row[rows, slot[rows]], column[rows, slot[rows]])
                cells[at] = 1
                if cells is out.present:
                    out.kind[at] = one_hot[rows, slot[rows]]
                    out.values[at] = values[rows, slot[rows]]
        beside = F.max_pool2d(any_there[:, None], 3, stride=1, padding=1)[:, 0]
        return out._replace(counted=torch.maximum(out.present, 1 - beside))

    def objects(
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
        places = torch.arange(present[0].numel(), device=present.device).view_as(present[0])
        logits = present.double() - 1e-9 * places  # no two are equal
        surest = logits == F.max_pool2d(logits[:, None], 3, stride=1, padding=1)[:, 0]
        found = surest & (logits > math.log(threshold / (1 - threshold)))
        n, row, column = (index.cpu().numpy() for index in torch.nonzero(found, as_tuple=True))
        told = values.float().cpu().numpy()[n, row, column].astype(np.float64)
        depth = np.exp(np.clip(told[:, 0], math.log(LEAST_DEPTH), math.log(2 * OBJECT_RANGE)))
        y = (self.tangents.cpu().numpy()[column] + told[:, 1] * self.cell) * depth
        x = depth + self.camera.mount_x
        yaw = wrap_angle(np.arctan2(told[:, 3], told[:, 2]) + np.arctan2(y, depth))
        length, width = told[:, 5] * LENGTH_SCALE, told[:, 6] * WIDTH_SCALE
        boxes = np.stack(
            [x, y, yaw, told[:, 4] * SPEED_SCALE, np.maximum(length, 0.2), np.maximum(width, 0.2)], axis=-1
        )
        kinds = kind.argmax(-1).cpu().numpy()[n, row, column] + 1
        objects = np.zeros((len(present), NUM_OBJECTS, boxes.shape[-1]), np.float32)
        object_kinds = np.zeros((len(present), NUM_OBJECTS), np.int64)
        distance = np.hypot(x, y)
        for picture in np.unique(n):
            here = np.flatnonzero((n == picture) & (distance <= OBJECT_RANGE))
            here = here[np.argsort(distance[here], kind="stable")][:NUM_OBJECTS]
            objects[picture, : len(here)], object_kinds[picture, : len(here)] = boxes[here], kinds[here]
        return objects, object_kinds


def _overlaps(low: Float[Tensor, "n s"], high: Float[Tensor, "n s"]) -> Float[Tensor, "n s s"]:
    """How far intervals overlap, pair by pair."""
    return (torch.minimum(high[:, :, None], high[:, None]) - torch.maximum(low[:, :, None], low[:, None])).clamp(min=0)
