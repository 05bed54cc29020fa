"""Joint and factorised attention: cached step = full forward, the window, slots, snapshots; the teacher's mask."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import CONFIG, CONTROL, model_with, one_pass, random_clip, random_conditions, woken

from worldsim.configs import DiTConfig
from worldsim.dynamics.denoiser import Denoiser, shift_previous
from worldsim.dynamics.rollout import LatentState, prefill, select_frames
from worldsim.model_state import ModelState
from worldsim.networks.layers import Attention
from worldsim.networks.rope import Axis, axial_angles, rotation_of
from worldsim.world_model import WorldModel

WINDOW = CONFIG.dit.window


@pytest.fixture(scope="module", params=["joint", "factorised"])
def model(request: pytest.FixtureRequest) -> WorldModel:
    return model_with(attention=request.param)


def test_cached_steps_equal_the_full_forward(model: WorldModel) -> None:
    """Beyond the window too: 11 frames with a window of 4."""
    torch.manual_seed(0)
    denoiser, t = model.denoiser, 11
    latents, conditions = torch.randn(2, t, 8, 16, 16), random_conditions(2, t)
    previous = shift_previous(latents, 2)
    full = one_pass(denoiser, latents, conditions)
    cache = prefill(denoiser, latents[:, :3], select_frames(conditions, slice(0, 3))).cache
    assert len(cache) == {"joint": 4, "factorised": 2}[model.config.dit.attention]
    for frame in range(3, t):
        now = slice(frame, frame + 1)
        out = denoiser(
            latents[:, now],
            torch.ones(2, 1),
            previous[:, now],
            select_frames(conditions, now),
            torch.tensor([frame]),
            tuple(kv.with_room(64) for kv in cache),
        )
        torch.testing.assert_close(out.tokens, full.tokens[:, now], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(out.data, full.data[:, now], atol=1e-4, rtol=1e-4)
        cache = tuple(kv.newest(WINDOW * 64) for kv in out.cache)
        assert {kv.keys.shape[2] for kv in cache} == {min(frame + 1, WINDOW) * 64}


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_nothing_reaches_beyond_the_window_of_one_block(attention: str) -> None:
    """One block over frames, so that it cannot be passed on: frame 0 is seen up to frame `window`, and no further."""
    dit = replace(CONFIG.dit, attention=attention, depth=1 if attention == "joint" else 2, num_previous=1)
    denoiser = woken(Denoiser(replace(CONFIG, dit=dit)))
    t = WINDOW + 3
    latents, conditions = torch.randn(1, t, 8, 16, 16), random_conditions(1, t)
    changed = latents.clone()
    changed[:, 0] += 1.0
    a, b = one_pass(denoiser, latents, conditions), one_pass(denoiser, changed, conditions)
    differs = [not torch.equal(a.tokens[:, k], b.tokens[:, k]) for k in range(t)]
    # frame 1 has frame 0 stacked as its previous latent and hands it on for another window
    assert differs[: WINDOW + 2] == [True] * (WINDOW + 2)
    assert not any(differs[WINDOW + 2 :])


@pytest.mark.parametrize("axis", ["space", "time"])
def test_a_token_touches_its_frame_or_its_cell_in_later_frames(axis: Axis) -> None:
    attention = woken(Attention(48, 2, axis))
    rotation = rotation_of(axial_angles(torch.arange(3), (8, 8), 24, axis))
    mask = None if axis == "space" else torch.ones(3, 3).tril().bool()
    x = torch.randn(1, 3, 64, 48)
    changed = x.clone()
    changed[:, 1, 20] += 1.0
    difference = attention(x, rotation, mask, None)[0] - attention(changed, rotation, mask, None)[0]
    expected = torch.zeros(3, 64, dtype=torch.bool)
    expected[(1, slice(None)) if axis == "space" else (slice(1, None), 20)] = True
    assert torch.equal(difference.abs().amax(-1)[0] > 1e-6, expected)


def test_slots_are_independent(model: WorldModel) -> None:
    clips = [random_clip(seed=s) for s in range(3)]
    batch, single = model.begin(clips, [10, 11, 12]), model.begin(clips[:1], [10])
    for _ in range(WINDOW + 1):
        batch, _ = model.step(batch, np.repeat(CONTROL, 3, axis=0))
        single, _ = model.step(single, CONTROL)
    torch.testing.assert_close(batch.latent.latents[:1], single.latent.latents, atol=1e-4, rtol=1e-4)


def test_states_are_taken_apart_and_joined(model: WorldModel) -> None:
    state = model.begin([random_clip(seed=s) for s in range(2)], [1, 2])
    state, _ = model.step(state, np.repeat(CONTROL, 2, axis=0))
    swapped = LatentState.concat([state.latent.take([1]), state.latent.take([0])])
    for ours, theirs in zip(swapped.cache, state.latent.cache, strict=True):
        assert torch.equal(ours.keys, theirs.keys.flip(0))
        assert torch.equal(ours.values, theirs.values.flip(0))
    joined = ModelState.concat([state[0], state[1]])
    after, _ = model.step(state, np.repeat(CONTROL, 2, axis=0))
    again, _ = model.step(joined, np.repeat(CONTROL, 2, axis=0))
    assert torch.equal(after.latent.latents, again.latent.latents)
    assert joined.cache_length == min(7, WINDOW) * 64


def test_steps_leave_the_cache_they_began_with(model: WorldModel) -> None:
    state = model.begin([random_clip()], [3])
    kept = state.copy()
    model.step(state, CONTROL)
    for ours, theirs in zip(state.latent.cache, kept.latent.cache, strict=True):
        assert torch.equal(ours.keys, theirs.keys)
        assert torch.equal(ours.values, theirs.values)


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_a_teacher_sees_the_future_and_keeps_no_cache(attention: str) -> None:
    model = model_with(attention=attention, causal=False, window=2)
    latents, conditions = torch.randn(1, 6, 8, 16, 16), random_conditions(1, 6)
    changed = latents.clone()
    changed[:, -1] += 1.0
    a, b = one_pass(model.denoiser, latents, conditions), one_pass(model.denoiser, changed, conditions)
    assert all(not torch.equal(a.tokens[:, k], b.tokens[:, k]) for k in range(6))
    assert a.cache == ()
    with pytest.raises(ValueError, match="causal=False"):
        one_pass(model.denoiser, latents[:, :1], select_frames(conditions, slice(0, 1)), past=())
    with pytest.raises(ValueError, match="causal=False"):
        model.begin([random_clip()], [0])


def test_both_kinds_have_the_same_parameters() -> None:
    joint, factorised = (model_with(attention=kind).denoiser.state_dict() for kind in ("joint", "factorised"))
    assert {n: p.shape for n, p in joint.items()} == {n: p.shape for n, p in factorised.items()}


def test_bad_configs_are_named() -> None:
    with pytest.raises(ValueError, match='"joint" or "factorised", got \'axial\''):
        DiTConfig(attention="axial")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="even depth, got 3"):
        DiTConfig(attention="factorised", depth=3)


def test_all_pairs_turn_with_what_is_attended_over() -> None:
    times = torch.arange(2)
    space, time = (axial_angles(times, (2, 2), 16, axis) for axis in ("space", "time"))
    assert torch.equal(space[:4], space[4:])
    assert torch.equal(space[0], torch.zeros(8))
    assert (space[3] > 0).all()
    assert torch.equal(time[:4], torch.zeros(4, 8))
    assert (time[4:] > 0).all()


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_recomputed_blocks_give_the_same_gradients(attention: str) -> None:
    denoiser = model_with(attention=attention).denoiser.requires_grad_(True)
    torch.manual_seed(0)
    latents, conditions = torch.randn(1, 5, 8, 16, 16), random_conditions(1, 5)
    gradients = []
    for recompute in (False, True):
        denoiser.dit.recompute = recompute
        out = one_pass(denoiser, latents, conditions)
        gradients.append(torch.autograd.grad(out.data.square().mean(), list(denoiser.parameters()), allow_unused=True))
    assert sum(g is not None for g in gradients[0]) > 60
    for kept, again in zip(*gradients, strict=True):
        assert (kept is None and again is None) or torch.equal(kept, again)


def test_recomputing_keeps_less() -> None:
    """Bytes kept for the backward pass."""
    denoiser = model_with().denoiser.requires_grad_(True)
    latents, conditions = torch.randn(1, 5, 8, 16, 16), random_conditions(1, 5)
    kept = []
    for recompute in (False, True):
        denoiser.dit.recompute = recompute
        saved: list[int] = []

        def pack(tensor: torch.Tensor, saved: list[int] = saved) -> torch.Tensor:
            saved.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            one_pass(denoiser, latents, conditions)
        kept.append(sum(saved))
    assert kept[1] < 0.6 * kept[0]
