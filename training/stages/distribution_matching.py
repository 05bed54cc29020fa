"""Distribution matching: the student's rollouts are moved to where real clips are likelier than its own.

Self-forcing with distribution matching (Yin et al. 2024, Huang et al. 2025): a rollout is noised; the teacher estimates
the data as if it were a real clip, a second teacher, trained on the student's rollouts as they change, as if it were
one of those. The difference of the two is the gradient. A rollout that has diverged has no true frames to be compared
with, and needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.batches.latent_windows import LatentBatch, LatentWindows
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.student import SelfRollouts, StudentStageConfig, student_losses
from training.stages.teacher import Teacher, TeacherStageConfig, teacher_losses
from worldsim.dynamics.denoiser import Denoiser, shift_previous
from worldsim.dynamics.flow import FLOW
from worldsim.dynamics.rollout import LatentRollout


@dataclass(frozen=True, kw_only=True)
class MatchStageConfig:
    """Weights of the distribution matching stage; batch, rollouts and restarts are those of the student's stage.

    Args:
        guidance: classifier-free guidance of the real score.
        match_weight: of the distribution matching loss.
        flow_weight: of the student's flow loss against the truth, which keeps it where it was.
        fake_rate: learning rate of the second teacher over the student's.
        tau_range: flow times at which rollouts are held against the teachers.
    """

    loop: LoopConfig
    guidance: float = 1.0
    match_weight: float = 1.0
    flow_weight: float = 1.0
    fake_rate: float = 1.0
    tau_range: tuple[float, float] = (0.02, 0.98)

    def __post_init__(self) -> None:
        low, high = self.tau_range
        if not 0 <= low < high < 1:
            raise ValueError(f"tau_range must be two rising numbers in [0, 1), got {self.tau_range}")


class Matching(nn.Module):
    """What the stage trains: the student, and the teacher of its own rollouts (`fake`)."""

    def __init__(self, student: Denoiser, fake: Teacher) -> None:
        super().__init__()
        self.student, self.fake = student, fake


def replay_last_pass(denoiser: Denoiser, rollout: LatentRollout, batch: LatentBatch) -> Float[Tensor, "b t c h w"]:
    """The generated latents of a rollout again, all frames in one pass and with gradients: the last sampling pass of
    each frame sees what the frames before it left in the cache, which were their last passes."""
    previous = shift_previous(rollout.latents, denoiser.dit.config.num_previous)
    times = torch.arange(rollout.latents.shape[1], device=rollout.latents.device)
    inputs = denoiser.prepare_inputs(previous, batch.conditions, batch.retrieved)
    out = denoiser(rollout.noisy, rollout.tau, previous, batch.conditions, times, inputs=inputs)
    made = denoiser.constrain(out.data, inputs)
    return torch.where((rollout.tau < 1)[:, :, None, None, None], made, rollout.latents)


def match_losses(
    matching: Matching,
    teacher: Teacher,
    rollout: LatentRollout,
    batch: LatentBatch,
    config: MatchStageConfig,
    fake_config: TeacherStageConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """ "match": its gradient moves the rollout; "fake": the second teacher's flow loss; "apart": how far the two
    estimates are from each other, over how far the rollout is from the real one."""
    clip, conditions = replay_last_pass(matching.student, rollout, batch), batch.conditions
    made = rollout.tau < 1
    generated = made.float()[:, :, None, None, None]
    low, high = config.tau_range
    tau = low + (high - low) * torch.rand((len(clip), 1), generator=generator).to(clip.device)
    tau = torch.where(made, tau, 1.0)
    noise = torch.randn(clip.shape, generator=generator).to(clip.device)
    with torch.no_grad():
        noisy = FLOW.interpolate(clip, noise, tau)
        real = teacher(noisy, tau, conditions, config.guidance)
        fake = matching.fake(noisy, tau, conditions)
        size = ((clip - real).abs() * generated).mean((1, 2, 3, 4), keepdim=True).clamp(min=1e-3)
        gradient = generated * (fake - real) / size
    match = 0.5 * (clip - (clip - gradient).detach()).square().mean()
    fakes = teacher_losses(matching.fake, clip.detach(), conditions, fake_config, generator)
    return {"match": match, "fake": fakes["loss"], "apart": gradient.abs().mean()}


def train_match(
    denoiser: Denoiser,
    teacher: Teacher,
    fake: Teacher,
    windows: LatentWindows,
    config: MatchStageConfig,
    student_config: StudentStageConfig,
    teacher_config: TeacherStageConfig,
    folder: Path,
) -> None:
    """Train `denoiser` in place, or load the finished stage; resumable.

    Args:
        fake: of the teacher's shape; begins with its weights.

    Raises:
        ValueError: the cache is filled by clean passes.
    """
    result = folder / "student.safetensors"
    if stage_done(denoiser, result):
        return
    if denoiser.dit.config.clean_cache:
        raise ValueError("a rollout is computed again from its last sampling passes: match needs clean_cache=False")
    fake.load_state_dict(teacher.state_dict())
    matching = Matching(denoiser, fake)
    teacher.eval().requires_grad_(False)
    self_rollouts = SelfRollouts(windows, student_config)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        rng = step_rng(config.loop.seed, step)
        batch, rollout = self_rollouts.advance(denoiser, rng, generator)
        terms = match_losses(matching, teacher, rollout, batch, config, teacher_config, generator)
        student = student_losses(denoiser, batch, rollout.latents, student_config, generator)
        loss = config.match_weight * terms["match"] + config.flow_weight * student.pop("loss") + terms["fake"]
        return {"loss": loss} | terms | student

    rates = {"fake.": config.fake_rate}
    TrainLoop(matching, loss_function, config.loop, folder, self_rollouts.carried, rates).run("matching")
    finish_stage(denoiser, result)
