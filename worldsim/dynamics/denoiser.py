"""Denoiser: the network and the path put together; estimates a clean latent from a noisy one and its past.

A latent tells what is new in a picture, so its prior is 0, and it is the smaller the more of a cell was seen before.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.latent_conditions import ConditionChannel
from worldsim.configs import WorldModelConfig
from worldsim.dynamics.flow import posterior
from worldsim.dynamics.memory import RetrievedFrames, fetch_latents
from worldsim.networks.dit import CausalDiT, Conditions
from worldsim.networks.layers import KeyValue

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

    fetched: the previous latent, where its surfaces are now, [b, t, c, h, w]. std: how large the next latent is, larger
    where less of a cell was visible, [b, t, c, h, w]. known: what is in the picture, and the retrieved latent,
    [b, t, r, h, w]. coverage: share of a cell that road users cover, [b, t, h, w]. change: which share of the next
    latent counts, 1 where something moves or comes into view and LEAST_CHANGE where nothing does, [b, t, h, w].
    """

    fetched: Tensor
    std: Tensor
    known: Tensor
    coverage: Tensor
    change: Tensor


def shift_previous(latents: Float[Tensor, "b t c h w"], num_previous: int) -> Float[Tensor, "b t k c h w"]:
    """For each frame of a clip the `num_previous` latents before it, newest first; the first stands in for older."""
    first = latents[:, :1]
    padded = torch.cat([first] * num_previous + [latents], dim=1)
    t = latents.shape[1]
    return torch.stack([padded[:, num_previous - k : num_previous - k + t] for k in range(1, num_previous + 1)], dim=2)


class Denoiser(nn.Module):
    """CausalDiT with its prior, that nothing is new.

    How large latents are is measured by training, per channel: `step_std` where what is seen was seen
    before, `unseen_std` where it was not.
    """

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        channels = config.vae.latent_channels
        self.dit = CausalDiT(config.dit, channels, config.latent_size, config.vae.style_width)
        self.dt = config.dt
        self.step_std: Tensor
        self.unseen_std: Tensor
        self.register_buffer("step_std", torch.full((channels,), 0.5))
        self.register_buffer("unseen_std", torch.full((channels,), 1.0))

    def prepare_inputs(
        self, previous: Float[Tensor, "b t k c h w"], conditions: Conditions, retrieved: RetrievedFrames | None = None
    ) -> DenoiserInputs:
        """What is known of frames before they are sampled.

        Args:
            previous: latents before each frame, newest first.
            conditions: of the frames.
            retrieved: what is retrieved for them; None for nothing.
        """
        newest = previous[:, :, 0]
        fetched = fetch_latents(newest, conditions.grid)
        known = [conditions.surfaces]
        if self.dit.config.use_memory:
            if retrieved is None:
                retrieved = RetrievedFrames.empty(newest)
            seen = retrieved.visible[:, :, None].to(newest)
            known += [seen * fetch_latents(retrieved.latents, retrieved.grid), seen]

        users = slice(ConditionChannel.USERS, ConditionChannel.PAINT)
        return DenoiserInputs(
            fetched=fetched,
            std=self.prior_std(conditions.visible),
            known=torch.cat(known, dim=2),
            coverage=conditions.surfaces[:, :, users].mean(2),
            change=self._change(conditions),
        )

    def prior_std(self, visible: Float[Tensor, "b t h w"]) -> Float[Tensor, "b t c h w"]:
        """How large the next latent is: the variances of what was seen before and of what was not, in their shares."""
        share = visible[:, :, None]
        seen, unseen = (std[:, None, None].square() for std in (self.step_std, self.unseen_std))
        return torch.lerp(unseen, seen, share).sqrt()

    def _change(self, conditions: Conditions) -> Float[Tensor, "b t h w"]:
        travelled = conditions.motions[..., :2].norm(dim=-1) + TURN_ARM * conditions.motions[..., 2].abs()
        rate = torch.where(conditions.known, travelled / self.dt / MOVING_SPEED, 1.0).clamp(LEAST_CHANGE, 1.0)

        # road users that move and the cells beside them; lamps, which change where nothing moves
        surfaces = conditions.surfaces
        moving = F.max_pool2d(surfaces[:, :, ConditionChannel.MOVING], 3, stride=1, padding=1)
        lamps = surfaces[:, :, ConditionChannel.SIGNAL : ConditionChannel.HEADING].amax(2)

        unseen = 1 - conditions.visible
        return torch.stack([rate[..., None, None].expand_as(moving), moving, lamps, unseen]).amax(0)

    def constrain(self, data: Float[Tensor, "b t c h w"], inputs: DenoiserInputs) -> Float[Tensor, "b t c h w"]:
        """The latents that sampled data become: nearly nothing where nothing moves, within limits."""
        latents = inputs.change[:, :, None] * data
        return latents.clamp(-self.dit.config.latent_limit, self.dit.config.latent_limit)

    def stack(
        self, noisy: Float[Tensor, "b t c h w"], previous: Float[Tensor, "b t k c h w"], inputs: DenoiserInputs
    ) -> Float[Tensor, "b t sc h w"]:
        """What the network sees of each frame, on channels."""
        before = rearrange(previous, "b t k c h w -> b t (k c) h w")
        return torch.cat([noisy, before, inputs.fetched, inputs.known], dim=2)

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
        window: int | None = None,
    ) -> Denoised:
        """Estimate the data of `noisy` frames at flow times `tau`.

        Args:
            previous: latents before each frame, newest first.
            inputs: from `prepare_inputs`, if at hand already.
            tokens_only: for the clean pass that fills the cache; `data` is then `noisy`.
            window: past frames a frame attends to, if not those of the network's config.
        """
        if inputs is None:
            inputs = self.prepare_inputs(previous, conditions)
        stacked = self.stack(noisy, previous, inputs)
        out = self.dit(stacked, tau, conditions, times, past, tokens_only, window)
        mean, std = posterior(noisy, tau, inputs.std)
        data = noisy if tokens_only else mean + std * out.rest
        return Denoised(data, mean, std, out.rest, out.tokens, out.cache)
