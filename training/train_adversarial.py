"""The last stage of the dynamics: one-step generation on its own rollouts, held to real latents by a critic.

A squared error asks for the mean of all futures, and rollouts of means go blurred. Self-forcing closes the gap between
generated and real by matching distributions (Huang et al. 2025 offer DMD, SiD and a GAN); at this size the GAN is the
cheapest: the critic is a few convolutions at latent resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from training.latents import LatentWindows
from training.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.train_dit import DiTStageConfig, OwnRollouts, StudentPass, student_losses, student_pass
from worldsim.actor_map import NUM_ACTOR_CHANNELS
from worldsim.configs import WorldModelConfig
from worldsim.denoiser import Denoiser, shift_previous
from worldsim.route_map import NUM_ROUTE_CHANNELS
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class AdversarialStageConfig:
    """Schedule and weights of the adversarial stage.

    Args:
        student: batch, rollouts and flow loss, as in the student's stage; its loop is the schedule.
        critic_width: channels of the critic.
        strength: length of the critic's gradient on the generated latents over that of the squared error's.
        ramp_steps: over which the strength rises from 0, while the critic learns.
    """

    student: DiTStageConfig = field(
        default_factory=lambda: DiTStageConfig(
            loop=LoopConfig(num_steps=900, learning_rate=4e-4, weight_decay=0.02, seed=3),
            num_frames=9,
            noise_fraction=0.5,
            previous_noise=0.05,
            self_from=0.0,
            self_steps=(1,),
        )
    )
    critic_width: int = 96
    strength: float = 1.0
    ramp_steps: int = 150

    def __post_init__(self) -> None:
        if not self.strength > 0 or self.ramp_steps < 1:
            raise ValueError(f"strength must be positive, ramp_steps 1 or more, got {self.strength}, {self.ramp_steps}")


class Critic(nn.Module):
    """Tells generated latents from real ones, cell by cell, by how they look, how they differ from what the step before
    lets expect, and whether road and actors are where they should be."""

    def __init__(self, config: WorldModelConfig, width: int) -> None:
        super().__init__()
        c = config.vae.latent_channels
        drawn = NUM_ROUTE_CHANNELS * config.dit.use_route + NUM_ACTOR_CHANNELS * config.dit.use_actors
        self.stem = spectral_norm(nn.Conv2d(2 * c + drawn, width, 3, padding=1))
        self.fine = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.fine_out = nn.Conv2d(width, 1, 1)
        self.down = spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1))
        self.coarse = spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1))
        self.coarse_out = nn.Conv2d(2 * width, 1, 1)

    def forward(self, latents: Tensor, expected: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at full and half resolution of latents [n, c, h, w]; higher is more real.

        Args:
            expected: the prior, [n, c, h, w].
            drawn: the route and the actors in the picture, [n, r, h, w].
        """
        x = F.leaky_relu(self.stem(torch.cat([latents, latents - expected, drawn], dim=1)), 0.2)
        x = F.leaky_relu(self.fine(x), 0.2)
        y = F.leaky_relu(self.coarse(F.leaky_relu(self.down(x), 0.2)), 0.2)
        return self.fine_out(x), self.coarse_out(y)


class Contest(nn.Module):
    """What the stage trains: the denoiser and its critic."""

    def __init__(self, denoiser: Denoiser, critic: Critic) -> None:
        super().__init__()
        self.denoiser, self.critic = denoiser, critic


def contest_losses(
    contest: Contest, p: StudentPass, config: AdversarialStageConfig, step: int, own: bool
) -> dict[str, Tensor]:
    """The named losses of a pass: the flow loss, the denoiser's against the critic and the critic's (hinge).

    Each part reaches only those whose loss it is, so that one optimiser serves both.
    """
    critic = contest.critic
    terms = student_losses(p, config.student, own)
    chosen = (p.tau == 0).flatten().nonzero()[:, 0]
    if not len(chosen):
        return terms

    def of_chosen(values: Tensor) -> Tensor:
        return values.flatten(0, 1)[chosen]

    truth, fake, drawn = of_chosen(p.truth), of_chosen(p.out.data), of_chosen(p.given.drawn)
    expected = of_chosen(p.given.prior)
    true_prior = contest.denoiser.given(shift_previous(p.truth, 1), p.conditions).prior
    real_logits = critic(truth, of_chosen(true_prior), drawn)
    fake_logits = critic(fake.detach(), expected, drawn)
    critic_loss = torch.stack(
        [F.relu(1 - a).mean() + F.relu(1 + b).mean() for a, b in zip(real_logits, fake_logits, strict=True)]
    ).mean()
    for parameter in critic.parameters():
        parameter.requires_grad_(False)
    probe = fake.detach().requires_grad_()
    real = -torch.stack([logits.mean() for logits in critic(probe, expected, drawn)]).mean()
    (push,) = torch.autograd.grad(real, probe)
    for parameter in critic.parameters():
        parameter.requires_grad_(True)
    pull = (fake.detach() - truth) / of_chosen(p.out.std) ** 2
    scale = pull.square().mean().sqrt() / push.square().mean().sqrt().clamp(min=1e-12)
    strength = config.strength * min(1.0, step / config.ramp_steps)
    # the flow loss has the gradient 2 (fake - truth) / std² on a frame's latents, averaged over its values
    against = 2 * strength * ((fake * push * scale).mean((1, 2, 3))).sum() / (p.tau < 1).sum()
    right = torch.stack(
        [(a > 0).float().mean() + (b < 0).float().mean() for a, b in zip(real_logits, fake_logits, strict=True)]
    )
    return terms | {
        "loss": terms["loss"] + against + critic_loss,
        "flow": terms["loss"],
        "critic": critic_loss,
        "critic_right": right.mean() / 2,
        "sharpness": _detail(fake.detach()) / _detail(truth),
    }


def _detail(latents: Tensor) -> Tensor:
    """Mean squared difference of neighbouring cells."""
    return (latents[..., 1:] - latents[..., :-1]).square().mean()


def train_adversarial(model: WorldModel, windows: LatentWindows, config: AdversarialStageConfig, folder: Path) -> None:
    """Train the model's denoiser in place, or load the finished stage; resumable."""
    result = folder / "student.safetensors"
    if stage_done(model.denoiser, result):
        return
    student = config.student
    contest = Contest(model.denoiser, Critic(model.config, config.critic_width).to(model.device))
    own = OwnRollouts(windows, student)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = np.random.default_rng([student.loop.seed, step])
        generates = torch.rand((), generator=generator).item() < student.self_fraction
        if generates:
            batch, seen = own.advance(model.denoiser, rng, generator)
        else:
            batch, seen = windows.sample(student.batch_size, rng), None
        p = student_pass(model.denoiser, batch, seen, student, generator)
        return contest_losses(contest, p, config, step, generates)

    TrainLoop(contest, loss_function, student.loop, folder, own.carried).run("adversarial")
    finish_stage(model.denoiser, result)
