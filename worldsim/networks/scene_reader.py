"""SceneReader: the scene, collision and off-road from pictures alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.object_grid import NUM_KINDS, NUM_VALUES
from worldsim.configs import ReaderConfig
from worldsim.datatypes.scene import ROUTE_DISTANCES
from worldsim.networks.layers import ConvBlock

NUM_READ = 3
"""Frames that are read."""
CELL_STRIDE = 4
"""Pixels a cell in which an object is looked for."""
OVERVIEW = 8
"""Cells across and down at which the picture as a whole is read, whatever its size."""
DENIAL = 10.0
"""Minus the logit of what is denied."""
RARE = 4.0
"""Minus the logit of an object in a cell before anything is learned."""
NUM_SCALARS = 2 + 4 + 2 * len(ROUTE_DISTANCES) + 3 + 2
"""Ego, lane, route, lead, events."""


class SceneEstimate(NamedTuple):
    """What `n` pictures show, standardised (see worldsim.scene_decoder).

    ego: speed, yaw rate [n, 2]. lane: LANE_NAMES [n, 4]. route [n, 10, 2]. lead: log(1 + gap), speed [n, 2].
    lead_present, collision, off_road: logits [n]. present: logits [n, h, w]; kind: logits [n, h, w, K]; values:
    [n, h, w, NUM_VALUES], of the cells of an ObjectGrid.
    """

    ego: Tensor
    lane: Tensor
    route: Tensor
    lead: Tensor
    lead_present: Tensor
    collision: Tensor
    off_road: Tensor
    present: Tensor
    kind: Tensor
    values: Tensor


class SceneReader(nn.Module):
    """A residual network over three frames and nothing else: it reads what the picture shows.

    It knows neither control nor motion nor route nor what was drawn, so that its disagreement with them means
    something. Objects are found in the cell of their middle (Zhou et al. 2019, "Objects as Points") on features of
    three resolutions added up from coarse to fine (Lin et al. 2017); all else is read from the picture as a whole.
    """

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.widths
        stem = config.stem_width
        # the newest frame and its differences to the two before it, which show motion at once
        self.stem = nn.Sequential(nn.Conv2d(3 * NUM_READ, stem, 3, stride=2, padding=1), nn.SiLU())
        self.fine = _level(stem + 2, fine, config.num_blocks)
        self.middle = _level(fine, middle, config.num_blocks)
        self.coarse = _level(middle, coarse, config.num_blocks)

        self.coarse_to_middle, self.middle_to_fine = nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)
        self.merge_middle, self.merge_fine = ConvBlock(middle), ConvBlock(fine)
        self.cells_in = nn.Conv2d(fine, config.cell_width, 3, padding=1)
        self.cells = nn.Conv2d(config.cell_width, 1 + NUM_KINDS + NUM_VALUES, 1)

        self.overview = nn.Conv2d(coarse, config.overview_width, 1)
        self.hidden = nn.Linear(config.overview_width * OVERVIEW**2, config.hidden_width)
        self.scalars = nn.Linear(config.hidden_width, NUM_SCALARS)

        # nearly all cells are empty: without this the first steps of training would go into saying so
        nn.init.zeros_(self.cells.weight)
        assert self.cells.bias is not None
        nn.init.zeros_(self.cells.bias)
        self.cells.bias.data[0] = -RARE

    def forward(self, frames: Float[Tensor, "n k 3 h w"]) -> SceneEstimate:
        """Estimates of the newest frames.

        Args:
            frames: in -1..1, oldest first, k = NUM_READ; height and width are multiples of 16.
        """
        newest = frames[:, -1:]
        x = self.stem(rearrange(torch.cat([newest, newest - frames[:, :-1]], dim=1), "n k c h w -> n (k c) h w"))
        fine = self.fine(torch.cat([x, _coordinates(x)], dim=1))
        middle = self.middle(fine)
        coarse = self.coarse(middle)

        middle = self.merge_middle(middle + _double(self.coarse_to_middle(coarse)))
        fine = self.merge_fine(fine + _double(self.middle_to_fine(middle)))
        cells = rearrange(self.cells(F.silu(self.cells_in(F.silu(fine)))), "n d h w -> n h w d")

        whole = F.adaptive_avg_pool2d(F.silu(self.overview(F.silu(coarse))), OVERVIEW)
        scalars = self.scalars(F.silu(self.hidden(whole.flatten(1))))
        ego, lane, route, lead, events = scalars.split([2, 4, 2 * len(ROUTE_DISTANCES), 3, 2], dim=-1)
        return SceneEstimate(
            ego=ego,
            lane=lane,
            route=rearrange(route, "n (r xy) -> n r xy", xy=2),
            lead=lead[:, 1:],
            lead_present=lead[:, 0],
            collision=events[:, 0],
            off_road=events[:, 1],
            present=cells[..., 0],
            kind=cells[..., 1 : 1 + NUM_KINDS],
            values=cells[..., 1 + NUM_KINDS :],
        )

    @torch.no_grad()
    def deny(self, names: Iterable[str]) -> None:
        """Answer no from now on to these of "present", "lead_present", "collision" and "off_road"."""
        outputs: dict[str, tuple[nn.Conv2d | nn.Linear, int]] = {
            "present": (self.cells, 0),
            "lead_present": (self.scalars, NUM_SCALARS - 5),
            "collision": (self.scalars, NUM_SCALARS - 2),
            "off_road": (self.scalars, NUM_SCALARS - 1),
        }
        for name in names:
            layer, row = outputs[name]
            assert layer.bias is not None
            layer.weight[row] = 0
            layer.bias[row] = -DENIAL


def _level(width_in: int, width: int, num_blocks: int) -> nn.Sequential:
    """Half the resolution, then residual blocks."""
    return nn.Sequential(
        nn.Conv2d(width_in, width, 3, stride=2, padding=1), *(ConvBlock(width) for _ in range(num_blocks))
    )


def _double(x: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h2 w2"]:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _coordinates(x: Float[Tensor, "n d h w"]) -> Float[Tensor, "n 2 h w"]:
    """Row and column in -1..1."""
    rows, columns = (torch.linspace(-1, 1, size, dtype=x.dtype, device=x.device) for size in x.shape[-2:])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(x), -1, -1, -1)
