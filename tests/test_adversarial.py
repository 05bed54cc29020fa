"""The adversarial stage: whose gradient goes where, a critic that learns, resuming."""

import numpy as np
import pytest
import torch
from test_latents import windows  # noqa: F401 (fixture)
from test_training import one_batch
from test_world_model import CONFIG

from training.latents import LatentWindows
from training.loop import LoopConfig
from training.train_adversarial import AdversarialStageConfig, Contest, Critic, contest_losses, train_adversarial
from training.train_dit import DiTStageConfig, student_pass
from worldsim.world_model import WorldModel


def stage(num_steps: int = 1, **changes: float) -> AdversarialStageConfig:
    student = DiTStageConfig(
        loop=LoopConfig(num_steps=num_steps, warmup_steps=1, save_every=2),
        batch_size=2,
        num_frames=9,
        noise_fraction=0.6,
        self_from=0.0,
        self_steps=(1,),
    )
    return AdversarialStageConfig(student=student, critic_width=16, ramp_steps=1, **changes)  # type: ignore[arg-type]


@pytest.fixture
def contest() -> Contest:
    torch.manual_seed(0)
    return Contest(WorldModel(CONFIG).denoiser, Critic(CONFIG, 16))


def losses_at(contest: Contest, step: int, config: AdversarialStageConfig) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    p = student_pass(contest.denoiser, one_batch(t=9), None, config.student, generator)
    return contest_losses(contest, p, config, step, own=False)


def gradients(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in module.parameters() if p.grad is not None]


def test_the_critic_learns_from_its_own_loss_alone(contest: Contest) -> None:
    """At step 0 the denoiser does not feel the critic; later it does, and the critic's gradient is the same."""
    config, found = stage(), []
    contest.critic.eval()  # the spectral norms' power iterations rest
    for step in (0, 5):
        contest.zero_grad()
        losses_at(contest, step, config)["loss"].backward()
        found.append((gradients(contest.critic), gradients(contest.denoiser)))
    for a, b in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(a, b)
    assert any(not torch.allclose(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))
    contest.zero_grad()
    losses = losses_at(contest, 0, config)
    losses["flow"].backward()
    for a, b in zip(gradients(contest.denoiser), found[0][1], strict=True):
        torch.testing.assert_close(a, b)


def test_the_critic_learns_to_tell_real_from_generated(contest: Contest) -> None:
    config = stage()
    optimizer = torch.optim.Adam(contest.critic.parameters(), lr=3e-3)
    history = []
    for _ in range(60):
        losses = losses_at(contest, 0, config)
        optimizer.zero_grad()
        losses["critic"].backward()
        optimizer.step()
        history.append(losses["critic"].item())
    assert history[0] > 1.8
    assert history[-1] < 0.5
    assert losses["critic_right"] > 0.9


def test_the_stage_resumes_and_hands_on_the_denoiser(windows: LatentWindows, tmp_path) -> None:  # noqa: F811
    torch.manual_seed(0)
    model = WorldModel(CONFIG)
    before = model.denoiser.dit.stem_in.weight.detach().clone()
    train_adversarial(model, windows, stage(3), tmp_path)
    assert not torch.equal(model.denoiser.dit.stem_in.weight, before)
    again = WorldModel(CONFIG)
    train_adversarial(again, windows, stage(3), tmp_path)
    assert torch.equal(again.denoiser.dit.stem_in.weight, model.denoiser.dit.stem_in.weight)
    assert (tmp_path / "student.safetensors").is_file()


def test_a_strength_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="strength must be positive"):
        stage(strength=0.0)
    assert np.isfinite(AdversarialStageConfig().strength)
