"""Latent windows: conditions beside the right frames, what small numbers hide of them; self-rollouts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from encoded_stores import encoded_store
from known_drives import turning_car
from tiny_model import CONFIG

from training.batches.latent_windows import NUM_DRAWS, Draw, LatentBatch, LatentWindows
from training.stages.loop import LoopConfig, TrainLoop
from training.stages.student import SelfRollouts, StudentStageConfig, measure_steps, student_losses
from worldsim.conditioning.latent_conditions import ROUTE_RANGE, SUN_KNOWN, ConditionChannel, still_grid
from worldsim.datatypes.scene import ROUTE_DISTANCES, UNKNOWN_COMMAND
from worldsim.datatypes.vehicle import motion_between
from worldsim.dynamics.denoiser import Denoiser

NUM = 40
C = ConditionChannel


@pytest.fixture(scope="module")
def windows() -> LatentWindows:
    return made_windows()


def made_windows(copies: bool = True) -> LatentWindows:
    store = turning_car(NUM)
    latents = np.random.default_rng(0).standard_normal((NUM, 8, 16, 16)).astype(np.float16)
    return LatentWindows(store, encoded_store(store, latents, copies), CONFIG, 9, np.array([0]))  # type: ignore[arg-type]


def at(windows: LatentWindows, first: int, **draws: float) -> LatentBatch:
    """The window from a frame on; all numbers that are not named hide nothing."""
    hidden = np.full((1, NUM_DRAWS), 0.99)
    for name, value in draws.items():
        hidden[:, Draw[name]] = value
    return windows.at(np.array([first]), hidden)


def test_latents_and_conditions_are_those_of_the_frames(windows: LatentWindows) -> None:
    batch = at(windows, 5)
    assert torch.equal(batch.latents[0], torch.from_numpy(windows.encoded.latents[5:14].astype(np.float32)))
    facing = batch.conditions.surfaces[0, :, C.FACING, 3, 3] * 127
    torch.testing.assert_close(facing, torch.arange(5.0, 14.0))
    assert batch.conditions.known[0].tolist() == [False] + [True] * 8
    torch.testing.assert_close(batch.conditions.controls[0, 1:], torch.from_numpy(windows.rows.controls[5:13]))
    assert not batch.conditions.motions[0, 0].any()
    torch.testing.assert_close(batch.conditions.visible, batch.conditions.surfaces[:, :, C.VISIBLE])
    assert batch.conditions.visible[0, 1:].min() > 0.7


def test_nothing_is_known_of_what_came_before_a_window(windows: LatentWindows) -> None:
    conditions = at(windows, 5).conditions
    assert not conditions.surfaces[0, 0, C.MOVING : C.ROUTE].any()
    assert torch.equal(conditions.grid[0, 0], torch.from_numpy(still_grid(16, 16)))
    assert not conditions.visible[0, 0].any()


def test_motions_are_the_recorded_ones_after_an_impact_too(windows: LatentWindows) -> None:
    """The recorded ego stops dead at frame 30, where the control meant it to drive on; so do the surfaces."""
    vehicles = windows.rows.vehicles
    made = motion_between(vehicles[25:33], vehicles[26:34]).astype(np.float32)
    np.testing.assert_allclose(at(windows, 25).conditions.motions[0, 1:], made, atol=1e-6)
    assert not made[5:, :2].any()


def test_motions_are_those_of_the_vehicle_model_where_poses_are_not_known() -> None:
    store = turning_car(NUM)
    store.rows.valid[:] = True
    index = [k for k, name in enumerate(valid_names()) if name in ("x", "y", "yaw")]
    store.rows.valid[:, index] = False
    latents = np.zeros((NUM, 8, 16, 16), np.float16)
    windows = LatentWindows(store, encoded_store(store, latents), CONFIG, 9, np.array([0]))  # type: ignore[arg-type]
    motions = at(windows, 25).conditions.motions[0]
    assert motions[5, 0] > 0.5  # the impact does not show


def valid_names() -> tuple[str, ...]:
    from training.data.lerobot_layout import VALID_NAMES

    return VALID_NAMES


def test_small_numbers_hide_what_they_are_for(windows: LatentWindows) -> None:
    whole = at(windows, 5).conditions
    assert whole.commands[0, 0] != UNKNOWN_COMMAND
    assert (at(windows, 5, COMMAND=0.0).conditions.commands == UNKNOWN_COMMAND).all()
    unmoved = at(windows, 5, MOTION=0.0).conditions
    assert not unmoved.known.any()
    assert not unmoved.controls.any()
    assert not unmoved.motions.any()
    assert not at(windows, 5, STYLE=0.0).conditions.style.any()
    for conditions in (unmoved, at(windows, 5, COMMAND=0.0, STYLE=0.0).conditions):
        assert torch.equal(conditions.surfaces, whole.surfaces)
        assert torch.equal(conditions.grid, whole.grid)


def test_a_small_number_hides_the_sun_alone(windows: LatentWindows) -> None:
    shown, hidden = at(windows, 5).conditions.surfaces, at(windows, 5, SUN=0.05).conditions.surfaces
    assert shown[:, :, SUN_KNOWN].all()
    assert shown[:, :, C.SUNLIGHT].any()
    assert not hidden[:, :, [C.SUNLIGHT, SUN_KNOWN]].any()
    shown[:, :, [C.SUNLIGHT, SUN_KNOWN]] = 0.0
    assert torch.equal(shown, hidden)


def test_small_numbers_hide_the_route_or_its_far_part(windows: LatentWindows) -> None:
    shown = at(windows, 5).conditions.surfaces[0, :, C.ROUTE : C.KNOWN]
    assert not at(windows, 5, ROUTE=0.05).conditions.surfaces[0, :, C.ROUTE : C.KNOWN].any()
    part = at(windows, 5, ROUTE=0.15).conditions.surfaces[0, :, C.ROUTE : C.KNOWN]
    near = shown[:, 8:] >= 1 - ROUTE_DISTANCES[4] / ROUTE_RANGE
    for group in range(3):
        cells = slice(4 * group, 4 * group + 4)
        assert torch.equal(part[:, cells], torch.where(near, shown[:, cells], 0.0))


def test_a_hidden_layout_is_another_encoding_of_the_same_frames(windows: LatentWindows) -> None:
    known, hidden = at(windows, 5), at(windows, 5, LAYOUT=0.0)
    assert torch.equal(hidden.latents, -known.latents)
    assert not hidden.conditions.surfaces[:, :, C.KNOWN :].any()
    assert not hidden.conditions.visible.any()
    assert torch.equal(hidden.conditions.style, -known.conditions.style)
    assert hidden.first.tolist() == [5]
    without = made_windows(copies=False)
    assert torch.equal(at(without, 5, LAYOUT=0.0).latents, known.latents)


def test_the_style_is_that_of_frames_of_the_episode(windows: LatentWindows) -> None:
    for draw, frames in ((0.5, (20, 18, 16, 14)), (0.05, (2, 0, 0, 0))):
        style = at(windows, 5, STYLE_FRAME=draw).conditions.style
        torch.testing.assert_close(style, torch.full_like(style, float(np.mean(frames))))


def test_windows_that_begin_early_stay_in_their_episode(windows: LatentWindows) -> None:
    firsts = np.array([20, 20, 0])
    assert windows.begin_early(firsts, np.array([0.5, 1.0, 0.3])).tolist() == [10, 20, 0]


def test_measured_deviations_tell_seen_from_unseen(windows: LatentWindows) -> None:
    """Half of the cells were seen, in which there is nothing new, the others are noise."""
    made = made_windows(copies=False)
    made.encoded.latents[:] = 0
    made.encoded.latents[:, :, 8:] = np.random.default_rng(1).standard_normal((NUM, 8, 8, 16))
    made.encoded.maps[:, C.VISIBLE, :8], made.encoded.maps[:, C.VISIBLE, 8:] = 127, 0
    denoiser = Denoiser(CONFIG)
    measure_steps(denoiser, made, 0)
    assert denoiser.step_std.max() < 0.01
    assert denoiser.unseen_std.mean() == pytest.approx(1.25, rel=0.05)


def stage(denoiser: Denoiser, windows: LatentWindows, folder: Path, num_steps: int) -> TrainLoop:
    config = StudentStageConfig(
        loop=LoopConfig(num_steps=num_steps, save_every=3, warmup_steps=1), batch_size=2, num_frames=9
    )
    own = SelfRollouts(windows, config)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        batch, rollout = own.advance(denoiser, np.random.default_rng(step), generator)
        return student_losses(denoiser, batch, rollout.latents, config, generator)

    return TrainLoop(denoiser, loss_function, config.loop, folder, own.carried)


def test_own_rollouts_go_on_from_what_was_generated(windows: LatentWindows) -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(CONFIG)
    own = SelfRollouts(
        windows,
        StudentStageConfig(loop=LoopConfig(num_steps=1), batch_size=3, num_frames=9, restart_fractions=(1e-9, 1e-9)),
    )
    _, before = own.advance(denoiser, np.random.default_rng(0), torch.Generator().manual_seed(0))
    first = own.carried["first"].clone()
    batch, after = own.advance(denoiser, np.random.default_rng(1), torch.Generator().manual_seed(1))
    moved = own.carried["first"] - first
    assert ((moved > 0) & (moved < 7)).any()
    for k in np.flatnonzero((moved > 0) & (moved < 7)):
        n = int(moved[k])
        assert torch.equal(after.latents[k, : 9 - n], before.latents[k, n:])
    assert batch.first.tolist() == own.carried["first"].tolist()


def test_interrupted_training_on_own_rollouts_resumes_to_the_same_weights(
    windows: LatentWindows, tmp_path: Path
) -> None:
    def fresh() -> Denoiser:
        torch.manual_seed(0)
        return Denoiser(CONFIG)

    whole, parts = fresh(), fresh()
    stage(whole, windows, tmp_path / "whole", 5).run("whole")
    loop = stage(parts, windows, tmp_path / "parts", 5)
    loop.folder.mkdir()
    for _ in range(3):
        loop.train_step()
    loop.save()
    again = fresh()
    stage(again, windows, tmp_path / "parts", 5).run("rest")
    for (name, a), (_, b) in zip(whole.named_parameters(), again.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
