"""SceneHead: SceneState, collision and off-road from latents alone; its targets and their inverse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.object_grid import NUM_KINDS, NUM_VALUES, ObjectGrid
from worldsim.configs import HeadConfig
from worldsim.datatypes.scene import ROUTE_DISTANCES, EgoColumn, LeadColumn, SceneState
from worldsim.networks.layers import ConvBlock

EGO_COLUMNS = [EgoColumn.SPEED, EgoColumn.YAW_RATE]
"""What is decoded of the ego's motion."""
EGO_SCALE = np.array([10.0, 0.5], np.float32)
LANE_SCALE = np.array([2.0, 0.3, 2.0, 10.0], np.float32)
ROUTE_SCALE = np.array(ROUTE_DISTANCES, np.float32)[:, None]
LEAD_SPEED_SCALE = 10.0
DENIAL = 10.0
"""Minus the logit of what is denied."""
RARE = 4.0
"""Minus the logit of an object in a cell before anything is learned."""
DROPOUT = 0.3
"""Share of the pooled features that are hidden in training: roads are soon known by heart."""
CELL_WEIGHT = 0.25
"""Of the presences' loss, which is the sum over the cells of a picture."""


@dataclass(frozen=True, kw_only=True)
class SceneTargets:
    """What the head estimates, standardised; tensors or arrays, all with leading dims `...`.

    ego: speed, yaw rate [..., 2]. lane [..., 4]. route [..., 10, 2]. lead: log(1 + gap), speed [..., 2].
    lead_present [...]. present: an object is in this cell of the picture [..., h, w]. kind [..., h, w, K]: logits, or
    one-hot as a target. objects: see ObjectGrid [..., h, w, NUM_VALUES]. collision, off_road [...]. As estimates the
    presences and events are logits. The *_valid are masks of the targets, None in an estimate; cells_valid [..., h, w];
    objects_valid, lead_valid, collision_valid and off_road_valid [...], also None where everything is known, tell
    whether presence itself is.
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
    cells_valid: Tensor | None = None
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
    """Convolutions over the last three latents and nothing else: it decodes what the picture shows.

    It knows neither control nor motion nor route, so that its disagreement with them means something. Objects are
    decoded from the cell of the picture that they are in, as detectors do (Zhou et al. 2019); all else from the picture
    as a whole.
    """

    def __init__(self, config: HeadConfig, latent_channels: int, latent_size: tuple[int, int]) -> None:
        super().__init__()
        w, wide = config.width, 2 * config.width
        h2, w2 = latent_size[0] // 2, latent_size[1] // 2
        rows, columns = (torch.linspace(-1, 1, n) for n in latent_size)
        self.coordinates: Tensor
        coordinates = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        self.register_buffer("coordinates", coordinates, persistent=False)

        self.stem = nn.Sequential(nn.Conv2d(3 * latent_channels + 2, w, 3, padding=1), ConvBlock(w), ConvBlock(w))
        self.down = nn.Sequential(nn.Conv2d(w, wide, 2, stride=2), ConvBlock(wide), ConvBlock(wide))
        self.up = nn.ConvTranspose2d(wide, w, 2, stride=2)
        self.merge = ConvBlock(w)

        self.cells = nn.Sequential(
            nn.GroupNorm(8, w), nn.SiLU(), nn.Conv2d(w, 96, 1), nn.SiLU(), nn.Conv2d(96, 1 + NUM_KINDS + NUM_VALUES, 1)
        )
        self.pooled = nn.Sequential(
            nn.GroupNorm(8, wide), nn.SiLU(), nn.Conv2d(wide, 48, 1), nn.Flatten(), nn.SiLU(), nn.Dropout(DROPOUT),
            nn.Linear(48 * h2 * w2, 256), nn.SiLU(),
        )  # fmt: skip
        self.num_scalars = 2 + 4 + 2 * len(ROUTE_DISTANCES) + 3 + 2
        self.scalars = nn.Linear(256, self.num_scalars)

        # nearly all cells are empty: without this the first steps of training would go into saying so
        last, rare = self._last_of_cells(), torch.zeros(1 + NUM_KINDS + NUM_VALUES)
        rare[0] = -RARE
        last.weight.data.zero_()
        last.bias = nn.Parameter(rare)

    def _last_of_cells(self) -> nn.Conv2d:
        last = self.cells[-1]
        assert isinstance(last, nn.Conv2d)
        return last

    def forward(self, latents: Float[Tensor, "b t k c h w"]) -> SceneTargets:
        """Estimates of each frame.

        Args:
            latents: the frame's own latent and the two before it, newest first (k = 3).
        """
        b = latents.shape[0]
        x = rearrange(latents, "b t k c h w -> (b t) (k c) h w")
        x = self.stem(torch.cat([x, self.coordinates.expand(len(x), -1, -1, -1)], dim=1))
        deep = self.down(x)

        cells = rearrange(self.cells(self.merge(x + self.up(deep))), "n d h w -> n h w d")
        num_route = 2 * len(ROUTE_DISTANCES)
        ego, lane, route, lead, events = self.scalars(self.pooled(deep)).split([2, 4, num_route, 3, 2], dim=-1)
        estimate = SceneTargets(
            ego=ego,
            lane=lane,
            route=rearrange(route, "n (r xy) -> n r xy", xy=2),
            lead=lead[:, 1:],
            lead_present=lead[:, 0],
            present=cells[..., 0],
            kind=cells[..., 1 : 1 + NUM_KINDS],
            objects=cells[..., 1 + NUM_KINDS :],
            collision=events[:, 0],
            off_road=events[:, 1],
        )
        return estimate.map(lambda v: rearrange(v, "(b t) ... -> b t ...", b=b))

    @torch.no_grad()
    def deny(self, names: Iterable[str]) -> None:
        """Answer no from now on to these of "present", "lead_present", "collision" and "off_road"."""
        events = self.num_scalars - 2
        outputs: dict[str, tuple[nn.Conv2d | nn.Linear, int]] = {
            "present": (self._last_of_cells(), 0),
            "lead_present": (self.scalars, events - 3),
            "collision": (self.scalars, events),
            "off_road": (self.scalars, events + 1),
        }
        for name in names:
            layer, row = outputs[name]
            assert layer.bias is not None
            layer.weight[row] = 0
            layer.bias[row] = -DENIAL


def scene_to_targets(scene: SceneState, collision: np.ndarray, off_road: np.ndarray, grid: ObjectGrid) -> SceneTargets:
    """Training targets, float32 tensors, of SceneStates with leading dims [...] and their event flags [...]."""
    shape = scene.batch_shape
    objects = torch.from_numpy(scene.objects.reshape(-1, *scene.objects.shape[-2:]).astype(np.float32))
    kinds = torch.from_numpy(scene.object_kinds.reshape(-1, scene.object_kinds.shape[-1]))
    present, kind, values, counted = (v.reshape(*shape, *v.shape[1:]) for v in grid.make_targets(objects, kinds))
    gap, lead_speed = scene.lead[..., LeadColumn.GAP], scene.lead[..., LeadColumn.SPEED]
    lead = np.stack([np.log1p(np.maximum(gap, 0)), lead_speed / LEAD_SPEED_SCALE], axis=-1)

    def tensor(a: np.ndarray, *trailing: int) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(a, np.float32).reshape(*shape, *trailing))

    return SceneTargets(
        ego=tensor(scene.ego[..., EGO_COLUMNS] / EGO_SCALE, 2),
        lane=tensor(scene.lane / LANE_SCALE, 4),
        route=tensor(scene.route / ROUTE_SCALE, len(ROUTE_DISTANCES), 2),
        lead=tensor(lead, 2),
        lead_present=tensor(scene.lead_valid),
        present=present,
        kind=kind,
        objects=values,
        collision=tensor(collision),
        off_road=tensor(off_road),
        ego_valid=tensor(scene.ego_valid[..., EGO_COLUMNS], 2),
        lane_valid=tensor(scene.lane_valid, 4),
        route_valid=tensor(scene.route_valid, len(ROUTE_DISTANCES)),
        cells_valid=counted,
    )


def scene_loss(estimate: SceneTargets, target: SceneTargets, weight: Tensor) -> dict[str, Tensor]:
    """Named loss terms of an estimate, averaged over the frames of `weight` [...] (0 leaves a frame out).

    Smooth L1 of standardised values where they are valid, cross entropy of presences, kinds and events.
    """
    assert target.ego_valid is not None
    assert target.lane_valid is not None
    assert target.route_valid is not None
    assert target.cells_valid is not None

    def mean(loss: Tensor, mask: Tensor) -> Tensor:
        mask = mask * weight.reshape(*weight.shape, *([1] * (mask.dim() - weight.dim())))
        return (loss * mask).sum() / mask.sum().clamp(min=1.0)

    def near(a: Tensor, b: Tensor) -> Tensor:
        return F.smooth_l1_loss(a, b, beta=0.1, reduction="none")

    def binary(logit: Tensor, truth: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logit, truth, reduction="none")

    def where(known: Tensor | None) -> Tensor:
        return torch.ones_like(target.collision) if known is None else known

    listed = where(target.objects_valid)[..., None, None] * target.cells_valid
    cells = (binary(estimate.present, target.present) * listed).sum((-2, -1))
    kind = -(F.log_softmax(estimate.kind, dim=-1) * target.kind).sum(-1)
    return {
        "ego": mean(near(estimate.ego, target.ego), target.ego_valid),
        "lane": mean(near(estimate.lane, target.lane), target.lane_valid),
        "route": mean(near(estimate.route, target.route).sum(-1), target.route_valid),
        "lead": mean(near(estimate.lead, target.lead).sum(-1), target.lead_present * where(target.lead_valid)),
        "lead_present": mean(binary(estimate.lead_present, target.lead_present), where(target.lead_valid)),
        "present": CELL_WEIGHT * mean(cells, where(target.objects_valid)),
        "kind": mean(kind, target.present * listed),
        "objects": mean(near(estimate.objects, target.objects).sum(-1), target.present * listed),
        "collision": mean(binary(estimate.collision, target.collision), where(target.collision_valid)),
        "off_road": mean(binary(estimate.off_road, target.off_road), where(target.off_road_valid)),
    }


def _array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()


def targets_to_scene(
    estimate: SceneTargets, vehicle_ego: np.ndarray, commands: np.ndarray, grid: ObjectGrid
) -> SceneState:
    """The SceneState [n] of an estimate [n, ...].

    Args:
        vehicle_ego: EGO_NAMES of the integrated motion, [n, 4]; motion is computed, not estimated.
        commands: RouteCommand [n].
        grid: of the pictures.
    """
    scene = SceneState.empty((len(vehicle_ego),))
    log_gap, lead_speed = _array(estimate.lead).T
    lead = np.stack([np.expm1(np.clip(log_gap, 0, 5)), lead_speed * LEAD_SPEED_SCALE], axis=-1)
    lead_valid = _array(estimate.lead_present) > 0

    scene.objects[:], scene.object_kinds[:] = grid.decode_objects(estimate.present, estimate.kind, estimate.objects)
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
