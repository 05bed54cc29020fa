"""Denoiser: the network and the path put together; estimates a clean latent from a noisy one and its past."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.actor_map import ActorMap
from worldsim.conditioning.route_map import RouteMap
from worldsim.conditioning.style import keep_style
from worldsim.conditioning.warp import MotionWarp
from worldsim.configs import WorldModelConfig
from worldsim.dynamics.flow import posterior
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.networks.dit import CausalDiT, Conditions
from worldsim.networks.layers import KeyValue, MemoryTokens

MOVING_SPEED = 2.0
"""From this speed of the ego on, all of the picture may change [m/s]."""
TURN_ARM = 5.0
"""A turn by an angle counts as moving by this arm times the angle [m]."""
LEAST_CHANGE = 0.05
"""Share of the estimated change that is made where nothing moves: what stands still stays, or small errors would add up
while the ego waits."""


class Denoised(NamedTuple):
    """Estimate of the data, the posterior it is made from, the network's standardised output, tokens and cache."""

    data: Tensor
    mean: Tensor
    std: Tensor
    rest: Tensor
    tokens: Tensor
    cache: tuple[KeyValue, ...]


class DenoiserInputs(NamedTuple):
    """What is known of frames before they are sampled.

    prior: the previous latent moved as ego and actors moved, [b, t, c, h, w]. drawn: the route and the actors in the
    picture, and the nearest of the retrieved frames, [b, t, r, h, w], r may be 0. coverage: share of a cell that actors
    cover, [b, t, h, w]. change: how far the next latent may leave its prior, 1 where something moves and LEAST_CHANGE
    where nothing does, [b, t, h, w]. memory: tokens of all retrieved frames and of sinks, None without both.
    """

    prior: Tensor
    drawn: Tensor
    coverage: Tensor
    change: Tensor
    memory: MemoryTokens | None = None


def shift_previous(latents: Float[Tensor, "b t c h w"], num_previous: int) -> Float[Tensor, "b t k c h w"]:
    """For each frame of a clip the `num_previous` latents before it, newest first; the first stands in for older."""
    first = latents[:, :1]
    padded = torch.cat([first] * num_previous + [latents], dim=1)
    t = latents.shape[1]
    return torch.stack([padded[:, num_previous - k : num_previous - k + t] for k in range(1, num_previous + 1)], dim=2)


class Denoiser(nn.Module):
    """CausalDiT with its prior: the previous latent, moved as ego and actors moved.

    `step_std`, how far the next latent is from it, and `style_limit`, how far the style of a frame is from that of
    another of the same drive (`style_distance`), are measured by training.
    """

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        self.dit = CausalDiT(config.dit, config.vae.latent_channels, config.latent_size)
        self.warp = MotionWarp(config.camera, config.frame_size) if config.dit.motion_warp else None
        self.route_map = RouteMap(config.camera, config.frame_size) if config.dit.use_route else None
        self.actor_map = ActorMap(config.camera, config.frame_size, config.dt) if config.dit.use_actors else None
        self.dt = config.dt
        self.step_std: Tensor
        self.style_limit: Tensor
        self.register_buffer("style_limit", torch.full((4 * config.vae.latent_channels,), torch.inf))
        self.register_buffer("step_std", torch.full((config.vae.latent_channels,), 0.5))

    def prepare_inputs(
        self, previous: Float[Tensor, "b t k c h w"], conditions: Conditions, retrieved: RetrievedFrames | None = None
    ) -> DenoiserInputs:
        """What is known of frames before they are sampled.

        Args:
            previous: latents before each frame, newest first.
            conditions: of the frames.
            retrieved: what is retrieved for them, and their sinks; None for nothing.
        """
        newest = previous[:, :, 0]
        b, t = newest.shape[:2]
        maps = [newest.new_empty(b * t, 0, *newest.shape[3:])]
        if self.route_map is not None:
            maps.append(self.route_map(conditions.routes.flatten(0, 1), conditions.routes_valid.flatten(0, 1)))
        actors = None
        if self.actor_map is not None:
            actors = self.actor_map(conditions.actors.flatten(0, 1), conditions.actor_kinds.flatten(0, 1))
            maps.append(actors.channels)

        # what moves by itself is resampled from where it was, all else by the ego's motion
        prior = newest
        if self.warp is not None:
            motions = conditions.motions * conditions.known[..., None]
            sources = (None, None) if actors is None else (actors.coverage, actors.sources)
            prior = self.warp(newest, motions, *sources)

        memory, config = None, self.dit.config
        if config.num_retrieved or config.num_sinks:
            if retrieved is None:
                retrieved = RetrievedFrames.empty(newest, config.num_retrieved + config.num_sinks)
            warped = self._warp_retrieved(retrieved)
            memory = self.dit.memory_tokens(warped, retrieved.motions)
            if config.num_retrieved:
                maps.append(warped[:, :, 0].flatten(0, 1))

        coverage = prior.new_zeros(b * t, *prior.shape[3:]) if actors is None else actors.coverage
        return DenoiserInputs(
            prior=prior,
            drawn=rearrange(torch.cat(maps, dim=1), "(b t) c h w -> b t c h w", b=b),
            coverage=rearrange(coverage, "(b t) h w -> b t h w", b=b),
            change=self._change(conditions, None if actors is None else actors.moving, prior),
            memory=memory,
        )

    def _warp_retrieved(self, retrieved: RetrievedFrames) -> Float[Tensor, "b t k c1 h w"]:
        """Retrieved latents warped to the present view, and the sinks as they are; the last channel is 1 where they are
        known."""
        b, t = retrieved.valid.shape[:2]
        num = self.dit.config.num_retrieved
        latents = F.pad(retrieved.latents[:, :, num:], (0, 0, 0, 0, 0, 1), value=1.0)
        if num:
            assert self.warp is not None
            old, motions = (value[:, :, :num].flatten(0, 2) for value in (retrieved.latents, retrieved.motions))
            warped = torch.cat(self.warp.from_afar(old, motions), dim=1)
            latents = torch.cat([rearrange(warped, "(b t k) c h w -> b t k c h w", b=b, t=t), latents], dim=2)
        return latents * retrieved.valid[..., None, None, None]

    def _change(self, conditions: Conditions, moving: Tensor | None, prior: Tensor) -> Tensor:
        if moving is None:
            return prior.new_ones(*prior.shape[:2], *prior.shape[3:])
        travelled = conditions.motions[..., :2].norm(dim=-1) + TURN_ARM * conditions.motions[..., 2].abs()
        rate = torch.where(conditions.known, travelled / self.dt / MOVING_SPEED, 1.0).clamp(LEAST_CHANGE, 1.0)
        near = F.max_pool2d(moving[:, None], 3, stride=1, padding=1)[:, 0].unflatten(0, prior.shape[:2])
        return torch.maximum(rate[..., None, None], near)

    def constrain(
        self, data: Float[Tensor, "b t c h w"], inputs: DenoiserInputs, conditions: Conditions
    ) -> Float[Tensor, "b t c h w"]:
        """The latents that sampled data become: near the prior where nothing moves, in the drive's style, within
        limits."""
        latents = inputs.prior + inputs.change[:, :, None] * (data - inputs.prior)
        if self.dit.config.use_style:
            latents = keep_style(latents, conditions.style, self.style_limit)
        return latents.clamp(-self.dit.config.latent_limit, self.dit.config.latent_limit)

    def stack(
        self, noisy: Float[Tensor, "b t c h w"], previous: Float[Tensor, "b t k c h w"], inputs: DenoiserInputs
    ) -> Float[Tensor, "b t sc h w"]:
        """What the network sees of each frame, on channels."""
        parts = [noisy, rearrange(previous, "b t k c h w -> b t (k c) h w")]
        if self.warp is not None:
            parts.append(inputs.prior)
        parts.append(inputs.drawn)
        return torch.cat(parts, dim=2)

    def forward(
        self,
        noisy: Float[Tensor, "b t c h w"],
        tau: Float[Tensor, "b t"],
        previous: Float[Tensor, "b t k c h w"],
        conditions: Conditions,
        times: Int[Tensor, "*slots t"],
        past: tuple[KeyValue, ...] | None = None,
        inputs: DenoiserInputs | None = None,
        tokens_only: bool = False,
    ) -> Denoised:
        """Estimate the data of `noisy` frames at flow times `tau`.

        Args:
            previous: latents before each frame, newest first.
            inputs: from `prepare_inputs`, if at hand already.
            tokens_only: for the clean pass that fills the cache; `data` is then `noisy`.
        """
        if inputs is None:
            inputs = self.prepare_inputs(previous, conditions)
        stacked = self.stack(noisy, previous, inputs)
        out = self.dit(stacked, tau, conditions, times, past, tokens_only, inputs.memory)
        mean, std = posterior(noisy, tau, inputs.prior, self.step_std[:, None, None])
        data = noisy if tokens_only else mean + std * out.rest
        return Denoised(data, mean, std, out.rest, out.tokens, out.cache)
