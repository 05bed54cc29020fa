"""Rolling latents out: prefill the KV cache from a context, then advance frame by frame at constant cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from worldsim.conditioning.style import style_distance, style_of
from worldsim.dynamics.denoiser import Denoiser, shift_previous
from worldsim.dynamics.flow import euler_sample
from worldsim.dynamics.memory import MemoryBank, RetrievedFrames, integrate
from worldsim.dynamics.trust import FREE_SIGNALS
from worldsim.networks.dit import Conditions
from worldsim.networks.layers import KeyValue

NUM_KEPT = 3
"""Latents the state keeps: the head reads three, the denoiser stacks fewer."""


class LatentState(NamedTuple):
    """What the next latent depends on.

    latents: the newest, newest first, [b, NUM_KEPT, c, h, w].
    cache: for each block that attends over frames, the keys and values of the last `window` ones.
    frames: number of each slot's newest frame, [b].
    signals: FREE_SIGNALS or FULL_SIGNALS of the newest latent, [b, k]; 0 for a recorded one.
    poses: x, y [m], yaw [rad] of the ego at the newest frame, from its pose at the first, float64 [b, 3].
    style: statistics that the drive's latents are held to, [b, 4 c].
    memory: what may be retrieved; None for a model without a memory, or where rollouts are told what they recall.
    sinks: the drive's first latents, zeros until they are there, [b, s, c, h, w]; None likewise.
    """

    latents: Tensor
    cache: tuple[KeyValue, ...]
    frames: tuple[int, ...]
    signals: Tensor
    poses: Tensor
    style: Tensor
    memory: MemoryBank | None = None
    sinks: Tensor | None = None

    def take(self, slots: Sequence[int]) -> LatentState:
        """The given slots, in that order, in memory of their own; a slot may be taken many times."""
        index = torch.as_tensor(list(slots), dtype=torch.long, device=self.latents.device)
        cache = tuple(KeyValue(kv.keys[index], kv.values[index]) for kv in self.cache)
        return LatentState(
            self.latents[index],
            cache,
            tuple(self.frames[i] for i in slots),
            self.signals[index],
            self.poses[index],
            self.style[index],
            None if self.memory is None else self.memory.take(index),
            None if self.sinks is None else self.sinks[index],
        )

    @staticmethod
    def concat(states: Sequence[LatentState]) -> LatentState:
        """The slots of all the states, in that order; their caches must be equally long."""
        banks = [state.memory for state in states if state.memory is not None]
        sinks = [state.sinks for state in states if state.sinks is not None]
        cache = tuple(
            KeyValue(torch.cat([kv.keys for kv in blocks]), torch.cat([kv.values for kv in blocks]))
            for blocks in zip(*(state.cache for state in states), strict=True)
        )
        return LatentState(
            torch.cat([state.latents for state in states]),
            cache,
            tuple(f for state in states for f in state.frames),
            torch.cat([state.signals for state in states]),
            torch.cat([state.poses for state in states]),
            torch.cat([state.style for state in states]),
            MemoryBank.concat(banks) if len(banks) == len(states) else None,
            torch.cat(sinks) if len(sinks) == len(states) else None,
        )


class SamplingPass(NamedTuple):
    """What the network was asked: a noisy latent [b, 1, c, h, w] at a flow time."""

    noisy: Tensor
    tau: float


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
    """What some of the frames recall."""
    return None if retrieved is None else RetrievedFrames(*(value[:, frames] for value in retrieved))


def prefill(
    denoiser: Denoiser,
    latents: Float[Tensor, "b t c h w"],
    conditions: Conditions,
    retrieved: RetrievedFrames | None = None,
) -> LatentState:
    """The state after clean `latents`; one parallel pass.

    Args:
        retrieved: what these frames recall and their sinks; None: they are a drive's first and recall nothing, and the
            state keeps sinks and a memory of its own from here on.

    Raises:
        ValueError: the network is not causal.
    """
    if not denoiser.dit.config.causal:
        raise ValueError("a network with causal=False sees the future: it cannot be rolled out frame by frame")
    t = latents.shape[1]
    previous = shift_previous(latents, denoiser.dit.config.num_previous)
    ones = torch.ones(latents.shape[:2], device=latents.device)
    times = torch.arange(t, device=latents.device)
    sinks, num_sinks = None, denoiser.dit.config.num_sinks
    if num_sinks and retrieved is None:
        sinks = F.pad(latents[:, :num_sinks], (0, 0, 0, 0, 0, 0, 0, max(0, num_sinks - t)))
    seen = _with_sinks(denoiser, retrieved, sinks, previous, times.expand(len(latents), t))
    inputs = denoiser.inputs(previous, conditions, seen)
    out = denoiser(latents, ones, previous, conditions, times, inputs=inputs, tokens_only=True)
    kept = torch.cat([latents[:, -1:], shift_previous(latents, NUM_KEPT - 1)[:, -1]], dim=1)
    signals = latents.new_zeros(len(latents), len(FREE_SIGNALS))
    poses = torch.zeros(len(latents), 3, dtype=torch.float64, device=latents.device)
    memory = None
    if denoiser.dit.config.num_retrieved and retrieved is None:
        memory = MemoryBank.empty(latents[:, 0], denoiser.dit.config.memory_capacity)
    for k in range(t):
        poses = integrate(poses, conditions.motions[:, k] * conditions.known[:, k, None])
        if memory is not None:
            memory = memory.insert(latents[:, k], poses, times[k].expand(len(latents)))
    frames, style = (t - 1,) * len(latents), conditions.style[:, -1]
    return LatentState(kept, _newest(denoiser, out.cache), frames, signals, poses, style, memory, sinks)


def advance(
    denoiser: Denoiser,
    state: LatentState,
    conditions: Conditions,
    noise: Float[Tensor, "b 1 c h w"],
    num_steps: int,
    passes: list[SamplingPass] | None = None,
    retrieved: RetrievedFrames | None = None,
    other_noise: Float[Tensor, "b 1 c h w"] | None = None,
) -> LatentState:
    """One frame on: sample the latent; the cache gets its keys and values from the last sampling pass, or from a pass
    of the clean latent after it (`clean_cache`).

    Args:
        conditions: of the new frame, t = 1.
        passes: gets the frame's last sampling pass.
        retrieved: what the frame retrievals and its sinks, if the state has neither of its own.
        other_noise: asks for one pass and one signal more, `seed_disagreement`.
    """
    b, device = len(noise), noise.device
    frames = tuple(frame + 1 for frame in state.frames)
    times = torch.tensor(frames, device=device)[:, None]
    previous = state.latents[:, None, : denoiser.dit.config.num_previous]
    poses = integrate(state.poses, conditions.motions[:, 0] * conditions.known)
    memory = state.memory
    if memory is not None:
        left_window = times[:, 0] - denoiser.dit.config.window
        retrieved, memory = memory.retrieve(poses, left_window, denoiser.dit.config.num_retrieved)
    retrieved = _with_sinks(denoiser, retrieved, state.sinks, previous, times)
    inputs = denoiser.inputs(previous, conditions, retrieved)

    tokens = denoiser.dit.grid[0] * denoiser.dit.grid[1]
    past = tuple(kv.with_room(tokens) for kv in state.cache)

    cache, estimates = past, []
    last: SamplingPass | None = None

    def denoise(x: Tensor, tau: float) -> Tensor:
        nonlocal cache, last
        at = torch.full((b, 1), tau, device=device)
        out = denoiser(x, at, previous, conditions, times, past, inputs)
        cache, last = out.cache, SamplingPass(x, tau)
        estimates.append(out.data)
        return out.data

    other = None if other_noise is None else denoise(other_noise, 0.0)
    estimates.clear()  # and what that pass wrote into the cache's room, sampling overwrites
    latent = euler_sample(denoise, noise, num_steps)
    if passes is not None and last is not None:
        passes.append(last)
    unstable = _rms(estimates[-1] - estimates[0], denoiser.step_std)
    if num_steps == 1:
        unstable = torch.full_like(unstable, torch.nan)
    surprise = _rms(latent - inputs.prior, denoiser.step_std)
    latent = denoiser.constrain(latent, inputs, conditions)
    drift = style_distance(style_of(latent[:, 0]), conditions.style[:, 0]).abs() / denoiser.style_limit
    told = [unstable, surprise, drift.mean(-1)]
    if other is not None:
        told.append(_rms(other - estimates[0], denoiser.step_std))
    signals = torch.stack(told, dim=-1)
    if denoiser.dit.config.clean_cache:
        ones = torch.ones((b, 1), device=device)
        cache = denoiser(latent, ones, previous, conditions, times, past, inputs, tokens_only=True).cache
    latents = torch.cat([latent, state.latents[:, : NUM_KEPT - 1]], dim=1)
    if memory is not None:
        memory = memory.insert(latent[:, 0], poses, times[:, 0])
    sinks = state.sinks
    if sinks is not None:
        now = times == torch.arange(sinks.shape[1], device=device)
        sinks = torch.where(now[..., None, None, None], latent, sinks)
    return LatentState(latents, _newest(denoiser, cache), frames, signals, poses, state.style, memory, sinks)


def _with_sinks(
    denoiser: Denoiser,
    retrieved: RetrievedFrames | None,
    sinks: Float[Tensor, "b s c h w"] | None,
    previous: Float[Tensor, "b t k c h w"],
    times: Int[Tensor, "b t"],
) -> RetrievedFrames | None:
    """What frames recall, and those of their drive's sinks that are older than they."""
    if sinks is None:
        return retrieved
    if retrieved is None:
        retrieved = RetrievedFrames.empty(previous[:, :, 0], denoiser.dit.config.num_retrieved)
    return retrieved.with_sinks(sinks, torch.arange(sinks.shape[1], device=times.device) < times[..., None])


def _rms(difference: Float[Tensor, "b t c h w"], unit: Float[Tensor, "c"]) -> Float[Tensor, "b"]:
    return (difference / unit[:, None, None]).square().mean((1, 2, 3, 4)).sqrt()


def _newest(denoiser: Denoiser, cache: tuple[KeyValue, ...]) -> tuple[KeyValue, ...]:
    """The cache cut to the window."""
    keep = denoiser.dit.config.window * denoiser.dit.grid[0] * denoiser.dit.grid[1]
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
        retrieved: what all t frames recall and their sinks; None: what they remember themselves.
    """
    k, t = context.shape[1], noise.shape[1]
    state = prefill(denoiser, context, select_frames(conditions, slice(0, k)), select_retrieved(retrieved, slice(0, k)))
    clip: list[Tensor] = [context]
    passes: list[SamplingPass] = []
    for frame in range(k, t):
        now = slice(frame, frame + 1)
        known, told = select_frames(conditions, now), select_retrieved(retrieved, now)
        state = advance(denoiser, state, known, noise[:, now], num_steps, passes, told)
        clip.append(state.latents[:, :1])
    tau = torch.tensor([1.0] * k + [p.tau for p in passes], device=noise.device).expand(len(noise), t)
    return LatentRollout(torch.cat(clip, dim=1), torch.cat([context, *(p.noisy for p in passes)], dim=1), tau)
