"""PlanTNetwork: object and route tokens to waypoints, and to where the objects will be (Renz et al. 2022)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from policies.plant.tokens import (
    LIGHT_NAMES,
    NUM_OBJECTS,
    STATE_NAMES,
    STATE_UNITS,
    TOKEN_NAMES,
    TokenKind,
    Tokens,
)
from worldsim.datatypes.scene import EgoColumn

WIDTH, NUM_BLOCKS, NUM_HEADS = 64, 2, 4
"""Of the transformer: channels of a token, blocks, and heads of attention."""
WAYPOINT_TIMES = (0.5, 1.0, 1.5, 2.0)
"""When the ego is to be at its waypoints [s]."""
WAYPOINT_UNIT = 10.0
"""Of positions in the decoder [m]."""
POSITION_BITS, YAW_BITS, SPEED_BITS = 7, 5, 4
"""How finely an object's next place, yaw and speed are told: in 2**bits classes."""
FORECAST_CLASSES = (2**POSITION_BITS, 2**POSITION_BITS, 2**YAW_BITS, 2**SPEED_BITS)
"""Classes of x, y, yaw and speed."""


class TokenTensors(NamedTuple):
    """The fields of Tokens as tensors on a device."""

    boxes: Tensor
    kinds: Tensor
    state: Tensor
    state_valid: Tensor
    target: Tensor
    target_valid: Tensor
    light: Tensor

    @staticmethod
    def of(tokens: Tokens, device: torch.device | None = None) -> TokenTensors:
        """Tokens on `device`."""
        return TokenTensors(**{name: torch.from_numpy(value).to(device) for name, value in tokens.arrays().items()})


class Plan(NamedTuple):
    """What PlanT answers.

    Args:
        waypoints: of the ego's centre at WAYPOINT_TIMES, in the vehicle frame of now, [b, 4, 2] [m].
        forecast: logits of x, y, yaw and speed of each object at the first of WAYPOINT_TIMES, in FORECAST_CLASSES,
            [b, NUM_OBJECTS, classes] each; not driven by, but learned along, so that tokens tell how others move.
    """

    waypoints: Tensor
    forecast: tuple[Tensor, ...]


class Block(nn.Module):
    """Self-attention among the tokens that there are, and a layer for each (pre-norm)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.key_query_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.attention_out = nn.Linear(WIDTH, WIDTH)
        self.mlp_norm = nn.LayerNorm(WIDTH)
        self.hidden = nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Tokens [b, n, WIDTH] after the block; those that are not `present`, bool [b, n], are attended to by none."""
        qkv = rearrange(self.key_query_value(self.attention_norm(x)), "b n (s h d) -> s b h n d", s=3, h=NUM_HEADS)
        mixed = F.scaled_dot_product_attention(*qkv, attn_mask=present[:, None, None])
        x = x + self.attention_out(rearrange(mixed, "b h n d -> b n (h d)"))
        return x + self.out(F.gelu(self.hidden(self.mlp_norm(x))))


class PlanTNetwork(nn.Module):
    """A transformer encoder with one token of the ego, whose output a GRU decodes into waypoints.

    A waypoint is the last one, moved on at the ego's speed as far as that is known, plus a step that the GRU chooses,
    which sees the last one and the target point. State, light and target enter the GRU's first state too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(TokenKind), WIDTH)
        self.box_in = nn.Linear(len(TOKEN_NAMES), WIDTH)
        self.box_out = nn.Linear(WIDTH, WIDTH)
        self.state_in = nn.Linear(2 * len(STATE_NAMES), 2 * WIDTH)
        self.state_out = nn.Linear(2 * WIDTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(NUM_BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)

        told = 2 * len(STATE_NAMES) + len(LIGHT_NAMES) + 3  # the target point, and whether there is one
        self.begin_in = nn.Linear(WIDTH + told, 2 * WIDTH)
        self.begin_hidden = nn.Linear(2 * WIDTH, 2 * WIDTH)
        self.begin_out = nn.Linear(2 * WIDTH, WIDTH)
        self.decoder = nn.GRUCell(2 + 3, WIDTH)
        self.step = nn.Linear(WIDTH, 2)
        self.forecast = nn.Linear(WIDTH, sum(FORECAST_CLASSES))

    def forward(self, tokens: TokenTensors) -> Plan:
        """The plan for each of the scenes [b]."""
        encoded = self.encode(tokens)
        forecast = self.forecast(encoded[:, 1 : 1 + NUM_OBJECTS])
        return Plan(
            waypoints=self.decode(encoded[:, 0], tokens), forecast=forecast.split(list(FORECAST_CLASSES), dim=-1)
        )

    def encode(self, tokens: TokenTensors) -> Tensor:
        """The ego's token, then the others, after the transformer, [b, 1 + NUM_TOKENS, WIDTH]."""
        boxes = self.box_out(F.gelu(self.box_in(tokens.boxes) + self.kind(tokens.kinds)))
        ego = self.state_out(F.gelu(self.state_in(_with_mask(tokens.state, tokens.state_valid))))

        x = torch.cat([ego[:, None], boxes], dim=1)
        there = tokens.kinds != TokenKind.EMPTY
        present = torch.cat([torch.ones_like(there[:, :1]), there], dim=1)
        for block in self.blocks:
            x = block(x, present)
        return self.norm(x)

    def decode(self, ego: Tensor, tokens: TokenTensors) -> Tensor:
        """Waypoints [b, 4, 2] [m] of the ego's encoded token [b, WIDTH]."""
        target = _with_mask(tokens.target, tokens.target_valid[:, None])
        told = torch.cat([ego, _with_mask(tokens.state, tokens.state_valid), tokens.light, target], dim=-1)
        state = self.begin_out(F.gelu(self.begin_hidden(F.gelu(self.begin_in(told)))))

        coast = tokens.state[:, EgoColumn.SPEED] * float(STATE_UNITS[EgoColumn.SPEED]) / WAYPOINT_UNIT  # [1/s]
        coast = torch.stack([coast, torch.zeros_like(coast)], dim=-1)
        point, before, points = torch.zeros_like(tokens.target), 0.0, []
        for time in WAYPOINT_TIMES:
            state = self.decoder(torch.cat([point, target], dim=-1), state)
            point = point + (time - before) * coast + self.step(state)
            points.append(point)
            before = time
        return WAYPOINT_UNIT * torch.stack(points, dim=1).float()


def _with_mask(values: Tensor, valid: Tensor) -> Tensor:
    """Values [b, k] and their masks as numbers."""
    return torch.cat([values, valid.to(values.dtype)], dim=-1)
