"""CausalDiT: a causal diffusion transformer over frames inside a convolutional stem and head."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from worldsim.conditioning.latent_conditions import NUM_CONDITION_CHANNELS
from worldsim.configs import DiTConfig
from worldsim.datatypes.scene import UNKNOWN_COMMAND
from worldsim.networks.layers import ConvBlock, DiTBlock, KeyValue
from worldsim.networks.rope import Axis, axial_angles, rotation_of

MOTION_SCALE = (1.0, 0.1, 0.05, 10.0, 3.0, 0.3)
"""Divides MOTION_NAMES to about unit size."""


class Conditions(NamedTuple):
    """What each frame is conditioned on besides the past.

    controls: CONTROL_NAMES of the control that led to the frame, [b, t, 4].
    motions: MOTION_NAMES of the step that led to it, [b, t, 6].
    commands: RouteCommand or UNKNOWN_COMMAND, [b, t].
    known: False where control and motion are not known (a clip's first frame), [b, t].
    surfaces: what is in the picture, by ConditionChannel, [b, t, NUM_CONDITION_CHANNELS, h, w].
    grid: where in the frame before what is seen was, for grid_sample(align_corners=False), [b, t, h, w, 2].
    visible: share of a cell that was seen there, [b, t, h, w].
    style: light and weather of the drive, as VAE3D reads them from its start; 0 where they are withheld, [b, t, d].
    """

    controls: Tensor
    motions: Tensor
    commands: Tensor
    known: Tensor
    surfaces: Tensor
    grid: Tensor
    visible: Tensor
    style: Tensor


class DiTOutput(NamedTuple):
    """rest: standardised estimate [b, t, c, h, w]; tokens [b, t, n, d]; cache: of `past` and these, for each block that
    attends over frames; empty if the network is not causal."""

    rest: Tensor
    tokens: Tensor
    cache: tuple[KeyValue, ...]


def block_axes(attention: Literal["joint", "space", "factorised"], depth: int) -> tuple[Axis, ...]:
    """What each of the blocks attends over; factorised ones take turns."""
    return ("space", "time") * (depth // 2) if attention == "factorised" else (attention,) * depth


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

    def __init__(self, config: DiTConfig, latent_channels: int, latent_size: tuple[int, int], style_width: int) -> None:
        super().__init__()
        self.config = config
        self.latent_channels, self.latent_size = latent_channels, latent_size
        self.grid = (latent_size[0] // 2, latent_size[1] // 2)
        d, w = config.width, config.conv_width
        num_stacked = (2 + config.num_previous) * latent_channels + NUM_CONDITION_CHANNELS
        if config.use_memory:
            num_stacked += latent_channels + 1

        self.time_embedding = nn.Sequential(nn.Linear(64, d), nn.SiLU(), nn.Linear(d, d))
        self.motion_embedding = nn.Sequential(nn.Linear(11, d), nn.SiLU(), nn.Linear(d, d))
        self.command_embedding = nn.Embedding(UNKNOWN_COMMAND + 1, d)
        self.style_embedding = nn.Linear(style_width, d) if config.use_style else None

        self.stem_in = nn.Conv2d(num_stacked, w, 3, padding=1)
        self.stem = nn.ModuleList([ConvBlock(w, d) for _ in range(config.num_conv_blocks)])
        self.down = nn.Conv2d(w, d, 2, stride=2)
        self.recompute = False

        self.axes = block_axes(config.attention, config.depth)
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
        window: int | None = None,
    ) -> DiTOutput:
        """One pass over `t` frames.

        Args:
            stacked: the noisy latent, the previous ones newest first, the newest where its surfaces are now, what is in
                the picture and the retrieved latent, on channels.
            tau: flow time of each frame; 1 is clean.
            times: frame numbers, one row for all slots or one for each.
            past: keys and values of older frames with room for these at the end; none is attended to beyond the window.
            tokens_only: leave out the convolutional head; `rest` is then empty.
            window: past frames a frame attends to, if not those of the config.

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
        window = self.config.window if window is None else window
        masks = {axis: self._mask(axis, t, num_past, tokens, window) for axis in set(self.axes)}

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

    def _mask(self, axis: Axis, num_frames: int, num_past: int, tokens: Tensor, window: int) -> Tensor | None:
        """Where tokens of `num_frames` frames may attend, after `num_past` others; None: everywhere."""
        if axis == "space" or not self.config.causal or (num_frames == 1 and num_past <= window):
            return None
        num_tokens = tokens.shape[2] if axis == "joint" else 1
        return sliding_causal_mask(num_frames, num_tokens, window, num_past).to(tokens.device)
