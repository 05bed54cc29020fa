"""Training: exact resume, one batch overfitted per stage, metrics with known answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from latent_batches import one_batch
from tiny_model import CONFIG
from torch import nn

from training.evaluation.image_metrics import auroc, drift_horizon, psnr
from training.stages.initial import initialise_from
from training.stages.loop import LoopConfig, TrainLoop
from training.stages.student import StudentStageConfig, student_losses
from worldsim.dynamics.denoiser import shift_previous
from worldsim.world_model import WorldModel


def small_loop(folder: Path, num_steps: int) -> tuple[nn.Module, TrainLoop]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))

    def loss_function(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        x = torch.randn(16, 4, generator=generator)
        return {"loss": ((module(x)[:, 0] - x.sum(1)) ** 2).mean()}

    config = LoopConfig(num_steps=num_steps, learning_rate=0.01, warmup_steps=3, save_every=5)
    return module, TrainLoop(module, loss_function, config, folder)


def test_an_interrupted_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole, loop = small_loop(tmp_path / "whole", 20)
    loop.run("whole")
    _, loop = small_loop(tmp_path / "parts", 20)
    (tmp_path / "parts").mkdir()
    for _ in range(10):
        loop.train_step()
    loop.save()
    resumed, loop = small_loop(tmp_path / "parts", 20)
    loop.run("resumed")
    assert loop.step == 20
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_training_lowers_the_loss_and_another_models_save_is_refused(tmp_path: Path) -> None:
    _, loop = small_loop(tmp_path, 200)
    first = loop.train_step()["loss"]
    loop.run("learn")
    assert loop.train_step()["loss"] < 0.2 * first
    other = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="another model"):
        TrainLoop(other, lambda step, generator: {}, loop.config, tmp_path).resume()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"loss": module(torch.ones(1)).sum() * torch.inf}

    with pytest.raises(ValueError, match="step 0"):
        TrainLoop(module, loss_function, LoopConfig(num_steps=1), tmp_path).train_step()


@pytest.mark.parametrize("use_own", [False, True])
def test_student_overfits_one_batch(use_own: bool) -> None:
    torch.manual_seed(0)
    model = WorldModel(CONFIG)
    denoiser, batch = model.denoiser, one_batch()
    denoiser.step_std.fill_(1.0)
    config = StudentStageConfig(loop=LoopConfig(num_steps=1))
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=2e-3)
    ratio, flow = [], []
    for step in range(80):
        generator = torch.Generator().manual_seed(step)
        own = batch.latents + 0.2 * torch.randn(batch.latents.shape, generator=generator)
        losses = student_losses(denoiser, batch, own if use_own and step > 20 else None, config, generator)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        ratio.append((losses["prior_ratio_self"] if use_own and step > 20 else losses["prior_ratio"]).item())
        flow.append(losses["loss"].item())
    assert ratio[0] > 0.8
    assert np.mean(ratio[-20:]) < 0.4
    assert np.mean(flow[-20:]) < 0.7 * flow[0]


def test_previous_latents_are_shifted_by_one() -> None:
    latents = torch.arange(5.0).reshape(1, 5, 1, 1, 1)
    previous = shift_previous(latents, 2)[0, :, :, 0, 0, 0]
    assert previous.tolist() == [[0, 0], [0, 0], [1, 0], [2, 1], [3, 2]]


def test_metrics_have_known_answers() -> None:
    black, grey = np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 8, 8, 3), 51, np.uint8)
    assert psnr(black, grey) == pytest.approx(10 * np.log10(25))
    assert auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])) == 0.75
    assert np.isnan(auroc(np.ones(3), np.zeros(3)))
    ours, repeated = np.array([[30.0, 20, 10]]), np.array([[25.0, 15, 12]])
    assert drift_horizon(ours, repeated, 0.1) == pytest.approx(0.2)
    assert drift_horizon(ours, repeated - 10, 0.1) == pytest.approx(0.3)


def test_training_goes_on_from_a_checkpoint_and_takes_the_body_of_one_with_another_tokenizer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, same = WorldModel(CONFIG), WorldModel(CONFIG)
    one.save(tmp_path, torch.float16)
    same.vae.load_state_dict(one.vae.state_dict())
    assert initialise_from(same, tmp_path)
    assert torch.allclose(same.reader.scalars.weight, one.reader.scalars.weight, atol=2e-3)
    wider = WorldModel(replace(CONFIG, vae=replace(CONFIG.vae, latent_channels=CONFIG.vae.latent_channels + 1)))
    assert not initialise_from(wider, tmp_path)
    ours, theirs = wider.denoiser.dit, one.denoiser.dit
    assert torch.allclose(ours.blocks[0].attention.qkv.weight, theirs.blocks[0].attention.qkv.weight, atol=2e-3)
    assert torch.allclose(wider.reader.scalars.weight, one.reader.scalars.weight, atol=2e-3)  # it knows no latents
