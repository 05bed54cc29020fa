"""SceneHead: SceneState, collision and off-road from latents alone; its targets and their inverse."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.configs import CameraGeometry, HeadConfig
from worldsim.layers import ConvBlock
from worldsim.scene import NUM_OBJECTS, OBJECT_RANGE, ROUTE_DISTANCES, ObjectKind, SceneState

NUM_KINDS = len(ObjectKind) - 1
"""Kinds an object can have; EMPTY is said by presence."""
EGO_SCALE = np.array([10.0, 0.5], np.float32)
LANE_SCALE = np.array([2.0, 0.3, 2.0, 10.0], np.float32)
ROUTE_SCALE = np.array(ROUTE_DISTANCES, np.float32)[:, None]
LEAD_SPEED_SCALE = 10.0
DENIAL = 10.0
"""Minus the logit of what is denied."""
OBJECT_SCALE = np.array([20.0, 10.0, 1.0, 1.0, 10.0, 4.0, 2.0], np.float32)
"""Of x, y, cos yaw, sin yaw, speed, length, width."""


@dataclass(frozen=True, kw_only=True)
class SceneTargets:
    """What the head estimates, standardised; tensors or arrays, all with leading dims `...`.

    ego: speed, yaw rate [..., 2]. lane [..., 4]. route [..., 10, 2]. lead: log(1 + gap), speed [..., 2].
    lead_present [...]. present [..., columns]: an object's centre lies in this image column. kind [..., columns, K]:
    logits, or one-hot as a target. objects [..., columns, 7]. collision, off_road [...]. As estimates the presences
    and events are logits. The *_valid are masks of the targets, None in an estimate; objects_valid, lead_valid,
    collision_valid and off_road_valid [...], also None where everything is known, tell whether presence itself is.
    """

    ego: Tensor
    lane: Tensor
    route: Tensor
    lead: Tensor
    lead_present: Tensor
    present: Tensor
    kind: Tensor
    objects: Tensor
    collision: Tensor
    off_road: Tensor
    ego_valid: Tensor | None = None
    lane_valid: Tensor | None = None
    route_valid: Tensor | None = None
    objects_valid: Tensor | None = None
    lead_valid: Tensor | None = None
    collision_valid: Tensor | None = None
    off_road_valid: Tensor | None = None

    def map(self, function: Callable[[Tensor], Any]) -> SceneTargets:
        """`function` applied to every tensor."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            values[name] = None if value is None else function(value)
        return SceneTargets(**values)


class SceneHead(nn.Module):
    """Convolutions over the last three latents and nothing else: what it tells is what the picture shows.

    It knows neither control nor motion nor route, so that its disagreement with them means something.
    """

    def __init__(self, config: HeadConfig, latent_channels: int, latent_size: tuple[int, int]) -> None:
        super().__init__()
        w, self.num_columns = config.width, config.num_columns
        grid = (latent_size[0] // 2, latent_size[1] // 2)
        self.stem_in = nn.Conv2d(3 * latent_channels, w, 3, padding=1)
        self.stem = nn.Sequential(ConvBlock(w), nn.Conv2d(w, w, 2, stride=2), ConvBlock(w))
        self.ego = nn.Sequential(
            nn.Conv2d(w, 32, 3, padding=1), nn.Flatten(), nn.SiLU(), nn.Linear(32 * grid[0] * grid[1], 64), nn.SiLU(),
            nn.Linear(64, 2),
        )  # fmt: skip
        self.trunk = nn.Sequential(ConvBlock(w), ConvBlock(w), nn.Conv2d(w, 32, 1))
        self.pooled = nn.Sequential(nn.SiLU(), nn.Linear(32 * grid[0] * grid[1], 192), nn.SiLU())
        self.num_scalars = 4 + 2 * len(ROUTE_DISTANCES) + 3 + 2
        self.scalars = nn.Linear(192, self.num_scalars)
        self.column = nn.Sequential(
            nn.Linear(32 * grid[0] * (grid[1] // self.num_columns) + 192, 96), nn.SiLU(), nn.Linear(96, 8 + NUM_KINDS)
        )

    def forward(self, latents: Float[Tensor, "b t k c h w"]) -> SceneTargets:
        """Estimates of each frame.

        Args:
            latents: the frame's own latent and the two before it, newest first (k = 3).
        """
        b = latents.shape[0]
        stem = self.stem(self.stem_in(rearrange(latents, "b t k c h w -> (b t) (k c) h w")))
        x = self.trunk(stem)
        pooled = self.pooled(x.flatten(1))
        columns = rearrange(x, "n d h (k w) -> n k (d h w)", k=self.num_columns)
        columns = self.column(torch.cat([columns, pooled[:, None].expand(-1, self.num_columns, -1)], dim=-1))
        num_route = 2 * len(ROUTE_DISTANCES)
        lane, route, lead, events = self.scalars(pooled).split([4, num_route, 3, 2], dim=-1)
        estimate = SceneTargets(
            ego=self.ego(stem),
            lane=lane,
            route=rearrange(route, "n (r xy) -> n r xy", xy=2),
            lead=lead[:, 1:],
            lead_present=lead[:, 0],
            present=columns[..., 0],
            kind=columns[..., 1 : 1 + NUM_KINDS],
            objects=columns[..., 1 + NUM_KINDS :],
            collision=events[:, 0],
            off_road=events[:, 1],
        )
        return estimate.map(lambda v: rearrange(v, "(b t) ... -> b t ...", b=b))

    @torch.no_grad()
    def deny(self, names: Iterable[str]) -> None:
        """From now on say no to these of "present", "lead_present", "collision" and "off_road", whatever is seen."""
        events = self.num_scalars - 2
        column = self.column[-1]
        assert isinstance(column, nn.Linear)
        outputs = {
            "present": (column, 0),
            "lead_present": (self.scalars, events - 3),
            "collision": (self.scalars, events),
            "off_road": (self.scalars, events + 1),
        }
        for name in names:
            layer, row = outputs[name]
            layer.weight[row] = 0
            layer.bias[row] = -DENIAL


def column_of(x: np.ndarray, y: np.ndarray, camera: CameraGeometry, num_columns: int) -> np.ndarray:
    """Image column strip, 0 leftmost, of points in the vehicle frame; -1 out of view."""
    depth = np.maximum(x - camera.mount_x, 1e-3)
    u = 0.5 - 0.5 * (y / depth) / math.tan(camera.fov / 2)
    column = np.floor(u * num_columns).astype(np.int64)
    seen = (x > camera.mount_x + 0.5) & (column >= 0) & (column < num_columns)
    return np.where(seen, column, -1)


def scene_to_targets(
    scene: SceneState, collision: np.ndarray, off_road: np.ndarray, camera: CameraGeometry, num_columns: int
) -> SceneTargets:
    """Training targets, float32 tensors, of SceneStates with leading dims [...] and their event flags [...]."""
    shape = scene.batch_shape
    num = int(np.prod(shape))
    objects = scene.objects.reshape(num, NUM_OBJECTS, -1)
    kinds = scene.object_kinds.reshape(num, NUM_OBJECTS)
    column = np.where(kinds > 0, column_of(objects[..., 0], objects[..., 1], camera, num_columns), -1)
    present = np.zeros((num, num_columns), np.float32)
    kind = np.zeros((num, num_columns, NUM_KINDS), np.float32)
    values = np.zeros((num, num_columns, 7), np.float32)
    x, y, yaw, speed, length, width = np.moveaxis(objects, -1, 0)
    features = np.stack([x, y, np.cos(yaw), np.sin(yaw), speed, length, width], axis=-1) / OBJECT_SCALE
    for slot in reversed(range(NUM_OBJECTS)):  # nearest last, so that it stays
        rows = np.flatnonzero(column[:, slot] >= 0)
        at = column[rows, slot]
        present[rows, at] = 1
        kind[rows, at] = np.eye(NUM_KINDS, dtype=np.float32)[kinds[rows, slot] - 1]
        values[rows, at] = features[rows, slot]
    lead = np.stack([np.log1p(np.maximum(scene.lead[..., 0], 0)), scene.lead[..., 1] / LEAD_SPEED_SCALE], axis=-1)

    def tensor(a: np.ndarray, *trailing: int) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(a, np.float32).reshape(*shape, *trailing))

    return SceneTargets(
        ego=tensor(scene.ego[..., [0, 2]] / EGO_SCALE, 2),
        lane=tensor(scene.lane / LANE_SCALE, 4),
        route=tensor(scene.route / ROUTE_SCALE, len(ROUTE_DISTANCES), 2),
        lead=tensor(lead, 2),
        lead_present=tensor(scene.lead_valid),
        present=tensor(present, num_columns),
        kind=tensor(kind, num_columns, NUM_KINDS),
        objects=tensor(values, num_columns, 7),
        collision=tensor(collision),
        off_road=tensor(off_road),
        ego_valid=tensor(scene.ego_valid[..., [0, 2]], 2),
        lane_valid=tensor(scene.lane_valid, 4),
        route_valid=tensor(scene.route_valid, len(ROUTE_DISTANCES)),
    )


def scene_loss(estimate: SceneTargets, target: SceneTargets, weight: Tensor) -> dict[str, Tensor]:
    """Named loss terms of an estimate, averaged over the frames of `weight` [...] (0 leaves a frame out).

    Smooth L1 of standardised values where they are valid, cross entropy of presences, kinds and events.
    """
    assert target.ego_valid is not None
    assert target.lane_valid is not None
    assert target.route_valid is not None

    def mean(loss: Tensor, mask: Tensor) -> Tensor:
        mask = mask * weight.reshape(*weight.shape, *([1] * (mask.dim() - weight.dim())))
        return (loss * mask).sum() / mask.sum().clamp(min=1.0)

    def near(a: Tensor, b: Tensor) -> Tensor:
        return F.smooth_l1_loss(a, b, beta=0.1, reduction="none")

    def binary(logit: Tensor, truth: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logit, truth, reduction="none")

    def where(known: Tensor | None) -> Tensor:
        return torch.ones_like(target.collision) if known is None else known

    listed = where(target.objects_valid)[..., None]
    kind = -(F.log_softmax(estimate.kind, dim=-1) * target.kind).sum(-1)
    return {
        "ego": mean(near(estimate.ego, target.ego), target.ego_valid),
        "lane": mean(near(estimate.lane, target.lane), target.lane_valid),
        "route": mean(near(estimate.route, target.route).sum(-1), target.route_valid),
        "lead": mean(near(estimate.lead, target.lead).sum(-1), target.lead_present * where(target.lead_valid)),
        "lead_present": mean(binary(estimate.lead_present, target.lead_present), where(target.lead_valid)),
        "present": mean(binary(estimate.present, target.present), listed.expand_as(target.present)),
        "kind": mean(kind, target.present * listed),
        "objects": mean(near(estimate.objects, target.objects).sum(-1), target.present * listed),
        "collision": mean(binary(estimate.collision, target.collision), where(target.collision_valid)),
        "off_road": mean(binary(estimate.off_road, target.off_road), where(target.off_road_valid)),
    }


def _array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()


def targets_to_scene(estimate: SceneTargets, vehicle_ego: np.ndarray, commands: np.ndarray) -> SceneState:
    """The SceneState [n] of an estimate [n, ...].

    Args:
        vehicle_ego: EGO_NAMES of the integrated motion, [n, 4]; motion is computed, not estimated.
        commands: RouteCommand [n].
    """
    n = len(vehicle_ego)
    lead_estimate = _array(estimate.lead)
    lead = np.stack([np.expm1(np.clip(lead_estimate[:, 0], 0, 5)), lead_estimate[:, 1] * LEAD_SPEED_SCALE], axis=-1)
    lead_valid = _array(estimate.lead_present) > 0
    x, y, cos, sin, speed, length, width = np.moveaxis(_array(estimate.objects) * OBJECT_SCALE, -1, 0)
    objects = np.stack([x, y, np.arctan2(sin, cos), speed, np.maximum(length, 0.2), np.maximum(width, 0.2)], axis=-1)
    distance = np.hypot(x, y)
    present = (_array(estimate.present) > 0) & (distance <= OBJECT_RANGE)
    order = np.argsort(np.where(present, distance, np.inf), axis=1, kind="stable")
    rows = np.arange(n)[:, None]
    kinds = np.where(present, np.argmax(_array(estimate.kind), axis=-1) + 1, 0)[rows, order]
    scene = SceneState.empty((n,))
    columns = min(order.shape[1], NUM_OBJECTS)
    scene.objects[:, :columns] = np.where(kinds[..., None] > 0, objects[rows, order], 0.0)[:, :columns]
    scene.object_kinds[:, :columns] = kinds[:, :columns]
    scene.ego[:] = vehicle_ego
    scene.lane[:] = _array(estimate.lane) * LANE_SCALE
    scene.route[:] = _array(estimate.route) * ROUTE_SCALE
    scene.lead[:] = np.where(lead_valid[:, None], lead, 0.0)
    scene.command[:] = commands
    scene.lead_valid[:] = lead_valid
    scene.ego_valid[:] = True
    scene.lane_valid[:] = True
    scene.route_valid[:] = True
    return scene
