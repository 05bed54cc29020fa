"""Segment recurrence: segment by segment = one pass; what is cached before a window is context without gradient."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from encoded_stores import encoded_store
from known_drives import turning_car
from latent_batches import one_batch
from tiny_model import CONFIG, model_with, random_conditions, woken

from training.batches.latent_windows import LatentWindows
from training.stages.loop import LoopConfig
from training.stages.student import SelfRollouts, StudentStageConfig, student_losses
from worldsim.dynamics.denoiser import Denoised, Denoiser, shift_previous
from worldsim.dynamics.rollout import select_frames
from worldsim.networks.layers import KeyValue

TOKENS, WINDOW = 64, CONFIG.dit.window
STUDENT = StudentStageConfig(loop=LoopConfig(num_steps=1), batch_size=2, num_frames=5, num_cached=3)


@pytest.mark.parametrize("attention", ["joint", "factorised"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "whole"])
def test_segments_equal_one_pass(attention: str, cut: bool) -> None:
    """With frame numbers of each slot's own; a cache that is not cut to the window gives the same."""
    torch.manual_seed(0)
    denoiser, t = model_with(attention=attention).denoiser, 13
    latents, conditions, tau = torch.randn(2, t, 8, 16, 16), random_conditions(2, t), torch.rand(2, t)
    previous, times = shift_previous(latents, 2), torch.stack([torch.arange(t), 50 + torch.arange(t)])
    whole = denoiser(latents, tau, previous, conditions, times)
    cache: tuple[KeyValue, ...] | None = None
    for first, last in ((0, 3), (3, 9), (9, 10), (10, 13)):
        now = slice(first, last)
        past = None if cache is None else tuple(kv.with_room((last - first) * TOKENS) for kv in cache)
        out = denoiser(
            latents[:, now], tau[:, now], previous[:, now], select_frames(conditions, now), times[:, now], past
        )
        torch.testing.assert_close(out.tokens, whole.tokens[:, now], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(out.data, whole.data[:, now], atol=1e-4, rtol=1e-4)
        cache = tuple(kv.newest(WINDOW * TOKENS) for kv in out.cache) if cut else out.cache


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_recomputed_blocks_give_the_same_gradients_after_a_cache(attention: str) -> None:
    denoiser = model_with(attention=attention).denoiser.requires_grad_(True)
    gradients = []
    for recompute in (False, True):
        denoiser.dit.recompute = recompute
        loss = student_losses(denoiser, one_batch(t=8), None, STUDENT, torch.Generator().manual_seed(0))["loss"]
        gradients.append(torch.autograd.grad(loss, list(denoiser.parameters()), allow_unused=True))
    assert sum(g is not None for g in gradients[0]) > 60
    for kept, again in zip(*gradients, strict=True):
        assert (kept is None and again is None) or torch.equal(kept, again)


def asked_of(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Denoised]]:
    """What the denoiser is asked from here on, and its answers."""
    calls: list[tuple[Any, Denoised]] = []
    forward = denoiser.forward

    def spy(*args: Any, **kwargs: Any) -> Denoised:
        calls.append((args, forward(*args, **kwargs)))
        return calls[-1][1]

    monkeypatch.setattr(denoiser, "forward", spy)
    return calls


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_a_window_after_its_cache_learns_what_it_would_in_one_long_window(
    attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 3 + 5 frames with a window of 4, the first three clean: the same answers, so the same losses."""
    denoiser, batch = model_with(attention=attention).denoiser, one_batch(t=8)
    calls = asked_of(denoiser, monkeypatch)
    student_losses(denoiser, batch, None, STUDENT, torch.Generator().manual_seed(0))
    (before, _), (now, answer) = calls
    monkeypatch.undo()
    noisy, tau, previous = (torch.cat([a, b], dim=1) for a, b in zip(before[:3], now[:3], strict=True))
    assert torch.equal(noisy[:, :3], batch.latents[:, :3])
    assert (tau[:, :3] == 1).all()
    assert (tau[:, 3] < 1).any()  # the first of the five has one before it, and is learned too
    whole = denoiser(noisy, tau, previous, batch.conditions, torch.arange(8))
    torch.testing.assert_close(answer.rest, whole.rest[:, 3:], atol=1e-4, rtol=1e-4)


def test_no_gradient_reaches_what_is_cached() -> None:
    """With noised previous latents there are two ways in: the cache, and the latents stacked beside a frame."""
    denoiser = woken(Denoiser(replace(CONFIG, dit=replace(CONFIG.dit, num_previous=1))))
    batch = one_batch(t=8)
    latents = batch.latents.requires_grad_()

    def losses(seed: int) -> torch.Tensor:
        return student_losses(denoiser, batch, None, STUDENT, torch.Generator().manual_seed(seed))["loss"]

    (gradient,) = torch.autograd.grad(losses(0), latents)
    assert not gradient[:, :2].any()  # the third is the one before the first that is learned
    assert gradient[:, 3:].any(dim=(2, 3, 4)).all()
    with torch.no_grad():
        before = losses(0)
        latents[:, 0] += 1.0
        assert losses(0) != before  # what it says counts all the same


def test_a_student_with_a_cache_overfits_one_batch() -> None:
    torch.manual_seed(0)
    denoiser, batch = Denoiser(CONFIG), one_batch(t=8)
    denoiser.step_std.fill_(1.0)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=2e-3)
    ratio, flow = [], []
    for step in range(45):
        losses = student_losses(denoiser, batch, None, STUDENT, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        flow.append(losses["loss"].item())
        if losses["prior_ratio"] > 0:  # some frame began from pure noise
            ratio.append(losses["prior_ratio"].item())
    assert ratio[0] > 0.8
    assert np.mean(ratio[-10:]) < 0.4
    assert np.mean(flow[-10:]) < 0.7 * flow[0]


def test_own_rollouts_are_cached_and_learned_from_as_well() -> None:
    store = turning_car(60)
    latents = np.random.default_rng(0).standard_normal((60, 8, 16, 16)).astype(np.float16)
    encoded = encoded_store(store, latents)
    windows = LatentWindows(store, encoded, CONFIG, STUDENT.window_length, np.array([0]))  # type: ignore[arg-type]
    denoiser = Denoiser(CONFIG)
    own = SelfRollouts(windows, STUDENT)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        batch, rollout = own.advance(denoiser, np.random.default_rng(step), generator)
        assert rollout.latents.shape[1] == 8
        assert (rollout.tau[:, :5] == 1).all()  # two or more are generated at a time
        assert (rollout.tau[:, 6:] < 1).all()
        losses = student_losses(denoiser, batch, rollout.latents, STUDENT, generator)
        assert losses["loss"].isfinite()
    with pytest.raises(ValueError, match="num_cached must not be negative, got -1"):
        replace(STUDENT, num_cached=-1)
