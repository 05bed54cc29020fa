"""The memory bank: what is kept and retrieved, how it is seen from here, and that nothing retrieved changes nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from known_drives import turning_car
from latent_batches import one_batch
from tiny_model import CONFIG, random_clip
from worldsim.conditioning.warp import MotionWarp

from training.batches.latent_windows import NUM_DRAWS, LatentWindows
from worldsim.configs import DiTConfig
from worldsim.dynamics.denoiser import Denoiser, shift_previous
from worldsim.dynamics.memory import MemoryBank, RetrievedFrames, integrate, is_near, relative_pose, view_distance
from worldsim.dynamics.rollout import advance, prefill, select_frames
from worldsim.world_model import WorldModel

WITH_MEMORY = replace(CONFIG, dit=replace(CONFIG.dit, num_retrieved=2, memory_capacity=6))


def bank_of(*poses: tuple[float, float, float], capacity: int = 6) -> MemoryBank:
    bank = MemoryBank.empty(torch.zeros(1, 1, 2, 2), capacity)
    for k, pose in enumerate(poses):
        bank = bank.insert(torch.full((1, 1, 2, 2), float(k)), torch.tensor([pose]), torch.tensor([k]))
    return bank


def kept(bank: MemoryBank) -> list[int]:
    return sorted(f for f in bank.frames[0].tolist() if f >= 0)


def test_motion_between_poses_inverts_moving() -> None:
    rng = np.random.default_rng(0)
    pose = torch.from_numpy(rng.uniform(-3, 3, (20, 3)))
    motion = torch.from_numpy(np.concatenate([rng.uniform(-3, 3, (20, 3)), np.ones((20, 3))], axis=1))
    back = relative_pose(pose[:, None], integrate(pose, motion))[:, 0]
    torch.testing.assert_close(back, motion[:, :3])
    assert view_distance(torch.tensor([3.0, 0.0, 0.0])) == 3.0
    assert view_distance(torch.tensor([0.0, 0.0, 0.5])) == pytest.approx(4.0)


def test_frames_are_remembered_when_their_view_is_new() -> None:
    bank = bank_of((0, 0, 0), (1.0, 0, 0), (2.5, 0, 0), (2.5, 0, 1.0), (2.6, 0, 1.0))
    assert kept(bank) == [0, 2, 3]


def test_a_full_bank_forgets_the_frame_that_tells_least() -> None:
    bank = bank_of((0, 0, 0), (10, 0, 0), (12.5, 0, 0), (30, 0, 0), capacity=4)
    assert kept(bank) == [0, 1, 2, 3]
    pose, late = torch.tensor([[12.0, 0, 0]]), torch.tensor([99])
    for _ in range(3):  # what is retrieved often stays longer than its neighbour
        _, bank = bank.retrieve(pose, late, 1)
    bank = bank.insert(torch.zeros(1, 1, 2, 2), torch.tensor([[50.0, 0, 0]]), torch.tensor([4]))
    assert kept(bank) == [0, 2, 3, 4]


def test_the_nearest_views_are_recalled_if_they_are_old_enough() -> None:
    bank = bank_of((0, 0, 0), (4, 0, 0), (8, 0, 0), (8, 0, math.pi), (200, 0, 0))
    found, _ = bank.retrieve(torch.tensor([[7.0, 0, 0.0]]), torch.tensor([99]), 2)
    assert found.latents[0, 0, :, 0, 0, 0].tolist() == [2, 1]
    torch.testing.assert_close(found.motions[0, 0], torch.tensor([[-1.0, 0, 0], [3.0, 0, 0]]))
    found, _ = bank.retrieve(torch.tensor([[7.0, 0, 0.0]]), torch.tensor([2]), 2)
    assert found.latents[0, 0, :, 0, 0, 0].tolist() == [1, 0]
    found, same = bank.retrieve(torch.tensor([[100.0, 0, 0.0]]), torch.tensor([99]), 2)
    assert not found.valid.any()
    assert (same.retrievals == bank.retrievals).all()
    assert not is_near(torch.tensor([torch.nan, 0, 0]))


def test_banks_are_never_written_into_and_slots_keep_their_own() -> None:
    one = bank_of((0, 0, 0))
    before = [value.clone() for value in one]
    two = one.insert(torch.ones(1, 1, 2, 2), torch.tensor([[9.0, 0, 0]]), torch.tensor([1]))
    for a, b in zip(one, before, strict=True):
        assert torch.equal(a.nan_to_num(0), b.nan_to_num(0))
    both = MemoryBank.concat([one, two])
    assert kept(both.take(torch.tensor([1, 0, 1]))) == [0, 1]
    assert kept(both.take(torch.tensor([0]))) == [0]


def test_what_was_seen_is_moved_to_where_it_is_seen_from_now() -> None:
    warp = MotionWarp(CONFIG.camera, CONFIG.frame_size)
    latents = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    here, inside = warp.from_afar(latents, torch.zeros(2, 3))
    torch.testing.assert_close(here, latents, atol=1e-4, rtol=1e-4)
    assert inside.all()
    forward = torch.tensor([[2.0, 0, 0], [2.0, 0, 0]])
    seen, inside = warp.from_afar(latents, forward)
    motions = torch.cat([forward, torch.zeros(2, 3)], dim=1)[:, None]
    torch.testing.assert_close(seen, inside * warp(latents[:, None], motions)[:, 0])
    _, behind = warp.from_afar(latents, torch.tensor([[-20.0, 0, 0], [0, 0, math.pi]]))
    assert behind[0].mean() < 1  # twenty metres back one sees more at the edges than was seen then
    assert not behind[1].any()


@pytest.fixture
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    made = Denoiser(WITH_MEMORY).eval()
    for p in (*made.dit.head_out.parameters(), *made.dit.memory_attention.out.parameters()):
        torch.nn.init.normal_(p, std=0.05)  # fresh ones say nothing, which would hide errors
    return made


def test_recalling_nothing_is_the_model_without_a_memory(denoiser: Denoiser) -> None:
    batch = one_batch(b=2, t=4)
    without = Denoiser(CONFIG).eval()
    state = {key: value for key, value in denoiser.state_dict().items() if "memory" not in key}
    state["dit.stem_in.weight"] = state["dit.stem_in.weight"][:, :-9]
    without.load_state_dict(state)
    tau, times = torch.full((2, 4), 0.3), torch.arange(4)
    previous = shift_previous(batch.latents, 2)
    with torch.no_grad():
        ours = denoiser(batch.latents, tau, previous, batch.conditions, times).data
        theirs = without(batch.latents, tau, previous, batch.conditions, times).data
        torch.testing.assert_close(ours, theirs)
        empty = RetrievedFrames.empty(batch.latents, 2)
        something = empty._replace(latents=torch.ones(2, 4, 2, 8, 16, 16))
        inputs = denoiser.prepare_inputs(previous, batch.conditions, something)
        assert torch.equal(denoiser(batch.latents, tau, previous, batch.conditions, times, inputs=inputs).data, ours)
        inputs = denoiser.prepare_inputs(
            previous, batch.conditions, something._replace(valid=torch.ones_like(empty.valid))
        )
        assert (
            denoiser(batch.latents, tau, previous, batch.conditions, times, inputs=inputs).data - ours
        ).abs().max() > 1e-3


def test_a_rollout_recalls_what_left_its_window(denoiser: Denoiser) -> None:
    batch = one_batch(b=1, t=16)
    motions = batch.conditions.motions.clone()
    motions[..., 0] = 1.5
    conditions = batch.conditions._replace(motions=motions, style=torch.ones_like(batch.conditions.style))
    noise = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(0))
    state = prefill(denoiser, batch.latents[:, :3], select_frames(conditions, slice(0, 3)))
    for t in range(3, 16):
        now = slice(t, t + 1)
        state = advance(denoiser, state, select_frames(conditions, now), noise[:, now], 1)
    assert state.memory is not None
    assert state.poses[0].tolist() == pytest.approx([22.5, 0, 0])
    assert max(kept(state.memory)) >= 14
    retrieved = state.memory.frames[0][state.memory.retrievals[0] > 0]
    assert len(retrieved)
    assert retrieved.max() < 16 - CONFIG.dit.window


def test_a_state_with_a_memory_goes_on_exactly_after_a_copy_and_in_a_batch() -> None:
    torch.manual_seed(0)
    model = WorldModel(WITH_MEMORY).eval().requires_grad_(False)
    clip = random_clip(4)
    state = model.begin([clip], [3])
    drive = np.array([[0.0, 1.0, 0.0, 0.0]], np.float32)
    for _ in range(14):
        state, _ = model.step(state, drive, decode=False)
    copied, wide = state.copy(), state.take([0, 0])
    one, _ = model.step(state, drive, decode=False)
    again, _ = model.step(copied, drive, decode=False)
    two, _ = model.step(wide, np.repeat(drive, 2, axis=0), decode=False)
    assert torch.equal(one.latent.latents, again.latent.latents)
    torch.testing.assert_close(two[1].latent.latents, one.latent.latents, atol=1e-4, rtol=1e-4)


def test_windows_recall_frames_of_their_episode_before_them_or_as_of_another_visit() -> None:
    store = turning_car(60)
    latents = np.broadcast_to(np.arange(60, dtype=np.float16)[:, None, None, None], (60, 8, 16, 16))
    windows = LatentWindows(store, latents, WITH_MEMORY, 9, np.arange(len(store.lengths)))
    firsts = np.array([30, 30, 30])
    draws = np.full((3, NUM_DRAWS), 0.5)
    draws[:, 4] = 0.1, 0.5, 0.9  # nothing, before, before and after
    retrieved = windows.at(firsts, draws).retrieved
    assert retrieved is not None
    assert retrieved.latents.shape == (3, 9, 2, 8, 16, 16)
    assert not retrieved.valid[0].any()
    before = retrieved.latents[1, 0, :, 0, 0, 0][retrieved.valid[1, -1]]
    assert len(before)
    assert (before < 30).all()
    any_time = retrieved.latents[2, 0, :, 0, 0, 0][retrieved.valid[2, -1]]
    assert ((any_time < 30) | (any_time >= 41)).all()
    apart = view_distance(retrieved.motions[1, -1])
    assert apart[0] <= apart[1] or not retrieved.valid[1, -1, 1]


def test_a_memory_needs_the_warp_and_room() -> None:
    with pytest.raises(ValueError, match="needs motion_warp"):
        DiTConfig(num_retrieved=2, motion_warp=False)
    with pytest.raises(ValueError, match="between 0 and memory_capacity 3, got 4"):
        DiTConfig(num_retrieved=4, memory_capacity=3)
