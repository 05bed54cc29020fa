"""Sink frames: a drive's first latents stay in sight for ever, of those to come none is seen, and states carry them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from assertions import assert_equal
from known_drives import turning_car
from latent_batches import one_batch
from tiny_model import CONFIG, CONTROL, model_with, one_pass, random_clip, random_conditions, woken

from envs.learned.learned_world import LearnedWorld, step_together
from envs.serialization import read_snapshot, write_snapshot
from envs.world import branch
from training.batches.latent_windows import NUM_DRAWS, LatentWindows
from training.stages.loop import LoopConfig
from training.stages.student import SelfRollouts, StudentStageConfig, student_losses
from worldsim.configs import DiTConfig
from worldsim.dynamics.denoiser import Denoiser, shift_previous
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.dynamics.rollout import advance, prefill, select_frames
from worldsim.world_model import WorldModel

NUM = 3
WINDOW = CONFIG.dit.window
WITH_SINKS = replace(CONFIG, dit=replace(CONFIG.dit, num_sinks=NUM))
BOTH = replace(CONFIG, dit=replace(CONFIG.dit, num_sinks=NUM, num_retrieved=2, memory_capacity=6))


def seen_by(latents: torch.Tensor, num_retrieved: int = 0) -> RetrievedFrames:
    """What the frames of a drive [b, t, c, h, w] recall: nothing but sinks."""
    b, t = latents.shape[:2]
    older = torch.arange(NUM) < torch.arange(t)[:, None]
    return RetrievedFrames.empty(latents, num_retrieved).with_sinks(latents[:, :NUM], older.expand(b, t, NUM))


@pytest.mark.parametrize("dit", [CONFIG.dit, replace(CONFIG.dit, num_retrieved=2)], ids=["alone", "memory"])
def test_seeing_no_sinks_is_the_model_without_them(dit: DiTConfig) -> None:
    without, denoiser = (woken(Denoiser(replace(CONFIG, dit=replace(dit, num_sinks=n)))) for n in (0, NUM))
    ours, theirs = denoiser.state_dict(), without.state_dict()
    new = {"sink_embedding"} if dit.num_retrieved else {"sink_embedding", "memory_in", "memory_attention"}
    assert {name.split(".")[1] for name in set(ours) - set(theirs)} == new
    without.load_state_dict({name: ours[name] for name in theirs})
    latents, conditions = torch.randn(2, 5, 8, 16, 16), random_conditions(2, 5)
    expected = one_pass(without, latents, conditions).data
    assert torch.equal(one_pass(denoiser, latents, conditions).data, expected)
    inputs = denoiser.prepare_inputs(shift_previous(latents, 2), conditions, seen_by(latents, dit.num_retrieved))
    data = one_pass(denoiser, latents, conditions, inputs=inputs).data
    assert torch.equal(data[:, 0], expected[:, 0])
    assert (data - expected)[:, 1:].abs().amax((2, 3, 4)).min() > 1e-4


@pytest.mark.parametrize("attention", ["joint", "factorised"])
@pytest.mark.parametrize("num_retrieved", [0, 2])
def test_cached_steps_equal_the_full_forward(attention: str, num_retrieved: int) -> None:
    """From a context of two frames, so that the third sink is a generated one; nothing is near enough to recall."""
    torch.manual_seed(1)
    dit: dict[str, Any] = {"num_retrieved": num_retrieved, "attention": attention, "clean_cache": True}
    denoiser, t = model_with(num_sinks=NUM, **dit).denoiser, 9
    context, conditions = torch.randn(2, 2, 8, 16, 16), random_conditions(2, t)
    conditions.motions[..., 0] = 30.0
    state, clip = prefill(denoiser, context, select_frames(conditions, slice(0, 2))), [context]
    for frame in range(2, t):
        now = select_frames(conditions, slice(frame, frame + 1))
        state = advance(denoiser, state, now, torch.randn(2, 1, 8, 16, 16), 1)
        clip.append(state.latents[:, :1])
    latents = torch.cat(clip, dim=1)
    assert state.sinks is not None
    assert torch.equal(state.sinks, latents[:, :NUM])
    inputs = denoiser.prepare_inputs(shift_previous(latents, 2), conditions, seen_by(latents, num_retrieved))
    full = one_pass(denoiser, latents, conditions, inputs=inputs)
    for ours, whole in zip(state.cache, full.cache, strict=True):
        torch.testing.assert_close(ours.keys, whole.keys[:, :, -WINDOW * 64 :], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.values, whole.values[:, :, -WINDOW * 64 :], atol=1e-4, rtol=1e-4)


def test_a_sink_is_seen_by_all_later_frames_and_by_none_before_it() -> None:
    """One block with a window of 4 and one previous latent: by itself it sees no farther than five frames."""
    dit = replace(WITH_SINKS.dit, depth=1, num_previous=1)
    denoiser, t = woken(Denoiser(replace(CONFIG, dit=dit))), 14
    latents, conditions = torch.randn(1, t, 8, 16, 16), random_conditions(1, t)
    changed = latents.clone()
    changed[:, 1] += 1.0

    def tokens(latents: torch.Tensor, sinks: torch.Tensor) -> torch.Tensor:
        inputs = denoiser.prepare_inputs(shift_previous(latents, 1), conditions, seen_by(sinks))
        return one_pass(denoiser, latents, conditions, inputs=inputs).tokens

    before = tokens(latents, latents)
    by_window, by_sink = tokens(changed, latents), tokens(changed, changed)
    differs = [[not torch.equal(before[:, k], other[:, k]) for k in range(t)] for other in (by_window, by_sink)]
    assert differs[0] == [False] + [True] * (WINDOW + 2) + [False] * (t - WINDOW - 3)
    assert differs[1] == [False] + [True] * (t - 1)


def dream(config: Any = BOTH) -> LearnedWorld:
    torch.manual_seed(0)
    return LearnedWorld(model=woken(WorldModel(config)), starts=[random_clip(8), random_clip(2, seed=1)])


def test_states_keep_their_sinks_through_copies_batches_and_bytes() -> None:
    """Two worlds, one of which began with fewer frames than there are sinks."""
    worlds = [dream() for _ in range(2)]
    worlds[1].model = worlds[0].model
    for k, world in enumerate(worlds):
        world.reset(k, {"start_index": k})
        for _ in range(2):
            world.step(CONTROL[0])
    states = [world.snapshot().state for world in worlds]
    sinks = [state.latent.sinks for state in states]
    assert all(s is not None and s.shape == (1, NUM, 8, 16, 16) and s.abs().amax((2, 3, 4)).all() for s in sinks)
    joined = type(states[0]).concat(states)
    for k, state in enumerate(states):
        assert_equal(joined[k].latent.sinks, state.latent.sinks, 0.0)
    other = dream()
    other.restore(read_snapshot(other, write_snapshot(worlds[1])))
    assert_equal(other.step(CONTROL[0]).latent, branch(worlds[1]).step(CONTROL[0]).latent, 0.0)
    alone = [branch(world).step(CONTROL[0]).latent for world in worlds]
    together = step_together(worlds, np.repeat(CONTROL, 2, axis=0))
    for ours, step in zip(alone, together, strict=True):
        np.testing.assert_allclose(ours, step.latent, atol=1e-4)


def windows(config: Any, num_frames: int = 5) -> LatentWindows:
    """Latents that tell the numbers of their frames; the picture of frame 11 is missing."""
    store = turning_car(60)
    store.rows.valid[11, 0] = False
    latents = np.broadcast_to(np.arange(60, dtype=np.float16)[:, None, None, None], (60, 8, 16, 16))
    return LatentWindows(store, latents, config, num_frames, np.array([0]))  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [WITH_SINKS, BOTH], ids=["alone", "memory"])
def test_windows_see_the_frames_that_their_drive_began_with(config: Any) -> None:
    draws = np.full((4, NUM_DRAWS), 0.5)
    draws[:, 3] = 0.0, 0.5, 0.99, 10.5 / 60
    retrieved = windows(config).at(np.array([40, 40, 1, 40]), draws).retrieved
    assert retrieved is not None
    num = config.dit.num_retrieved
    assert retrieved.latents.shape == (4, 5, num + NUM, 8, 16, 16)
    began = retrieved.latents[:, 0, num:, 0, 0, 0].tolist()
    assert began == [[0, 1, 2], [30, 31, 32], [0, 1, 2], [10, 11, 12]]  # a drive cannot begin after its window
    seen = retrieved.valid[:, :, num:]
    assert seen[:2].all()
    assert seen[2].sum(-1).tolist() == [1, 2, 3, 3, 3]
    assert seen[3, 0].tolist() == [True, False, True]
    assert not retrieved.motions[:, :, num:].any()


def test_own_rollouts_see_the_sinks_of_their_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    config = StudentStageConfig(loop=LoopConfig(num_steps=1), batch_size=2)
    own, denoiser = SelfRollouts(windows(BOTH, config.num_frames), config), Denoiser(BOTH)
    inputs, asked = denoiser.prepare_inputs, []
    monkeypatch.setattr(denoiser, "prepare_inputs", lambda *a: asked.append(a[2]) or inputs(*a))
    generator = torch.Generator().manual_seed(0)
    batch, rollout = own.advance(denoiser, np.random.default_rng(0), generator)
    student_losses(denoiser, batch, rollout.latents, config, generator)
    assert batch.retrieved is not None
    sinks = batch.retrieved.latents[:, :, 2:]
    assert torch.equal(torch.cat([told.latents[:, :, 2:] for told in asked[:-1]], dim=1), sinks)
    assert torch.equal(asked[-1].latents[:, :, 2:], sinks)  # nor are they blurred, as what is retrieved is
    assert not torch.equal(asked[-1].latents[:, :, :2], batch.retrieved.latents[:, :, :2])


def test_a_rollout_keeps_its_sinks_when_it_passes_the_frame_that_was_drawn() -> None:
    ahead = windows(BOTH, 8)
    first, drawn = np.array([20]), np.full((1, 6), 0.9)  # nine tenths of the episode lie before the drawn beginning
    begun = ahead.begun(first, drawn)
    sinks = [ahead.at(first + k, begun).retrieved.latents[:, 0, 2:] for k in (0, 5, 30)]
    assert all(torch.equal(later, sinks[0]) for later in sinks[1:])
    assert np.array_equal(windows(CONFIG, 8).begun(first, drawn), drawn)


def test_a_student_learns_what_only_the_sink_tells() -> None:
    """Of two frames the second is that on which the drive began, with either sign; the first is empty."""
    torch.manual_seed(0)
    denoiser, batch = Denoiser(WITH_SINKS), one_batch(b=4, t=2)
    denoiser.step_std.fill_(1.0)
    config = StudentStageConfig(loop=LoopConfig(num_steps=1), previous_noise=0.0)
    conditions = batch.conditions._replace(controls=torch.zeros(4, 2, 4))
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=3e-3)

    def losses(seed: int, sinks: bool) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        sign = torch.randint(0, 2, (4, 1, 1, 1, 1), generator=generator) * 2.0 - 1
        latents = torch.cat([torch.zeros(4, 1, 8, 16, 16), sign.expand(-1, 1, 8, 16, 16)], dim=1)
        began, valid = sign.expand(-1, NUM, 8, 16, 16), torch.full((4, 2, NUM), sinks)
        retrieved = RetrievedFrames.empty(latents, 0).with_sinks(began, valid)
        seen = replace(batch, latents=latents, conditions=conditions, retrieved=retrieved)
        return student_losses(denoiser, seen, None, config, generator)

    for step in range(50):
        optimizer.zero_grad()
        losses(step, sinks=True)["loss"].backward()
        optimizer.step()
    ratios = {sinks: [losses(100 + k, sinks)["copy_ratio"].item() for k in range(12)] for sinks in (True, False)}
    told, untold = ([r for r in ratios[sinks] if r > 0] for sinks in (True, False))  # 0: none began from pure noise
    assert len(told) > 4
    assert np.mean(told) < 0.2
    assert np.mean(untold) > 0.8


def test_more_sinks_than_a_window_are_refused() -> None:
    with pytest.raises(ValueError, match="num_sinks must lie between 0 and window 8, got 9"):
        DiTConfig(num_sinks=9)
