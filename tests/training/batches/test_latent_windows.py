"""Latent windows: conditions beside the right frames, the route as commanded, actors likewise; own rollouts."""

import numpy as np
import pytest
import torch
from known_drives import CONTROL, turning_car
from tiny_model import CONFIG
from worldsim.conditioning.style import style_statistics

from training.batches.latent_windows import LatentWindows
from training.stages.loop import LoopConfig, TrainLoop
from training.stages.student import SelfRollouts, StudentStageConfig, student_losses
from worldsim.datatypes.route import rotate
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.world_model import WorldModel

NUM = 40


@pytest.fixture(scope="module")
def windows() -> LatentWindows:
    latents = np.random.default_rng(0).standard_normal((NUM, 8, 16, 16)).astype(np.float16)
    return LatentWindows(turning_car(NUM), latents, CONFIG, 9, np.array([0]))  # type: ignore[arg-type]


def test_the_route_of_a_frame_lies_where_the_commanded_motion_puts_it(windows: LatentWindows) -> None:
    batch = windows.at(np.array([5]), np.array([[0.9, 0.9, 0.9, 0.0]]))
    assert batch.conditions.routes_valid.all()
    vehicles, routes = windows.rows.vehicles[5:14], batch.conditions.routes[0].double().numpy()
    y = vehicles[:, None, 1] + rotate(routes, vehicles[:, None, 2])[..., 1]
    np.testing.assert_allclose(y, np.zeros((9, 10)), atol=2e-3)


def test_small_numbers_hide_the_route_or_its_far_part(windows: LatentWindows) -> None:
    hidden = np.array([[0.9, draw, 0.9, 0.0] for draw in (0.05, 0.15, 0.25)])
    valid = windows.at(np.array([1, 1, 1]), hidden).conditions.routes_valid
    assert valid[0].sum() == 0
    assert (valid[1].sum(-1) == 5).all()
    assert valid[2].all()


def test_an_actor_lies_where_the_commanded_motion_puts_it(windows: LatentWindows) -> None:
    batch = windows.at(np.array([5]), np.array([[0.9, 0.9, 0.9, 0.0]]))
    vehicles, actors = windows.rows.vehicles[5:14], batch.conditions.actors[0, :, 0].double().numpy()
    ground = vehicles[:, :2] + rotate(actors[:, :2], vehicles[:, 2])
    np.testing.assert_allclose(ground, np.repeat([[40.0, 3.0]], 9, 0), atol=2e-3)
    np.testing.assert_allclose(actors[:, 2] + vehicles[:, 2], np.full(9, 0.3), atol=1e-4)


def test_an_impact_does_not_show_in_the_actors_place(windows: LatentWindows) -> None:
    """The recorded ego stops dead at frame 30; the actor is seen from where the control meant to bring it."""
    batch = windows.at(np.array([25]), np.array([[0.9, 0.9, 0.9, 0.0]]))
    meant = VehicleModel().step(windows.rows.vehicles[29], CONTROL, 0.1)
    expected = rotate(np.array([40.0, 3.0]) - meant[:2], -meant[2])
    np.testing.assert_allclose(batch.conditions.actors[0, 5, 0, :2], expected, atol=2e-3)
    assert np.hypot(*(windows.rows.vehicles[30] - meant)[:2]) > 0.5


def test_small_numbers_hide_the_actors_and_the_last_chooses_the_look(windows: LatentWindows) -> None:
    hidden = np.array([[0.9, 0.9, 0.01, 0.5], [0.9, 0.9, 0.9, 0.0]])
    batch = windows.at(np.array([3, 3]), hidden)
    assert not batch.conditions.actor_kinds[0].any()
    assert batch.conditions.actor_kinds[1].any()
    for k, frame in enumerate((20, 0)):
        expected = style_statistics(torch.from_numpy(windows.latents[frame].astype(np.float32)))
        torch.testing.assert_close(batch.conditions.style[k, 4], expected)


def stage(model: WorldModel, windows: LatentWindows, folder, num_steps: int) -> TrainLoop:
    config = StudentStageConfig(
        loop=LoopConfig(num_steps=num_steps, save_every=3, warmup_steps=1), batch_size=2, num_frames=9
    )
    own = SelfRollouts(windows, config)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        batch, rollout = own.advance(model.denoiser, np.random.default_rng(step), generator)
        return student_losses(model.denoiser, batch, rollout.latents, config, generator)

    return TrainLoop(model.denoiser, loss_function, config.loop, folder, own.carried)


def test_own_rollouts_go_on_from_what_was_generated(windows: LatentWindows) -> None:
    torch.manual_seed(0)
    model = WorldModel(CONFIG).eval()
    own = SelfRollouts(
        windows,
        StudentStageConfig(loop=LoopConfig(num_steps=1), batch_size=3, num_frames=9, restart_fractions=(1e-9, 1e-9)),
    )
    _, before = own.advance(model.denoiser, np.random.default_rng(0), torch.Generator().manual_seed(0))
    first = own.carried["first"].clone()
    batch, after = own.advance(model.denoiser, np.random.default_rng(1), torch.Generator().manual_seed(1))
    integrate = own.carried["first"] - first
    assert ((integrate > 0) & (integrate < 7)).any()
    for k in np.flatnonzero((integrate > 0) & (integrate < 7)):
        n = int(integrate[k])
        assert torch.equal(after.latents[k, : 9 - n], before.latents[k, n:])
    assert batch.first.tolist() == own.carried["first"].tolist()


def test_interrupted_training_on_own_rollouts_resumes_to_the_same_weights(windows: LatentWindows, tmp_path) -> None:
    def fresh() -> WorldModel:
        torch.manual_seed(0)
        return WorldModel(CONFIG)

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
