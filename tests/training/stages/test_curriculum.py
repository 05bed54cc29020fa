"""Teacher, distribution matching and distillation: each overfits one batch, gradients go where they should."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from encoded_stores import encoded_store
from known_drives import turning_car
from latent_batches import one_batch
from tiny_model import CONFIG

from training.batches.latent_windows import LatentBatch, LatentWindows
from training.stages.curriculum import DynamicsRecipe, TrajectoryStageConfig, build_causal_teacher
from training.stages.distillation import (
    DistillStageConfig,
    FrozenContext,
    distill_losses,
    energy_score,
    sample_trajectory,
    train_distill,
)
from training.stages.distribution_matching import (
    Matching,
    MatchStageConfig,
    match_losses,
    replay_last_pass,
    train_match,
)
from training.stages.loop import LoopConfig
from training.stages.student import Lookahead, StudentStageConfig, student_losses
from training.stages.teacher import Teacher, TeacherStageConfig, noised_clips, teacher_losses, train_teacher
from worldsim.dynamics.denoiser import Denoiser
from worldsim.dynamics.rollout import LatentRollout, roll_out

LOOP = LoopConfig(num_steps=2, warmup_steps=1, save_every=1)
TEACHER = TeacherStageConfig(loop=LOOP, dit=CONFIG.dit, batch_size=2, num_frames=5, most_context=2)
STUDENT = StudentStageConfig(loop=LOOP, batch_size=2, num_frames=9)


@pytest.fixture
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    made = Denoiser(CONFIG)
    made.step_std.fill_(1.0)
    for p in made.dit.head_out.parameters():  # fresh heads say nothing, which would hide errors
        torch.nn.init.normal_(p, std=0.02)
    return made


def windows(num_frames: int) -> LatentWindows:
    store = turning_car(60)
    latents = np.random.default_rng(0).standard_normal((60, 8, 16, 16)).astype(np.float16)
    return LatentWindows(store, encoded_store(store, latents), CONFIG, num_frames, np.array([0]))  # type: ignore[arg-type]


def test_a_causal_teacher_that_would_be_given_what_it_does_not_read_is_refused() -> None:
    def recipe(num_cached: int) -> DynamicsRecipe:
        with_memory = replace(CONFIG.dit, use_memory=True)
        teacher, distill = replace(STUDENT, num_cached=num_cached), DistillStageConfig(loop=LOOP)
        trajectories = TrajectoryStageConfig(dit=with_memory, teacher=teacher, distill=distill)
        return DynamicsRecipe(student=STUDENT, trajectories=trajectories)

    with pytest.raises(ValueError, match="windows of 9 frames, got 11"):
        recipe(num_cached=2)
    trajectories = recipe(num_cached=0).trajectories
    assert trajectories is not None
    with pytest.raises(ValueError, match="the causal teacher has use_memory=True, and the student"):
        build_causal_teacher(CONFIG, trajectories)


def clips() -> LatentBatch:
    """Of an ego that stands, so that what is sampled is pulled back to its prior."""
    batch = one_batch(b=2, t=6)
    return replace(batch, conditions=batch.conditions._replace(known=torch.ones(2, 6, dtype=torch.bool)))


def rollout_of(denoiser: Denoiser, num_steps: int) -> LatentRollout:
    batch = clips()
    noise = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return roll_out(denoiser.eval(), 0.2 * batch.latents[:, :3], batch.conditions, noise, num_steps)


def test_the_teacher_sees_the_whole_clip_and_overfits_one() -> None:
    torch.manual_seed(0)
    teacher, batch = Teacher(CONFIG, CONFIG.dit), one_batch()
    optimizer = torch.optim.Adam(teacher.parameters(), lr=4e-3)
    history = []
    for step in range(60):
        losses = teacher_losses(
            teacher, batch.latents, batch.conditions, TEACHER, torch.Generator().manual_seed(step % 10)
        )
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        history.append(losses["loss"].item())
    assert np.mean(history[-10:]) < 0.5 * np.mean(history[:10])
    tau = torch.full((2, 5), 0.5)
    with torch.no_grad():
        before = teacher(batch.latents, tau, batch.conditions)
        later = batch.latents.clone()
        later[:, -1] += 1.0
        after = teacher(later, tau, batch.conditions)
        guided = teacher(batch.latents, tau, batch.conditions, guidance=2.0)
    assert (after[:, 0] - before[:, 0]).abs().max() > 1e-4  # by attention alone: convolutions stay in a frame
    assert (guided - before).abs().max() > 1e-3


def test_noised_clips_begin_with_clean_frames() -> None:
    clean = torch.randn(64, 5, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    noisy, tau = noised_clips(clean, 2, torch.Generator().manual_seed(0))
    num_clean = (tau == 1).sum(1)
    assert sorted(set(num_clean.tolist())) == [0, 1, 2]
    for k in range(64):
        n = int(num_clean[k])
        assert torch.equal(noisy[k, :n], clean[k, :n])
        assert (tau[k, n:] == tau[k, -1]).all()
        assert not torch.equal(noisy[k, n:], clean[k, n:])


@pytest.mark.parametrize("num_steps", [1, 2])
def test_the_last_pass_again_gives_the_rollout(denoiser: Denoiser, num_steps: int) -> None:
    rollout = rollout_of(denoiser, num_steps)
    batch = clips()
    clip = replay_last_pass(denoiser, rollout, batch)
    torch.testing.assert_close(clip, rollout.latents, atol=2e-4, rtol=1e-4)
    assert clip[:, 3:].requires_grad


def test_matching_moves_the_student_towards_the_teacher_and_each_loss_only_its_own(denoiser: Denoiser) -> None:
    teacher, fake = (Teacher(CONFIG, CONFIG.dit) for _ in range(2))
    batch = clips()
    config = MatchStageConfig(loop=LOOP)
    matching = Matching(denoiser, fake)

    def terms(seed: int) -> dict[str, torch.Tensor]:
        rollout, generator = rollout_of(denoiser, 2), torch.Generator().manual_seed(seed)
        return match_losses(matching, teacher, rollout, batch, config, TEACHER, generator)

    fake.load_state_dict(teacher.state_dict())
    assert terms(0)["apart"] == 0  # who is like its own score has nowhere to go
    terms(0)["fake"].backward()
    assert all(p.grad is None for p in denoiser.parameters())
    assert any(p.grad is not None for p in fake.parameters())
    fake.zero_grad(set_to_none=True)
    for p in teacher.denoiser.dit.head_out.parameters():  # a teacher that wants all latents higher
        torch.nn.init.zeros_(p)
    assert teacher.denoiser.dit.head_out.bias is not None
    torch.nn.init.constant_(teacher.denoiser.dit.head_out.bias, 1.0)
    before = replay_last_pass(denoiser, rollout_of(denoiser, 2), batch)[:, 3:].mean().item()
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=1e-3)
    for step in range(20):
        optimizer.zero_grad()
        terms(step)["match"].backward()
        assert all(p.grad is None for p in fake.parameters())
        optimizer.step()
    after = replay_last_pass(denoiser, rollout_of(denoiser, 2), batch)[:, 3:].mean().item()
    assert after > before + 0.05


def test_a_trajectory_ends_at_the_data_and_distillation_learns_to_leap_along_it(denoiser: Denoiser) -> None:
    torch.manual_seed(1)
    student, batch = Denoiser(CONFIG), one_batch()
    student.step_std.fill_(1.0)
    noise = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(0))
    path, estimates = sample_trajectory(FrozenContext(denoiser, batch.latents, batch), noise, 4)
    assert len(path) == 5
    assert len(estimates) == 4
    assert torch.equal(path[-1], estimates[-1])
    for k in range(3):  # a straight line from each point towards the estimate there
        torch.testing.assert_close(path[k + 1] - path[k], (estimates[k] - path[k]) / (4 - k))
    config = DistillStageConfig(loop=LOOP)
    optimizer = torch.optim.Adam(student.parameters(), lr=5e-3)
    history = []
    for step in range(40):
        losses = distill_losses(student, denoiser, batch, None, config, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        history.append(losses["one_step"].item())
    assert np.mean(history[-5:]) < 0.5 * np.mean(history[:3])
    exact = distill_losses(
        denoiser, denoiser, batch, None, replace(config, teacher_steps=2), torch.Generator().manual_seed(0)
    )
    assert exact["consistency"] < 1e-8


def test_the_energy_score_is_least_for_samples_of_the_right_spread() -> None:
    """The truth is 1 or -1 with equal chance: its mean, samples of its spread, too wide ones."""
    generator = torch.Generator().manual_seed(0)

    def score(spread: float) -> float:
        a, b, truth = (torch.randint(0, 2, (4000, 1, 1, 1, 1), generator=generator) * 2.0 - 1 for _ in range(3))
        patches = [x.expand(-1, 1, 2, 4, 4) for x in (spread * a, spread * b, truth)]
        return energy_score(*patches, torch.ones(2)).item()

    scores = {spread: score(spread) for spread in (0.0, 1.0, 2.0)}
    assert scores[1.0] == pytest.approx(0.5, abs=0.03)  # E|x - y| = 1, E|x - x'| = 1
    assert scores[0.0] == pytest.approx(1.0, abs=1e-3)
    assert scores[2.0] == pytest.approx(1.0, abs=0.05)
    assert score(1.0) == pytest.approx(scores[1.0], abs=0.05)


def test_a_student_learns_by_the_energy_score_alone(denoiser: Denoiser) -> None:
    """Where no past tells whether the next latent is 1 or -1 its samples become different, and their mean stays 0."""
    batch = one_batch(b=4, t=2)
    conditions = batch.conditions._replace(controls=torch.zeros(4, 2, 4))
    config = DistillStageConfig(loop=LOOP, velocity_weight=0, one_step_weight=0, consistency_weight=0, score_weight=1.0)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=3e-3)
    history = []
    for step in range(60):
        generator = torch.Generator().manual_seed(step)
        sign = torch.randint(0, 2, (4, 1, 1, 1, 1), generator=generator) * 2.0 - 1
        latents = torch.cat([torch.zeros(4, 1, 8, 16, 16), sign.expand(-1, 1, 8, 16, 16)], dim=1)
        terms = distill_losses(
            denoiser, denoiser, replace(batch, latents=latents, conditions=conditions), None, config, generator
        )
        assert set(terms) == {"loss", "score"}
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        history.append(terms["score"].item())
    assert np.mean(history[-15:]) < 0.85 * np.mean(history[:3])


def test_weights_of_the_students_losses_count_and_tokens_learn_to_look_ahead(denoiser: Denoiser) -> None:
    batch = one_batch(b=2, t=6)
    config = replace(STUDENT, reconstruction_weight=0.5, lookahead_weight=0.25, lookahead_frames=2)
    lookahead = Lookahead(CONFIG.dit.width, 8)
    optimizer = torch.optim.Adam([*denoiser.parameters(), *lookahead.parameters()], lr=4e-3)
    history = []
    for step in range(30):
        terms = student_losses(denoiser, batch, None, config, torch.Generator().manual_seed(step), lookahead)
        whole = terms["flow"] + 0.5 * terms["reconstruction"] + 0.25 * terms["lookahead"]
        torch.testing.assert_close(terms["loss"], whole)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        history.append(terms["lookahead"].item())
    assert history[-1] < 0.5 * history[0]


def test_the_share_of_own_context_rises_as_the_recipe_says() -> None:
    config = replace(STUDENT, loop=replace(LOOP, num_steps=100), self_from=0.2, self_ramp=0.5, self_fraction=0.6)
    assert [config.self_rollout_share(k) for k in (0, 20, 45, 99)] == pytest.approx([0.0, 0.0, 0.5, 0.6])
    with pytest.raises(ValueError, match=r"self_ramp must be positive, got 0\.0"):
        replace(STUDENT, self_ramp=0.0)


def test_stages_run_resume_and_leave_their_results(denoiser: Denoiser, tmp_path: Path) -> None:
    teacher, fake = (Teacher(CONFIG, CONFIG.dit) for _ in range(2))
    train_teacher(teacher, windows(5), TEACHER, tmp_path / "teacher")
    train_match(denoiser, teacher, fake, windows(9), MatchStageConfig(loop=LOOP), STUDENT, TEACHER, tmp_path / "match")
    other = Denoiser(CONFIG)
    other.load_state_dict(denoiser.state_dict())
    train_distill(denoiser, other, windows(9), DistillStageConfig(loop=LOOP), STUDENT, tmp_path / "distill")
    again = Denoiser(CONFIG)
    train_distill(again, other, windows(9), DistillStageConfig(loop=LOOP), STUDENT, tmp_path / "distill")
    for a, b in zip(again.parameters(), denoiser.parameters(), strict=True):
        assert torch.equal(a, b)


def test_configs_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="multiple of each of student_steps, got 4"):
        DistillStageConfig(loop=LOOP, student_steps=(3,))
    with pytest.raises(ValueError, match="at least one of the weights must be positive"):
        DistillStageConfig(loop=LOOP, velocity_weight=0, one_step_weight=0)
    with pytest.raises(ValueError, match=r"tau_range must be two rising numbers in \[0, 1\), got \(0.5, 0.2\)"):
        MatchStageConfig(loop=LOOP, tau_range=(0.5, 0.2))
    with pytest.raises(ValueError, match=r"most_context must lie in \[0, 9\), got 9"):
        TeacherStageConfig(loop=LOOP, most_context=9)
