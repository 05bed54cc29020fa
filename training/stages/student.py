"""The student's stage: a causal DiT by diffusion forcing, then more and more by self-forcing on its own rollouts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from training.batches.latent_windows import NUM_DRAWS, LatentBatch, LatentWindows
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.dynamics.denoiser import Denoised, Denoiser, shift_previous
from worldsim.dynamics.flow import FLOW, sample_times
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.dynamics.rollout import LatentRollout, prefill, roll_out, select_frames, select_retrieved
from worldsim.networks.dit import Conditions
from worldsim.networks.layers import KeyValue

ROOM = 1.25
"""Measured deviations are taken so many times."""
OLD = 0.1
"""Rollouts that begin anew less often than this are to grow old: they begin early in their episodes."""
FEW = 1e-3
"""A smaller share of cells is too small for a measurement."""


@dataclass(frozen=True, kw_only=True)
class StudentStageConfig:
    """Batch, schedule and loss weights of the student's stage.

    Args:
        batch_size: windows a step.
        num_frames: latents a window.
        num_cached: latents before these, passed first, clean and without gradient; the window attends to the keys and
            values that they leave behind (segment recurrence, Dai et al. 2019). Other stages pass them as the rest.
        clean_fraction: share of frames that are clean context.
        previous_noise: standard deviation, up to, of noise on the stacked previous latents.
        retrieved_noise: the same of what is retrieved.
        self_from: fraction of the steps after which self-rollouts serve as context.
        self_fraction: share of steps that do so in the end.
        self_ramp: fraction of the steps over which their share rises from 0 to that: the share with the truth as
            context is max(1 - self_fraction, 1 - t / self_ramp), t counted from self_from.
        self_steps: sampling steps of those rollouts, one of these drawn each time.
        restart_fractions: probability that a rollout begins anew, from a true window, at such a step: of the batch's
            first and of its last; those between lie between. The first stay young, the last learn how they drift.
        object_weight: added to the flow loss's weight of 1 where an actor lies in the picture.
        flow_weight: of the squared error of the standardised rest, summed softly.
        reconstruction_weight: of the squared error of the estimated data, in units of the prior's deviation.
        lookahead_weight: of the squared error of the change that tokens foresee (JEPA).
        lookahead_frames: how far they look.
        recompute: see CausalDiT; for networks that do not fit otherwise.
    """

    loop: LoopConfig
    batch_size: int = 6
    num_frames: int = 8
    num_cached: int = 0
    clean_fraction: float = 0.2
    previous_noise: float = 0.15
    retrieved_noise: float = 0.3
    self_from: float = 0.1
    self_fraction: float = 0.75
    self_ramp: float = 0.1
    self_steps: tuple[int, ...] = (1, 2)
    restart_fractions: tuple[float, float] = (0.4, 0.015)
    object_weight: float = 3.0
    flow_weight: float = 1.0
    reconstruction_weight: float = 0.0
    lookahead_weight: float = 0.0
    lookahead_frames: int = 4
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.num_frames < 5:
            raise ValueError(f"num_frames must be at least 5, got {self.num_frames}")
        if self.num_cached < 0:
            raise ValueError(f"num_cached must not be negative, got {self.num_cached}")
        for name in ("clean_fraction", "self_from", "self_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not self.self_ramp > 0:
            raise ValueError(f"self_ramp must be positive, got {self.self_ramp}")
        if not 1 <= self.lookahead_frames < self.num_frames:
            raise ValueError(f"lookahead_frames must lie in [1, {self.num_frames}), got {self.lookahead_frames}")
        if len(self.restart_fractions) != 2 or not all(0 < f <= 1 for f in self.restart_fractions):
            raise ValueError(f"restart_fractions must be two numbers in (0, 1], got {self.restart_fractions}")

    @property
    def window_length(self) -> int:
        """Latents of a window with those that are cached."""
        return self.num_cached + self.num_frames

    def self_rollout_share(self, step: int) -> float:
        """Share of the steps around `step` whose context is a self-rollout."""
        since = step / self.loop.num_steps - self.self_from
        return min(self.self_fraction, max(0.0, since / self.self_ramp))


class Lookahead(nn.Module):
    """Foresees from a frame's tokens how its latent will have changed some frames on: what a world model should know
    but a one-step loss does not ask for (LeCun 2022, joint embedding prediction). Used in training alone."""

    def __init__(self, width: int, latent_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, latent_channels)

    def forward(
        self, tokens: Float[Tensor, "b t n d"], latents: Float[Tensor, "b t c h w"], num_frames: int
    ) -> Float[Tensor, ""]:
        """Squared error of the foreseen change of each 2x2 cells' mean latent over `num_frames`."""
        change = latents[:, num_frames:] - latents[:, :-num_frames]
        change = reduce(change, "b t c (h p) (w q) -> b t (h w) c", "mean", p=2, q=2)
        return (self.out(self.norm(tokens[:, :-num_frames])) - change).square().mean()


class SelfRollouts:
    """Self-forcing rollouts that go on from step to step, so that the model meets its own long-term drift.

    Args:
        windows: where rollouts begin, and the truth that they are held against.
        config: batch, restarts and sampling.

    Attributes:
        carried: latents of the newest window, its first frame and what is hidden of it; written in place.
    """

    def __init__(self, windows: LatentWindows, config: StudentStageConfig) -> None:
        self.windows, self.config = windows, config
        self.restart = np.geomspace(*config.restart_fractions, config.batch_size)
        b, t = config.batch_size, config.window_length
        self.carried = {
            "latents": torch.zeros((b, t, *windows.latents.shape[1:])),
            "first": torch.full((b,), -1, dtype=torch.int64),
            "hidden": torch.zeros((b, NUM_DRAWS), dtype=torch.float64),
        }

    @torch.no_grad()
    def advance(
        self, denoiser: Denoiser, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[LatentBatch, LatentRollout]:
        """Move a few frames on; return the true windows and the rollouts beside them."""
        config, device = self.config, denoiser.step_std.device
        latents, first, hidden = (self.carried[name] for name in ("latents", "first", "hidden"))
        num_new = int(rng.integers(2, config.num_frames - 2))

        # restart rollouts that would leave their episode, and some others
        inside = np.isin(first.numpy() + num_new, self.windows.firsts)
        again = ~inside | (first.numpy() < 0) | (rng.random(len(first)) < self.restart)
        new_first, new_hidden = self.windows.draw(len(first), rng)
        share = np.where(self.restart < OLD, rng.random(len(first)), 1.0)
        new_first = self.windows.begin_early(new_first, share)
        fresh = np.flatnonzero(again)
        first[fresh] = torch.from_numpy(new_first[fresh])
        hidden[fresh] = torch.from_numpy(new_hidden[fresh])
        going = np.flatnonzero(~again)
        first[going] += num_new

        batch = self.windows.at(first.numpy().copy(), hidden.numpy()).on(device)
        context = batch.latents[:, : config.window_length - num_new].clone()
        context[going] = latents[going, num_new:].to(device)

        # the sampler that drives, with either number of steps: each drifts in a way of its own
        num_steps = config.self_steps[int(rng.integers(len(config.self_steps)))]
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        rollout = roll_out(denoiser, context, batch.conditions, noise, num_steps, batch.retrieved)
        latents.copy_(rollout.latents.cpu())
        return batch, rollout


@torch.no_grad()
def cache_before(
    denoiser: Denoiser, latents: Float[Tensor, "b t c h w"], batch: LatentBatch, num: int
) -> tuple[KeyValue, ...] | None:
    """What the first `num` latents of windows leave to the others: keys and values, with room; None without such."""
    if not num:
        return None
    first = slice(0, num)
    retrieved = select_retrieved(batch.retrieved, first)
    cache = prefill(denoiser, latents[:, first], select_frames(batch.conditions, first), retrieved).cache
    tokens = denoiser.dit.grid[0] * denoiser.dit.grid[1]
    return tuple(kv.with_room((latents.shape[1] - num) * tokens) for kv in cache)


class TrainedFrames(NamedTuple):
    """The frames of windows that the loss is taken on: those after the cached ones.

    latents: the truth, [b, t, c, h, w]. context: the truth or a self-rollout, of the same shape. previous: latents of
    the context before each frame, [b, t, k, c, h, w]. times: [t]. past: keys and
    values of the cached frames.
    """

    latents: Tensor
    context: Tensor
    previous: Tensor
    conditions: Conditions
    retrieved: RetrievedFrames | None
    times: Tensor
    past: tuple[KeyValue, ...] | None


def split_windows(
    denoiser: Denoiser, batch: LatentBatch, self_rollout: Float[Tensor, "b t c h w"] | None, num_cached: int
) -> TrainedFrames:
    """Pass the first `num_cached` frames of windows, without gradient, and return the others."""
    context = batch.latents if self_rollout is None else self_rollout
    past = cache_before(denoiser, context, batch, num_cached)
    previous = shift_previous(context, denoiser.dit.config.num_previous)

    trained = slice(num_cached, None)
    return TrainedFrames(
        latents=batch.latents[:, trained],
        context=context[:, trained],
        previous=previous[:, trained],
        conditions=select_frames(batch.conditions, trained),
        retrieved=select_retrieved(batch.retrieved, trained),
        times=torch.arange(context.shape[1], device=context.device)[trained],
        past=past,
    )


def noise_frames(
    frames: TrainedFrames, clean_fraction: float, generator: torch.Generator
) -> tuple[Float[Tensor, "b t c h w"], Float[Tensor, "b t"]]:
    """Each frame noised to a flow time of its own, and these times; at 1 it is clean, and is the context's."""
    truth = frames.latents
    tau = sample_times(truth.shape[:2], generator, clean_fraction)
    if frames.past is None:  # without a past the first frame is given, as at the start of a drive
        tau[:, 0] = 1.0
    tau = tau.to(truth.device)

    noise = torch.randn(truth.shape, generator=generator).to(truth.device)
    is_clean = (tau == 1.0)[..., None, None, None]
    return FLOW.interpolate(torch.where(is_clean, frames.context, truth), noise, tau), tau


def draw_jitter(
    like: Float[Tensor, "b t k c h w"], most: float, generator: torch.Generator
) -> Float[Tensor, "b t k c h w"]:
    """Noise for `like`, with a standard deviation up to `most` that is drawn for each window."""
    strength = most * torch.rand((len(like), 1, 1, 1, 1, 1), generator=generator).to(like.device)
    return strength * torch.randn(like.shape, generator=generator).to(like.device)


def jitter_retrieved(retrieved: RetrievedFrames, most: float, generator: torch.Generator) -> RetrievedFrames:
    """Retrieved latents with the same noise at every frame of a window."""
    noise = draw_jitter(retrieved.latents[:, :1, None], most, generator)[:, :, 0]
    return retrieved._replace(latents=retrieved.latents + noise)


def flow_errors(
    out: Denoised, truth: Float[Tensor, "b t c h w"], coverage: Float[Tensor, "b t h w"], object_weight: float
) -> Float[Tensor, "b t"]:
    """Pseudo-Huber of each frame's squared error of the standardised rest; cells with an actor count for more."""
    rest = (truth - out.mean) / out.std
    weight = 1 + object_weight * (coverage > 0.02)
    error = (((out.rest - rest) ** 2).mean(2) * weight).sum((2, 3)) / weight.sum((2, 3))
    return 2 * ((1 + error).sqrt() - 1)  # a rollout gone astray must not outweigh all others


@torch.no_grad()
def prior_ratio(
    data: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"], tau: Float[Tensor, "b t"]
) -> Float[Tensor, ""]:
    """Squared error of the one-step estimate from pure noise over that of the prior, which is 0."""
    start = (tau == 0).float()
    made, nothing = (each.square().mean((2, 3, 4)) for each in (data - truth, truth))
    return (made * start).sum() / (nothing * start).sum().clamp(min=1e-6)


def student_losses(
    denoiser: Denoiser,
    batch: LatentBatch,
    self_rollout: Tensor | None,
    config: StudentStageConfig,
    generator: torch.Generator,
    lookahead: Lookahead | None = None,
) -> dict[str, Tensor]:
    """The named losses of a batch, each frame at a flow time of its own (diffusion forcing), and their weighted sum.

    The context of each frame (previous latents, clean frames) is the truth, or the model's rollout of it,
    [b, t, c, h, w]; the target is always the truth. The first `num_cached` frames are context alone. "prior_ratio", or
    with a rollout "prior_ratio_self", is logged: see `prior_ratio`.
    """
    frames = split_windows(denoiser, batch.on(denoiser.step_std.device), self_rollout, config.num_cached)
    truth, retrieved = frames.latents, frames.retrieved
    noisy, tau = noise_frames(frames, config.clean_fraction, generator)
    previous = frames.previous + draw_jitter(frames.previous, config.previous_noise, generator)
    if retrieved is not None:
        retrieved = jitter_retrieved(retrieved, config.retrieved_noise, generator)

    inputs = denoiser.prepare_inputs(previous, frames.conditions, retrieved)
    out = denoiser(noisy, tau, previous, frames.conditions, frames.times, frames.past, inputs)
    noised = (tau < 1).float()

    def mean(values: Tensor) -> Tensor:
        return (values * noised).sum() / noised.sum().clamp(min=1)

    terms = {"flow": mean(flow_errors(out, truth, inputs.coverage, config.object_weight))}
    loss = config.flow_weight * terms["flow"]
    if config.reconstruction_weight:
        scaled = (out.data - truth) / inputs.std
        terms["reconstruction"] = mean(scaled.square().mean((2, 3, 4)))
        loss = loss + config.reconstruction_weight * terms["reconstruction"]
    if lookahead is not None:
        terms["lookahead"] = lookahead(out.tokens, truth, config.lookahead_frames)
        loss = loss + config.lookahead_weight * terms["lookahead"]
    ratio_name = "prior_ratio" if self_rollout is None else "prior_ratio_self"
    return {"loss": loss, **terms, ratio_name: prior_ratio(out.data, truth, tau)}


@torch.no_grad()
def measure_steps(denoiser: Denoiser, windows: LatentWindows, seed: int) -> None:
    """Set step_std and unseen_std: how large latents are, per channel, where what is seen was seen a step before and
    where it was not, with room for drifted rollouts."""
    batch = windows.sample(128, np.random.default_rng([seed, 10**6])).on(denoiser.step_std.device)
    squared, conditions = batch.latents[:, 1:].square(), batch.conditions
    seen = conditions.visible[:, 1:, None].expand_as(squared)
    for std, weight in ((denoiser.step_std, seen), (denoiser.unseen_std, 1 - seen)):
        if weight.mean() < FEW:  # of a recording without a layout everything is unseen
            weight = torch.ones_like(weight)
        std.copy_(ROOM * ((weight * squared).sum((0, 1, 3, 4)) / weight.sum((0, 1, 3, 4))).sqrt())


def train_denoiser(
    denoiser: Denoiser, windows: LatentWindows, config: StudentStageConfig, folder: Path, title: str = "CausalDiT"
) -> None:
    """Train `denoiser` in place, or load the finished stage; resumable."""
    result = folder / "student.safetensors"
    if stage_done(denoiser, result):
        return
    measure_steps(denoiser, windows, config.loop.seed)

    self_rollouts = SelfRollouts(windows, config)
    student = nn.ModuleDict({"denoiser": denoiser})
    lookahead = None
    if config.lookahead_weight:
        width, channels = denoiser.dit.config.width, len(denoiser.step_std)
        lookahead = student["lookahead"] = Lookahead(width, channels).to(denoiser.step_std.device)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = step_rng(config.loop.seed, step)
        context = None
        if torch.rand((), generator=generator).item() < config.self_rollout_share(step):
            batch, rollout = self_rollouts.advance(denoiser, rng, generator)
            context = rollout.latents
        else:
            batch = windows.sample(config.batch_size, rng)
        return student_losses(denoiser, batch, context, config, generator, lookahead)

    TrainLoop(student, loss_function, config.loop, folder, self_rollouts.carried).run(title)
    finish_stage(denoiser, result)
