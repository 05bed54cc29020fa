"""Rolling latents out: prefill the KV cache from a context, then advance frame by frame at constant cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from worldsim.diffusion.predictions import Kind, Prediction
from worldsim.diffusion.samplers import sample_euler
from worldsim.diffusion.sampling_times import uniform_times
from worldsim.dynamics.denoiser import Denoiser, DenoiserInputs, shift_previous
from worldsim.dynamics.flow import FLOW
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.dynamics.trust import LATENT_SIGNALS
from worldsim.networks.dit import Conditions
from worldsim.networks.layers import KeyValue

NUM_KEPT = 3
"""Latents the state keeps: the decoder sees so many at most, the denoiser stacks fewer."""


class LatentState(NamedTuple):
    """What the next latent depends on.

    latents: the newest, newest first, [b, NUM_KEPT, c, h, w].
    cache: for each block that attends over frames, the keys and values of the last `window` ones; float16 in a drive.
    frames: number of each slot's newest frame, [b].
    signals: LATENT_SIGNALS of the newest latent, the last one where it is asked for, [b, k]; 0 for a recorded one.
    """

    latents: Tensor
    cache: tuple[KeyValue, ...]
    frames: tuple[int, ...]
    signals: Tensor

    def take(self, slots: Sequence[int]) -> LatentState:
        """The given slots, in that order, in memory of their own; a slot may be taken many times."""
        index = torch.as_tensor(list(slots), dtype=torch.long, device=self.latents.device)
        cache = tuple(KeyValue(kv.keys[index], kv.values[index]) for kv in self.cache)
        return LatentState(
            self.latents[index],
            cache,
            tuple(self.frames[i] for i in slots),
            self.signals[index],
        )

    @staticmethod
    def concat(states: Sequence[LatentState]) -> LatentState:
        """The slots of all the states, in that order; their caches must be equally long."""
        cache = tuple(
            KeyValue(torch.cat([kv.keys for kv in blocks]), torch.cat([kv.values for kv in blocks]))
            for blocks in zip(*(state.cache for state in states), strict=True)
        )
        return LatentState(
            torch.cat([state.latents for state in states]),
            cache,
            tuple(f for state in states for f in state.frames),
            torch.cat([state.signals for state in states]),
        )


class SamplingPass(NamedTuple):
    """What the network was given: a noisy latent [b, 1, c, h, w] at a flow time."""

    noisy: Tensor
    tau: float


class FrameContext(NamedTuple):
    """What all passes over one new frame have in common: the arguments of `Denoiser.forward` but for the latent and its
    flow time."""

    previous: Tensor
    conditions: Conditions
    times: Tensor
    past: tuple[KeyValue, ...]
    inputs: DenoiserInputs


class LatentSample(NamedTuple):
    """A latent as sampled, before `Denoiser.constrain`.

    data: [b, 1, c, h, w]. estimates: of the data, one a sampling pass. last_pass: what the last of these was given.
    cache: with the frame's keys and values of that pass. other_estimate: the first estimate from another noise, None
    where nobody asked for it.
    """

    data: Tensor
    estimates: list[Tensor]
    last_pass: SamplingPass
    cache: tuple[KeyValue, ...]
    other_estimate: Tensor | None


class LatentRollout(NamedTuple):
    """A clip of which the first latents are context and the others were generated one by one.

    latents: [b, t, c, h, w]. noisy: what the last sampling pass of each frame was given, context as it is,
    [b, t, c, h, w]. tau: its flow time, 1 for context, [b, t].
    """

    latents: Tensor
    noisy: Tensor
    tau: Tensor


def select_frames(conditions: Conditions, frames: slice) -> Conditions:
    """The conditions of some of the frames."""
    return Conditions(*(value[:, frames] for value in conditions))


def select_retrieved(retrieved: RetrievedFrames | None, frames: slice) -> RetrievedFrames | None:
    """What is retrieved for some of the frames."""
    return None if retrieved is None else RetrievedFrames(*(value[:, frames] for value in retrieved))


def prefill(
    denoiser: Denoiser,
    latents: Float[Tensor, "b t c h w"],
    conditions: Conditions,
    retrieved: RetrievedFrames | None = None,
    window: int | None = None,
) -> LatentState:
    """The state after clean `latents`; one parallel pass.

    Args:
        retrieved: what is retrieved for these frames; None for nothing.
        window: past frames a frame attends to, if not those of the network's config.

    Raises:
        ValueError: the network is not causal.
    """
    if not denoiser.dit.config.causal:
        raise ValueError("a network with causal=False sees the future: it cannot be rolled out frame by frame")
    config = denoiser.dit.config
    b, t = latents.shape[:2]
    previous = shift_previous(latents, config.num_previous)
    times = torch.arange(t, device=latents.device)

    inputs = denoiser.prepare_inputs(previous, conditions, retrieved)
    clean = torch.ones((b, t), device=latents.device)
    out = denoiser(latents, clean, previous, conditions, times, inputs=inputs, tokens_only=True, window=window)

    return LatentState(
        latents=torch.cat([latents[:, -1:], shift_previous(latents, NUM_KEPT - 1)[:, -1]], dim=1),
        cache=_newest(denoiser, out.cache, window),
        frames=(t - 1,) * b,
        signals=latents.new_zeros(b, len(LATENT_SIGNALS) - 1),
    )


def advance(
    denoiser: Denoiser,
    state: LatentState,
    conditions: Conditions,
    noise: Float[Tensor, "b 1 c h w"],
    num_steps: int,
    passes: list[SamplingPass] | None = None,
    retrieved: RetrievedFrames | None = None,
    other_noise: Float[Tensor, "b 1 c h w"] | None = None,
    window: int | None = None,
) -> LatentState:
    """One frame on: sample the latent; the cache gets its keys and values from the last sampling pass, or from a pass
    of the clean latent after it (`clean_cache`).

    Args:
        conditions: of the new frame, t = 1.
        passes: gets the frame's last sampling pass.
        retrieved: what is retrieved for the frame; None for nothing.
        other_noise: asks for one pass and one signal more, `seed_disagreement`.
        window: past frames the next one attends to, if not those of the network's config; at most as many as the state
            was made with.
    """
    config = denoiser.dit.config
    frames = tuple(frame + 1 for frame in state.frames)
    times = torch.tensor(frames, device=noise.device)[:, None]
    previous = state.latents[:, None, : config.num_previous]
    inputs = denoiser.prepare_inputs(previous, conditions, retrieved)
    num_tokens = denoiser.dit.grid[0] * denoiser.dit.grid[1]
    past = tuple(kv.with_room(num_tokens) for kv in state.cache)
    context = FrameContext(previous, conditions, times, past, inputs)

    sample = _sample(denoiser, context, noise, num_steps, other_noise, window)
    if passes is not None:
        passes.append(sample.last_pass)
    latent = denoiser.constrain(sample.data, inputs)

    cache = sample.cache
    if config.clean_cache:  # later frames then attend to what was kept, not to what was still noisy
        clean = torch.ones(times.shape, device=noise.device)
        cache = denoiser(latent, clean, *context, tokens_only=True, window=window).cache
    return state._replace(
        latents=torch.cat([latent, state.latents[:, : NUM_KEPT - 1]], dim=1),
        cache=_newest(denoiser, cache, window),
        frames=frames,
        signals=_measure_signals(context, sample),
    )


def _sample(
    denoiser: Denoiser,
    context: FrameContext,
    noise: Float[Tensor, "b 1 c h w"],
    num_steps: int,
    other_noise: Float[Tensor, "b 1 c h w"] | None,
    window: int | None,
) -> LatentSample:
    """A latent from `noise`, and its first estimate from `other_noise`."""
    estimates: list[Tensor] = []
    passes: list[SamplingPass] = []
    cache = context.past

    def denoise(x: Tensor, tau: float) -> Prediction:
        nonlocal cache
        out = denoiser(x, torch.full((len(x), 1), tau, device=x.device), *context, window=window)
        cache = out.cache
        estimates.append(out.data)
        passes.append(SamplingPass(x, tau))
        return Prediction(Kind.DATA, out.data)

    # the other noise goes first: what its pass writes into the cache's room, sampling overwrites
    other_estimate = None if other_noise is None else denoise(other_noise, 0.0).value
    estimates.clear()
    data = sample_euler(FLOW, denoise, noise, uniform_times(FLOW, num_steps))
    return LatentSample(data, estimates, passes[-1], cache, other_estimate)


def _measure_signals(context: FrameContext, sample: LatentSample) -> Float[Tensor, "b k"]:
    """LATENT_SIGNALS of a sample, the last one where it was asked for."""
    first, last, inputs = sample.estimates[0], sample.estimates[-1], context.inputs
    flow_instability = _rms(last - first, inputs.std)
    if len(sample.estimates) == 1:
        flow_instability = torch.full_like(flow_instability, torch.nan)
    surprise = _rms(sample.data, inputs.std)
    signals = [flow_instability, surprise]
    if sample.other_estimate is not None:
        signals.append(_rms(sample.other_estimate - first, inputs.std))
    return torch.stack(signals, dim=-1)


def _rms(difference: Float[Tensor, "b t c h w"], unit: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b"]:
    return (difference / unit).square().mean((1, 2, 3, 4)).sqrt()


def _newest(denoiser: Denoiser, cache: tuple[KeyValue, ...], window: int | None) -> tuple[KeyValue, ...]:
    """The cache cut to the window, None for that of the network's config."""
    keep = (denoiser.dit.config.window if window is None else window) * denoiser.dit.grid[0] * denoiser.dit.grid[1]
    return tuple(kv.newest(keep) for kv in cache)


def roll_out(
    denoiser: Denoiser,
    context: Float[Tensor, "b k c h w"],
    conditions: Conditions,
    noise: Float[Tensor, "b t c h w"],
    num_steps: int,
    retrieved: RetrievedFrames | None = None,
) -> LatentRollout:
    """Go on from `context` to a clip of t frames.

    Args:
        conditions: of all t frames.
        noise: of all t frames; that of the context is not used.
        retrieved: what is retrieved for all t frames; None for nothing.
    """
    k, t = context.shape[1], noise.shape[1]
    state = prefill(denoiser, context, select_frames(conditions, slice(0, k)), select_retrieved(retrieved, slice(0, k)))
    clip: list[Tensor] = [context]
    passes: list[SamplingPass] = []
    for frame in range(k, t):
        now = slice(frame, frame + 1)
        now_conditions, now_retrieved = select_frames(conditions, now), select_retrieved(retrieved, now)
        state = advance(denoiser, state, now_conditions, noise[:, now], num_steps, passes, now_retrieved)
        clip.append(state.latents[:, :1])
    tau = torch.tensor([1.0] * k + [p.tau for p in passes], device=noise.device).expand(len(noise), t)
    return LatentRollout(torch.cat(clip, dim=1), torch.cat([context, *(p.noisy for p in passes)], dim=1), tau)
