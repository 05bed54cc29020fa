"""What the denoiser knows before it samples: what is fetched, how large latents are, and where they count."""

from dataclasses import replace

import pytest
import torch
from latent_batches import one_batch
from tiny_model import CONFIG, one_pass, random_conditions, woken

from worldsim.conditioning.latent_conditions import ConditionChannel, still_grid
from worldsim.dynamics.denoiser import LEAST_CHANGE, Denoiser, shift_previous
from worldsim.dynamics.memory import RetrievedFrames, fetch_latents
from worldsim.dynamics.rollout import advance, prefill, select_frames

WITH_MEMORY = replace(CONFIG, dit=replace(CONFIG.dit, use_memory=True))


def standing(t: int = 1):
    """Conditions of an ego that stands in a known place where nothing moves."""
    return one_batch(b=1, t=t).conditions._replace(known=torch.ones(1, t, dtype=torch.bool))


def with_channel(conditions, channel: int, value: float):
    """All frames with one channel set in the cell at row 8, column 4."""
    surfaces = conditions.surfaces.clone()
    surfaces[:, :, ConditionChannel.KNOWN :] = 1.0
    surfaces[:, :, channel, 8, 4] = value
    return conditions._replace(surfaces=surfaces)


def test_the_previous_latent_is_fetched_from_where_the_grid_says() -> None:
    latents = torch.randn(2, 3, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    grid = torch.from_numpy(still_grid(16, 16)).expand(2, 3, -1, -1, -1)
    torch.testing.assert_close(fetch_latents(latents, grid), latents, atol=1e-5, rtol=1e-5)
    moved = fetch_latents(latents, grid + torch.tensor([2 / 16, 0.0]))  # a cell to the right
    torch.testing.assert_close(moved[..., :-1], latents[..., 1:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moved[..., -1], latents[..., -1], atol=1e-5, rtol=1e-5)  # the border is repeated
    conditions = random_conditions(2, 3)
    previous = shift_previous(latents, 2)
    fetched = Denoiser(CONFIG).prepare_inputs(previous, conditions).fetched
    assert torch.equal(fetched, fetch_latents(previous[:, :, 0], conditions.grid))


def test_the_prior_is_the_less_certain_the_less_was_visible() -> None:
    denoiser = Denoiser(CONFIG)
    denoiser.step_std.fill_(0.3)
    denoiser.unseen_std.fill_(0.9)
    visible = torch.tensor([0.0, 0.5, 1.0])[None, :, None, None].expand(1, 3, 16, 16)
    std = denoiser.prior_std(visible)[0, :, 0, 0, 0]
    torch.testing.assert_close(std, torch.tensor([0.9, ((0.09 + 0.81) / 2) ** 0.5, 0.3]))
    conditions = standing()._replace(visible=torch.zeros(1, 1, 16, 16))
    out = denoiser(torch.zeros(1, 1, 8, 16, 16), torch.zeros(1, 1), torch.zeros(1, 1, 2, 8, 16, 16), conditions,
                   torch.zeros(1, dtype=torch.long))  # fmt: skip
    torch.testing.assert_close(out.std, torch.full_like(out.std, 0.9))  # at time 0 the posterior is the prior


@pytest.mark.parametrize(
    ("channel", "beside"), [(ConditionChannel.MOVING, 1.0), (ConditionChannel.SIGNAL + 2, LEAST_CHANGE)]
)
def test_while_the_ego_stands_latents_stay_but_where_something_moves_or_a_lamp_is(channel: int, beside: float) -> None:
    denoiser, conditions = Denoiser(CONFIG), with_channel(standing(), channel, 1.0)
    inputs = denoiser.prepare_inputs(torch.zeros(1, 1, 2, 8, 16, 16), conditions)
    assert inputs.change[0, 0, 8, 4] == 1
    assert inputs.change[0, 0, 8, 5] == pytest.approx(beside)
    assert inputs.change[0, 0, 0, 0] == pytest.approx(LEAST_CHANGE)
    made = denoiser.constrain(torch.ones(1, 1, 8, 16, 16), inputs)
    torch.testing.assert_close(made[0, 0, 0], inputs.change[0, 0])


def test_what_comes_into_view_may_change() -> None:
    denoiser = Denoiser(CONFIG)
    still = standing()
    for visible in (1.0, 0.0):
        conditions = still._replace(visible=torch.full((1, 1, 16, 16), visible))
        inputs = denoiser.prepare_inputs(torch.zeros(1, 1, 2, 8, 16, 16), conditions)
        change = LEAST_CHANGE if visible else 1.0
        torch.testing.assert_close(inputs.change, torch.full((1, 1, 16, 16), change))
    fast = still._replace(motions=torch.tensor([0.5, 0, 0, 5.0, 0, 0]).expand(1, 1, 6))
    assert (denoiser.prepare_inputs(torch.zeros(1, 1, 2, 8, 16, 16), fast).change == 1).all()


def test_latents_stay_within_their_limit() -> None:
    denoiser = Denoiser(CONFIG)
    inputs = denoiser.prepare_inputs(torch.zeros(1, 1, 2, 8, 16, 16), random_conditions(1, 1))
    limit = CONFIG.dit.latent_limit
    assert denoiser.constrain(torch.full((1, 1, 8, 16, 16), 100.0), inputs).max() == limit


def test_what_was_not_visible_in_a_key_frame_is_not_retrieved() -> None:
    torch.manual_seed(0)
    denoiser, conditions = woken(Denoiser(WITH_MEMORY)), random_conditions(2, 4)
    latents = torch.randn(2, 4, 8, 16, 16)
    previous = shift_previous(latents, 2)
    plain = one_pass(denoiser, latents, conditions).data

    def told(visible: float) -> torch.Tensor:
        grid = torch.from_numpy(still_grid(16, 16)).expand(2, 4, -1, -1, -1)
        retrieved = RetrievedFrames(torch.ones(2, 4, 8, 16, 16), grid, torch.full((2, 4, 16, 16), visible))
        inputs = denoiser.prepare_inputs(previous, conditions, retrieved)
        return one_pass(denoiser, latents, conditions, inputs=inputs).data

    assert torch.equal(told(0.0), plain)
    assert (told(1.0) - plain).abs().max() > 1e-3


def test_a_rollout_is_told_what_is_retrieved_for_its_frame() -> None:
    torch.manual_seed(0)
    denoiser, conditions = woken(Denoiser(WITH_MEMORY)), random_conditions(1, 3)
    state = prefill(denoiser, torch.randn(1, 2, 8, 16, 16), select_frames(conditions, slice(0, 2)))
    noise, now = torch.randn(1, 1, 8, 16, 16), select_frames(conditions, slice(2, 3))
    grid = torch.from_numpy(still_grid(16, 16))[None, None]
    retrieved = RetrievedFrames(torch.ones(1, 1, 8, 16, 16), grid, torch.ones(1, 1, 16, 16))
    plain, told = (advance(denoiser, state, now, noise, 1, retrieved=given) for given in (None, retrieved))
    assert (told.latents[:, 0] - plain.latents[:, 0]).abs().max() > 1e-3
    assert torch.equal(told.latents[:, 1:], plain.latents[:, 1:])


def test_the_style_tells_the_network_and_a_withheld_one_nothing() -> None:
    torch.manual_seed(0)
    denoiser, conditions = woken(Denoiser(CONFIG)), random_conditions(1, 3)
    latents = torch.randn(1, 3, 8, 16, 16)
    changed = conditions._replace(style=conditions.style + 1)
    difference = one_pass(denoiser, latents, conditions).rest - one_pass(denoiser, latents, changed).rest
    assert difference.abs().max() > 1e-3
    without = woken(Denoiser(replace(CONFIG, dit=replace(CONFIG.dit, use_style=False))))
    assert torch.equal(one_pass(without, latents, conditions).rest, one_pass(without, latents, changed).rest)
