"""PixelNetwork: pictures, speed and route command to points of the route ahead and an acceleration."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from policies.pixels.vision import FRAME_AGES, PICTURE_SIZE
from worldsim.datatypes.scene import ROUTE_DISTANCES, RouteCommand

WIDTHS = (32, 48, 64)
"""Channels at 1/4, 1/8 and 1/16 of the picture's resolution."""
CELL_WIDTH, HIDDEN_WIDTH, PACE_WIDTH = 16, 96, 48
"""Channels a cell keeps for the dense layers, width of the first of these, and of the one that is about speed alone."""
SPEED_UNIT, ACCELERATION_UNIT = 10.0, 2.0
"""Speed [m/s] and acceleration [m/s²] that become 1."""


class Intention(NamedTuple):
    """What a planner wants.

    Args:
        route: points (x, y) at ROUTE_DISTANCES on the route, in the vehicle frame, [b, 10, 2] [m].
        acceleration: [b] [m/s²].
        nearness: of what it keeps its distance to, [b], 1 where it is touched, 0 on a free road; not driven by, but
            learned along, so that acceleration is about what is seen.
    """

    route: Tensor
    acceleration: Tensor
    nearness: Tensor


class PixelNetwork(nn.Module):
    """A convolutional network with one output layer a RouteCommand (conditional imitation, Codevilla et al. 2018).

    Acceleration is asked of one layer for all commands: braking is rare, and the same everywhere.

    No normalisation layers: a picture's answer depends on that picture alone, and the network is shallow.
    """

    route_origin: Tensor
    route_unit: Tensor

    def __init__(self) -> None:
        super().__init__()
        c4, c8, c16 = WIDTHS
        height, width = (size // 16 for size in PICTURE_SIZE)
        self.stem = nn.Conv2d(3 * len(FRAME_AGES), c4, 4, stride=4)
        self.down8 = nn.Conv2d(c4, c8, 3, stride=2, padding=1)
        self.mix8 = nn.Conv2d(c8, c8, 3, padding=1)
        self.down16 = nn.Conv2d(c8, c16, 3, stride=2, padding=1)
        self.mix16 = nn.Conv2d(c16, c16, 3, padding=1)
        self.cells = nn.Conv2d(c16, CELL_WIDTH, 1)
        self.hidden = nn.Linear(CELL_WIDTH * height * width + 1, HIDDEN_WIDTH)
        self.routes = nn.Linear(HIDDEN_WIDTH + 1, len(RouteCommand) * 2 * len(ROUTE_DISTANCES))
        self.pace_hidden = nn.Linear(HIDDEN_WIDTH + 1, PACE_WIDTH)
        self.pace = nn.Linear(PACE_WIDTH, 2)

        # straight on is 0; a point's unit grows with its distance, as its spread does
        distances = torch.tensor(ROUTE_DISTANCES)
        straight = torch.stack([distances, torch.zeros_like(distances)], dim=-1)
        self.register_buffer("route_origin", straight, persistent=False)
        self.register_buffer("route_unit", (0.5 + 0.15 * distances)[:, None], persistent=False)

    def forward(self, pictures: Tensor, speed: Tensor, command: Tensor) -> Intention:
        """What to do.

        Args:
            pictures: uint8 [b, k, h, w, 3] at FRAME_AGES, the newest first.
            speed: [b] [m/s].
            command: RouteCommand, int64 [b].
        """
        return self.decide(self.encode(pictures, speed), command)

    def encode(self, pictures: Tensor, speed: Tensor) -> Tensor:
        """What is seen, [b, HIDDEN_WIDTH], and the speed in SPEED_UNIT as one more column; see `forward`."""
        x = rearrange(pictures, "b k h w c -> b (k c) h w").to(memory_format=torch.channels_last)
        x = x.to(self.stem.weight.dtype) / 127.5 - 1
        x = F.relu(self.stem(x))
        x = F.relu(self.down8(x))
        x = x + F.relu(self.mix8(x))
        x = F.relu(self.down16(x))
        x = x + F.relu(self.mix16(x))

        speed = speed[:, None] / SPEED_UNIT
        cells = F.relu(self.cells(x)).flatten(1)
        return torch.cat([F.relu(self.hidden(torch.cat([cells, speed], dim=-1))), speed], dim=-1)

    def decide(self, hidden: Tensor, command: Tensor) -> Intention:
        """What to do about what `encode` returned."""
        routes = rearrange(
            self.routes(hidden).float(), "b (commands r xy) -> b commands r xy", commands=len(RouteCommand), xy=2
        )
        points = routes[torch.arange(len(command), device=command.device), command]
        pace = self.pace(F.relu(self.pace_hidden(hidden))).float()
        return Intention(
            route=self.route_origin + self.route_unit * points,
            acceleration=ACCELERATION_UNIT * pace[:, 0],
            nearness=pace[:, 1],
        )
