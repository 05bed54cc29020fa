"""Trainers of clips with controls: on held-out clips of a bar that the steering moves they do what they are for."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from steered_clips import bar_under, steered_batches

from training.evaluation.clip_rollouts import SequenceEvaluator, compute_all_metrics
from training.stages.clip_trainers import DistillationTrainer, SelfForcingTrainer, remaining_share
from training.stages.video_vae import VAETrainer
from worldsim.configs import DiTConfig, InferenceConfig, MemoryBankConfig
from worldsim.dynamics.streaming import StreamingRollout
from worldsim.dynamics.video_denoiser import VideoDenoiser
from worldsim.networks.generative_configs import VideoVAEConfig
from worldsim.networks.vae3d import frames_to_float
from worldsim.networks.video_vae import VideoVAE

CLIPS, (HELD_OUT,) = steered_batches(10, 8, 7, seed=0), steered_batches(1, 16, 9, seed=1)
KNOWN = 3
SIZES = {"width": 64, "depth": 2, "num_heads": 2, "conv_width": 16, "num_conv_blocks": 1}


def student(memory: MemoryBankConfig | None = None, **sizes: int) -> VideoDenoiser:
    torch.manual_seed(0)
    return VideoDenoiser(DiTConfig(**SIZES | sizes), 8, (32, 32), memory)


def adam(module: torch.nn.Module, rate: float = 2e-3) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), lr=rate)


def held_out_error(made: VideoDenoiser, vae: VideoVAE, num_steps: int) -> float:
    frames = HELD_OUT["frames"]
    evaluator = SequenceEvaluator(made, vae, InferenceConfig(num_steps=num_steps))
    return evaluator.evaluate_sequence(frames[:, :KNOWN], frames[:, KNOWN:], HELD_OUT["controls"])["mse"]


def repeating_error() -> float:
    target = HELD_OUT["frames"][:, KNOWN:]
    return compute_all_metrics(HELD_OUT["frames"][:, KNOWN - 1 : KNOWN].expand_as(target), target)["mse"]


def encoded_and_decoded(vae: VideoVAE) -> float:
    frames = HELD_OUT["frames"].transpose(1, 2)
    with torch.no_grad():
        return compute_all_metrics(vae.decode(vae.encode(frames)).transpose(1, 2), HELD_OUT["frames"])["mse"]


@pytest.fixture(scope="module")
def vae() -> VideoVAE:
    torch.manual_seed(0)
    made = VideoVAE(VideoVAEConfig(latent_channels=8, widths=(16, 16, 24), num_halvings=0, num_blocks=1))
    untrained = encoded_and_decoded(made)
    trainer = VAETrainer(made, adam(made, 4e-3))
    losses = [trainer.train_epoch(CLIPS)["loss"] for _ in range(8)]
    assert trainer.step == 80
    assert losses[-1] < 0.5 * losses[0]
    assert encoded_and_decoded(made) < 0.2 * untrained
    return made


@pytest.fixture(scope="module")
def self_forced(vae: VideoVAE) -> VideoDenoiser:
    made = student()
    trainer = SelfForcingTrainer(
        student_model=made,
        vae_model=vae,
        optimizer=adam(made, 3e-3),
        device="cpu",
        total_steps=50,
        num_context=4,
    )
    epochs = [trainer.train_epoch(CLIPS) for _ in range(6)]
    assert epochs[0]["truth_share"] == pytest.approx(1 - 4.5 / 50)
    assert epochs[-1]["truth_share"] == 0.0
    return made


def test_an_autoencoder_measures_its_latents(vae):
    latents = vae.encode(HELD_OUT["frames"].transpose(1, 2))
    assert latents.shape == (16, 8, 9, 4, 4)
    assert latents.mean((0, 2, 3, 4)).abs().max() < 0.5
    torch.testing.assert_close(latents.std((0, 2, 3, 4)), torch.ones(8), atol=0.4, rtol=0.0)


def test_self_forcing_learns_what_comes_next(vae, self_forced):
    error = held_out_error(self_forced, vae, 2)
    assert error < 0.4 * held_out_error(student(), vae, 2)
    assert error < 0.4 * repeating_error()


def test_controls_change_the_picture_as_they_do_in_the_world(vae, self_forced):
    """From one beginning left and right: each made clip is nearer to what that steering does."""
    controls = np.zeros((2, 9, 4), np.float32)
    controls[:, :2, 0], controls[:, 2:, 0] = 1.0, [[1.0], [-1.0]]
    controls[..., 1] = 0.5
    true = frames_to_float(torch.from_numpy(np.stack([bar_under(each, 16) for each in controls])))
    assert torch.equal(true[0, :KNOWN], true[1, :KNOWN])
    made = StreamingRollout(self_forced, vae).generate_sequence(true[:, :KNOWN], torch.from_numpy(controls), 4)
    errors = torch.tensor([[(m - t).square().mean() for t in true[:, KNOWN : KNOWN + 4]] for m in made])
    assert errors[0, 0] < 0.5 * errors[0, 1]
    assert errors[1, 1] < 0.5 * errors[1, 0]


def test_a_teachers_steps_become_one(vae, self_forced):
    made, teacher = student(width=32), deepcopy(self_forced)
    before = held_out_error(made, vae, 1)
    trainer = DistillationTrainer(
        teacher_model=teacher,
        student_model=made,
        vae_model=vae,
        optimizer=adam(made, 4e-3),
        total_steps=30,
        num_context=5,
    )
    epochs = [trainer.train_epoch(CLIPS) for _ in range(4)]
    assert held_out_error(made, vae, 1) < 0.5 * before
    assert epochs[0]["lambda"] == pytest.approx(1 - 4.5 / 30)
    assert epochs[-1]["lambda"] == 0.0
    assert epochs[2]["distillation"] < 0.9 * epochs[0]["distillation"]
    for kept, given in zip(teacher.parameters(), self_forced.parameters(), strict=True):
        assert torch.equal(kept, given)


@pytest.mark.parametrize("kind", ["ntm", "transformer-xl"])
def test_a_memory_bank_is_trained_with_its_student(vae, kind):
    made = student(MemoryBankConfig(kind=kind, num_slots=8), width=32, depth=1)
    trainer = SelfForcingTrainer(made, vae, adam(made), total_steps=4)
    assert made.bank is not None
    before = {name: p.detach().clone() for name, p in made.bank.named_parameters()}
    trainer.train_epoch(CLIPS[:3])  # the third with its own rollout
    trainer.train_epoch(CLIPS[:3])
    changed = {name for name, p in made.bank.named_parameters() if not torch.equal(p, before[name])}
    assert changed == set(before)


def test_lambda_falls_in_a_line_and_stays_0():
    assert [remaining_share(step, 4) for step in (0, 1, 4, 9)] == [1.0, 0.75, 0.0, 0.0]


def test_steps_do_not_depend_on_global_random_numbers(vae):
    weights = []
    for seed in (0, 1):
        made = student(width=32, depth=1)
        trainer = SelfForcingTrainer(made, vae, adam(made), total_steps=2)
        torch.manual_seed(seed)
        trainer.train_epoch(CLIPS[:3])
        weights.append(made.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("changes", "message"), [
    ({"frames": HELD_OUT["frames"][..., :16]}, r"frames must be \[b, t, 3, 32, 32\], got \[16, 9, 3, 32, 16\]"),
    ({"controls": HELD_OUT["controls"][:, :5]}, r"controls must be one a frame, \[16, 9\], got \[16, 5\]"),
    ({"controls": HELD_OUT["controls"][..., :2]}, "controls must be steer, throttle, brake, reverse, 4 numbers, got 2"),
    ({"controls": None}, "a batch needs frames and controls, got frames: load_controls must be True"),
    ({"frames": HELD_OUT["frames"].new_full((16, 9, 3, 32, 32), torch.nan)}, "loss is nan at step 0"),
])  # fmt: skip
def test_a_batch_that_cannot_be_is_refused(vae, changes, message):
    made = student(width=32, depth=1)
    batch = {name: value for name, value in {**HELD_OUT, **changes}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        SelfForcingTrainer(made, vae, adam(made)).train_epoch([batch])


def test_what_cannot_be_trained_is_refused(vae):
    made, other = student(width=32, depth=1), student(width=32, depth=1)
    with pytest.raises(ValueError, match="the loader holds no batch"):
        SelfForcingTrainer(made, vae, adam(made)).train_epoch([])
    with pytest.raises(ValueError, match="the optimizer holds none of the student_model's parameters"):
        SelfForcingTrainer(made, vae, adam(other))
    with pytest.raises(ValueError, match="total_steps must be at least 1, got 0"):
        SelfForcingTrainer(made, vae, adam(made), total_steps=0)
    with pytest.raises(ValueError, match="clips of 7 frames are too short for a context of 7"):
        SelfForcingTrainer(made, vae, adam(made), num_context=7).train_epoch(CLIPS[:1])  # at once
    small = VideoDenoiser(DiTConfig(**SIZES), 8, (16, 16))
    with pytest.raises(ValueError, match=r"teacher's latents are \(8, 2, 2\), the student's \(8, 4, 4\)"):
        DistillationTrainer(small, made, vae, adam(made))
    with pytest.raises(ValueError, match="the teacher has a memory bank"):
        DistillationTrainer(student(MemoryBankConfig()), made, vae, adam(made))
