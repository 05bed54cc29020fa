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
CELL_WIDTH, HIDDEN_WIDTH = 16, 96
"""Channels a cell keeps for the dense layers, and width of these."""
SPEED_UNIT, ACCELERATION_UNIT = 10.0, 2.0
"""Speed [m/s] and acceleration [m/s²] that become 1."""


class Intention(NamedTuple):
    """What a planner wants.

    Args:
        route: points (x, y) at ROUTE_DISTANCES on the route, in the vehicle frame, [b, 10, 2] [m].
        acceleration: [b] [m/s²].
    """

    route: Tensor
    acceleration: Tensor


class PixelNetwork(nn.Module):
    """A convolutional network with one output layer a RouteCommand (conditional imitation, Codevilla et al. 2018).

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
        self.heads = nn.Linear(HIDDEN_WIDTH + 1, len(RouteCommand) * (2 * len(ROUTE_DISTANCES) + 1))

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
        x = rearrange(pictures, "b k h w c -> b (k c) h w").to(memory_format=torch.channels_last)
        x = x.to(self.stem.weight.dtype) / 127.5 - 1
        x = F.relu(self.stem(x))
        x = F.relu(self.down8(x))
        x = x + F.relu(self.mix8(x))
        x = F.relu(self.down16(x))
        x = x + F.relu(self.mix16(x))

        pace = speed[:, None] / SPEED_UNIT
        cells = F.relu(self.cells(x)).flatten(1)
        hidden = F.relu(self.hidden(torch.cat([cells, pace], dim=-1)))
        answers = self.heads(torch.cat([hidden, pace], dim=-1)).float()
        answers = rearrange(answers, "b (commands n) -> b commands n", commands=len(RouteCommand))
        chosen = answers[torch.arange(len(command), device=command.device), command]
        points = rearrange(chosen[:, :-1], "b (r xy) -> b r xy", xy=2)
        return Intention(self.route_origin + self.route_unit * points, ACCELERATION_UNIT * chosen[:, -1])
