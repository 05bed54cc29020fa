"""CausalDiT: a causal diffusion transformer over frames inside a convolutional stem and head."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from worldsim.conditioning.actor_map import NUM_ACTOR_CHANNELS
from worldsim.conditioning.route_map import NUM_ROUTE_CHANNELS
from worldsim.configs import DiTConfig
from worldsim.datatypes.scene import UNKNOWN_COMMAND
from worldsim.networks.layers import ConvBlock, DiTBlock, KeyValue, MemoryAttention, MemoryTokens
from worldsim.networks.rope import Axis, axial_angles, rotation_of

MOTION_SCALE = (1.0, 0.1, 0.05, 10.0, 3.0, 0.3)
"""Divides MOTION_NAMES to about unit size."""


class Conditions(NamedTuple):
    """What each frame is conditioned on besides the past.

    controls: CONTROL_NAMES of the control that led to the frame, [b, t, 4].
    motions: MOTION_NAMES of the step that led to it, [b, t, 6].
    commands: RouteCommand or UNKNOWN_COMMAND, [b, t].
    known: False where control and motion are not known (a clip's first frame), [b, t].
    routes: the route's preview from the frame's pose, vehicle frame [m], [b, t, 10, 2].
    routes_valid: 1 where a route point is known, [b, t, 10].
    actors: OBJECT_NAMES of the road users around at the frame, vehicle frame, [b, t, s, 6].
    actor_kinds: ObjectKind, EMPTY in unused slots, [b, t, s].
    style: `style_statistics` of a latent of the same drive, [b, t, 4 c].
    """

    controls: Tensor
    motions: Tensor
    commands: Tensor
    known: Tensor
    routes: Tensor
    routes_valid: Tensor
    actors: Tensor
    actor_kinds: Tensor
    style: Tensor


class DiTOutput(NamedTuple):
    """rest: standardised estimate [b, t, c, h, w]; tokens [b, t, n, d]; cache: of `past` and these, for each block that
    attends over frames; empty if the network is not causal."""

    rest: Tensor
    tokens: Tensor
    cache: tuple[KeyValue, ...]


def block_axes(config: DiTConfig) -> tuple[Axis, ...]:
    """What each of the blocks attends over."""
    if config.attention == "joint":
        return ("joint",) * config.depth
    return ("space", "time") * (config.depth // 2)


def sliding_causal_mask(num_frames: int, num_tokens: int, window: int, num_past: int = 0) -> Bool[Tensor, "tn ptn"]:
    """True where a token of the newest `num_frames` may attend: all tokens of its own frame and of the `window` frames
    before it, of which `num_past` lie before the first."""
    frame = torch.arange(num_past + num_frames).repeat_interleave(num_tokens)
    age = frame[num_past * num_tokens :, None] - frame[None, :]
    return (age >= 0) & (age <= window)


class CausalDiT(nn.Module):
    """Estimates the rest of a noisy latent from its past.

    Stem and head are convolutions at latent resolution over the noisy latent and the previous ones stacked on
    channels; between them transformer blocks at half that resolution attend over frames. Locality in the stem is
    what makes it learnable on a small budget; attention carries what is older. With `causal=False` in its config it is
    a teacher: every frame of a clip sees every other.

    Attributes:
        recompute: compute each block again in the backward pass instead of keeping what is inside it (Chen et al.
            2016): a third more work, far less memory. For training; stages set it.
    """

    def __init__(self, config: DiTConfig, latent_channels: int, latent_size: tuple[int, int]) -> None:
        super().__init__()
        self.config = config
        self.latent_channels, self.latent_size = latent_channels, latent_size
        self.grid = (latent_size[0] // 2, latent_size[1] // 2)
        d, w = config.width, config.conv_width
        num_stacked = (1 + config.num_previous + int(config.motion_warp)) * latent_channels
        if config.use_route:
            num_stacked += NUM_ROUTE_CHANNELS
        if config.use_actors:
            num_stacked += NUM_ACTOR_CHANNELS
        if config.num_retrieved:
            num_stacked += latent_channels + 1

        self.time_embedding = nn.Sequential(nn.Linear(64, d), nn.SiLU(), nn.Linear(d, d))
        self.motion_embedding = nn.Sequential(nn.Linear(11, d), nn.SiLU(), nn.Linear(d, d))
        self.command_embedding = nn.Embedding(UNKNOWN_COMMAND + 1, d)
        self.style_embedding = nn.Linear(4 * latent_channels, d) if config.use_style else None

        self.stem_in = nn.Conv2d(num_stacked, w, 3, padding=1)
        self.stem = nn.ModuleList([ConvBlock(w, d) for _ in range(config.num_conv_blocks)])
        self.down = nn.Conv2d(w, d, 2, stride=2)
        self.recompute = False

        if config.num_retrieved or config.num_sinks:
            self.memory_in = nn.Conv2d(latent_channels + 1, d, 2, stride=2)
            if config.num_retrieved:
                self.memory_place = nn.Linear(4, d)
            if config.num_sinks:
                self.sink_embedding = nn.Embedding(config.num_sinks, d)
                nn.init.normal_(self.sink_embedding.weight, std=0.02)
            self.memory_attention = MemoryAttention(d, config.num_heads)

        self.axes = block_axes(config)
        self.blocks = nn.ModuleList([DiTBlock(d, config.num_heads, config.mlp_ratio, axis) for axis in self.axes])
        self.up = nn.ConvTranspose2d(d, w, 2, stride=2)
        self.merge = nn.Conv2d(2 * w, w, 1)
        self.head = nn.ModuleList([ConvBlock(w, d) for _ in range(config.num_conv_blocks)])
        self.head_norm = nn.GroupNorm(8, w)
        self.head_out = nn.Conv2d(w, latent_channels, 3, padding=1)

        # an untrained network answers with its prior, whatever the style
        nn.init.normal_(self.command_embedding.weight, std=0.02)
        for module in (self.head_out, self.style_embedding):
            for p in module.parameters() if module is not None else ():
                nn.init.zeros_(p)

        frequencies = torch.exp(torch.linspace(0, math.log(500.0), 32))
        self.frequencies: Tensor
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.motion_scale: Tensor
        self.register_buffer("motion_scale", torch.tensor(MOTION_SCALE), persistent=False)

    def embed(self, tau: Float[Tensor, "b t"], conditions: Conditions) -> Float[Tensor, "b t d"]:
        """The condition vector of each frame."""
        phase = tau[..., None] * self.frequencies
        time = self.time_embedding(torch.cat([phase.cos(), phase.sin()], dim=-1))
        known = conditions.known[..., None].to(tau.dtype)
        moved = torch.cat([conditions.controls, conditions.motions / self.motion_scale], dim=-1) * known
        motion = self.motion_embedding(torch.cat([moved, known], dim=-1))
        command = conditions.commands
        if not self.config.use_command:
            command = torch.full_like(command, UNKNOWN_COMMAND)
        condition = time + motion + self.command_embedding(command)
        if self.style_embedding is not None:
            condition = condition + self.style_embedding(conditions.style)
        return condition

    def forward(
        self,
        stacked: Float[Tensor, "b t sc h w"],
        tau: Float[Tensor, "b t"],
        conditions: Conditions,
        times: Int[Tensor, "*slots t"],
        past: tuple[KeyValue, ...] | None = None,
        tokens_only: bool = False,
        memory: MemoryTokens | None = None,
    ) -> DiTOutput:
        """One pass over `t` frames.

        Args:
            stacked: the noisy latent, the previous ones newest first, the warped one, the route map, the actor map and
                the nearest retrieved latent, on channels.
            tau: flow time of each frame; 1 is clean.
            times: frame numbers, one row for all slots or one for each.
            past: keys and values of older frames with room for these at the end; none is attended to beyond the window.
            tokens_only: leave out the convolutional head; `rest` is then empty.
            memory: tokens of what is retrieved for each frame, and of the sinks.

        Raises:
            ValueError: a cache is given to a network that is not causal.
        """
        b, t = tau.shape
        if past is not None and not self.config.causal:
            raise ValueError("with causal=False every frame sees the later ones: there is no cache, pass whole clips")

        condition = self.embed(tau, conditions)
        flat_condition = rearrange(condition, "b t d -> (b t) d")
        x = self.stem_in(rearrange(stacked, "b t c h w -> (b t) c h w"))
        for block in self.stem:
            x = block(x, flat_condition)
        skip = x
        tokens = rearrange(self.down(x), "(b t) d h w -> b t (h w) d", b=b)

        head_width = self.config.width // self.config.num_heads
        rotations = {axis: rotation_of(axial_angles(times, self.grid, head_width, axis)) for axis in set(self.axes)}
        num_past = past[0].keys.shape[2] // tokens.shape[2] - t if past else 0
        masks = {axis: self._mask(axis, t, num_past, tokens) for axis in set(self.axes)}
        if memory is not None:
            tokens = self._attend_to(memory, tokens)

        # blocks over space look at one frame alone: they have no cache
        cache: list[KeyValue] = []
        older = iter(past or ())
        for axis, block in zip(self.axes, self.blocks, strict=True):
            kept = None if past is None or axis == "space" else next(older)
            inputs = (tokens, condition, self.grid, rotations[axis], masks[axis], kept)
            if self.recompute and torch.is_grad_enabled():
                tokens, key_values = checkpoint(block, *inputs, use_reentrant=False)
            else:
                tokens, key_values = block(*inputs)
            if self.config.causal and axis != "space":
                cache.append(key_values)
        if tokens_only:
            return DiTOutput(tokens.new_empty(0), tokens, tuple(cache))

        x = self.up(rearrange(tokens, "b t (h w) d -> (b t) d h w", h=self.grid[0]))
        x = self.merge(torch.cat([x, skip], dim=1))
        for block in self.head:
            x = block(x, flat_condition)
        rest = self.head_out(nn.functional.silu(self.head_norm(x)))
        return DiTOutput(rearrange(rest, "(b t) c h w -> b t c h w", b=b), tokens, tuple(cache))

    def memory_tokens(self, latents: Float[Tensor, "b t k c1 h w"], motions: Float[Tensor, "b t k 3"]) -> MemoryTokens:
        """Tokens of retrieved latents, warped to the present view, and of sinks; the last channel is 1 where they are
        known. The former are told apart by their poses, the latter by their numbers.

        Raises:
            ValueError: `k` is not the number of frames that the config names.
        """
        b, t, k = latents.shape[:3]
        if k != self.config.num_retrieved + self.config.num_sinks:
            raise ValueError(
                f"a network of {self.config.num_retrieved} retrieved frames and {self.config.num_sinks} sinks got {k}"
            )
        tokens = rearrange(self.memory_in(latents.flatten(0, 2)), "(b t k) d h w -> b t k (h w) d", b=b, t=t)

        marks = []
        if self.config.num_retrieved:
            dx, dy, dyaw = motions[:, :, : self.config.num_retrieved].unbind(-1)
            marks.append(self.memory_place(torch.stack([dx / 10, dy / 10, dyaw.cos(), dyaw.sin()], dim=-1)))
        if self.config.num_sinks:
            marks.append(self.sink_embedding.weight.expand(b, t, -1, -1))

        known = F.max_pool2d(latents[..., -1, :, :].flatten(0, 2)[:, None], 2).flatten(1) > 0.5
        valid = rearrange(known, "(b t k) n -> b t (k n)", b=b, t=t)
        return MemoryTokens((tokens + torch.cat(marks, dim=2)[..., None, :]).flatten(2, 3), valid)

    def _attend_to(self, memory: MemoryTokens, tokens: Float[Tensor, "b t n d"]) -> Float[Tensor, "b t n d"]:
        zero = torch.zeros(1, dtype=torch.long, device=tokens.device)
        angles = axial_angles(zero, self.grid, self.config.width // self.config.num_heads, "space")
        retrieved = angles.repeat(memory.tokens.shape[2] // tokens.shape[2], 1)
        return self.memory_attention(tokens, memory, rotation_of(angles), rotation_of(retrieved))

    def _mask(self, axis: Axis, num_frames: int, num_past: int, tokens: Tensor) -> Tensor | None:
        """Where tokens of `num_frames` frames may attend, after `num_past` others; None: everywhere."""
        window = self.config.window
        if axis == "space" or not self.config.causal or (num_frames == 1 and num_past <= window):
            return None
        num_tokens = tokens.shape[2] if axis == "joint" else 1
        return sliding_causal_mask(num_frames, num_tokens, window, num_past).to(tokens.device)
