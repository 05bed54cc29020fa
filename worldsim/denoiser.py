"""Denoiser: the network and the path put together; estimates a clean latent from a noisy one and its past."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from worldsim.actor_map import ActorMap
from worldsim.configs import WorldModelConfig
from worldsim.dit import CausalDiT, Conditions
from worldsim.flow import posterior
from worldsim.layers import KeyValue
from worldsim.route_map import RouteMap
from worldsim.warp import MotionWarp


class Denoised(NamedTuple):
    """Estimate of the data, the posterior it is made from, the network's standardised output, tokens and cache."""

    data: Tensor
    mean: Tensor
    std: Tensor
    rest: Tensor
    tokens: Tensor
    cache: tuple[KeyValue, ...]


class Given(NamedTuple):
    """What is known of frames before they are sampled.

    prior: the previous latent moved as ego and actors moved, [b, t, c, h, w]. drawn: the route and the actors in the
    picture, [b, t, r, h, w], r may be 0. coverage: share of a cell that actors cover, [b, t, h, w].
    """

    prior: Tensor
    drawn: Tensor
    coverage: Tensor


def shift_previous(latents: Float[Tensor, "b t c h w"], num_previous: int) -> Float[Tensor, "b t k c h w"]:
    """For each frame of a clip the `num_previous` latents before it, newest first; the first stands in for older."""
    first = latents[:, :1]
    padded = torch.cat([first] * num_previous + [latents], dim=1)
    t = latents.shape[1]
    return torch.stack([padded[:, num_previous - k : num_previous - k + t] for k in range(1, num_previous + 1)], dim=2)


class Denoiser(nn.Module):
    """CausalDiT with its prior: the previous latent, moved as ego and actors moved. `step_std` is measured by
    training."""

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        self.dit = CausalDiT(config.dit, config.vae.latent_channels, config.latent_size)
        self.warp = MotionWarp(config.camera, config.frame_size) if config.dit.motion_warp else None
        self.route_map = RouteMap(config.camera, config.frame_size) if config.dit.use_route else None
        self.actor_map = ActorMap(config.camera, config.frame_size, config.dt) if config.dit.use_actors else None
        self.step_std: Tensor
        self.register_buffer("step_std", torch.full((config.vae.latent_channels,), 0.5))

    def given(self, previous: Float[Tensor, "b t k c h w"], conditions: Conditions) -> Given:
        """What the next latent would be if all went on as the conditions say, and route and actors in the picture."""
        prior = previous[:, :, 0]
        b = len(prior)
        maps = []
        if self.route_map is not None:
            maps.append(self.route_map(conditions.routes.flatten(0, 1), conditions.routes_valid.flatten(0, 1)))
        coverage = sources = None
        if self.actor_map is not None:
            seen = self.actor_map(conditions.actors.flatten(0, 1), conditions.actor_kinds.flatten(0, 1))
            maps.append(seen.channels)
            coverage, sources = seen.coverage, seen.sources
        if self.warp is not None:
            prior = self.warp(prior, conditions.motions * conditions.known[..., None], coverage, sources)
        drawn = (
            torch.cat(maps, dim=1) if maps else prior.new_empty(prior.shape[0] * prior.shape[1], 0, *prior.shape[3:])
        )
        if coverage is None:
            coverage = drawn.new_zeros(len(drawn), *prior.shape[3:])
        return Given(
            prior,
            rearrange(drawn, "(b t) c h w -> b t c h w", b=b),
            rearrange(coverage, "(b t) h w -> b t h w", b=b),
        )

    def forward(
        self,
        noisy: Float[Tensor, "b t c h w"],
        tau: Float[Tensor, "b t"],
        previous: Float[Tensor, "b t k c h w"],
        conditions: Conditions,
        times: Int[Tensor, "*slots t"],
        past: tuple[KeyValue, ...] | None = None,
        given: Given | None = None,
        tokens_only: bool = False,
    ) -> Denoised:
        """Estimate the data of `noisy` frames at flow times `tau`.

        Args:
            previous: latents before each frame, newest first.
            given: from `given()`, if it is at hand already.
            tokens_only: for the clean pass that fills the cache; `data` is then `noisy`.
        """
        if given is None:
            given = self.given(previous, conditions)
        parts = [noisy, rearrange(previous, "b t k c h w -> b t (k c) h w")]
        if self.warp is not None:
            parts.append(given.prior)
        parts.append(given.drawn)
        out = self.dit(torch.cat(parts, dim=2), tau, conditions, times, past, tokens_only)
        mean, std = posterior(noisy, tau, given.prior, self.step_std[:, None, None])
        data = noisy if tokens_only else mean + std * out.rest
        return Denoised(data, mean, std, out.rest, out.tokens, out.cache)
