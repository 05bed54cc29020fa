"""The memory bank: its two rules of writing against a few lines of reference, and what is read of a clip."""

import pytest
import torch
from torch.nn import functional as F

from worldsim.configs import MemoryBankConfig
from worldsim.dynamics.memory_bank import MemoryBank, content_weights, erase_and_add, keep_newest

NTM, NEWEST = MemoryBankConfig(num_slots=6), MemoryBankConfig(kind="transformer-xl", num_slots=6)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_one_head_writes_as_graves_et_al_say():
    memory, add, erase = drawn(2, 5, 3), drawn(2, 1, 3, seed=1), drawn(2, 1, 3, seed=2).sigmoid()
    weights = drawn(2, 1, 5, seed=3).softmax(-1)
    written = erase_and_add(memory, weights, erase, add)
    for b in range(2):
        erased = torch.outer(weights[b, 0], erase[b, 0])  # E = w ⊗ e
        expected = memory[b] + torch.outer(weights[b, 0], add[b, 0]) - erased * memory[b]
        torch.testing.assert_close(written[b], expected)


def test_heads_add_up_and_what_they_leave_multiplies():
    memory, add, erase = drawn(1, 5, 3), drawn(1, 4, 3, seed=1), drawn(1, 4, 3, seed=2).sigmoid()
    weights = drawn(1, 4, 5, seed=3).softmax(-1)
    expected = memory[0].clone()
    for n in range(4):  # all erase first
        expected = expected * (1 - torch.outer(weights[0, n], erase[0, n]))
    for n in range(4):
        expected = expected + torch.outer(weights[0, n], add[0, n])
    torch.testing.assert_close(erase_and_add(memory, weights, erase, add)[0], expected)


def test_a_sharp_full_write_replaces_one_slot_and_no_other():
    memory, token = drawn(1, 3, 4), drawn(1, 1, 4, seed=1)
    where = F.one_hot(torch.tensor([[1]]), 3).double()
    written = erase_and_add(memory, where, torch.ones_like(token), token)
    torch.testing.assert_close(written[0, 1], token[0, 0])
    assert torch.equal(written[0, [0, 2]], memory[0, [0, 2]])


def test_content_is_found_by_its_direction():
    memory = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]])
    keys, strength = torch.tensor([[[0.0, 0.1]]]), torch.tensor([[20.0]])
    cosines = torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(content_weights(memory, keys, strength)[0, 0], (20 * cosines).softmax(-1))


def test_the_newest_are_kept_in_order_and_without_gradient():
    memory, tokens = drawn(2, 5, 3), drawn(2, 4, 3, seed=1).requires_grad_()
    kept = keep_newest(memory, tokens, 6)
    assert torch.equal(kept, torch.cat([memory[:, 3:], tokens], dim=1))
    assert not kept.requires_grad
    assert keep_newest(memory[:, :0], tokens, 6).shape[1] == 4


@pytest.mark.parametrize("config", [NTM, NEWEST], ids=lambda c: c.kind)
def test_what_is_read_before_a_frame_is_of_the_frames_before_it(config):
    torch.manual_seed(0)
    bank, latents = MemoryBank(8, config), torch.randn(2, 5, 8, 4, 6)
    found, memory = bank.read_clip(latents)
    assert found.latents.shape == latents.shape
    assert not found.visible[:, 0].any()
    assert found.visible[:, 1:].all()
    other = latents.clone()
    other[:, 3:] += 1.0
    again, _ = bank.read_clip(other)
    assert torch.equal(again.latents[:, :4], found.latents[:, :4])
    assert not torch.equal(again.latents[:, 4], found.latents[:, 4])
    step = bank.empty(2)
    for latent in latents.unbind(1):
        step = bank.write_latent(step, latent)
    assert torch.equal(step, memory)


def test_a_turing_machine_learns_to_bring_back_what_was_long_ago():
    """A pattern, then frames of another; asked with the first pattern's key, its value is to come back."""
    torch.manual_seed(0)
    bank = MemoryBank(8, MemoryBankConfig(num_slots=8, tokens_per_side=1))
    optimizer = torch.optim.Adam(bank.parameters(), lr=1e-2)
    errors = []
    for _ in range(150):
        values = torch.randn(16, 4, 4)  # four things a clip, the key of each in its first channels
        keys = torch.eye(4).expand(16, 4, 4)
        frames = torch.cat([3 * keys, values], dim=-1)[..., None, None]
        memory = bank.empty(16)
        for frame in frames.unbind(1):
            memory = bank.write_latent(memory, frame)
        asked = torch.cat([3 * keys[:, 0], torch.zeros(16, 4)], dim=-1)[..., None, None]
        found = bank.read(memory, asked).latents[:, 0, 4:, 0, 0]
        error = (found - values[:, 0]).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert sum(errors[-10:]) < 0.5 * sum(errors[:10])


@pytest.mark.parametrize(("values", "message"), [
    ({"kind": "lstm"}, "kind must be one of ntm, transformer-xl, got 'lstm'"),
    ({"num_slots": 0}, "num_slots must be at least 1, got 0"),
])  # fmt: skip
def test_a_config_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        MemoryBankConfig(**values)


def test_tokens_of_another_width_are_refused():
    bank = MemoryBank(8, NTM)
    with pytest.raises(ValueError, match=r"tokens must be \[2, n, 8\], got \[2, 3, 7\]"):
        bank.write(bank.empty(2), torch.zeros(2, 3, 7))
